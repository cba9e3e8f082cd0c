/* What a bench found: as a table, and as a picture. */
#ifndef CMD_BENCH_H
#define CMD_BENCH_H

#include <stdio.h>

#include "edgetrain.h"

/* Tables of a line a mode, of up to 100 columns; columns of which nothing is known are left out. */
void print_bench(FILE *out, const struct et_bench_result *r);

/* gnuplot, found before the work whose result it is to draw. */
struct plotter {
	char program[1024];
	const char *path;
};
/* ET_EUSAGE when there is no gnuplot, ET_ECREATE when path can be no file. path is kept. */
int plotter_find(struct plotter *p, const char *path, struct et_err *err) ET_MUST_CHECK;
/* Replaces the file; it is complete or what it was. ET_EIO when gnuplot fails. */
int plotter_draw(const struct plotter *p, const struct et_bench_result *r,
		 struct et_err *err) ET_MUST_CHECK;

#endif
