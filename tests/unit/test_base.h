/* The parts of the suite "base", one file each. */
#ifndef TESTS_TEST_BASE_H
#define TESTS_TEST_BASE_H

#include <check.h>

TCase *tcase_text(void);
TCase *tcase_file(void);

#endif
