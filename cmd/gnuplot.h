/* Pictures by gnuplot: a script on its standard input, a PNG or SVG from its standard output. */
#ifndef CMD_GNUPLOT_H
#define CMD_GNUPLOT_H

#include <stdio.h>

#include "edgetrain.h"

/* gnuplot, found before the work whose result it is to draw. */
struct gnuplot {
	char program[1024];
	const char *path;
	bool svg; /* the path ends in .svg; else it is a PNG */
};
/* ET_EUSAGE when there is no gnuplot, ET_ECREATE when path can be no file. path is kept. */
int gnuplot_find(struct gnuplot *g, const char *path, struct et_err *err) ET_MUST_CHECK;
/*
 * Draws what put(script, what) writes, behind the choice of the terminal, in so many pixels.
 * Replaces the file; it is complete or what it was. ET_EIO when gnuplot fails, or put's error.
 */
int gnuplot_draw(const struct gnuplot *g, int width, int height,
		 int (*put)(FILE *script, const void *what, struct et_err *err), const void *what,
		 struct et_err *err) ET_MUST_CHECK;
/*
 * A name of any file or class as a quoted string: nothing in it ends the quotes or is a command. To
 * be drawn with `noenhanced`.
 */
void gnuplot_text(FILE *script, const char *name);

#endif
