/* What predict found, in its three formats. */
#ifndef CMD_PREDICT_H
#define CMD_PREDICT_H

#include <stdio.h>

#include "edgetrain.h"

/* A line with the picture and one for each class; with `one` all in one line. */
void predict_text(FILE *out, const struct et_prediction *p, bool one);
/* image,rank,class,label,probability: a row a class (RFC 4180); of masks the last is share. */
void predict_csv_header(FILE *out, bool masks);
void predict_csv(FILE *out, const struct et_prediction *p, bool one);
/* An object in one line; text that is not UTF-8 gets U+FFFD for what is not. */
void predict_json(FILE *out, const struct et_prediction *p, bool one);

#endif
