/* Reading tensors of every dtype, and files that change meanwhile. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "io/io.h"
#include "scratch.h"
#include "test_safetensors.h"

static struct et_err err;
static struct et_st st;

const char *st_put_file(uint64_t length, const char *header, size_t header_n, const void *data,
			size_t n)
{
	unsigned char *file = malloc(8 + header_n + n);
	for (int i = 0; i < 8; i++)
		file[i] = (unsigned char)(length >> (8 * i));
	memcpy(file + 8, header, header_n);
	memcpy(file + 8 + header_n, data, n);
	const char *path = scratch_put("t.safetensors", file, 8 + header_n + n);
	free(file);
	return path;
}

/* A file with one tensor "a" of n elements of `size` bytes. */
static const struct et_st_tensor *open_one(const char *dtype, size_t n, size_t size,
					   const void *data)
{
	char header[200];
	snprintf(header, sizeof(header),
		 "{\"a\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", dtype, n,
		 n * size);
	ck_assert_msg(
		et_st_open(&st, st_put_file(strlen(header), header, strlen(header), data, n * size),
			   &err) == 0,
		"%s", err.text);
	return &st.tensors[0];
}

static uint32_t bits_of(float f)
{
	uint32_t u;
	memcpy(&u, &f, sizeof(u));
	return u;
}

START_TEST(read_f32)
{
	/* 1, -0, the least subnormal, infinity, NaNs with a payload: bits, not values. */
	static const uint32_t bits[] = {0x3f800000, 0x80000000, 1,
					0x7f800000, 0x7fc12345, 0xffa00001};
	float v[6];
	const struct et_st_tensor *t = open_one("F32", 6, 4, bits);
	ck_assert_int_eq(et_st_read_f32(&st, t, v, &err), 0);
	ck_assert_mem_eq(v, bits, sizeof(bits));
	int64_t n[6];
	ck_assert_int_eq(et_st_read_i64(&st, t, n, &err), ET_EDATA);
	ck_assert_ptr_nonnull(
		strstr(err.text, "tensor \"a\": expected dtype I64 or I32, found F32"));
	et_st_close(&st);
}
END_TEST

/* What a half stands for, by the definition. */
static double half_value(unsigned h)
{
	unsigned e = h >> 10 & 31, f = h & 1023;
	double v = e == 31 ? (f ? NAN : INFINITY)
		   : e	   ? ldexp(1024 + f, (int)e - 25)
			   : ldexp(f, -24);
	return h & 0x8000 ? -v : v;
}

START_TEST(read_f16)
{
	static const struct {
		uint16_t h;
		float v;
	} known[] = {{0x3c00, 1},	 {0xc000, -2},	     {0x7bff, 65504},
		     {0x0001, 0x1p-24f}, {0x0400, 0x1p-14f}, {0x3555, 0.333251953125f}};
	/* Every half there is, and some more so that the last piece is a short one. */
	enum { N = 65536 + 77 };
	static uint16_t half[N];
	static float v[N];
	for (unsigned i = 0; i < N; i++)
		half[i] = (uint16_t)i;
	const struct et_st_tensor *t = open_one("F16", N, 2, half);
	ck_assert_int_eq(et_st_read_f32(&st, t, v, &err), 0);
	for (size_t i = 0; i < ET_COUNT(known); i++)
		ck_assert(v[known[i].h] == known[i].v);
	unsigned wrong = 0;
	for (unsigned i = 0; i < N; i++) {
		double want = half_value(i & 0xffff);
		wrong += !(isnan(want) ? isnan(v[i]) : v[i] == want);
		wrong += !!signbit(v[i]) != !!(i & 0x8000);
	}
	ck_assert_uint_eq(wrong, 0);
	et_st_close(&st);
}
END_TEST

START_TEST(read_bf16)
{
	enum { N = 65536 + 77 };
	static uint16_t half[N];
	static float v[N];
	for (unsigned i = 0; i < N; i++)
		half[i] = (uint16_t)i;
	const struct et_st_tensor *t = open_one("BF16", N, 2, half);
	ck_assert_int_eq(et_st_read_f32(&st, t, v, &err), 0);
	ck_assert(v[0x3f80] == 1 && v[0xc000] == -2 && v[0x4049] == 3.140625f && isinf(v[0x7f80]));
	unsigned wrong = 0;
	for (unsigned i = 0; i < N; i++)
		wrong += bits_of(v[i]) != (i & 0xffff) << 16;
	ck_assert_uint_eq(wrong, 0);
	et_st_close(&st);
}
END_TEST

START_TEST(read_f64)
{
	enum { N = 5000 };
	static double d[N];
	static float v[N];
	for (int i = 0; i < N; i++)
		d[i] = i / 3.0;
	d[1] = -0.0;
	d[2] = INFINITY;
	d[3] = NAN;
	d[4] = 1e-60;
	d[5] = 3.4028234663852886e38; /* FLT_MAX */
	d[6] = 1 + 0x1p-24;	      /* a tie, to even */
	d[7] = 1 + 0x1.8p-23;
	const struct et_st_tensor *t = open_one("F64", N, 8, d);
	ck_assert_int_eq(et_st_read_f32(&st, t, v, &err), 0);
	ck_assert(v[1] == 0 && signbit(v[1]) && isinf(v[2]) && isnan(v[3]) && v[4] == 0);
	ck_assert(v[5] == 3.4028234663852886e38f && v[6] == 1 && v[7] == 1 + 0x1p-22f);
	int wrong = 0;
	for (int i = 8; i < N; i++)
		wrong += v[i] != (float)(i / 3.0);
	ck_assert_int_eq(wrong, 0);
	et_st_close(&st);
	d[4000] = -1e39;
	t = open_one("F64", N, 8, d);
	ck_assert_int_eq(et_st_read_f32(&st, t, v, &err), ET_EDATA);
	ck_assert_ptr_nonnull(
		strstr(err.text, "tensor \"a\": element 4000 is -1e+39, beyond float32"));
	et_st_close(&st);
}
END_TEST

START_TEST(read_i64_and_bytes)
{
	static const int64_t n[] = {0, -1, INT64_MAX, INT64_MIN, 1234567890123};
	int64_t v[5], w[5];
	float f[5];
	const struct et_st_tensor *t = open_one("I64", 5, 8, n);
	ck_assert_int_eq(et_st_read_i64(&st, t, v, &err), 0);
	ck_assert_mem_eq(v, n, sizeof(n));
	ck_assert_int_eq(et_st_read_bytes(&st, t, w, &err), 0);
	ck_assert_mem_eq(w, n, sizeof(n));
	ck_assert_int_eq(et_st_read_f32(&st, t, f, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "expected dtype F32, F16, BF16 or F64, found I64"));
	et_st_close(&st);
	t = open_one("U8", 5, 1, "hello");
	ck_assert_int_eq(t->dtype, ET_U8);
	ck_assert_int_eq(et_st_read_bytes(&st, t, w, &err), 0);
	ck_assert_mem_eq(w, "hello", 5);
	et_st_close(&st);
	t = open_one("F8_E4M3FNUZ", 5, 1, "hello");
	ck_assert_int_eq(t->dtype, ET_DTYPE_OTHER);
	ck_assert_str_eq(t->dtype_name, "F8_E4M3FNUZ");
	ck_assert_int_eq(et_st_read_f32(&st, t, f, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "found F8_E4M3FNUZ"));
	et_st_close(&st);
	/* Nothing to read, at the very end of the file. */
	t = open_one("F32", 0, 4, "");
	ck_assert_int_eq(et_st_read_f32(&st, t, f, &err), 0);
	et_st_close(&st);
}
END_TEST

/* More than a chunk of it, with its signs. */
START_TEST(read_i32)
{
	enum { N = 9001 };
	static int32_t n[N];
	static int64_t v[N];
	for (int i = 0; i < N; i++)
		n[i] = (i % 2 ? -1 : 1) * i * 65537;
	n[0] = INT32_MIN;
	n[4096] = INT32_MAX;
	const struct et_st_tensor *t = open_one("I32", N, 4, n);
	ck_assert_int_eq(t->dtype, ET_I32);
	ck_assert_int_eq(et_st_read_i64(&st, t, v, &err), 0);
	int wrong = 0;
	for (int i = 0; i < N; i++)
		wrong += v[i] != n[i];
	ck_assert_int_eq(wrong, 0);
	float f[1];
	ck_assert_int_eq(et_st_read_f32(&st, t, f, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "expected dtype F32, F16, BF16 or F64, found I32"));
	et_st_close(&st);
}
END_TEST

/* Tensors in the middle of a file are read from where they are. */
START_TEST(read_second)
{
	static const float data[6] = {1, 2, 3, 4, 5, 6};
	const char *h = "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[8,24]},"
			"\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
	float v[4];
	ck_assert_int_eq(et_st_open(&st, st_put_file(strlen(h), h, strlen(h), data, 24), &err), 0);
	ck_assert_int_eq(et_st_read_f32(&st, et_st_find(&st, "a"), v, &err), 0);
	ck_assert(v[0] == 3 && v[3] == 6);
	ck_assert_int_eq(et_st_read_f32(&st, et_st_find(&st, "b"), v, &err), 0);
	ck_assert(v[0] == 1 && v[1] == 2 && v[2] == 5);
	et_st_close(&st);
}
END_TEST

/* Somebody changes the file while it is open: an error, no SIGBUS, no stale bytes. */
START_TEST(file_changes)
{
	static float v[50000];
	uint32_t crc;
	const struct et_st_tensor *t = open_one("F32", 50000, 4, v);
	ck_assert_int_eq(truncate(st.path, 100000), 0);
	ck_assert_int_eq(et_st_read_f32(&st, t, v, &err), ET_EIO);
	ck_assert_ptr_nonnull(
		strstr(err.text, "ends at byte 100000: it was cut off after it had been opened"));
	ck_assert_int_eq(et_st_crc(&st, &crc, &err), ET_EIO);
	ck_assert_int_eq(truncate(st.path, 300000), 0);
	ck_assert_int_eq(et_st_read_f32(&st, t, v, &err), 0);
	ck_assert_int_eq(et_st_crc(&st, &crc, &err), ET_EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "has grown after it had been opened"));
	et_st_close(&st);
}
END_TEST

START_TEST(file_crc)
{
	static unsigned char data[200000];
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, 0, 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)et_rng_u32(&r);
	open_one("U8", sizeof(data), 1, data);
	uint32_t have = 0;
	ck_assert_int_eq(et_st_crc(&st, &have, &err), 0);
	char *file;
	size_t n;
	ck_assert_int_eq(et_file_read(st.path, 0, &file, &n, &err), 0);
	ck_assert_uint_eq(have, crc32(0, (const Bytef *)file, (uInt)n));
	free(file);
	et_st_close(&st);
}
END_TEST

/* Weights of real networks, where they are at hand. */
START_TEST(real_files)
{
	static const char dir[] = "../shared/weights";
	DIR *d = opendir(dir);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		char path[400];
		size_t n = strlen(e->d_name);
		if (n < 12 || strcmp(e->d_name + n - 12, ".safetensors"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		ck_assert_msg(et_st_open(&st, path, &err) == 0, "%s", err.text);
		ck_assert_uint_gt(st.n, 50);
		for (size_t i = 0; i < st.n; i++) {
			const struct et_st_tensor *t = &st.tensors[i];
			float *v = et_calloc(t->count, sizeof(*v));
			if (t->dtype != ET_I64)
				ck_assert_msg(et_st_read_f32(&st, t, v, &err) == 0, "%s", err.text);
			/* An assertion a number would take longer than all the rest. */
			uint64_t k = 0;
			while (k < t->count && isfinite(v[k]))
				k++;
			ck_assert_msg(k == t->count, "%s %s", path, t->name);
			free(v);
		}
		et_st_close(&st);
	}
	closedir(d);
}
END_TEST

TCase *tcase_safetensors_read(void)
{
	TCase *tc = tcase_create("read");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, read_f32);
	tcase_add_test(tc, read_f16);
	tcase_add_test(tc, read_bf16);
	tcase_add_test(tc, read_f64);
	tcase_add_test(tc, read_i64_and_bytes);
	tcase_add_test(tc, read_i32);
	tcase_add_test(tc, read_second);
	tcase_add_test(tc, file_changes);
	tcase_add_test(tc, file_crc);
	tcase_add_test(tc, real_files);
	return tc;
}
