/* Runs as a table, as CSV or JSON. */
#ifndef CMD_REPORT_H
#define CMD_REPORT_H

#include <stdio.h>

#include "edgetrain.h"

/*
 * One run: a line a quantity. Several: a column each where they fit side by side into so many
 * columns of the terminal, else a line each. Then what there is to be said of them in words.
 */
void print_report(FILE *out, const struct et_report *r, size_t n, size_t width);

/* Those words: a line each, behind the names of the runs they are about unless it is all of them.
 */
void print_notes(FILE *out, const struct et_report *r, size_t n);

/* A header and a row a run, RFC 4180; unknown cells are empty. */
void report_csv(FILE *out, const struct et_report *r, size_t n);
/* An array of objects of the same names; unknown members are absent. */
void report_json(FILE *out, const struct et_report *r, size_t n);

/* What is left of a run's directory for the head of a column of at most `most` characters. */
const char *report_heading(const struct et_report *r, size_t most, char buf[256]);

#endif
