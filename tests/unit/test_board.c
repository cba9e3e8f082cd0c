/* Heat and clock from a made-up /sys. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/power.h"
#include "suites.h"

static char root[64];

static void put(const char *path, const char *text)
{
	struct et_err err;
	char full[400], dir[400];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	snprintf(dir, sizeof(dir), "%s", full);
	*strrchr(dir, '/') = 0;
	ck_assert_int_eq(et_dir_make(dir, &err), 0);
	FILE *f = fopen(full, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void setup(void)
{
	snprintf(root, sizeof(root), "/tmp/et-board-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
	char cmd[100];
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", root);
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(nothing_there_is_unknown_not_zero)
{
	struct et_board b;
	et_board_open(&b, root);
	struct et_board_state s = et_board_read(&b);
	ck_assert(isnan(s.temp_c));
	ck_assert(isnan(s.freq_mhz));
	ck_assert_int_eq(s.throttled, -1);
	et_board_close(&b);
}
END_TEST

START_TEST(the_processor_zone_is_chosen)
{
	struct et_board b;
	put("sys/class/thermal/thermal_zone0/type", "gpu-thermal\n");
	put("sys/class/thermal/thermal_zone0/temp", "40000\n");
	put("sys/class/thermal/thermal_zone1/type", "cpu-thermal\n");
	put("sys/class/thermal/thermal_zone1/temp", "61234\n");
	put("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "600000\n");
	put("sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq", "1800000\n");
	put("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
	et_board_open(&b, root);
	struct et_board_state s = et_board_read(&b);
	ck_assert_double_eq_tol(s.temp_c, 61.234, 1e-9);
	ck_assert_double_eq_tol(s.freq_mhz, 1800, 1e-9);
	ck_assert_int_eq(s.throttled, 0x50005);
	et_board_close(&b);
}
END_TEST

START_TEST(a_sensor_that_goes_or_lies_is_unknown)
{
	struct et_board b;
	put("sys/class/thermal/thermal_zone0/type", "soc\n");
	put("sys/class/thermal/thermal_zone0/temp", "55000\n");
	et_board_open(&b, root);
	ck_assert_double_eq_tol(et_board_read(&b).temp_c, 55, 1e-9);
	put("sys/class/thermal/thermal_zone0/temp", "hot\n");
	ck_assert_double_eq_tol(et_board_read(&b).temp_c, 55, 1e-9); /* within the second */
	b.read_at = -INFINITY;
	ck_assert(isnan(et_board_read(&b).temp_c));
	et_board_close(&b);
}
END_TEST

Suite *suite_board(void)
{
	Suite *s = suite_create("board");
	TCase *tc = tcase_create("sysfs");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, nothing_there_is_unknown_not_zero);
	tcase_add_test(tc, the_processor_zone_is_chosen);
	tcase_add_test(tc, a_sensor_that_goes_or_lies_is_unknown);
	suite_add_tcase(s, tc);
	return s;
}
