/* Parts of suites that have a file of their own. */
#ifndef TESTS_PARTS_H
#define TESTS_PARTS_H

#include <check.h>

TCase *tcase_ref_pool(void);
TCase *tcase_ref_mode(void);
TCase *tcase_conv_hand(void);

#endif
