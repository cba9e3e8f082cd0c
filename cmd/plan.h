/* What a plan prints beside memory. */
#ifndef CMD_PLAN_H
#define CMD_PLAN_H

#include <stdio.h>

#include "edgetrain.h"

/* Time and energy as a table, and what they are of. */
void print_estimate(FILE *out, const struct et_estimate *e, int batch);
/* As an object; unknown members are absent. */
void estimate_json(FILE *out, const struct et_estimate *e);

#endif
