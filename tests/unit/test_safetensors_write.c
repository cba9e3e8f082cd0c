/* Writing safetensors: the bytes of the reference writer, and what must not be written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "scratch.h"
#include "test_safetensors.h"

static struct et_err err;

/* put() for tests: tensor i is so many bytes, each i + 1; a negative size is returned as status. */
struct source {
	const int64_t *size;
	size_t calls;
};

static int put(void *arg, size_t i, struct et_writer *w)
{
	struct source *s = arg;
	s->calls++;
	if (s->size[i] < 0)
		return (int)s->size[i];
	unsigned char byte = (unsigned char)(i + 1);
	for (int64_t k = 0; k < s->size[i]; k++)
		et_writer_put(w, &byte, 1);
	return ET_OK;
}

/* Writes to "out" there and commits, or aborts. */
static int write_file(const struct et_st_out *t, size_t n, const char *const *meta, size_t n_meta,
		      const int64_t *size)
{
	struct et_writer w;
	struct source source = {.size = size};
	ck_assert_int_eq(et_writer_open(&w, scratch_path("out"), &err), 0);
	int rc = et_st_write(&w, t, n, meta, n_meta, put, &source, &err);
	if (rc == ET_OK)
		return et_writer_commit(&w, &err);
	et_writer_abort(&w);
	ck_assert_int_eq(scratch_count(), 0);
	return rc;
}

/* Made by hand from the reference's rules: dtype (I64, F64, F32, BF16, F16, U8), then name. */
START_TEST(exact_bytes)
{
	static const struct et_st_out t[] = {
		{.name = "b", .dtype = ET_U8, .rank = 1, .shape = {3}},
		{.name = "c\"\\\n\x01\x7f/\xc3\xbc", .dtype = ET_F32, .rank = 2, .shape = {1, 2}},
		{.name = "a", .dtype = ET_F32, .rank = 1, .shape = {1}},
		{.name = "n", .dtype = ET_I64, .rank = 0},
		{.name = "h", .dtype = ET_F16, .rank = 1, .shape = {1}},
		{.name = "g", .dtype = ET_BF16, .rank = 3, .shape = {1, 1, 1}},
		{.name = "d", .dtype = ET_F64, .rank = 1, .shape = {1}},
		{.name = "e", .dtype = ET_F32, .rank = 2, .shape = {0, 7}},
	};
	static const int64_t size[] = {3, 8, 4, 8, 2, 2, 8, 0};
	static const char *const meta[] = {"format", "pt", "arch", "a\tb"};
	static const char header[] =
		"{\"__metadata__\":{\"format\":\"pt\",\"arch\":\"a\\tb\"},"
		"\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
		"\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]},"
		"\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[16,20]},"
		"\"c\\\"\\\\\\n\\u0001\x7f/"
		"\xc3\xbc\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[20,28]},"
		"\"e\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[28,28]},"
		"\"g\":{\"dtype\":\"BF16\",\"shape\":[1,1,1],\"data_offsets\":[28,30]},"
		"\"h\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[30,32]},"
		"\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[32,35]}}";
	static const unsigned char data[35] = {4, 4, 4, 4, 4, 4, 4, 4, 7, 7, 7, 7, 7, 7, 7, 7, 3, 3,
					       3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 6, 6, 5, 5, 1, 1, 1};
	unsigned char want[1000] = {0};
	size_t n = (sizeof(header) - 1 + 7) / 8 * 8;
	want[0] = (unsigned char)n;
	want[1] = (unsigned char)(n >> 8);
	memset(want + 8, ' ', n);
	memcpy(want + 8, header, sizeof(header) - 1);
	memcpy(want + 8 + n, data, sizeof(data));
	ck_assert_msg(write_file(t, ET_COUNT(t), meta, 2, size) == 0, "%s", err.text);
	ck_assert(scratch_holds("out", want, 8 + n + sizeof(data)));

	struct et_st st;
	ck_assert_msg(et_st_open(&st, scratch_path("out"), &err) == 0, "%s", err.text);
	ck_assert_uint_eq(st.data % 8, 0);
	ck_assert_str_eq(et_st_meta(&st, "arch"), "a\tb");
	for (size_t i = 0; i < ET_COUNT(t); i++) {
		const struct et_st_tensor *have = et_st_find(&st, t[i].name);
		ck_assert_ptr_nonnull(have);
		ck_assert_int_eq(have->dtype, t[i].dtype);
		ck_assert_int_eq(have->rank, t[i].rank);
		ck_assert_mem_eq(have->shape, t[i].shape, sizeof(t[i].shape));
		ck_assert_int_eq((int64_t)(have->end - have->begin), size[i]);
	}
	et_st_close(&st);
}
END_TEST

START_TEST(nothing_at_all)
{
	static const char *const meta[] = {"a", "b"};
	ck_assert_int_eq(write_file(NULL, 0, NULL, 0, NULL), 0);
	ck_assert(scratch_holds("out", "\10\0\0\0\0\0\0\0{}      ", 16));
	ck_assert_int_eq(write_file(NULL, 0, meta, 1, NULL), 0);
	ck_assert(scratch_holds("out", "\40\0\0\0\0\0\0\0{\"__metadata__\":{\"a\":\"b\"}}      ",
				40));
	struct et_st st;
	ck_assert_msg(et_st_open(&st, scratch_path("out"), &err) == 0, "%s", err.text);
	ck_assert_uint_eq(st.data % 8, 0);
	et_st_close(&st);
}
END_TEST

START_TEST(all_escapes)
{
	/* Every byte below 0x80 but NUL, in a name, a key and a value. */
	char text[128];
	for (int i = 1; i < 128; i++)
		text[i - 1] = (char)i;
	text[127] = '\0';
	const struct et_st_out t = {.name = text, .dtype = ET_U8, .rank = 0};
	const char *const meta[] = {text, text};
	struct et_st st;
	ck_assert_msg(write_file(&t, 1, meta, 1, (int64_t[]){1}) == 0, "%s", err.text);
	ck_assert_msg(et_st_open(&st, scratch_path("out"), &err) == 0, "%s", err.text);
	ck_assert_str_eq(st.tensors[0].name, text);
	ck_assert_str_eq(et_st_meta(&st, text), text);
	et_st_close(&st);
}
END_TEST

START_TEST(refused)
{
	static char longer[ET_ST_MAX_NAME + 2];
	memset(longer, 'n', ET_ST_MAX_NAME + 1);
	const struct {
		struct et_st_out t;
		int rc;
		const char *error;
	} bad[] = {
		{{.name = "a", .dtype = ET_DTYPE_OTHER}, ET_EINTERNAL, "dtype or rank"},
		{{.name = "a", .dtype = ET_F32, .rank = 9}, ET_EINTERNAL, "dtype or rank"},
		{{.name = "a", .dtype = ET_F32, .rank = -1}, ET_EINTERNAL, "dtype or rank"},
		{{.name = "a",
		  .dtype = ET_F32,
		  .rank = 2,
		  .shape = {UINT64_C(1) << 32, UINT64_C(1) << 32}},
		 ET_EINTERNAL,
		 "overflows"},
		{{.name = "a",
		  .dtype = ET_F32,
		  .rank = 2,
		  .shape = {UINT64_C(1) << 32, UINT64_C(1) << 30}},
		 ET_EINTERNAL,
		 "overflows"},
		{{.name = "a", .dtype = ET_F32, .rank = 2, .shape = {0, UINT64_C(1) << 60}},
		 ET_EINTERNAL,
		 "too large"},
		{{.name = longer, .dtype = ET_F32, .rank = 1, .shape = {1}},
		 ET_EINTERNAL,
		 "longer than the limit"},
		{{.name = "__metadata__", .dtype = ET_F32, .rank = 1, .shape = {1}},
		 ET_EINTERNAL,
		 "__metadata__"},
		{{.name = "b", .dtype = ET_F32, .rank = 1, .shape = {1}},
		 ET_EINTERNAL,
		 "tensor \"b\" appears twice"},
		{{.name = "a\xff", .dtype = ET_F32, .rank = 1, .shape = {1}},
		 ET_EDATA,
		 "not UTF-8"},
	};
	static const int64_t size[] = {4, 1};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		struct et_st_out t[2] = {bad[i].t, {.name = "b", .dtype = ET_U8, .rank = 0}};
		ck_assert_msg(write_file(t, 2, NULL, 0, size) == bad[i].rc, "case %zu", i);
		ck_assert_int_eq(err.code, bad[i].rc);
		ck_assert_msg(strstr(err.text, bad[i].error) != NULL, "%s", err.text);
	}
	/* Each is small enough, both are not. */
	const struct et_st_out half[2] = {
		{.name = "a", .dtype = ET_U8, .rank = 1, .shape = {UINT64_C(1) << 52}},
		{.name = "b", .dtype = ET_U8, .rank = 1, .shape = {UINT64_C(1) << 52}}};
	ck_assert_int_eq(write_file(half, 2, NULL, 0, size), ET_EINTERNAL);
	ck_assert_str_eq(err.text, "the size of all tensors overflows");
	static const char *const twice[] = {"k", "1", "k", "2"};
	ck_assert_int_eq(write_file(NULL, 0, twice, 2, NULL), ET_EINTERNAL);
	ck_assert_ptr_nonnull(strstr(err.text, "the key of __metadata__ \"k\" appears twice"));
	static const char *const binary[] = {"class", "caf\xe9"};
	ck_assert_int_eq(write_file(NULL, 0, binary, 1, NULL), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "not UTF-8"));
	/* More than a reader would take. */
	char *big = malloc(ET_ST_MAX_HEADER);
	memset(big, 'x', ET_ST_MAX_HEADER - 1);
	big[ET_ST_MAX_HEADER - 1] = '\0';
	const char *const long_meta[] = {"k", big};
	ck_assert_int_eq(write_file(NULL, 0, long_meta, 1, NULL), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "more than the limit of 16777216"));
	free(big);
}
END_TEST

START_TEST(wrong_sizes)
{
	static const struct et_st_out t[] = {
		{.name = "a", .dtype = ET_F32, .rank = 1, .shape = {1}},
		{.name = "b", .dtype = ET_F32, .rank = 1, .shape = {2}},
	};
	ck_assert_int_eq(write_file(t, 2, NULL, 0, (int64_t[]){4, 7}), ET_EINTERNAL);
	ck_assert_str_eq(err.text, "tensor \"b\": expected 8 bytes to be written, found 7");
	ck_assert_int_eq(write_file(t, 2, NULL, 0, (int64_t[]){5, 8}), ET_EINTERNAL);
	ck_assert_int_eq(write_file(t, 2, NULL, 0, (int64_t[]){ET_ENOMEM, 8}), ET_ENOMEM);
	ck_assert_str_eq(err.text, "tensor \"a\" could not be written");
	ck_assert_int_eq(err.code, ET_ENOMEM);
	ck_assert_int_eq(write_file(t, 2, NULL, 0, (int64_t[]){4, 8}), 0);
}
END_TEST

/* The disk is full: the rest is not produced, and commit says so. */
START_TEST(disk_full)
{
	enum { BIG = 1000000 };
	static const struct et_st_out t[] = {
		{.name = "a", .dtype = ET_U8, .rank = 1, .shape = {BIG}},
		{.name = "b", .dtype = ET_U8, .rank = 1, .shape = {BIG}},
	};
	struct et_writer w;
	struct source source = {.size = (int64_t[]){BIG, BIG}};
	scratch_limit(100000);
	ck_assert_int_eq(et_writer_open(&w, scratch_path("out"), &err), 0);
	ck_assert_int_eq(et_st_write(&w, t, 2, NULL, 0, put, &source, &err), 0);
	ck_assert_uint_eq(source.calls, 1);
	ck_assert_int_eq(et_writer_commit(&w, &err), ET_EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot write"));
	ck_assert_int_eq(scratch_count(), 0);
}
END_TEST

TCase *tcase_safetensors_write(void)
{
	TCase *tc = tcase_create("write");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, exact_bytes);
	tcase_add_test(tc, nothing_at_all);
	tcase_add_test(tc, all_escapes);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, wrong_sizes);
	tcase_add_test(tc, disk_full);
	return tc;
}
