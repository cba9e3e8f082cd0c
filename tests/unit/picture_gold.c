#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "picture_gold.h"

const char *gold_path(const char *name)
{
	static char path[200];
	snprintf(path, sizeof(path), "tests/gold/pictures/%s", name);
	return path;
}

static const struct et_st_tensor *open_tensor(struct et_st *st, const char *fmt, va_list ap)
{
	char name[100];
	struct et_err err;
	vsnprintf(name, sizeof(name), fmt, ap);
	int rc = et_st_open(st, gold_path("expected.safetensors"), &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return et_st_find(st, name);
}

static const struct et_st_tensor *need_tensor(struct et_st *st, enum et_dtype dtype,
					      const char *fmt, va_list ap)
{
	const struct et_st_tensor *t = open_tensor(st, fmt, ap);
	ck_assert_msg(t != NULL, "no such tensor: %s", fmt);
	ck_assert_int_eq(t->dtype, dtype);
	return t;
}

static void read_tensor(struct et_st *st, const struct et_st_tensor *t, void *to)
{
	struct et_err err;
	int rc = et_st_read_bytes(st, t, to, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	et_st_close(st);
}

bool gold_has(const char *fmt, ...)
{
	struct et_st st;
	va_list ap;
	va_start(ap, fmt);
	bool has = open_tensor(&st, fmt, ap) != NULL;
	va_end(ap);
	et_st_close(&st);
	return has;
}

struct et_picture gold_picture(const char *fmt, ...)
{
	struct et_st st;
	va_list ap;
	va_start(ap, fmt);
	const struct et_st_tensor *t = need_tensor(&st, ET_U8, fmt, ap);
	va_end(ap);
	ck_assert_int_eq(t->rank, 3);
	struct et_picture p =
		picture_make((int)t->shape[0], (int)t->shape[1], (int)t->shape[2], NULL);
	read_tensor(&st, t, p.px);
	return p;
}

void gold_numbers(double *v, size_t n, const char *fmt, ...)
{
	struct et_st st;
	va_list ap;
	va_start(ap, fmt);
	const struct et_st_tensor *t = need_tensor(&st, ET_F64, fmt, ap);
	va_end(ap);
	ck_assert_uint_eq(t->count, n);
	read_tensor(&st, t, v);
}

static const struct et_st_tensor *need_f32(struct et_st *st, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	const struct et_st_tensor *t = need_tensor(st, ET_F32, fmt, ap);
	va_end(ap);
	return t;
}

float *gold_floats(size_t n, const char *name)
{
	struct et_st st;
	const struct et_st_tensor *t = need_f32(&st, "%s", name);
	ck_assert_uint_eq(t->count, n);
	float *v = malloc(n * sizeof(*v));
	ck_assert_ptr_nonnull(v);
	read_tensor(&st, t, v);
	return v;
}

int picture_distance(const struct et_picture *a, const struct et_picture *b)
{
	ck_assert_int_eq(a->h, b->h);
	ck_assert_int_eq(a->w, b->w);
	ck_assert_int_eq(a->c, b->c);
	int most = 0;
	for (size_t i = 0; i < (size_t)a->h * (size_t)a->w * (size_t)a->c; i++) {
		int d = abs((int)a->px[i] - b->px[i]);
		most = d > most ? d : most;
	}
	return most;
}

struct et_picture picture_make(int h, int w, int c, const uint8_t *px)
{
	size_t n = (size_t)h * (size_t)w * (size_t)c;
	struct et_picture p = {.px = calloc(n, 1), .h = h, .w = w, .c = c, .cap = n};
	ck_assert_ptr_nonnull(p.px);
	if (px)
		memcpy(p.px, px, n);
	return p;
}

struct et_picture picture_noise(struct et_rng *r, int h, int w, int c)
{
	struct et_picture p = picture_make(h, w, c, NULL);
	for (size_t i = 0; i < p.cap; i++)
		p.px[i] = (uint8_t)et_rng_u32(r);
	return p;
}
