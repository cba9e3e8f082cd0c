/* Masks against rows of text. */
#ifndef TEST_MASK_CASE_H
#define TEST_MASK_CASE_H

/* Fails the test unless the file is a mask with these indices: digits, and . for 255. */
void mask_check(const char *file, const char *const *rows, int h);

#endif
