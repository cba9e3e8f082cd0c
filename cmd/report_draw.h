/* What a picture of runs is made of: shared by its legend and its panels. */
#ifndef CMD_REPORT_DRAW_H
#define CMD_REPORT_DRAW_H

#include <stdio.h>

#include "edgetrain.h"

/* Pixels. */
#define WIDTH 1400
#define LEFT  92 /* of a panel: tics and label */
#define RIGHT 16
#define ABOVE 12
#define CURVE 230
#define LIVE  170
#define TICS  40 /* below a panel */
#define LABEL 24 /* and the axis' name */
#define LINE  24 /* of the legend */

/* Columns of the epochs' data, from 1; of the moments' data 1 is time. */
enum { BY_EPOCH = 1, BY_TIME, BY_ENERGY, LOSS, VAL_LOSS, ACCURACY, VAL_ACCURACY, MIOU };
enum { POWER = 2, TEMPERATURE };

struct unit {
	double scale;
	const char *name;
};

struct drawing {
	const struct et_report *r;
	size_t n;
	bool has[MIOU + 1];	    /* of the epochs' columns: is there a number */
	bool live[TEMPERATURE + 1]; /* the same of moments */
	bool val, train, by_steps, paused, throttled, estimated;
	bool whole;   /* all runs know their total time */
	bool clocked; /* some know power and heat by the time of training alone */
	struct unit time, joules;
	double y; /* the upper edge of the next panel */
	int height, lines;
};

#define STEPS	  "'#b9c9d4'"
#define PAUSED	  "#d3dde4"
#define THROTTLED "#d55e00"
#define BAR	  "#888888" /* of whatever run */

/* What a row of epochs has in those columns. */
void values_of(const struct drawing *d, const struct et_report_epoch *e, double v[MIOU + 1]);
/* Colour and shape of the k-th run's points. */
const char *colour(size_t k);
int point(size_t k);
/* Fills in what there is to be drawn of d->r[d->n], and the units. */
void look(struct drawing *d);
/* Data blocks of run k: $ek epochs, $pk moments, $sk the loss of steps. */
void put_data(FILE *f, const struct drawing *d);
/* f NULL: only measures. Returns the lines it takes. */
int put_legend(FILE *f, const struct drawing *d);

#endif
