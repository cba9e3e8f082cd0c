/*
 * Fuzz target: whatever the bytes, opening a safetensors file gives an error or a structure whose
 * promises hold. An input that begins with '{' is a header alone: its length goes before it and 24
 * bytes of data behind it, since a fuzzer rarely keeps the length of the header true.
 *
 * To fuzz: clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Ilib, with this file,
 * all of lib/base and lib/io, and -lcjson -lz -lm. With standalone.c in place of the fuzzer it runs
 * over files, such as those in corpus/.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void put(int fd, const void *data, size_t n)
{
	require(write(fd, data, n) == (ssize_t)n);
}

static void read_all(const struct et_st *st)
{
	struct et_err err;
	uint32_t crc;
	require(et_st_crc(st, &crc, &err) == 0);
	uint64_t at = 0;
	for (size_t i = 0; i < st->n; i++) {
		const struct et_st_tensor *t = &st->tensors[i];
		char shape[128];
		require(t->begin == at && t->end >= at && t->end <= st->bytes - st->data);
		require(et_st_find(st, t->name) == t);
		require(strlen(et_st_shape_text(t->rank, t->shape, shape)) < sizeof(shape));
		at = t->end;
		size_t n = (size_t)(t->end - t->begin);
		/* Exactly as large as promised: the sanitizer sees a byte too many. */
		void *bytes = malloc(n + !n);
		require(et_st_read_bytes(st, t, bytes, &err) == 0);
		if (t->dtype == ET_I64)
			require(t->count == n / 8 && et_st_read_i64(st, t, bytes, &err) == 0);
		free(bytes);
		if (t->dtype == ET_I32) {
			int64_t *v = et_calloc((size_t)t->count, sizeof(*v));
			require(t->count == n / 4 && et_st_read_i64(st, t, v, &err) == 0);
			free(v);
		}
		float *f = et_calloc(t->dtype == ET_DTYPE_OTHER ? 0 : (size_t)t->count, sizeof(*f));
		int rc = et_st_read_f32(st, t, f, &err);
		require(rc == 0 || rc == ET_EDATA);
		free(f);
	}
	require(at == st->bytes - st->data);
	for (size_t i = 0; i < st->n_meta; i++)
		require(et_st_meta(st, st->meta[2 * i]) == st->meta[2 * i + 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[24];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	require(fd >= 0);
	if (size && data[0] == '{') {
		uint8_t length[8];
		for (int i = 0; i < 8; i++)
			length[i] = (uint8_t)((uint64_t)size >> (8 * i));
		put(fd, length, sizeof(length));
		put(fd, data, size);
		put(fd, zeros, sizeof(zeros));
	} else {
		put(fd, data, size);
	}
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct et_st st;
	struct et_err err = {0};
	int rc = et_st_open(&st, path, &err);
	if (rc == 0)
		read_all(&st);
	else
		require(rc == ET_EDATA && err.code == rc && strlen(err.text) > strlen(path));
	et_st_close(&st);
	close(fd);
	return 0;
}
