/* The parts of the suite "picture", one file each. */
#ifndef TESTS_TEST_PICTURE_H
#define TESTS_TEST_PICTURE_H

#include <check.h>

TCase *tcase_picture_bad(void);
TCase *tcase_resize(void);
TCase *tcase_augment(void);
TCase *tcase_prep(void);
TCase *tcase_labels(void);

#endif
