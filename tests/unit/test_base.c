/* Errors, arenas, checked arithmetic, random numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suites.h"
#include "test_base.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif

/* ---- errors ---------------------------------------------------------------------------------- */

/* Other programs see these numbers: they do not change. */
START_TEST(status_values)
{
	static const int want[] = {0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11};
	static const int have[] = {ET_OK,    ET_EUSAGE,	   ET_EDATA,   ET_ENOINPUT,
				   ET_EFIT,  ET_ENOMEM,	   ET_EIO,     ET_EDIVERGED,
				   ET_ESTOP, ET_EINTERNAL, ET_ECREATE, ET_EBUSY};
	for (size_t i = 0; i < ET_COUNT(want); i++)
		ck_assert_int_eq(have[i], want[i]);
}
END_TEST

START_TEST(err_text)
{
	struct et_err err;
	ck_assert_int_eq(et_fail(&err, ET_EDATA, "%s: expected %d", "x.json", 3), ET_EDATA);
	ck_assert_int_eq(err.code, ET_EDATA);
	ck_assert_str_eq(err.text, "x.json: expected 3");
	ck_assert_int_eq(et_err_prefix(&err, "layer %s", "conv1"), ET_EDATA);
	ck_assert_str_eq(err.text, "layer conv1: x.json: expected 3");
	ck_assert_int_eq(et_fail(&err, ET_EIO, "again: %s", err.text), ET_EIO);
	ck_assert_str_eq(err.text, "again: layer conv1: x.json: expected 3");
	ck_assert_int_eq(et_fail(NULL, ET_EFIT, "nobody asks"), ET_EFIT);
	ck_assert_int_lt(et_err_prefix(NULL, "nobody asks"), 0);
}
END_TEST

/* What comes from a file must not reach the terminal as control codes, and stays one line. */
START_TEST(err_printable)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"a\nb\x1b[31mc\x7f", "a?b?[31mc?"},
		{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"C1 \xc2\x9b x", "C1 ? x"},
		{"bidi \xe2\x80\xae x \xe2\x81\xa6", "bidi ? x ?"},
		{"broken \xff \xc3(\xe2\x82", "broken ? ?(??"},
	};
	struct et_err err;
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		et_fail(&err, ET_EDATA, "%s", cases[i].in);
		ck_assert_str_eq(err.text, cases[i].out);
	}
}
END_TEST

START_TEST(err_too_long)
{
	struct et_err err;
	char text[4000];
	for (size_t n = 1018; n < 1032; n++) {
		memset(text, 'a', n);
		text[n] = '\0';
		et_fail(&err, ET_EDATA, "%s", text);
		ck_assert_uint_eq(strlen(err.text),
				  n < sizeof(err.text) ? n : sizeof(err.text) - 1);
		ck_assert_int_eq(!strcmp(err.text + strlen(err.text) - 3, "..."),
				 n >= sizeof(err.text));
	}
	/* Cut between characters, wherever the cut falls. */
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'a', shift);
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 4);
		et_fail(&err, ET_EDATA, "%s", text);
		ck_assert_ptr_null(strchr(err.text, '?'));
		for (size_t i = 0, n = strlen(err.text), len; i < n; i += len) {
			uint32_t cp;
			len = et_utf8_next(err.text + i, n - i, &cp);
			ck_assert_uint_gt(len, 0);
		}
		et_err_prefix(&err, "%s", text);
		ck_assert_uint_lt(strlen(err.text), sizeof(err.text));
		ck_assert_ptr_null(strchr(err.text, '?'));
	}
}
END_TEST

/* ---- arenas ---------------------------------------------------------------------------------- */

/* Some allocations, marks and releases; the same for every arena. */
static void use(struct et_arena *a, void **blocks, size_t n)
{
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, 0, 0);
	size_t mark[8], depth = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t act = et_rng_below(&r, 6);
		blocks[i] = NULL;
		if (act == 0 && depth < 8)
			mark[depth++] = et_arena_mark(a);
		else if (act == 1 && depth > 0)
			et_arena_release(a, mark[--depth]);
		else
			blocks[i] = et_arena_alloc(a, et_rng_below(&r, 100), et_rng_below(&r, 40));
	}
}

START_TEST(arena_plan_is_reality)
{
	enum { N = 500 };
	void *planned[N], *real[N];
	struct et_arena plan = et_arena_measure(), a;
	use(&plan, planned, N);
	ck_assert(!plan.failed);
	ck_assert_uint_gt(plan.peak, plan.used);
	ck_assert_uint_gt(plan.used, 0);

	struct et_err err;
	ck_assert_int_eq(et_arena_open(&a, plan.peak, &err), 0);
	use(&a, real, N);
	ck_assert(!a.failed);
	ck_assert_uint_eq(a.used, plan.used);
	ck_assert_uint_eq(a.peak, plan.peak);
	for (size_t i = 0; i < N; i++)
		if (planned[i]) {
			ck_assert_uint_eq((uintptr_t)real[i] % 64, 0);
			ck_assert_uint_eq((uintptr_t)real[i] - (uintptr_t)real[0],
					  (uintptr_t)planned[i] - (uintptr_t)planned[0]);
		}
	et_arena_close(&a);

	/* One byte less than planned is too little. */
	ck_assert_int_eq(et_arena_open(&a, plan.peak - 1, &err), 0);
	use(&a, real, N);
	ck_assert(a.failed);
	et_arena_close(&a);
}
END_TEST

START_TEST(arena_sizes)
{
	struct et_arena a;
	struct et_err err;
	ck_assert_int_eq(et_arena_open(&a, 100000, &err), 0);
	unsigned char *x = et_arena_alloc(&a, 10, 10), *y = et_arena_alloc(&a, 1, 1);
	ck_assert_ptr_eq(x, a.base);
	for (size_t i = 0; i < 100; i++)
		ck_assert_uint_eq(x[i], 0);
	memset(x, 7, 100);
	*y = 8;
	/* Without sanitizer no byte is lost but to alignment. */
#ifdef ASAN
	ck_assert_int_eq(y - x, 192);
#else
	ck_assert_int_eq(y - x, 128);
#endif
	size_t mark = et_arena_mark(&a);
	ck_assert_uint_eq(mark, a.used);
	ck_assert_ptr_nonnull(et_arena_alloc(&a, 50000, 1));
	ck_assert_ptr_null(et_arena_alloc(&a, 50000, 1));
	ck_assert(a.failed);
	et_arena_release(&a, mark);
	ck_assert_uint_eq(a.used, mark);
	ck_assert_uint_ge(a.peak, 50000);
	ck_assert(a.failed);
	ck_assert_uint_eq(x[99], 7);
	et_arena_close(&a);
	ck_assert_ptr_null(a.base);
	et_arena_close(&a);
}
END_TEST

START_TEST(arena_edges)
{
	struct et_arena a;
	struct et_err err;
	ck_assert_int_eq(et_arena_open(&a, 0, &err), 0);
	ck_assert_ptr_nonnull(a.base);
	ck_assert_ptr_null(et_arena_alloc(&a, 1, 1));
	et_arena_close(&a);

	ck_assert_int_eq(et_arena_open(&a, SIZE_MAX, &err), ET_ENOMEM);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot reserve 18.4 EB"));
	ck_assert_int_eq(et_arena_open(&a, SIZE_MAX / 4, &err), ET_ENOMEM);
	et_arena_close(&a);

	a = et_arena_measure();
	ck_assert_ptr_nonnull(et_arena_alloc(&a, 0, 0));
	ck_assert_ptr_nonnull(et_arena_alloc(&a, SIZE_MAX / 4, 2));
	ck_assert(!a.failed);
	ck_assert_ptr_null(et_arena_alloc(&a, SIZE_MAX / 2, 1));
	ck_assert(a.failed);
	a = et_arena_measure();
	ck_assert_ptr_null(et_arena_alloc(&a, SIZE_MAX / 2, 3));
	ck_assert(a.failed);
	a = et_arena_measure();
	ck_assert_ptr_null(et_arena_alloc(&a, SIZE_MAX, 1));
	ck_assert_uint_eq(a.peak, 0);
}
END_TEST

#ifdef ASAN
#include <sanitizer/asan_interface.h>

START_TEST(arena_red_zones)
{
	struct et_arena a;
	struct et_err err;
	ck_assert_int_eq(et_arena_open(&a, 10000, &err), 0);
	ck_assert(__asan_address_is_poisoned(a.base));
	char *x = et_arena_alloc(&a, 100, 1), *y = et_arena_alloc(&a, 100, 1);
	ck_assert(!__asan_region_is_poisoned(x, 100));
	for (char *p = x + 100; p < y; p++)
		ck_assert(__asan_address_is_poisoned(p));
	ck_assert(!__asan_region_is_poisoned(y, 100));
	ck_assert(__asan_address_is_poisoned(y + 100));
	et_arena_release(&a, (size_t)(y - x));
	ck_assert(__asan_address_is_poisoned(y));
	ck_assert(!__asan_address_is_poisoned(x));
	et_arena_close(&a);
	/* Whatever is mapped there next may be used. */
	ck_assert(!__asan_address_is_poisoned(x));
	ck_assert(!__asan_address_is_poisoned(y));
}
END_TEST
#endif

START_TEST(checked_arithmetic)
{
	size_t v = 5;
	ck_assert(et_mul(1000, 1000, &v) && v == 1000000);
	ck_assert(et_mul(SIZE_MAX, 1, &v) && v == SIZE_MAX);
	ck_assert(!et_mul(SIZE_MAX / 2 + 1, 2, &v));
	ck_assert(et_mul(SIZE_MAX, 0, &v) && v == 0);
	ck_assert(et_add(SIZE_MAX - 1, 1, &v) && v == SIZE_MAX);
	ck_assert(!et_add(SIZE_MAX, 1, &v));
	ck_assert_ptr_null(et_calloc(SIZE_MAX / 2, 3));
	char *p = et_calloc(0, 100);
	ck_assert_ptr_nonnull(p);
	free(p);
	p = et_calloc(3, 5);
	for (size_t i = 0; i < 15; i++)
		ck_assert_int_eq(p[i], 0);
	free(p);
	p = et_strdup("abc");
	ck_assert_str_eq(p, "abc");
	free(p);
	p = et_asprintf("%d-%s", 7, "x");
	ck_assert_str_eq(p, "7-x");
	free(p);
}
END_TEST

/* ---- random numbers -------------------------------------------------------------------------- */

/* The known answers that come with Random123. */
START_TEST(philox_known)
{
	static const struct {
		uint32_t key[2], counter[4], out[4];
	} cases[] = {
		{{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{0xffffffff, 0xffffffff},
		 {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0xa4093822, 0x299f31d0},
		 {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		uint32_t out[4];
		et_philox(cases[i].key, cases[i].counter, out);
		ck_assert_mem_eq(out, cases[i].out, sizeof(out));
	}
}
END_TEST

/*
 * Worked out by an independent program from the same definition: a run resumed with another build
 * must go on with the same numbers.
 */
START_TEST(rng_pinned)
{
	static const uint32_t want[] = {0x73cc95ef, 0x76b6f918, 0x08ef99da,
					0xe69305f1, 0xc0d8c2a8, 0xef2f8a85};
	static const uint32_t order[] = {8, 7, 2, 6, 5, 0, 3, 4, 1, 9};
	struct et_rng r = et_rng_open(42, ET_STREAM_TEST, 0x123456789a, 3);
	for (size_t i = 0; i < ET_COUNT(want); i++)
		ck_assert_uint_eq(et_rng_u32(&r), want[i]);
	uint32_t p[10];
	et_rng_permutation(1, ET_STREAM_SHUFFLE, 5, p, 10);
	ck_assert_mem_eq(p, order, sizeof(p));
}
END_TEST

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Streams that differ in any one argument begin differently. */
START_TEST(rng_streams_apart)
{
	enum { N = 4096 };
	static uint64_t first[N];
	for (uint32_t i = 0; i < N; i++) {
		/* Three bits of each argument, low and high halves of the 64-bit ones. */
		uint64_t seed = (i & 3) | (uint64_t)(i >> 2 & 1) << 32;
		uint64_t a = (i >> 6 & 3) | (uint64_t)(i >> 8 & 1) << 32;
		struct et_rng r = et_rng_open(seed, (enum et_stream)(i >> 3 & 7), a, i >> 9);
		first[i] = et_rng_u32(&r);
		first[i] = first[i] << 32 | et_rng_u32(&r);
	}
	qsort(first, N, sizeof(first[0]), by_value);
	int same = 0;
	for (uint32_t i = 1; i < N; i++)
		same += first[i] == first[i - 1];
	ck_assert_int_eq(same, 0);
}
END_TEST

START_TEST(rng_unit)
{
	struct et_rng r = et_rng_open(3, ET_STREAM_TEST, 0, 0);
	enum { N = 100000 };
	double sum = 0, squares = 0;
	int outside = 0;
	for (int i = 0; i < N; i++) {
		float x = et_rng_unit(&r);
		outside += !(x >= 0 && x < 1);
		sum += x;
		squares += (double)x * x;
	}
	ck_assert_int_eq(outside, 0);
	/* Five standard deviations. */
	ck_assert_double_eq_tol(sum / N, 0.5, 5 * sqrt(1.0 / 12 / N));
	ck_assert_double_eq_tol(squares / N, 1.0 / 3, 5 * sqrt(4.0 / 45 / N));
	/* The extremes: all ones must not round up to 1. */
	struct et_rng top = {.block = {0, 0, 0, 0xffffffff}, .have = 1};
	ck_assert_float_eq(et_rng_unit(&top), 1 - 0x1p-24f);
}
END_TEST

START_TEST(rng_below)
{
	struct et_rng r = et_rng_open(4, ET_STREAM_TEST, 0, 0);
	int count[3] = {0};
	for (int i = 0; i < 30000; i++)
		count[et_rng_below(&r, 3)]++;
	for (int i = 0; i < 3; i++)
		ck_assert_double_eq_tol(count[i], 10000, 5 * sqrt(30000 * 2 / 9.0));
	int outside = 0;
	/* A remainder or a plain product would hit some thirds twice as often as others. */
	for (int i = 0; i < 3; i++)
		count[i] = 0;
	for (int i = 0; i < 30000; i++) {
		uint32_t x = et_rng_below(&r, 0xc0000000);
		outside += x >= 0xc0000000;
		count[x % 3]++;
	}
	ck_assert_int_eq(outside, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_double_eq_tol(count[i], 10000, 5 * sqrt(30000 * 2 / 9.0));
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(et_rng_below(&r, 1), 0);
}
END_TEST

START_TEST(rng_normal)
{
	struct et_rng r = et_rng_open(5, ET_STREAM_TEST, 0, 0);
	enum { N = 100000 };
	double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
	for (int i = 0; i < N; i++) {
		double x = et_rng_normal(&r);
		m1 += x;
		m2 += x * x;
		m3 += x * x * x;
		m4 += x * x * x * x;
	}
	ck_assert_double_eq_tol(m1 / N, 0, 5 * sqrt(1.0 / N));
	ck_assert_double_eq_tol(m2 / N, 1, 5 * sqrt(2.0 / N));
	ck_assert_double_eq_tol(m3 / N, 0, 5 * sqrt(15.0 / N));
	ck_assert_double_eq_tol(m4 / N, 3, 5 * sqrt(96.0 / N));
	struct et_rng low = {.block = {0, 0, 0, 0}, .have = 2};
	ck_assert(isfinite(et_rng_normal(&low)));
	struct et_rng high = {.block = {0, 0, 0xffffffff, 0xffffffff}, .have = 2};
	ck_assert(isfinite(et_rng_normal(&high)));
}
END_TEST

START_TEST(rng_permutation)
{
	enum { N = 1000 };
	uint32_t p[N], q[N], seen[N] = {0};
	et_rng_permutation(1, ET_STREAM_SHUFFLE, 7, p, N);
	for (int i = 0; i < N; i++) {
		ck_assert_uint_lt(p[i], N);
		seen[p[i]]++;
	}
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(seen[i], 1);
	et_rng_permutation(1, ET_STREAM_SHUFFLE, 7, q, N);
	ck_assert_mem_eq(p, q, sizeof(p));
	et_rng_permutation(1, ET_STREAM_SHUFFLE, 8, q, N);
	ck_assert(memcmp(p, q, sizeof(p)));
	et_rng_permutation(1, ET_STREAM_SHUFFLE, 9, p, 0);
	et_rng_permutation(1, ET_STREAM_SHUFFLE, 9, p, 1);
	ck_assert_uint_eq(p[0], 0);
	/* Every order of three equally often. */
	int count[6] = {0};
	for (uint64_t i = 0; i < 6000; i++) {
		et_rng_permutation(2, ET_STREAM_SHUFFLE, i, p, 3);
		count[p[0] * 2 + (p[1] > p[2])]++;
	}
	for (int i = 0; i < 6; i++)
		ck_assert_double_eq_tol(count[i], 1000, 5 * sqrt(6000 * 5 / 36.0));
}
END_TEST

Suite *suite_base(void)
{
	Suite *s = suite_create("base");
	TCase *tc = tcase_create("err");
	tcase_add_test(tc, status_values);
	tcase_add_test(tc, err_text);
	tcase_add_test(tc, err_printable);
	tcase_add_test(tc, err_too_long);
	suite_add_tcase(s, tc);
	tc = tcase_create("arena");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, arena_plan_is_reality);
	tcase_add_test(tc, arena_sizes);
	tcase_add_test(tc, arena_edges);
#ifdef ASAN
	tcase_add_test(tc, arena_red_zones);
#endif
	tcase_add_test(tc, checked_arithmetic);
	suite_add_tcase(s, tc);
	tc = tcase_create("rng");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, philox_known);
	tcase_add_test(tc, rng_pinned);
	tcase_add_test(tc, rng_streams_apart);
	tcase_add_test(tc, rng_unit);
	tcase_add_test(tc, rng_below);
	tcase_add_test(tc, rng_normal);
	tcase_add_test(tc, rng_permutation);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcase_text());
	suite_add_tcase(s, tcase_file());
	return s;
}
