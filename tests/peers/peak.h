/* What a core of this machine can do at most: multiply-adds on registers alone. */
#ifndef PEERS_PEAK_H
#define PEERS_PEAK_H

/*
 * GFLOP/s (a multiply-add counts two) with `threads` threads and vectors of an instruction set by
 * its name in kern.h, for about a millisecond.
 */
double peak_gflops(const char *isa, int threads);

#endif
