/* The parts of the suite "spec", one file each, and what they share. */
#ifndef TEST_SPEC_H
#define TEST_SPEC_H

#include "net_case.h"

TCase *tcase_layers(void);
TCase *tcase_blocks(void);
TCase *tcase_heads(void);

/* et_spec_parse() of an exact copy, as n.json. */
int spec_parse(struct et_spec *spec, const char *text, struct et_err *err);
/* Must be ET_EDATA with exactly this line. */
void spec_refuse(const char *text, const char *want);
const struct et_layer_desc *spec_layer(const struct et_spec *spec, const char *name);

#endif
