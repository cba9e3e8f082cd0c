/* UTF-8, nearest words, patterns, numbers. */
#include <locale.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "test_base.h"

START_TEST(utf8)
{
	static const struct {
		const char *s;
		size_t n, len;
		uint32_t cp;
	} cases[] = {
		{"a", 1, 1, 'a'},
		{"", 1, 1, 0},
		{"", 0, 0, 0},
		{"\xc3\xbc", 2, 2, 0xfc},
		{"\xc3\xbc", 1, 0, 0},
		{"\xe2\x82\xac", 3, 3, 0x20ac},
		{"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
		{"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
		{"\xf4\x90\x80\x80", 4, 0, 0}, /* beyond Unicode */
		{"\xc0\x80", 2, 0, 0},	       /* overlong */
		{"\xc1\xbf", 2, 0, 0},
		{"\xe0\x9f\xbf", 3, 0, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0, 0},
		{"\xed\xa0\x80", 3, 0, 0}, /* surrogates */
		{"\xed\xbf\xbf", 3, 0, 0},
		{"\xed\x9f\xbf", 3, 3, 0xd7ff},
		{"\x80", 1, 0, 0},
		{"\xc3(", 2, 0, 0},
		{"\xff\x80\x80\x80", 4, 0, 0},
		{"\xf8\x88\x80\x80\x80", 5, 0, 0},
	};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		uint32_t cp = 0;
		ck_assert_msg(et_utf8_next(cases[i].s, cases[i].n, &cp) == cases[i].len, "case %zu",
			      i);
		if (cases[i].len)
			ck_assert_uint_eq(cp, cases[i].cp);
	}
}
END_TEST

START_TEST(nearest)
{
	static const char *const known[] = {"kernel_size", "stride", "padding",	 "out_channels",
					    "groups",	   "lr",     "momentum", "bias"};
	static const struct {
		const char *word, *want;
	} cases[] = {
		{"kernal_size", "kernel_size"},
		{"kernel-size", "kernel_size"},
		{"Kernel_Size", "kernel_size"},
		{"sride", "stride"},
		{"srtide", "stride"},
		{"momentun", "momentum"},
		{"STRIDE", "stride"},
		{"l", "lr"},
		{"rl", "lr"},
		{"out", "out_channels"}, /* an abbreviation */
		{"baise", "bias"},
		{"dilation", NULL},
		{"xyz", NULL},
		{"q", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		const char *have = et_nearest(cases[i].word, known, ET_COUNT(known));
		if (cases[i].want)
			ck_assert_msg(have && !strcmp(have, cases[i].want), "%s: %s", cases[i].word,
				      have ? have : "none");
		else
			ck_assert_msg(!have, "%s: %s", cases[i].word, have);
	}
	char big[100000];
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	ck_assert_ptr_null(et_nearest(big, known, ET_COUNT(known)));
	const char *const long_candidate[] = {big, "abc"};
	ck_assert_str_eq(et_nearest("abd", long_candidate, 2), "abc");
	ck_assert_ptr_null(et_nearest("abc", NULL, 0));
	/* One letter for another is nothing like it. */
	const char *const letter[] = {"h"};
	ck_assert_ptr_null(et_nearest("q", letter, 1));
	ck_assert_str_eq(et_nearest("H", letter, 1), "h");
}
END_TEST

START_TEST(glob)
{
	static const struct {
		const char *glob, *name;
		bool match;
	} cases[] = {
		{"layer4.*", "layer4.0.conv1", true},
		{"layer4.*", "layer40", false},
		{"layer[1-3].*", "layer2.x", true},
		{"layer[1-3].*", "layer4.x", false},
		{"layer[!1-3].*", "layer4.x", true},
		{"layer[!1-3].*", "layer2.x", false},
		{"*", "", true},
		{"*", "anything.at.all", true},
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"?", "a", true},
		{"?", "", false},
		{"?", "ab", false},
		{"?", "\xc3\xbc", true},
		{"?", "\xff", true},
		{"[\xc3\xa0-\xc3\xbf]x", "\xc3\xbcx", true},
		{"*.bias", "fc.bias", true},
		{"*.bias", "fc.bias.x", false},
		{"*a*b*c", "xxaxxbxxc", true},
		{"*a*b*c", "xxaxxcxxb", false},
		{"**", "x", true},
		{"[]]", "]", true},
		{"[a-]", "-", true},
		{"[a-]", "b", false},
		{"[ab", "[ab", true},
		{"[", "[", true},
		{"[]", "[]", true},
		{"a[*]", "a*", true},
		{"a[*]", "ab", false},
		{"fc", "fc2", false},
		{"fc2", "fc", false},
	};
	for (size_t i = 0; i < ET_COUNT(cases); i++)
		ck_assert_msg(et_glob_match(cases[i].glob, cases[i].name) == cases[i].match,
			      "%s ~ %s", cases[i].glob, cases[i].name);
	/* Exponential in a naive matcher. */
	char name[2001];
	memset(name, 'a', 2000);
	name[2000] = '\0';
	ck_assert(!et_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}
END_TEST

static const char *const bad_numbers[] = {"",	 " 1",	 "1 ",	  "1x",	      "x",     "-",
					  "+",	 ".",	 "1e",	  "e5",	      "1e+",   "0x10",
					  "nan", "inf",	 "-inf",  "infinity", "1,5",   "1e999",
					  "--1", "1..2", "1.2.3", "-1e999",   "1_000", "\t1"};

static void numbers(void)
{
	static const struct {
		const char *s;
		double v;
	} good[] = {
		{"0", 0},	    {"1.5", 1.5},
		{"-2.25e3", -2250}, {"+.5", 0.5},
		{"5.", 5},	    {"1E-2", 0.01},
		{"0.1", 0.1},	    {"1e-999", 0},
		{"1e308", 1e308},   {"123456789012345678901234567890", 1.2345678901234568e29},
	};
	double v;
	for (size_t i = 0; i < ET_COUNT(good); i++) {
		v = -1;
		ck_assert_msg(et_parse_f64(good[i].s, &v) && v == good[i].v, "%s", good[i].s);
	}
	for (size_t i = 0; i < ET_COUNT(bad_numbers); i++) {
		int64_t n;
		uint64_t u;
		ck_assert_msg(!et_parse_f64(bad_numbers[i], &v), "f64 %s", bad_numbers[i]);
		ck_assert_msg(!et_parse_i64(bad_numbers[i], &n), "i64 %s", bad_numbers[i]);
		ck_assert_msg(!et_parse_size(bad_numbers[i], &u), "size %s", bad_numbers[i]);
	}
}

START_TEST(parse_f64)
{
	numbers();
}
END_TEST

/* Wherever a locale with a decimal comma is installed; nothing to see elsewhere. */
START_TEST(parse_in_other_locales)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
	for (size_t i = 0; i < ET_COUNT(names); i++)
		if (setlocale(LC_ALL, names[i])) {
			char buf[32];
			numbers();
			ck_assert_str_eq(et_human_bytes(1500, buf), "1.5 kB");
		}
	setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(parse_i64)
{
	static const struct {
		const char *s;
		int64_t v;
	} good[] = {
		{"0", 0},
		{"-0", 0},
		{"+7", 7},
		{"9223372036854775807", INT64_MAX},
		{"-9223372036854775808", INT64_MIN},
		{"007", 7},
	};
	static const char *const bad[] = {"9223372036854775808",
					  "-9223372036854775809",
					  "18446744073709551616",
					  "99999999999999999999999",
					  "1.0",
					  "1e3",
					  "+-1"};
	int64_t v;
	for (size_t i = 0; i < ET_COUNT(good); i++)
		ck_assert_msg(et_parse_i64(good[i].s, &v) && v == good[i].v, "%s", good[i].s);
	for (size_t i = 0; i < ET_COUNT(bad); i++)
		ck_assert_msg(!et_parse_i64(bad[i], &v), "%s", bad[i]);
}
END_TEST

START_TEST(parse_size)
{
	static const struct {
		const char *s;
		uint64_t v;
	} good[] = {
		{"0", 0},
		{"512", 512},
		{"512B", 512},
		{"1K", 1024},
		{"1k", 1024},
		{"3KiB", 3072},
		{"2MB", 2097152},
		{"1.5G", 1610612736},
		{"0.5KiB", 512},
		{"1g", 1073741824},
		{"18446744073709551615", UINT64_MAX},
		{"17179869183G", UINT64_C(17179869183) << 30},
	};
	static const char *const bad[] = {"-1",
					  "1.5",
					  "1i",
					  "1iB",
					  "K",
					  "1T",
					  "1KK",
					  "1 K",
					  "17179869184G",
					  "17179869183.9999999999999999G",
					  "18446744073709551616",
					  "1.K",
					  "1KiBx"};
	uint64_t v;
	for (size_t i = 0; i < ET_COUNT(good); i++)
		ck_assert_msg(et_parse_size(good[i].s, &v) && v == good[i].v, "%s", good[i].s);
	for (size_t i = 0; i < ET_COUNT(bad); i++)
		ck_assert_msg(!et_parse_size(bad[i], &v), "%s", bad[i]);
}
END_TEST

START_TEST(parse_duration)
{
	static const struct {
		const char *s;
		double want; /* -1: refused */
	} cases[] = {
		{"90", 90},	 {"90s", 90},	 {"45m", 2700},	 {"8h", 28800},
		{"1h30m", 5400}, {"1.5h", 5400}, {"2d", 172800}, {"1d2h3m4.5s", 93784.5},
		{"0", 0},	 {"", -1},	 {"h", -1},	 {"-5", -1},
		{"5x", -1},	 {"1m1h", -1},	 {"1h1h", -1},	 {"1.5h3m", -1},
		{"1h30", -1},	 {"1 h", -1},	 {"1e3", -1},	 {"nan", -1},
		{"1..5s", -1},	 {"8H", -1},
	};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		double v = -1;
		ck_assert_msg(et_parse_duration(cases[i].s, &v) == (cases[i].want >= 0), "'%s'",
			      cases[i].s);
		ck_assert_double_eq(v, cases[i].want);
	}
}
END_TEST

START_TEST(parse_energy)
{
	static const struct {
		const char *s;
		double want;
	} cases[] = {
		{"500", 500},	  {"500J", 500},       {"20kJ", 20000}, {"1.5MJ", 1.5e6},
		{"50Wh", 180000}, {"0.25kWh", 900000}, {"", -1},	{"J", -1},
		{"5W", -1},	  {"5kj", -1},	       {"-5J", -1},	{"5J ", -1},
	};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		double v = -1;
		ck_assert_msg(et_parse_energy(cases[i].s, &v) == (cases[i].want >= 0), "'%s'",
			      cases[i].s);
		ck_assert_double_eq(v, cases[i].want);
	}
}
END_TEST

START_TEST(parse_clock)
{
	static const struct {
		const char *s;
		int want;
	} cases[] = {
		{"0:00", 0},   {"00:00", 0},	 {"6:30", 390}, {"06:30", 390}, {"23:59", 1439},
		{"24:00", -1}, {"6:60", -1},	 {"6:3", -1},	{"630", -1},	{"", -1},
		{":30", -1},   {"06:30:00", -1}, {"-6:30", -1}, {"006:30", -1}, {"6:30 ", -1},
	};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		int v = -1;
		ck_assert_msg(et_parse_clock(cases[i].s, &v) == (cases[i].want >= 0), "'%s'",
			      cases[i].s);
		ck_assert_int_eq(v, cases[i].want);
	}
}
END_TEST

START_TEST(human_bytes)
{
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{999, "999 B"},
		{1000, "1.0 kB"},
		{1049, "1.0 kB"},
		{1050, "1.1 kB"},
		{12345678, "12.3 MB"},
		{999949, "999.9 kB"},
		{999950, "1.0 MB"},
		{536870912, "536.9 MB"},
		{UINT64_C(8000000000), "8.0 GB"},
		{UINT64_MAX, "18.4 EB"},
	};
	char buf[32];
	for (size_t i = 0; i < ET_COUNT(cases); i++)
		ck_assert_str_eq(et_human_bytes(cases[i].n, buf), cases[i].text);
}
END_TEST

START_TEST(now)
{
	double a = et_now(), b = et_now();
	ck_assert(a > 0 && b >= a && b < a + 60);
}
END_TEST

TCase *tcase_text(void)
{
	TCase *tc = tcase_create("text");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, utf8);
	tcase_add_test(tc, nearest);
	tcase_add_test(tc, glob);
	tcase_add_test(tc, parse_f64);
	tcase_add_test(tc, parse_in_other_locales);
	tcase_add_test(tc, parse_i64);
	tcase_add_test(tc, parse_size);
	tcase_add_test(tc, parse_duration);
	tcase_add_test(tc, parse_energy);
	tcase_add_test(tc, parse_clock);
	tcase_add_test(tc, human_bytes);
	tcase_add_test(tc, now);
	return tc;
}
