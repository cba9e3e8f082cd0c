/* Caches of a made-up /sys, and the blocks that fit them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"
#include "suites.h"

static char root[64];

/* Index `index` of processor `cpu`; NULL: no such file. */
static void put(int cpu, int index, const char *name, const char *text)
{
	struct et_err err;
	char dir[300], path[400];

	snprintf(dir, sizeof(dir), "%s/sys/devices/system/cpu/cpu%d/cache/index%d", root, cpu,
		 index);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(et_dir_make(dir, &err), 0);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static void put_cache(int cpu, int index, const char *type, const char *level, const char *size,
		      const char *shared)
{
	put(cpu, index, "type", type);
	put(cpu, index, "level", level);
	put(cpu, index, "size", size);
	put(cpu, index, "shared_cpu_list", shared);
}

static void setup(void)
{
	snprintf(root, sizeof(root), "/tmp/et-caches-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
	char cmd[100];
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", root);
	ck_assert_int_eq(system(cmd), 0);
}

static void check(int level, uint64_t bytes, size_t sharers)
{
	struct et_caches c;

	et_caches_read(root, &c);
	ck_assert_uint_eq(c.bytes[level - 1], bytes);
	if (bytes)
		ck_assert_uint_eq(c.sharers[level - 1], sharers);
}

START_TEST(no_sys_is_unknown)
{
	struct et_caches c;

	et_caches_read(root, &c);
	for (int level = 1; level <= ET_CACHE_LEVELS; level++) {
		ck_assert_uint_eq(c.bytes[level - 1], 0);
		ck_assert_uint_eq(et_caches_share(&c, level, 4), 0);
	}
}
END_TEST

/* Four small cores that share the second cache, as on many boards. */
START_TEST(shared)
{
	struct et_caches c;

	for (int cpu = 0; cpu < 4; cpu++) {
		put_cache(cpu, 0, "Data", "1", "32K", (const char *[]){"0", "1", "2", "3"}[cpu]);
		put_cache(cpu, 1, "Instruction", "1", "48K", "0");
		put_cache(cpu, 2, "Unified", "2", "1M", "0-3");
	}
	check(1, 32 << 10, 1);
	check(2, 1 << 20, 4);
	check(3, 0, 0);
	et_caches_read(root, &c);
	ck_assert_uint_eq(et_caches_share(&c, 2, 4), 256 << 10);
	ck_assert_uint_eq(et_caches_share(&c, 2, 8), 256 << 10);
	ck_assert_uint_eq(et_caches_share(&c, 2, 3), (1 << 20) / 3);
	ck_assert_uint_eq(et_caches_share(&c, 2, 1), 1 << 20);
}
END_TEST

/* Big ones with a cache each, small ones in pairs: whose share is smallest counts. */
START_TEST(different)
{
	put_cache(0, 0, "Unified", "2", "512K", "0");
	put_cache(1, 0, "Unified", "2", "512K", "1,3");
	put_cache(2, 0, "Unified", "2", "1024K", "2");
	check(2, 512 << 10, 2);
}
END_TEST

/* What cannot be read is as if it were not there. */
START_TEST(nonsense)
{
	static const char *const lists[] = {"", "x", "3-1", "0-99999", "-"};

	put_cache(0, 0, "Data", "1", "", "0");
	put_cache(0, 1, "Unified", "two", "64K", "0");
	put_cache(0, 2, "Unified", "4", "64K", "0");
	put_cache(0, 3, "Unified", "0", "64K", "0");
	put_cache(0, 4, "Unified", "3", "0K", "0");
	put_cache(0, 5, "Unified", "3", "-64K", "0");
	for (int level = 1; level <= ET_CACHE_LEVELS; level++)
		check(level, 0, 0);
	for (size_t i = 0; i < ET_COUNT(lists); i++) {
		put_cache(0, 6, "Unified", "2", "64K", lists[i]);
		check(2, 64 << 10, 1);
	}
	put_cache(0, 6, "Unified", "2", "64K", "0-1,8-9,17");
	check(2, 64 << 10, 5);
}
END_TEST

/* Whole panels, in half of the cache; neither so few nor so many as to be slow. */
START_TEST(columns)
{
	const struct et_kern *k;

	for (size_t i = 0; (k = et_kern_at(i)); i++) {
		uint64_t panel = (uint64_t)k->nr * (uint64_t)k->kc * sizeof(float);
		ck_assert_int_eq(et_gemm_fit(k, 0), k->nc);
		ck_assert_int_eq(et_gemm_fit(k, 1), 8 * k->nr);
		ck_assert_int_eq(et_gemm_fit(k, 2 * 9 * panel - 1), 8 * k->nr);
		ck_assert_int_eq(et_gemm_fit(k, 2 * 9 * panel), 9 * k->nr);
		ck_assert_int_eq(et_gemm_fit(k, UINT64_MAX), 512 / k->nr * k->nr);
	}
}
END_TEST

Suite *suite_caches(void);
Suite *suite_caches(void)
{
	Suite *s = suite_create("caches");
	TCase *tc = tcase_create("sys");
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, no_sys_is_unknown);
	tcase_add_test(tc, shared);
	tcase_add_test(tc, different);
	tcase_add_test(tc, nonsense);
	tcase_add_test(tc, columns);
	return s;
}
