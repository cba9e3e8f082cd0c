/* The parts of the suite "weights", one file each. */
#ifndef TEST_WEIGHTS_H
#define TEST_WEIGHTS_H

#include "net_case.h"

TCase *tcase_misfits(void);
TCase *tcase_names(void);

/* et_net_read() of a file. */
int weights_load(struct et_net *net, const char *path, bool strict, char dropped[256],
		 struct et_err *err);

#endif
