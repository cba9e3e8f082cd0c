/*
 * safetensors: every rule of the reference reader and every known attack, on files made byte by
 * byte; reading of every dtype. Writing is in test_safetensors_write.c.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/io.h"
#include "scratch.h"
#include "suites.h"
#include "test_safetensors.h"

static struct et_err err;
static struct et_st st;

/* A file with this header and n zeros for data. */
static const char *put_zeros(const char *header, size_t n)
{
	void *data = calloc(1, n + 1);
	const char *path = st_put_file(strlen(header), header, strlen(header), data, n);
	free(data);
	return path;
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;
	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#define T(name, dtype, shape, begin, end)                                                     \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin \
	"," #end "]}"

START_TEST(accepted)
{
	static const struct {
		const char *header;
		size_t data, tensors, meta;
	} good[] = {
		{"{}", 0, 0, 0},
		{"{\"__metadata__\":{}}", 0, 0, 0},
		{"{\"__metadata__\":{\"format\":\"pt\",\"\":\"\"}," T("a", "F32", "[2,3]", 0,
								      24) "}",
		 24, 1, 2},
		{"{" T("a", "F32", "[]", 0, 4) "}", 4, 1, 0},
		{"{" T("a", "F32", "[0]", 0, 0) "}", 0, 1, 0},
		{"{" T("b", "F32", "[0,9007199254740991]", 0, 0) "," T("a", "U8", "[2,0]", 0,
								       0) "}",
		 0, 2, 0},
		{"{" T("a", "F32", "[1,1,1,1,1,1,1,2]", 0, 8) "}", 8, 1, 0},
		/* Any order in the header; empty tensors between others. */
		{"{" T("a", "F32", "[1]", 4, 8) "," T("b", "F32", "[1]", 0, 4) "}", 8, 2, 0},
		{"{" T("a", "F32", "[1]", 4, 8) "," T("e", "F32", "[0]", 4,
						      4) "," T("b", "F32", "[1]", 0, 4) "}",
		 8, 3, 0},
		/* Readers take white space on either side, so that writers can align the data. */
		{" \t\r\n{" T("a", "F32", "[1]", 0, 4) "}", 4, 1, 0},
		{"{" T("a", "F32", "[1]", 0, 4) "} \n\t\r   ", 4, 1, 0},
		{" { \"a\" : { \"shape\" : [ 1 ] , \"data_offsets\" : [ 0 , 4 ] , \"dtype\" : "
		 "\"F32\" } } ",
		 4, 1, 0},
		/* Unknown members are skipped, whatever they hold. */
		{"{\"a\":{\"x\":{\"dtype\":[1,{}]},\"dtype\":\"F32\",\"y\":[[]],\"shape\":[1],"
		 "\"z\":null,\"data_offsets\":[0,4]}}",
		 4, 1, 0},
		/* Escapes in keys are decoded before they are compared. */
		{"{\"\\u0061\":{\"dtyp\\u0065\":\"F3\\u0032\",\"shape\":[1],\"data_offsets\":[0,4]}"
		 "}",
		 4, 1, 0},
		{"{" T("", "F32", "[1]", 0, 4) "}", 4, 1, 0},
		/* Every dtype has its size, four and six bits among them. */
		{
			"{" T("a", "BOOL", "[3]", 0, 3) "," T("b", "U8", "[3]", 3, 6) "," T("c", "I8", "[3]", 6, 9) "," T("d", "F8_E5M2", "[3]", 9, 12) "," T("e", "F8_E4M3", "[3]", 12, 15) "," T("f", "F8_E8M0", "[3]", 15, 18) "," T("g", "I16", "[3]", 18, 24) "," T("h",
																																	 "U16", "[3]", 24, 30) "," T("i",
																																				     "F16", "[3]", 30, 36) "," T("j",
																																								 "BF16", "[3]", 36, 42) "," T("k",
																																											      "I32",
																																											      "[3]",
																																											      42,
																																											      54) "," T("l", "U32", "[3]", 54, 66) "," T("m",
																																																	 "F32",
																																																	 "[3]",
																																																	 66, 78) "," T("n",
																																																		       "C64", "[3]", 78, 102) "," T("o",
																																																						    "F64",
																																																						    "[3]", 102, 126) "," T("p", "I64", "[3]", 126, 150) "," T("q",
																																																													      "U64",
																																																													      "[3]",
																																																													      150, 174) "," T("r",
																																																															      "F4",
																																																															      "[4]", 174, 176) "," T("s",
																																																																		     "F6_E2M3", "[4]", 176, 179) "," T("t",
																																																																						       "F6_E3M2",
																																																																						       "[8]",
																																																																						       179, 185) "," T("u",
																																																																								       "F8_E4M3FNUZ", "[1]", 185, 186) "," T("v",
																																																																													     "F8_E5M2FNUZ",
																																																																													     "[1]", 186, 187) "}",
			187, 22, 0},
	};
	for (size_t i = 0; i < ET_COUNT(good); i++) {
		ck_assert_msg(et_st_open(&st, put_zeros(good[i].header, good[i].data), &err) == 0,
			      "%s: %s", good[i].header, err.text);
		ck_assert_uint_eq(st.n, good[i].tensors);
		ck_assert_uint_eq(st.n_meta, good[i].meta);
		for (size_t t = 0; t < st.n; t++) {
			ck_assert_ptr_eq(et_st_find(&st, st.tensors[t].name), &st.tensors[t]);
			ck_assert_uint_eq(st.tensors[t].begin, t ? st.tensors[t - 1].end : 0);
		}
		et_st_close(&st);
	}
}
END_TEST

START_TEST(contents)
{
	const char *path = put_zeros(
		"{\"__metadata__\":{\"format\":\"pt\",\"k\\n\":\"\\u20ac\\uD83D\\uDE00\\/"
		"\\\\\\\"\\b\\f\\r\\t\"}," T("conv.weight", "F32", "[4,3,2]", 16, 112) "," T(
			"n", "I64", "[]", 8, 16) "," T("b", "BF16", "[2,2]", 0, 8) "}",
		112);
	ck_assert_msg(et_st_open(&st, path, &err) == 0, "%s", err.text);
	ck_assert_str_eq(st.path, path);
	ck_assert_uint_eq(st.n, 3);
	ck_assert_str_eq(st.tensors[0].name, "b");
	ck_assert_str_eq(st.tensors[1].name, "n");
	const struct et_st_tensor *t = et_st_find(&st, "conv.weight");
	ck_assert_ptr_eq(t, &st.tensors[2]);
	ck_assert_int_eq(t->dtype, ET_F32);
	ck_assert_str_eq(t->dtype_name, "F32");
	ck_assert_int_eq(t->rank, 3);
	ck_assert(t->shape[0] == 4 && t->shape[1] == 3 && t->shape[2] == 2 && t->count == 24);
	ck_assert(t->begin == 16 && t->end == 112);
	ck_assert(st.tensors[1].rank == 0 && st.tensors[1].count == 1 &&
		  st.tensors[1].dtype == ET_I64);
	ck_assert_ptr_null(et_st_find(&st, "conv"));
	ck_assert_ptr_null(et_st_find(&st, ""));
	ck_assert_ptr_null(et_st_find(&st, "zzz"));
	ck_assert_str_eq(et_st_meta(&st, "format"), "pt");
	ck_assert_str_eq(et_st_meta(&st, "k\n"), "\xe2\x82\xac\xf0\x9f\x98\x80/\\\"\b\f\r\t");
	ck_assert_ptr_null(et_st_meta(&st, "pt"));
	et_st_close(&st);
	et_st_close(&st);
	memset(&st, 0, sizeof(st));
	et_st_close(&st);
}
END_TEST

START_TEST(refused)
{
#define F32_AT(offsets) "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":" offsets "}}"
#define F32_OF(shape)	"{\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[0,4]}}"
	static const struct {
		const char *header;
		size_t data;
		const char *error;
	} bad[] = {
		/* JSON of the wrong form */
		{"", 0, "header, byte 0: expected a value, found the end of the text"},
		{"[]", 0, "expected an object as the header, found an array"},
		{"{} x", 0, "header, byte 3: expected nothing more, found x"},
		{"\xef\xbb\xbf{}", 0, "header, byte 0: expected a value, found the byte 0xef"},
		{"{\"a\":1}", 0,
		 "tensor \"a\": expected an object as a tensor's entry, found a number"},
		{"{\"a\":null}", 0, "expected an object as a tensor's entry, found null"},
		{"{\"a\":{}}", 0, "tensor \"a\": \"dtype\" is missing"},
		{"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "\"shape\" is missing"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"data_offsets\" is missing"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}",
		 4, "a second \"shape\""},
		{"{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
		 "expected a string as dtype, found a number"},
		{"{" T("a", "F33", "[1]", 0, 4) "}", 4, "unknown dtype \"F33\""},
		{"{" T("a", "f32", "[1]", 0, 4) "}", 4, "unknown dtype \"f32\""},
		{"{" T("a", "", "[1]", 0, 4) "}", 4, "unknown dtype \"\""},
		{"{" T("a", "F32", "[1]", 0, 4) ",}", 4, "a comma too many"},
		{"{\"a\xff\":1}", 0, "is not UTF-8"},
		{"{\"a\\u0000b\":1}", 0, "\\u0000 is not allowed"},
		{"{\"a\":{\"x\":[[[[[[[1]]]]]]]}}", 0, "nested deeper than 8 levels"},
		/* numbers that are not plain unsigned integers */
		{F32_OF("1"), 4, "expected an array as shape, found a number"},
		{F32_OF("[-1]"), 4, "expected an unsigned integer in shape, found -1"},
		{F32_OF("[1.0]"), 4, "expected an unsigned integer in shape, found 1.0"},
		{F32_OF("[1e0]"), 4, "expected an unsigned integer in shape, found 1e0"},
		{F32_OF("[\"1\"]"), 4, "expected an unsigned integer in shape, found a string"},
		{F32_OF("[[1]]"), 4, "expected an unsigned integer in shape, found an array"},
		{F32_OF("[01]"), 4, "this is not a number"},
		{F32_OF("[1,1,1,1,1,1,1,1,1]"), 4, "more than 8 numbers in shape"},
		{F32_OF("[9007199254740992]"), 4,
		 "the number 9007199254740992 in shape is too large"},
		{F32_OF("[18446744073709551617]"), 4,
		 "the number 18446744073709551617 in shape is too large"},
		{F32_OF("[99999999999999999999999999999999999999999999999999]"), 4,
		 "in shape is too large"},
		{F32_AT("[0]"), 4, "expected two numbers in data_offsets, found 1"},
		{F32_AT("[]"), 4, "expected two numbers in data_offsets, found 0"},
		{F32_AT("[0,4,8]"), 4, "more than 2 numbers in data_offsets"},
		{F32_AT("[0,1.5]"), 4, "expected an unsigned integer in data_offsets, found 1.5"},
		{F32_AT("[0,4e0]"), 4, "expected an unsigned integer in data_offsets, found 4e0"},
		{F32_AT("[-0,4]"), 4, "expected an unsigned integer in data_offsets, found -0"},
		{F32_AT("[0,null]"), 4, "expected an unsigned integer in data_offsets, found null"},
		{F32_AT("{\"0\":4}"), 4, "expected an array as data_offsets, found an object"},
		{F32_AT("[0,18446744073709551620]"), 4, "is too large"},
		/* offsets */
		{F32_AT("[4,0]"), 4,
		 "tensor \"a\": expected data_offsets that begin at 0, found [4,0]"},
		{F32_AT("[4,8]"), 8,
		 "tensor \"a\": expected data_offsets that begin at 0, found [4,8]"},
		{"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 5, 9) "}", 9,
		 "tensor \"b\": expected data_offsets that begin at 4, found [5,9]"},
		{"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 3, 7) "}", 7,
		 "tensor \"b\": expected data_offsets that begin at 4, found [3,7]"},
		{"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 0, 4) "}", 4,
		 "tensor \"b\": expected data_offsets that begin at 4, found [0,4]"},
		{"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[0]", 2, 2) "}", 4,
		 "tensor \"b\": expected data_offsets that begin at 4, found [2,2]"},
		{"{" T("a", "F32", "[1]", 0, 4) "," T("b", "F32", "[1]", 4, 2) "}", 4,
		 "tensor \"b\": expected data_offsets that begin at 4, found [4,2]"},
		/* sizes */
		{F32_AT("[0,8]"), 8,
		 "tensor \"a\": F32 [1] needs 4 bytes, its data_offsets hold 8"},
		{"{" T("a", "F16", "[2,3]", 0, 24) "}", 24,
		 "tensor \"a\": F16 [2,3] needs 12 bytes, its data_offsets hold 24"},
		{"{" T("a", "F32", "[0]", 0, 4) "}", 4, "F32 [0] needs 0 bytes"},
		{"{" T("a", "F32", "[4294967296,4294967296]", 0, 4) "}", 4,
		 "tensor \"a\": the size of F32 [4294967296,4294967296] overflows"},
		{"{" T("a", "F32", "[4294967296,4294967296,0]", 0, 0) "}", 0, "overflows"},
		{"{" T("a", "F64", "[4294967296,67108864]", 0, 0) "}", 0, "overflows"},
		/* 2^64 + 1 elements, and 2^64 + 32 bits: what wraps around fits the 4 bytes. */
		{F32_OF("[274177,67280421310721]"), 4, "overflows"},
		{F32_OF("[8499,67826891670011]"), 4, "overflows"},
		{"{" T("a", "F4", "[3]", 0, 1) "}", 1, "F4 [3] does not end at a whole byte"},
		{"{" T("a", "F6_E2M3", "[3]", 0, 2) "}", 2,
		 "F6_E2M3 [3] does not end at a whole byte"},
		/* the end of the file */
		{F32_AT("[0,4]"), 3,
		 "expected 4 bytes of data after the header, found 3 (the file is cut off)"},
		{F32_AT("[0,4]"), 5,
		 "expected 4 bytes of data after the header, found 5 (something is hidden behind "
		 "it)"},
		{"{}", 1, "expected 0 bytes of data after the header, found 1"},
		/* names that appear twice, as themselves or behind escapes */
		{"{" T("a", "F32", "[1]", 0, 4) "," T("a", "F32", "[1]", 4, 8) "}", 8,
		 "tensor \"a\" appears twice in the header"},
		{"{" T("a", "F32", "[1]", 0, 4) "," T("\\u0061", "F32", "[1]", 0, 4) "}", 4,
		 "tensor \"a\" appears twice in the header"},
		/* metadata */
		{"{\"__metadata__\":[]}", 0, "expected an object as __metadata__, found an array"},
		{"{\"__metadata__\":null}", 0, "expected an object as __metadata__, found null"},
		{"{\"__metadata__\":{\"a\":1}}", 0,
		 "expected a string as a value in __metadata__, found a number"},
		{"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0,
		 "expected a string as a value in __metadata__, found an object"},
		{"{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\",\"\\u0061\":\"3\"}}", 0,
		 "the key of __metadata__ \"a\" appears twice"},
		{"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "a second __metadata__"},
	};
	int fds = open_fds();
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		const char *path = put_zeros(bad[i].header, bad[i].data);
		ck_assert_msg(et_st_open(&st, path, &err) == ET_EDATA, "%s", bad[i].header);
		ck_assert_msg(!strncmp(err.text, path, strlen(path)), "%s", err.text);
		ck_assert_msg(strstr(err.text, bad[i].error) != NULL, "%s: %s", bad[i].header,
			      err.text);
		et_st_close(&st);
	}
	ck_assert_int_eq(open_fds(), fds);
	ck_assert_int_eq(et_st_open(&st, put_zeros("[", 0), NULL), ET_EDATA);
}
END_TEST

START_TEST(header_length)
{
	static const char h[] = "{}";
	static const struct {
		uint64_t length;
		const char *error;
	} bad[] = {
		{3, "its header should have 3 bytes, the file has 10"},
		{UINT64_MAX, "its header should have 18446744073709551615 bytes"},
		{UINT64_MAX - 7, "its header should have 18446744073709551608 bytes"},
		{UINT64_C(1) << 63, "its header should have 9223372036854775808 bytes"},
		{100000001, "its header should have 100000001 bytes"},
		{1, "header, byte 1: expected a key in double quotes, found the end of the text"},
		{0, "header, byte 0: expected a value, found the end of the text"},
	};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		ck_assert_int_eq(et_st_open(&st, st_put_file(bad[i].length, h, 2, "", 0), &err),
				 ET_EDATA);
		ck_assert_msg(strstr(err.text, bad[i].error) != NULL, "%s", err.text);
	}
	for (size_t n = 0; n < 8; n++) {
		ck_assert_int_eq(et_st_open(&st, scratch_put("short", "\2\0\0\0\0\0\0", n), &err),
				 ET_EDATA);
		ck_assert_ptr_nonnull(strstr(err.text, "expected a safetensors file, found only"));
	}
	ck_assert_int_eq(et_st_open(&st, scratch_path("none"), &err), ET_ENOINPUT);
	ck_assert_int_eq(et_st_open(&st, scratch_path(""), &err), ET_EDATA);
	/* At the limit, and one beyond. */
	for (unsigned extra = 0; extra < 2; extra++) {
		size_t n = ET_ST_MAX_HEADER + extra;
		char *header = malloc(n);
		memset(header, ' ', n);
		memcpy(header, "{}", 2);
		const char *path = st_put_file(n, header, n, "", 0);
		ck_assert_int_eq(et_st_open(&st, path, &err), extra ? ET_EDATA : 0);
		if (extra)
			ck_assert_ptr_nonnull(strstr(
				err.text, "the header has 16777217 bytes, more than the limit"));
		et_st_close(&st);
		free(header);
	}
}
END_TEST

/* What people pass by mistake. */
START_TEST(other_formats)
{
	static const struct {
		const char *head, *hint;
	} cases[] = {
		{"PK\3\4..........", "PyTorch checkpoint"},
		{"\x80\2}q\1..........", "Python pickle"},
		{"version https://git-lfs.github.com/spec/v1", "git-lfs pointer"},
		{"<!DOCTYPE html>", "web page"},
		{"<html><body>", "web page"},
		{"\x89HDF\r\n\x1a\n....", "HDF5"},
	};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		ck_assert_int_eq(et_st_open(&st,
					    scratch_put("x", cases[i].head, strlen(cases[i].head)),
					    &err),
				 ET_EDATA);
		ck_assert_msg(strstr(err.text, cases[i].hint) != NULL, "%s", err.text);
		ck_assert_ptr_nonnull(strstr(err.text, "not a safetensors file"));
	}
}
END_TEST

/* n tensors, one behind the other or all on the same bytes. */
static char *entries(size_t n, bool stacked)
{
	char *text = malloc(n * 120 + 10), *p = text;
	*p++ = '{';
	for (size_t i = 0; i < n; i++)
		p += sprintf(
			p,
			"%s\"t%zu\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
			i ? "," : "", i, stacked ? 0 : 4 * i, stacked ? 4 : 4 * i + 4);
	strcpy(p, "}");
	return text;
}

START_TEST(crowds)
{
	double start = et_now();
	/* As many as are allowed. */
	char *header = entries(ET_ST_MAX_TENSORS, false);
	ck_assert_msg(et_st_open(&st, put_zeros(header, 4 * (size_t)ET_ST_MAX_TENSORS), &err) == 0,
		      "%s", err.text);
	ck_assert_uint_eq(st.n, ET_ST_MAX_TENSORS);
	size_t found = 0;
	for (size_t i = 0; i < st.n; i++)
		found += et_st_find(&st, st.tensors[i].name) == &st.tensors[i];
	ck_assert_uint_eq(found, st.n);
	et_st_close(&st);
	free(header);
	header = entries(ET_ST_MAX_TENSORS + 1, false);
	ck_assert_int_eq(
		et_st_open(&st, put_zeros(header, 4 * (size_t)ET_ST_MAX_TENSORS + 4), &err),
		ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 65536 tensors"));
	free(header);
	/* Many tensors over the same few bytes. */
	header = entries(60000, true);
	ck_assert_int_eq(et_st_open(&st, put_zeros(header, 4), &err), ET_EDATA);
	ck_assert_ptr_nonnull(
		strstr(err.text, "expected data_offsets that begin at 4, found [0,4]"));
	free(header);
	/* Many of the same name. */
	header = malloc(ET_ST_MAX_HEADER);
	char *p = header + sprintf(header, "{");
	for (int i = 0; i < 60000; i++)
		p += sprintf(p,
			     "%s\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
			     i ? "," : "", 4 * i, 4 * i + 4);
	strcpy(p, "}");
	ck_assert_int_eq(et_st_open(&st, put_zeros(header, 240000), &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "tensor \"t\" appears twice"));
	/* A header full of metadata. */
	p = header + sprintf(header, "{\"__metadata__\":{\"\":\"\"");
	for (unsigned i = 0; i < ET_ST_MAX_TENSORS; i++)
		p += sprintf(p, ",\"%x\":\"\"", i);
	strcpy(p, "}}");
	ck_assert_int_eq(et_st_open(&st, put_zeros(header, 0), &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 65536 entries in __metadata__"));
	/* Brackets to its end. */
	memset(header, '[', ET_ST_MAX_HEADER - 1);
	memcpy(header, "{\"a\":{\"b\":", 10);
	header[ET_ST_MAX_HEADER - 1] = '\0';
	ck_assert_int_eq(et_st_open(&st, put_zeros(header, 0), &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "nested deeper than 8 levels"));
	free(header);
	/* All of that in a moment, where comparing each with each would need minutes. */
	ck_assert_double_lt(et_now() - start, 30);
}
END_TEST

START_TEST(names)
{
	char header[3000], name[1200];
	for (size_t extra = 0; extra < 2; extra++) {
		memset(name, 'n', ET_ST_MAX_NAME + extra);
		name[ET_ST_MAX_NAME + extra] = '\0';
		snprintf(header, sizeof(header),
			 "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", name);
		ck_assert_int_eq(et_st_open(&st, put_zeros(header, 4), &err), extra ? ET_EDATA : 0);
		if (extra)
			ck_assert_ptr_nonnull(
				strstr(err.text, "longer than the limit of 1024 bytes"));
		et_st_close(&st);
	}
	/* A name must not command the terminal, nor crowd out what is said of it. */
	ck_assert_int_eq(
		et_st_open(&st,
			   put_zeros("{" T("\\u001b[2J\\n\\u009b\x7f", "F32", "[1]", 0, 5) "}", 5),
			   &err),
		ET_EDATA);
	for (const char *p = err.text; *p; p++)
		ck_assert(*p >= ' ' && *p < 0x7f);
	ck_assert_ptr_nonnull(strstr(err.text, "tensor \"?[2J???\": F32 [1] needs 4 bytes"));
	memset(name, 'n', 1000);
	name[1000] = '\0';
	snprintf(header, sizeof(header),
		 "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,5]}}", name);
	ck_assert_int_eq(et_st_open(&st, put_zeros(header, 5), &err), ET_EDATA);
	ck_assert_ptr_nonnull(
		strstr(err.text, "nnn...\": F32 [1] needs 4 bytes, its data_offsets hold 5"));
}
END_TEST

START_TEST(shape_text)
{
	char buf[128];
	uint64_t shape[8] = {64, 3, 7, 7};
	ck_assert_str_eq(et_st_shape_text(4, shape, buf), "[64,3,7,7]");
	ck_assert_str_eq(et_st_shape_text(0, shape, buf), "[]");
	for (int i = 0; i < 8; i++)
		shape[i] = UINT64_MAX;
	et_st_shape_text(8, shape, buf);
	ck_assert_uint_lt(strlen(buf), 128);
	ck_assert_str_eq(buf + strlen(buf) - 4, "...]");
}
END_TEST

Suite *suite_safetensors(void)
{
	Suite *s = suite_create("safetensors");
	TCase *tc = tcase_create("header");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, accepted);
	tcase_add_test(tc, contents);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, header_length);
	tcase_add_test(tc, other_formats);
	tcase_add_test(tc, crowds);
	tcase_add_test(tc, names);
	tcase_add_test(tc, shape_text);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcase_safetensors_read());
	suite_add_tcase(s, tcase_safetensors_write());
	return s;
}
