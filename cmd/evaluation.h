/* What an evaluation found, as text and as CSV. */
#ifndef CMD_EVALUATION_H
#define CMD_EVALUATION_H

#include <stdio.h>

#include "edgetrain.h"

/* One "name  value" a line. */
void print_evaluation(FILE *out, const struct et_eval_result *r);
/* A table: a line a class. */
void print_classes(FILE *out, const struct et_eval_result *r);
/*
 * Replaces FILE by a CSV (quoted as in RFC 4180): a header of class names, then a row a true class.
 * The file is complete or, on an error, what it was before.
 */
int write_confusion(const char *path, const struct et_eval_result *r,
		    struct et_err *err) ET_MUST_CHECK;
/* The same for the table of classes: counts, accuracy, precision, and IoU of pixels. */
int write_classes(const char *path, const struct et_eval_result *r,
		  struct et_err *err) ET_MUST_CHECK;

#endif
