/* What a bench found: as a table, and as a picture. */
#ifndef CMD_BENCH_H
#define CMD_BENCH_H

#include <stdio.h>

#include "edgetrain.h"
#include "gnuplot.h"

/* Tables of a line a mode, of up to 100 columns; columns of which nothing is known are left out. */
void print_bench(FILE *out, const struct et_bench_result *r);

/* Each mode as a point, once against time and once against memory. */
int plot_bench(const struct gnuplot *g, const struct et_bench_result *r,
	       struct et_err *err) ET_MUST_CHECK;

#endif
