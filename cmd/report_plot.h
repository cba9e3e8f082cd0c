/* Runs as a picture. */
#ifndef CMD_REPORT_PLOT_H
#define CMD_REPORT_PLOT_H

#include "gnuplot.h"

/*
 * Loss, accuracy and mIoU by epochs, time and energy, all runs in one panel; below them power and
 * temperature over time, with pauses and throttling. Panels of which nothing is known are left out;
 * ET_EDATA when that is all of them.
 */
int plot_report(const struct gnuplot *g, const struct et_report *r, size_t n,
		struct et_err *err) ET_MUST_CHECK;

#endif
