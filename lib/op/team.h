/*
 * Private to op: a team of threads that share out pieces of jobs. OpenMP makes the threads once for
 * a whole step; within it, jobs follow each other without its barriers.
 *
 * Why not a parallel region a job: a region ends when every thread has come to its end, also those
 * that found nothing to do. On a board that runs anything else, one of them is often not on a
 * processor at that moment, and a step of a hundred short regions takes a hundred time slices. Here
 * a thread that is not running holds up nobody unless it has taken a piece.
 */
#ifndef ET_OP_TEAM_H
#define ET_OP_TEAM_H

#include <stdatomic.h>

#include "op/op.h"

struct et_team {
	/*
	 * The job on offer: generation (24 bits), its number of pieces (20), the next piece (20).
	 * One word, so that a thread that claims a piece knows that it belongs to the job whose
	 * fields it will read: the fields below change only when all pieces are done.
	 */
	_Alignas(64) _Atomic uint64_t offer;
	_Alignas(64) _Atomic uint32_t done; /* pieces finished */
	_Alignas(
		64) _Atomic uint32_t call; /* changes when there is something to look at; a futex */
	_Atomic uint32_t sleepers;
	_Atomic bool quit;
	void (*fn)(void *arg, size_t begin, size_t end, int thread);
	void *arg;
	size_t n, grain;
};

#define ET_TEAM_PIECES 0xfffffu /* at most so many in a job */

#endif
