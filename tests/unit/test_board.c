/* Heat and clock from a made-up /sys. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power_tree.h"
#include "scratch.h"
#include "suites.h"

static const char *root;

static void setup(void)
{
	scratch_open();
	root = tree_conf().sysroot;
}

/* A reading without waiting for the second to pass. */
static struct et_board_state again(struct et_board *b)
{
	b->read_at = -INFINITY;
	return et_board_read(b);
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
	tree_put("sys/class/thermal/thermal_zone0/type", "gpu-thermal\n");
	tree_put("sys/class/thermal/thermal_zone0/temp", "40000\n");
	tree_put("sys/class/thermal/thermal_zone1/type", "cpu-thermal\n");
	tree_put("sys/class/thermal/thermal_zone1/temp", "61234\n");
	tree_put("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "600000\n");
	tree_put("sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq", "1800000\n");
	tree_put("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
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
	tree_put("sys/class/thermal/thermal_zone0/type", "soc\n");
	tree_put("sys/class/thermal/thermal_zone0/temp", "55000\n");
	et_board_open(&b, root);
	ck_assert_double_eq_tol(et_board_read(&b).temp_c, 55, 1e-9);
	tree_put("sys/class/thermal/thermal_zone0/temp", "hot\n");
	ck_assert_double_eq_tol(et_board_read(&b).temp_c, 55, 1e-9); /* within the second */
	b.read_at = -INFINITY;
	ck_assert(isnan(et_board_read(&b).temp_c));
	et_board_close(&b);
}
END_TEST

START_TEST(a_zone_that_moves_is_found_and_no_other_is_taken)
{
	struct et_board b;
	tree_put("sys/class/thermal/thermal_zone0/type", "gpu-thermal\n");
	tree_put("sys/class/thermal/thermal_zone0/temp", "40000\n");
	tree_put("sys/class/thermal/thermal_zone2/type", "cpu-thermal\n");
	tree_put("sys/class/thermal/thermal_zone2/temp", "61000\n");
	et_board_open(&b, root);
	ck_assert_double_eq_tol(again(&b).temp_c, 61, 1e-9);
	tree_move("sys/class/thermal/thermal_zone2", "gone");
	ck_assert(isnan(again(&b).temp_c));
	ck_assert(isnan(again(&b).temp_c));
	tree_move("gone", "sys/class/thermal/thermal_zone11");
	ck_assert_double_eq_tol(again(&b).temp_c, 61, 1e-9);
	/* A sensor that is off says so by what no processor can have. */
	tree_put("sys/class/thermal/thermal_zone11/temp", "-274000\n");
	ck_assert(isnan(again(&b).temp_c));
	et_board_close(&b);
}
END_TEST

START_TEST(a_chip_of_its_own_tells_more_than_a_zone_of_the_board)
{
	struct et_board b;
	tree_put("sys/class/thermal/thermal_zone0/type", "acpitz\n");
	tree_put("sys/class/thermal/thermal_zone0/temp", "16800\n");
	tree_put("sys/class/hwmon/hwmon3/name", "k10temp\n");
	tree_put("sys/class/hwmon/hwmon3/temp1_input", "52125\n");
	et_board_open(&b, root);
	ck_assert_double_eq_tol(again(&b).temp_c, 52.125, 1e-9);
	tree_move("sys/class/hwmon/hwmon3", "sys/class/hwmon/hwmon4");
	ck_assert_double_eq_tol(again(&b).temp_c, 52.125, 1e-9);
	et_board_close(&b);
}
END_TEST

START_TEST(the_firmware_is_asked_first)
{
	struct et_board b;
	tree_put("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
	tree_put("sys/class/thermal/thermal_zone0/temp", "60000\n");
	tree_put("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "2400000\n");
	tree_put("sys/devices/platform/soc/soc:firmware/get_throttled", "1\n");
	tree_put("dev/vcio/measure_temp", "temp=61.5'C\n");
	tree_put("dev/vcio/measure_clock arm", "frequency(0)=1500019456\n");
	tree_put("dev/vcio/get_throttled", "throttled=0xe0008\n");
	et_board_open(&b, root);
	struct et_board_state s = again(&b);
	ck_assert_double_eq_tol(s.temp_c, 61.5, 1e-9);
	ck_assert_double_eq_tol(s.freq_mhz, 1500.019456, 1e-9);
	ck_assert_int_eq(s.throttled, 0xe0008);
	/* It falls silent: unknown, and never the clock that was but asked for. */
	tree_move("dev/vcio", "gone");
	s = again(&b);
	ck_assert(isnan(s.temp_c));
	ck_assert(isnan(s.freq_mhz));
	ck_assert_int_eq(s.throttled, -1);
	tree_move("gone", "dev/vcio");
	ck_assert_int_eq(again(&b).throttled, 0xe0008);
	tree_put("dev/vcio/get_throttled", "error=1 error_msg=\"Command not registered\"\n");
	tree_put("dev/vcio/measure_temp", "temp=\n");
	tree_put("dev/vcio/measure_clock arm", "frequency(0)=0\n");
	s = again(&b);
	ck_assert(isnan(s.temp_c));
	ck_assert(isnan(s.freq_mhz));
	ck_assert_int_eq(s.throttled, -1);
	et_board_close(&b);
	/* What it never answered is looked for elsewhere; the newer device comes first. */
	tree_put("dev/vcio_gencmd/get_throttled", "throttled=0x2\n");
	et_board_open(&b, root);
	s = again(&b);
	ck_assert_double_eq_tol(s.temp_c, 60, 1e-9);
	ck_assert_double_eq_tol(s.freq_mhz, 2400, 1e-9);
	ck_assert_int_eq(s.throttled, 2);
	et_board_close(&b);
}
END_TEST

START_TEST(the_kernels_copy_of_the_bits_is_followed)
{
	static const char *const wrong[] = {"", "\n", "throttled\n", "-1\n", "5x\n", "100000000\n"};
	struct et_board b;
	tree_put("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
	et_board_open(&b, root);
	ck_assert_int_eq(again(&b).throttled, 0x50005);
	/* The kernel looks every 2 s, and then forgets what was: the upper half may fall. */
	tree_put("sys/devices/platform/soc/soc:firmware/get_throttled", "0\n");
	ck_assert_int_eq(again(&b).throttled, 0);
	for (size_t i = 0; i < ET_COUNT(wrong); i++) {
		tree_put("sys/devices/platform/soc/soc:firmware/get_throttled", wrong[i]);
		ck_assert_msg(again(&b).throttled == -1, "took '%s'", wrong[i]);
	}
	tree_remove("sys/devices/platform/soc/soc:firmware/get_throttled");
	ck_assert_int_eq(again(&b).throttled, -1);
	tree_put("sys/devices/platform/soc/soc:firmware/get_throttled", "f000f");
	ck_assert_int_eq(again(&b).throttled, 0xf000f);
	et_board_close(&b);
}
END_TEST

START_TEST(rpi_volt_knows_of_under_voltage)
{
	struct et_board b;
	tree_put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
	tree_put("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
	tree_put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
	et_board_open(&b, root);
	ck_assert_int_eq(again(&b).throttled, 1);
	tree_put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
	ck_assert_int_eq(again(&b).throttled, 0);
	tree_move("sys/class/hwmon/hwmon1", "gone");
	ck_assert_int_eq(again(&b).throttled, -1);
	tree_move("gone", "sys/class/hwmon/hwmon5");
	ck_assert_int_eq(again(&b).throttled, 0);
	et_board_close(&b);
}
END_TEST

Suite *suite_board(void)
{
	Suite *s = suite_create("board");
	TCase *tc = tcase_create("sysfs");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, scratch_close);
	tcase_add_test(tc, nothing_there_is_unknown_not_zero);
	tcase_add_test(tc, the_processor_zone_is_chosen);
	tcase_add_test(tc, a_sensor_that_goes_or_lies_is_unknown);
	tcase_add_test(tc, a_zone_that_moves_is_found_and_no_other_is_taken);
	tcase_add_test(tc, a_chip_of_its_own_tells_more_than_a_zone_of_the_board);
	tcase_add_test(tc, the_firmware_is_asked_first);
	tcase_add_test(tc, the_kernels_copy_of_the_bits_is_followed);
	tcase_add_test(tc, rpi_volt_knows_of_under_voltage);
	suite_add_tcase(s, tc);
	return s;
}
