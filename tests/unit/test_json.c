/* JSON: what is accepted, what is refused and where, and typed members. */
#include <cjson/cJSON.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "scratch.h"
#include "suites.h"

static struct et_err err;

static int parse(const char *text, size_t n, cJSON **json)
{
	/* An exact copy on the heap: the sanitizer sees every byte read beyond it. */
	char *copy = malloc(n + !n);
	memcpy(copy, text, n);
	int rc = et_json_parse(copy, n, "t.json", json, &err);
	free(copy);
	return rc;
}

/* The text as a member "v" of an object. */
static cJSON *object(const char *value)
{
	char text[1000];
	cJSON *json;
	snprintf(text, sizeof(text), "{\"v\":%s}", value);
	ck_assert_msg(parse(text, strlen(text), &json) == 0, "%s", err.text);
	return json;
}

START_TEST(accepted)
{
	static const char *const good[] = {
		"{}",
		"[]",
		" \t\r\n{ } \n",
		"0",
		"-0",
		"\"x\"",
		"true",
		"null",
		"[1,2.5,-3e+7,0.1E-2]",
		"{\"a\":{\"b\":[{\"c\":[]}]},\"d\":null}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"",
		"\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
		"{\"a\":1,\"A\":2,\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}]}",
		"\xef\xbb\xbf{}",
		"1e308",
		"1e-999",
		"123456789012345678901234567890123456789012345678901234567890123",
	};
	for (size_t i = 0; i < ET_COUNT(good); i++) {
		cJSON *json = NULL;
		ck_assert_msg(parse(good[i], strlen(good[i]), &json) == 0, "%s: %s", good[i],
			      err.text);
		ck_assert_ptr_nonnull(json);
		et_json_free(json);
	}
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"", "t.json:1:1: expected a value, found the end of the text"},
		{" \n ", "t.json:2:2: expected a value, found the end of the text"},
		{"{", "t.json:1:2: expected a key in double quotes, found the end of the text"},
		{"{\"a\"", "t.json:1:5: expected ':' after the key, found the end of the text"},
		{"{\"a\":", "t.json:1:6: expected a value, found the end of the text"},
		{"{\"a\":1", "t.json:1:7: expected ',' or '}', found the end of the text"},
		{"[1", "t.json:1:3: expected ',' or ']', found the end of the text"},
		{"[1 2]", "t.json:1:4: expected ',' or ']', found '2'"},
		{"[1}", "t.json:1:3: expected ',' or ']', found '}'"},
		{"{\"a\":1]", "t.json:1:7: expected ',' or '}', found ']'"},
		{"{\n  \"a\": 1,\n  \"b\" 2\n}",
		 "t.json:3:7: expected ':' after the key, found '2'"},
		{"{\"a\":1,}", "t.json:1:8: expected a key in double quotes, found '}' (there is a "
			       "comma too many before it)"},
		{"[1,]",
		 "t.json:1:4: expected a value, found ']' (there is a comma too many before it)"},
		{"[,1]", "t.json:1:2: expected a value, found ','"},
		{"{} x", "t.json:1:4: expected nothing more, found x"},
		{"{}{}", "t.json:1:3: expected nothing more, found '{'"},
		{"1 // one", "t.json:1:3: expected nothing more, found '/' (JSON has no comments)"},
		{"{'a':1}", "t.json:1:2: expected a key in double quotes, found ''' (strings need "
			    "double quotes)"},
		{"{a:1}", "t.json:1:2: expected a key in double quotes, found a"},
		{"[True]", "t.json:1:2: expected a value, found True"},
		{"[NaN]", "t.json:1:2: expected a value, found NaN"},
		{"[-Infinity]", "t.json:1:2: this is not a number as JSON writes one"},
		{"nul", "t.json:1:1: expected a value, found nul"},
		{"truex", "t.json:1:1: expected a value, found truex"},
		{"[\x01]", "t.json:1:2: expected a value, found the byte 0x01"},
		{"[\xff]", "t.json:1:2: expected a value, found the byte 0xff"},
		{"01", "t.json:1:1: this is not a number"},
		{"-01", "t.json:1:1: this is not a number"},
		{"1.", "t.json:1:1: this is not a number"},
		{"-.5", "t.json:1:1: this is not a number"},
		{".5", "t.json:1:1: expected a value, found '.'"},
		{"+1", "t.json:1:1: expected a value, found '+'"},
		{"1e", "t.json:1:1: this is not a number"},
		{"1e+", "t.json:1:1: this is not a number"},
		{"-", "t.json:1:1: this is not a number"},
		{"0x10", "t.json:1:1: this is not a number"},
		{"1_000", "t.json:1:1: this is not a number"},
		{"[1e999]", "t.json:1:2: the number 1e999 is too large"},
		{"1234567890123456789012345678901234567890123456789012345678901234",
		 "a number of more than 63 characters"},
		{"\"abc", "t.json:1:1: this string has no closing quote"},
		{"\"abc\\", "t.json:1:5: wrong escape in a string"},
		{"\"\\x\"", "t.json:1:2: wrong escape in a string"},
		{"\"\\u12\"", "t.json:1:2: wrong escape in a string"},
		{"\"\\u12", "t.json:1:2: wrong escape in a string"},
		{"\"\\ud800\\udc0", "t.json:1:2: half of a surrogate pair"},
		{"\"\\u12g4\"", "t.json:1:2: wrong escape in a string"},
		{"\"a\\u0000b\"", "t.json:1:3: \\u0000 is not allowed in a string"},
		{"\"\\ud800\"", "t.json:1:2: half of a surrogate pair"},
		{"\"\\ud800\\u0041\"", "t.json:1:2: half of a surrogate pair"},
		{"\"\\ud800\\", "t.json:1:2: half of a surrogate pair"},
		{"\"\\udc00\"", "t.json:1:2: half of a surrogate pair"},
		{"\"a\nb\"", "t.json:1:3: control character 0x0a in a string"},
		{"\"\xc3\xbc\xff\"", "t.json:1:3: the byte 0xff in a string is not UTF-8"},
		{"\"\xed\xa0\x80\"", "the byte 0xed in a string is not UTF-8"},
		{"\"\xc3", "the byte 0xc3 in a string is not UTF-8"},
		{"{\"a\":1,\"a\":2}", "t.json:1:8: the key \"a\" appears twice in one object"},
		{"{\"a\":1,\"b\":{\"c\":1},\n\"\\u0061\":2}",
		 "t.json:2:1: the key \"a\" appears twice"},
		{"[{\"x\":{\"y\":1,\"y\":{}}}]", "t.json:1:14: the key \"y\" appears twice"},
		{"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}",
		 "the key \"\xf0\x9f\x98\x80\" appears twice"},
		{"{\"\":1,\"\":2}", "the key \"\" appears twice"},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
		 "t.json:1:33: nested deeper than 32 levels"},
		{"\xef\xbb\xbf[", "t.json:1:2: expected a value"},
	};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		cJSON *json;
		ck_assert_msg(parse(bad[i].text, strlen(bad[i].text), &json) == ET_EDATA, "%s",
			      bad[i].text);
		ck_assert_msg(strstr(err.text, bad[i].error) != NULL, "%s: %s", bad[i].text,
			      err.text);
		ck_assert_ptr_null(json);
	}
	cJSON *json;
	ck_assert_int_eq(parse("1\0", 2, &json), ET_EDATA);
	ck_assert_int_eq(parse("\"a\0b\"", 5, &json), ET_EDATA);
	/* Columns count characters, not bytes. */
	ck_assert_int_eq(parse("[\"\xc3\xbc\xe2\x82\xac\" 1]", 12, &json), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "t.json:1:7: "));
	/* Nobody to tell. */
	ck_assert_int_eq(et_json_parse("[", 1, "x", &json, NULL), ET_EDATA);
}
END_TEST

/* A text of n bytes made of one piece repeated, with a head and a tail. */
static char *repeat(const char *head, const char *piece, size_t times, const char *tail, size_t *n)
{
	size_t a = strlen(head), b = strlen(piece), c = strlen(tail);
	char *text = malloc(a + b * times + c + 1);
	memcpy(text, head, a);
	for (size_t i = 0; i < times; i++)
		memcpy(text + a + b * i, piece, b);
	memcpy(text + a + b * times, tail, c + 1);
	*n = a + b * times + c;
	return text;
}

START_TEST(bombs)
{
	cJSON *json;
	size_t n;
	/* A million brackets must not be a million stack frames. */
	char *text = repeat("", "[", 1000000, "", &n);
	ck_assert_int_eq(parse(text, n, &json), ET_EDATA);
	free(text);
	text = repeat("", "{\"a\":", 1000000, "", &n);
	ck_assert_int_eq(parse(text, n, &json), ET_EDATA);
	free(text);
	/* More values than any spec has, in few bytes each. */
	text = repeat("[0", ",0", ET_JSON_MAX_TOKENS - 3, "]", &n);
	ck_assert_msg(parse(text, n, &json) == 0, "%s", err.text);
	et_json_free(json);
	free(text);
	text = repeat("[0", ",0", ET_JSON_MAX_TOKENS - 2, "]", &n);
	ck_assert_int_eq(parse(text, n, &json), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 262144 values"));
	free(text);
	text = repeat("\"", "x", ET_JSON_MAX_BYTES - 2, "\"", &n);
	ck_assert_msg(parse(text, n, &json) == 0, "%s", err.text);
	et_json_free(json);
	free(text);
	text = repeat("\"", "x", ET_JSON_MAX_BYTES - 1, "\"", &n);
	ck_assert_int_eq(parse(text, n, &json), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "longer than the limit of 16.8 MB"));
	free(text);
}
END_TEST

/* Finding a duplicate among many keys must not compare each with each. */
START_TEST(many_keys)
{
	enum { N = 120000 };
	char *text = malloc(N * 20 + 100), *p = text;
	p += sprintf(p, "{\"x\":0");
	for (int i = 0; i < N; i++)
		p += sprintf(p, ",\"key%06d\":0", i);
	char *end = p;
	p += sprintf(p, "}");
	cJSON *json;
	double start = et_now();
	ck_assert_msg(parse(text, (size_t)(p - text), &json) == 0, "%s", err.text);
	et_json_free(json);
	p = end + sprintf(end, ",\"key000000\":1}");
	ck_assert_int_eq(parse(text, (size_t)(p - text), &json), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "the key \"key000000\" appears twice"));
	/* Each with each took minutes. */
	ck_assert_double_lt(et_now() - start, 20);
	free(text);
}
END_TEST

START_TEST(read_file)
{
	cJSON *json;
	const char *path = scratch_put("a.json", "{\"a\": 1}\n", 9);
	ck_assert_int_eq(et_json_read(path, &json, &err), 0);
	int64_t v = 0;
	ck_assert_int_eq(et_json_int(json, "a", "a", 0, 9, &v, &err), 1);
	ck_assert_int_eq(v, 1);
	et_json_free(json);
	path = scratch_put("b.json", "{\"a\": 1,\n}\n", 11);
	ck_assert_int_eq(et_json_read(path, &json, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "/b.json:2:1: expected a key"));
	ck_assert_int_eq(et_json_read(scratch_path("none"), &json, &err), ET_ENOINPUT);
	ck_assert_ptr_null(json);
	et_json_free(NULL);
}
END_TEST

START_TEST(strings_decoded)
{
	cJSON *json = object("\"\\u00e9\\u20AC\\uD83d\\ude00\\n\\/\\\"\"");
	const char *s = NULL;
	ck_assert_int_eq(et_json_str(json, "w", "v", &s, &err), 1);
	ck_assert_str_eq(s, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n/\"");
	et_json_free(json);
}
END_TEST

START_TEST(numbers_exact)
{
	static const struct {
		const char *text;
		double v;
	} cases[] = {{"0.1", 0.1},
		     {"-1.7976931348623157e308", -DBL_MAX},
		     {"5e-324", 5e-324},
		     {"9007199254740993", 9007199254740992.0},
		     {"0.30000000000000004", 0.1 + 0.2}};
	static const char *const locales[] = {"C", "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
	for (size_t l = 0; l < ET_COUNT(locales); l++) {
		if (!setlocale(LC_ALL, locales[l]))
			continue;
		for (size_t i = 0; i < ET_COUNT(cases); i++) {
			double v = 0;
			cJSON *json = object(cases[i].text);
			ck_assert_int_eq(et_json_num(json, "w", "v", -HUGE_VAL, HUGE_VAL, &v, &err),
					 1);
			ck_assert_msg(v == cases[i].v, "%s in %s", cases[i].text, locales[l]);
			et_json_free(json);
		}
	}
	setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(known_keys)
{
	static const char *const known[] = {"name", "type", "kernel_size"};
	cJSON *json;
	ck_assert_int_eq(parse("{\"name\":1,\"kernel_size\":2}", 26, &json), 0);
	ck_assert_int_eq(et_json_known_keys(json, "layer conv1", known, 3, &err), 0);
	et_json_free(json);
	json = object("1");
	ck_assert_int_eq(et_json_known_keys(json, "layer conv1", known, 3, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "layer conv1: unknown key \"v\"");
	et_json_free(json);
	/* Case counts. */
	ck_assert_int_eq(parse("{\"name\":1,\"Kernel_Sise\":2}", 26, &json), 0);
	ck_assert_int_eq(et_json_known_keys(json, "layer conv1", known, 3, &err), ET_EDATA);
	ck_assert_str_eq(err.text,
			 "layer conv1: unknown key \"Kernel_Sise\"; did you mean \"kernel_size\"?");
	et_json_free(json);
	ck_assert_int_eq(parse("[1]", 3, &json), 0);
	ck_assert_int_eq(et_json_known_keys(json, "layers", known, 3, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "layers: expected an object, found an array");
	et_json_free(json);
}
END_TEST

START_TEST(integers)
{
	static const struct {
		const char *text;
		int64_t v;
	} good[] = {{"1", 1}, {"10", 10}, {"4.0", 4}, {"1e1", 10}};
	static const struct {
		const char *text, *found;
	} bad[] = {{"0", "0"},		{"11", "11"},	    {"1.5", "1.5"},   {"-1", "-1"},
		   {"1e300", "1e+300"}, {"\"3\"", "\"3\""}, {"null", "null"}, {"true", "true"},
		   {"[1]", "an array"}, {"{}", "an object"}};
	for (size_t i = 0; i < ET_COUNT(good); i++) {
		int64_t v = -7;
		cJSON *json = object(good[i].text);
		ck_assert_int_eq(et_json_int(json, "w", "v", 1, 10, &v, &err), 1);
		ck_assert_int_eq(v, good[i].v);
		ck_assert_int_eq(et_json_int(json, "w", "V", 1, 10, &v, &err), 0);
		et_json_free(json);
	}
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		int64_t v = -7;
		char want[100];
		cJSON *json = object(bad[i].text);
		ck_assert_int_eq(et_json_int(json, "layer a", "v", 1, 10, &v, &err), ET_EDATA);
		snprintf(want, sizeof(want),
			 "layer a: \"v\": expected an integer from 1 to 10, found %s",
			 bad[i].found);
		ck_assert_str_eq(err.text, want);
		ck_assert_int_eq(v, -7);
		et_json_free(json);
	}
	/* The last integers that a double holds for sure. */
	int64_t v = 0;
	cJSON *json = object("9007199254740991");
	ck_assert_int_eq(et_json_int(json, "w", "v", INT64_MIN, INT64_MAX, &v, &err), 1);
	ck_assert_int_eq(v, INT64_C(9007199254740991));
	et_json_free(json);
	json = object("9007199254740993");
	ck_assert_int_eq(et_json_int(json, "w", "v", INT64_MIN, INT64_MAX, &v, &err), ET_EDATA);
	et_json_free(json);
	json = object("-9007199254740991");
	ck_assert_int_eq(et_json_int(json, "w", "v", INT64_MIN, INT64_MAX, &v, &err), 1);
	ck_assert_int_eq(v, INT64_C(-9007199254740991));
	ck_assert_int_eq(et_json_int(json, "w", "v", 0, INT64_MAX, &v, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "expected an integer of at least 0, found"));
	et_json_free(json);
}
END_TEST

START_TEST(numbers)
{
	double v = -7;
	cJSON *json = object("0.5");
	ck_assert_int_eq(et_json_num(json, "w", "v", 0.5, 0.5, &v, &err), 1);
	ck_assert_double_eq(v, 0.5);
	ck_assert_int_eq(et_json_num(json, "w", "u", 0, 1, &v, &err), 0);
	ck_assert_int_eq(et_json_num(json, "w", "v", 0.6, 1, &v, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "w: \"v\": expected a number from 0.6 to 1, found 0.5");
	ck_assert_int_eq(et_json_num(json, "w", "v", 1, DBL_MAX, &v, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "w: \"v\": expected a number of at least 1, found 0.5");
	et_json_free(json);
	json = object("\"0.5\"");
	ck_assert_int_eq(et_json_num(json, "w", "v", -HUGE_VAL, HUGE_VAL, &v, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "w: \"v\": expected a number, found \"0.5\"");
	ck_assert_double_eq(v, 0.5);
	et_json_free(json);
}
END_TEST

START_TEST(bools_and_strings)
{
	bool b = false;
	const char *s = "kept";
	cJSON *json = object("true");
	ck_assert_int_eq(et_json_bool(json, "w", "v", &b, &err), 1);
	ck_assert(b);
	ck_assert_int_eq(et_json_bool(json, "w", "u", &b, &err), 0);
	ck_assert_int_eq(et_json_str(json, "w", "v", &s, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "w: \"v\": expected a string, found true");
	ck_assert_str_eq(s, "kept");
	ck_assert_int_eq(et_json_str(json, "w", "u", &s, &err), 0);
	et_json_free(json);
	json = object("1");
	ck_assert_int_eq(et_json_bool(json, "w", "v", &b, &err), ET_EDATA);
	ck_assert_str_eq(err.text, "w: \"v\": expected true or false, found 1");
	et_json_free(json);
	json = object("false");
	ck_assert_int_eq(et_json_bool(json, "w", "v", &b, &err), 1);
	ck_assert(!b);
	et_json_free(json);
	/* A long string is not repeated whole, nor cut within a character. */
	char text[500] = "\"ab", *p = text + 3;
	for (int i = 0; i < 100; i++, p += 3)
		memcpy(p, "\xe2\x82\xac", 3);
	memcpy(p, "\"", 2);
	json = object(text);
	ck_assert_int_eq(et_json_bool(json, "w", "v", &b, &err), ET_EDATA);
	ck_assert_uint_lt(strlen(err.text), 160);
	ck_assert_ptr_nonnull(strstr(err.text, "\xe2\x82\xac...\""));
	ck_assert_ptr_null(strchr(err.text, '?'));
	et_json_free(json);
}
END_TEST

START_TEST(number_lists)
{
	double v[3] = {-7, -7, -7};
	size_t n = 99;
	cJSON *json = object("0.5");
	ck_assert_int_eq(et_json_nums(json, "w", "v", v, 3, &n, &err), 1);
	ck_assert(n == 1 && v[0] == 0.5 && v[1] == -7);
	ck_assert_int_eq(et_json_nums(json, "w", "u", v, 3, &n, &err), 0);
	et_json_free(json);
	json = object("[1,2.5,3]");
	ck_assert_int_eq(et_json_nums(json, "w", "v", v, 3, &n, &err), 1);
	ck_assert(n == 3 && v[0] == 1 && v[1] == 2.5 && v[2] == 3);
	ck_assert_int_eq(et_json_nums(json, "w", "v", v, 2, &n, &err), ET_EDATA);
	ck_assert_str_eq(err.text,
			 "w: \"v\": expected a number or an array of 1 to 2 numbers, found 3");
	et_json_free(json);
	static const char *const bad[] = {"[]", "[1,null]", "\"x\"", "{}", "[[1]]"};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		json = object(bad[i]);
		ck_assert_int_eq(et_json_nums(json, "w", "v", v, 3, &n, &err), ET_EDATA);
		ck_assert(n == 3 && v[0] == 1);
		et_json_free(json);
	}
}
END_TEST

START_TEST(pairs)
{
	int v[2] = {-7, -7};
	cJSON *json = object("3");
	ck_assert_int_eq(et_json_pair(json, "w", "v", 1, 9, v, &err), 1);
	ck_assert(v[0] == 3 && v[1] == 3);
	ck_assert_int_eq(et_json_pair(json, "w", "u", 1, 9, v, &err), 0);
	et_json_free(json);
	json = object("[1,9]");
	ck_assert_int_eq(et_json_pair(json, "w", "v", 1, 9, v, &err), 1);
	ck_assert(v[0] == 1 && v[1] == 9);
	ck_assert_int_eq(et_json_pair(json, "w", "v", 1, 8, v, &err), ET_EDATA);
	ck_assert_str_eq(err.text,
			 "w: \"v\": expected an integer from 1 to 8, or an array of two, found 9");
	et_json_free(json);
	static const char *const bad[] = {"0",	     "[]",	   "[1]",	    "[1,2,3]",
					  "[1,1.5]", "[\"1\",1]",  "\"same\"",	    "null",
					  "{}",	     "4294967297", "[1,4294967297]"};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		json = object(bad[i]);
		ck_assert_msg(et_json_pair(json, "w", "v", 1, INT64_MAX, v, &err) == ET_EDATA, "%s",
			      bad[i]);
		ck_assert(v[0] == 1 && v[1] == 9);
		et_json_free(json);
	}
}
END_TEST

Suite *suite_json(void)
{
	Suite *s = suite_create("json");
	TCase *tc = tcase_create("parse");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, accepted);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, bombs);
	tcase_add_test(tc, many_keys);
	tcase_add_test(tc, read_file);
	tcase_add_test(tc, strings_decoded);
	tcase_add_test(tc, numbers_exact);
	suite_add_tcase(s, tc);
	tc = tcase_create("members");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, known_keys);
	tcase_add_test(tc, integers);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, bools_and_strings);
	tcase_add_test(tc, number_lists);
	tcase_add_test(tc, pairs);
	suite_add_tcase(s, tc);
	return s;
}
