/* The parts of the suite "dataset", one file each, and what they share. */
#ifndef TESTS_TEST_DATASET_H
#define TESTS_TEST_DATASET_H

#include <check.h>

#include "data/data.h"

TCase *tcase_idx(void);
TCase *tcase_cifar(void);
TCase *tcase_folder(void);
TCase *tcase_masks(void);
TCase *tcase_subset(void);
TCase *tcase_loader(void);
TCase *tcase_loader_fault(void);
TCase *tcase_loader_masks(void);

/* Opens the scratch directory below `name` with default options; fails the test on errors. */
struct et_dataset *dataset_open(const char *name);
/* Fails the test unless opening is refused so, with each of the words in the text (NULL ends). */
void dataset_refused(const char *name, int code, const char *const *words);
#define REFUSED(name, code, ...) \
	dataset_refused(name, code, (const char *const[]){__VA_ARGS__, NULL})

/* Does the text have the word? Fails the test, showing both, if not. */
void assert_says(const char *text, const char *word);

#endif
