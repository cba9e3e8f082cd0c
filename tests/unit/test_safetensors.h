/* What the parts of the suite "safetensors" share. */
#ifndef TESTS_TEST_SAFETENSORS_H
#define TESTS_TEST_SAFETENSORS_H

#include <check.h>
#include <stdint.h>

TCase *tcase_safetensors_read(void);
TCase *tcase_safetensors_write(void);

/* A file of a header length (true or not), a header, and data. Returns its path. */
const char *st_put_file(uint64_t length, const char *header, size_t header_n, const void *data,
			size_t n);

#endif
