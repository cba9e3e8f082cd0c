/* Sources of power on made-up trees, each with what real ones do. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "power_tree.h"
#include "scratch.h"
#include "suites.h"

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-9)

static const char *const lies[] = {
	"",	   "\n",  "warm\n",  "nan\n",  "inf\n",
	"1e400\n", "-\n", "12 13\n", "0x10\n", "99999999999999999999999999999999999999999999999\n"};

/* ---- pmic ---- */

START_TEST(pmic_adds_up_twelve_rails_and_no_input)
{
	struct et_source s;
	int rails;

	NEAR(et_pmic_watts(tree_pmic, &rails), 4.5);
	ck_assert_int_eq(rails, 12);
	tree_put("dev/vcio/pmic_read_adc", tree_pmic);
	tree_open(&s, &et_source_pmic);
	NEAR(tree_read(&s), 4.5);
	ck_assert_str_eq(s.info.name, "pmic");
	ck_assert(!s.info.counter);
	/* A reply cut off is no reading, however well its lines read. */
	char half[2000];
	snprintf(half, sizeof(half), "%s", tree_pmic);
	*strstr(half, "HDMI_A") = 0;
	tree_put("dev/vcio/pmic_read_adc", half);
	ck_assert(isnan(tree_read(&s)));
	/* Nor is one without a rail, which would be less than the board draws. */
	snprintf(half, sizeof(half), "%s", tree_pmic);
	memcpy(strstr(half, "HDMI_A"), "HDMI_X", 6);
	memcpy(strstr(half, "HDMI_V"), "HDMI_X", 6);
	tree_put("dev/vcio/pmic_read_adc", half);
	ck_assert(isnan(tree_read(&s)));
	tree_put("dev/vcio/pmic_read_adc", "error=2 error_msg=\"Invalid arguments\"\n");
	ck_assert(isnan(tree_read(&s)));
	tree_put("dev/vcio/pmic_read_adc", tree_pmic);
	NEAR(tree_read(&s), 4.5);
	et_source_close(&s);
}
END_TEST

START_TEST(pmic_reads_the_number_behind_the_sign)
{
	int rails;

	/* An EXT5V_A, should there ever be one, holds all the others. */
	NEAR(et_pmic_watts("EXT5V_A current(9)=1.0A\nEXT5V_V volt(24)=5.1V\n"
			   "A_A current(0)=2.0A\nA_V volt(1)=3.0V\n",
			   &rails),
	     6);
	ck_assert_int_eq(rails, 1);
	ck_assert(isnan(et_pmic_watts("A_A current(0)=2.0A\n", &rails)));
	ck_assert(isnan(et_pmic_watts("", &rails)));
	ck_assert(isnan(et_pmic_watts("A_A volt(0)=2.0A\nA_V current(1)=3.0V\n", &rails)));
	ck_assert(isnan(et_pmic_watts("A_A volt(0)=2.0V\nA_V volt(1)=3.0V\n", &rails)));
	ck_assert(isnan(et_pmic_watts("A_A current(0)=2.0.1A\nA_V volt(1)=3.0V\n", &rails)));
	ck_assert(isnan(et_pmic_watts("A_A current(0)=1e9A\nA_V volt(1)=3.0V\n", &rails)));
}
END_TEST

START_TEST(older_boards_have_a_mailbox_without_a_meter)
{
	tree_refuses(&et_source_pmic, ET_ENOINPUT, "/dev/vcio");
	tree_put("dev/vcio/pmic_read_adc", "error=1 error_msg=\"Command not registered\"\n");
	tree_refuses(&et_source_pmic, ET_ENOINPUT, "pmic_read_adc");
	tree_put("dev/vcio/pmic_read_adc", "nothing of this kind\n");
	tree_refuses(&et_source_pmic, ET_EIO, "nothing of this kind");
}
END_TEST

START_TEST(the_mailbox_speaks_in_words)
{
	uint32_t p[ET_MAILBOX_WORDS];
	char reply[ET_MAILBOX_TEXT];

	ck_assert_int_eq(ET_MAILBOX_WORDS, 1031);
	memset(p, 0xff, sizeof(p));
	ck_assert(et_mailbox_pack(p, "get_throttled"));
	ck_assert_uint_eq(p[0], 4124);
	ck_assert_uint_eq(p[1], 0);
	ck_assert_uint_eq(p[2], 0x00030080);
	ck_assert_uint_eq(p[3], 4096);
	ck_assert_uint_eq(p[4], 0);
	ck_assert_uint_eq(p[5], 0);
	ck_assert_str_eq((const char *)(p + 6), "get_throttled");
	ck_assert_uint_eq(p[1030], 0);
	p[1] = 0x80000000;
	strcpy((char *)(p + 6), "throttled=0x50000");
	ck_assert(et_mailbox_unpack(p, reply, sizeof(reply)));
	ck_assert_str_eq(reply, "throttled=0x50000");
	ck_assert(!et_mailbox_unpack(p, reply, 17)); /* too small by its NUL */
	p[5] = 1;
	ck_assert(!et_mailbox_unpack(p, reply, sizeof(reply)));
	p[5] = 0;
	p[1] = 0x80000001;
	ck_assert(!et_mailbox_unpack(p, reply, sizeof(reply)));
	p[1] = 0x80000000;
	memset(p + 6, 'x', 4096); /* no NUL in the text */
	ck_assert(!et_mailbox_unpack(p, reply, sizeof(reply)));
	char longest[4096];
	memset(longest, 'x', sizeof(longest));
	longest[4095] = 0;
	ck_assert(!et_mailbox_pack(p, longest));
}
END_TEST

/* ---- ina3221 ---- */

#define IIO   "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/"
#define HWMON "sys/bus/i2c/devices/1-0040/"

START_TEST(the_input_rail_of_a_nano_holds_the_others)
{
	struct et_source s;

	tree_put(IIO "rail_name_0", "POM_5V_IN\n");
	tree_put(IIO "rail_name_1", "POM_5V_GPU\n");
	tree_put(IIO "rail_name_2", "POM_5V_CPU\n");
	tree_put(IIO "in_power0_input", "3725\n");
	tree_put(IIO "in_power1_input", "1200\n");
	tree_put(IIO "in_power2_input", "900\n");
	tree_open(&s, &et_source_ina3221);
	NEAR(tree_read(&s), 3.725);
	ck_assert_str_eq(s.info.scope, "board");
	et_source_close(&s);
	/* Without power in the driver: 5000 mV * 700 mA. */
	tree_remove(IIO "in_power0_input");
	tree_put(IIO "in_voltage0_input", "5000\n");
	tree_put(IIO "in_current0_input", "700\n");
	tree_open(&s, &et_source_ina3221);
	NEAR(tree_read(&s), 3.5);
	et_source_close(&s);
}
END_TEST

/* A rail of the hwmon layout. */
static void rail(const char *hwmon, int i, const char *label, const char *mv, const char *ma)
{
	char path[300];

	snprintf(path, sizeof(path), HWMON "hwmon/%s/in%d_label", hwmon, i);
	tree_put(path, label);
	snprintf(path, sizeof(path), HWMON "hwmon/%s/in%d_input", hwmon, i);
	tree_put(path, mv);
	snprintf(path, sizeof(path), HWMON "hwmon/%s/curr%d_input", hwmon, i);
	tree_put(path, ma);
}

START_TEST(rails_without_an_input_are_added_up)
{
	struct et_source s;

	tree_put(HWMON "name", "ina3221\n");
	rail("hwmon3", 1, "VDD_GPU_SOC\n", "19000\n", "100\n"); /* 1.9 W */
	rail("hwmon3", 2, "VDD_CPU_CV\n", "19000\n", "50\n");	/* 0.95 W */
	rail("hwmon3", 3, "NC\n", "19000\n", "1000\n");
	rail("hwmon3", 7, "sum of shunt voltages\n", "12\n", "1000\n");
	tree_put(HWMON "hwmon/hwmon3/shunt1_resistor", "5000\n");
	tree_open(&s, &et_source_ina3221);
	NEAR(tree_read(&s), 2.85);
	NEAR(s.info.shunt_uohm, 5000);
	ck_assert_str_eq(s.info.scope, "rails");
	/* Loaded again under another number. */
	tree_move(HWMON "hwmon/hwmon3", HWMON "hwmon/hwmon11");
	NEAR(tree_read(&s), 2.85);
	/* A rail less is no reading: it would be another sum. */
	tree_remove(HWMON "hwmon/hwmon11/curr2_input");
	ck_assert(isnan(tree_read(&s)));
	ck_assert(isnan(tree_read(&s)));
	rail("hwmon11", 2, "VDD_CPU_CV\n", "19000\n", "50\n");
	NEAR(tree_read(&s), 2.85);
	et_source_close(&s);
	/* An input rail beside them. */
	rail("hwmon11", 3, "VDD_IN\n", "19000\n", "200\n");
	tree_open(&s, &et_source_ina3221);
	NEAR(tree_read(&s), 3.8);
	for (size_t i = 0; i < ET_COUNT(lies); i++) {
		rail("hwmon11", 3, "VDD_IN\n", lies[i], "200\n");
		ck_assert_msg(isnan(tree_read(&s)), "took '%s'", lies[i]);
	}
	et_source_close(&s);
}
END_TEST

/* ---- hwmon ---- */

START_TEST(a_monitor_is_found_again_under_another_number)
{
	struct et_source s;

	tree_put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
	tree_put("sys/class/hwmon/hwmon1/name", "ina226\n");
	tree_put("sys/class/hwmon/hwmon1/power1_input", "4250000\n");
	tree_put("sys/class/hwmon/hwmon1/shunt_resistor", "10000\n");
	tree_open(&s, &et_source_hwmon);
	ck_assert_str_eq(s.info.name, "hwmon:ina226");
	NEAR(s.info.shunt_uohm, 10000);
	NEAR(tree_read(&s), 4.25);
	tree_move("sys/class/hwmon/hwmon1", "sys/class/hwmon/hwmon7");
	NEAR(tree_read(&s), 4.25);
	/* Another chip in its old place must not be taken for it. */
	tree_move("sys/class/hwmon/hwmon7", "sys/class/hwmon/hwmon9");
	tree_put("sys/class/hwmon/hwmon7/name", "nct6775\n");
	tree_put("sys/class/hwmon/hwmon7/power1_input", "90000000\n");
	NEAR(tree_read(&s), 4.25);
	tree_move("sys/class/hwmon/hwmon9", "gone");
	ck_assert(isnan(tree_read(&s)));
	tree_move("gone", "sys/class/hwmon/hwmon2");
	NEAR(tree_read(&s), 4.25);
	for (size_t i = 0; i < ET_COUNT(lies); i++) {
		tree_put("sys/class/hwmon/hwmon2/power1_input", lies[i]);
		ck_assert_msg(isnan(tree_read(&s)), "took '%s'", lies[i]);
	}
	/* Without a newline it is a number all the same. */
	tree_put("sys/class/hwmon/hwmon2/power1_input", "1500000");
	NEAR(tree_read(&s), 1.5);
	tree_put("sys/class/hwmon/hwmon2/power1_input", "1600000 \t\n");
	NEAR(tree_read(&s), 1.6);
	et_source_close(&s);
}
END_TEST

START_TEST(an_ina_without_power_has_volts_and_amperes)
{
	struct et_source s;

	tree_put("sys/class/hwmon/hwmon4/name", "ina219\n");
	tree_put("sys/class/hwmon/hwmon4/in0_input", "10\n"); /* at the shunt */
	tree_put("sys/class/hwmon/hwmon4/in1_input", "5100\n");
	tree_put("sys/class/hwmon/hwmon4/curr1_input", "-500\n"); /* a shunt turned round */
	tree_open(&s, &et_source_hwmon);
	NEAR(tree_read(&s), 2.55);
	et_source_close(&s);
	/* The USB-C tester has the bus at in0. */
	tree_put("sys/class/hwmon/hwmon4/name", "powerz\n");
	tree_put("sys/class/hwmon/hwmon4/in0_input", "5000\n");
	tree_open(&s, &et_source_hwmon);
	NEAR(tree_read(&s), 2.5);
	et_source_close(&s);
	/* Volts and amperes of anything else are those of some rail. */
	tree_put("sys/class/hwmon/hwmon4/name", "nct6775\n");
	tree_refuses(&et_source_hwmon, ET_ENOINPUT, "hwmon");
}
END_TEST

START_TEST(energy_is_better_than_power_and_graphics_are_not_ours)
{
	struct et_source s;

	tree_put("sys/class/hwmon/hwmon0/name", "amdgpu\n");
	tree_put("sys/class/hwmon/hwmon0/power1_average", "33000000\n");
	tree_put("sys/class/hwmon/hwmon1/name", "i915\n");
	tree_put("sys/class/hwmon/hwmon1/energy1_input", "33000000\n");
	tree_put("sys/class/hwmon/hwmon2/name", "BAT0\n");
	tree_put("sys/class/hwmon/hwmon2/power1_input", "9000000\n");
	tree_put("sys/class/hwmon/hwmon3/name", "axp20x_battery\n");
	tree_put("sys/class/hwmon/hwmon3/power1_input", "9000000\n");
	tree_put("sys/class/hwmon/hwmon3/device/type", "Battery\n");
	tree_refuses(&et_source_hwmon, ET_ENOINPUT, "hwmon");
	tree_put("sys/class/hwmon/hwmon4/name", "ina238\n");
	tree_put("sys/class/hwmon/hwmon4/power1_input", "9000000\n");
	tree_put("sys/class/hwmon/hwmon5/name", "amd_energy\n");
	tree_put("sys/class/hwmon/hwmon5/energy1_input", "1000000\n");
	tree_put("sys/class/hwmon/hwmon5/energy1_label", "Ecore000\n");
	tree_put("sys/class/hwmon/hwmon5/energy2_input", "5000000\n");
	tree_put("sys/class/hwmon/hwmon5/energy2_label", "Esocket0\n");
	tree_put("sys/class/hwmon/hwmon5/energy3_input", "7000000\n");
	tree_put("sys/class/hwmon/hwmon5/energy3_label", "Esocket1\n");
	tree_open(&s, &et_source_hwmon);
	ck_assert(s.info.counter);
	ck_assert_str_eq(s.info.scope, "package");
	double before = tree_read(&s);
	tree_put("sys/class/hwmon/hwmon5/energy1_input", "9000000\n");
	tree_put("sys/class/hwmon/hwmon5/energy2_input", "6500000\n");
	tree_put("sys/class/hwmon/hwmon5/energy3_input", "7250000\n");
	NEAR(tree_read(&s) - before, 1.75);
	/* A counter that begins anew: unknown once, then it counts on. */
	tree_put("sys/class/hwmon/hwmon5/energy2_input", "100\n");
	ck_assert(isnan(tree_read(&s)));
	tree_put("sys/class/hwmon/hwmon5/energy2_input", "500100\n");
	NEAR(tree_read(&s) - before, 2.25);
	et_source_close(&s);
}
END_TEST

START_TEST(the_channel_of_the_whole_is_taken)
{
	struct et_source s;

	tree_put("sys/class/hwmon/hwmon0/name", "corsairpsu\n");
	tree_put("sys/class/hwmon/hwmon0/power1_input", "12000000\n");
	tree_put("sys/class/hwmon/hwmon0/power1_label", "power +12v\n");
	tree_put("sys/class/hwmon/hwmon0/power2_input", "48000000\n");
	tree_put("sys/class/hwmon/hwmon0/power2_label", "power total\n");
	tree_open(&s, &et_source_hwmon);
	NEAR(tree_read(&s), 48);
	et_source_close(&s);
}
END_TEST

/* ---- rapl ---- */

START_TEST(packages_and_memory_wrap_each_at_its_own_range)
{
	struct et_source s;

	tree_zone("intel-rapl:0", "package-0\n", "1000000\n", "262143328850\n");
	tree_zone("intel-rapl:0/intel-rapl:0:0", "core\n", "5\n", "262143328850\n");
	tree_zone("intel-rapl:0/intel-rapl:0:1", "uncore\n", "5\n", "262143328850\n");
	tree_zone("intel-rapl:0/intel-rapl:0:2", "dram\n", "65712990000\n", "65712999613\n");
	tree_zone("intel-rapl:1", "package-1-die-0\n", "262143000000\n", "262143328850\n");
	tree_zone("intel-rapl-mmio:0", "package-0\n", "1000000\n", "262143328850\n");
	/* The class directory lists the zones below a package too. */
	tree_zone("intel-rapl:0:0", "core\n", "5\n", "262143328850\n");
	tree_zone("intel-rapl:0:2", "dram\n", "65712990000\n", "65712999613\n");
	tree_open(&s, &et_source_rapl);
	ck_assert(s.info.counter);
	ck_assert_str_eq(s.info.scope, "package");
	double before = tree_read(&s);
	tree_zone("intel-rapl:0", "package-0\n", "3500000\n", "262143328850\n"); /* 2.5 J */
	tree_zone("intel-rapl:0/intel-rapl:0:0", "core\n", "9000000\n", "262143328850\n");
	/* Over its end by 9613 and 490387 microjoules: 0.5 J. */
	tree_zone("intel-rapl:0/intel-rapl:0:2", "dram\n", "490387\n", "65712999613\n");
	/* 328850 and 671150: 1 J. */
	tree_zone("intel-rapl:1", "package-1-die-0\n", "671150\n", "262143328850\n");
	NEAR(tree_read(&s) - before, 4);
	NEAR(tree_read(&s) - before, 4);
	/* Gone and back. */
	tree_move("sys/class/powercap/intel-rapl:1", "gone");
	ck_assert(isnan(tree_read(&s)));
	tree_move("gone", "sys/class/powercap/intel-rapl:1");
	tree_zone("intel-rapl:1", "package-1-die-0\n", "1671150\n", "262143328850\n");
	NEAR(tree_read(&s) - before, 5);
	for (size_t i = 0; i < ET_COUNT(lies); i++) {
		tree_put("sys/class/powercap/intel-rapl:1/energy_uj", lies[i]);
		ck_assert_msg(isnan(tree_read(&s)), "took '%s'", lies[i]);
	}
	et_source_close(&s);
}
END_TEST

START_TEST(the_platform_counter_holds_the_packages)
{
	struct et_source s;

	tree_zone("intel-rapl:0", "package-0\n", "1000000\n", "262143328850\n");
	tree_zone("intel-rapl:1", "psys\n", "0\n", "262143328850\n");
	tree_open(&s, &et_source_rapl);
	ck_assert_str_eq(s.info.scope, "package"); /* psys was never filled */
	et_source_close(&s);
	tree_zone("intel-rapl:1", "psys\n", "8000000\n", "262143328850\n");
	tree_open(&s, &et_source_rapl);
	ck_assert_str_eq(s.info.scope, "board");
	double before = tree_read(&s);
	tree_zone("intel-rapl:0", "package-0\n", "2000000\n", "262143328850\n");
	tree_zone("intel-rapl:1", "psys\n", "11000000\n", "262143328850\n");
	NEAR(tree_read(&s) - before, 3);
	et_source_close(&s);
}
END_TEST

START_TEST(a_counter_without_a_range_does_not_wrap)
{
	struct et_source s;

	tree_zone("intel-rapl:0", "package-0\n", "5000000\n", "none\n");
	tree_open(&s, &et_source_rapl);
	double before = tree_read(&s);
	tree_put("sys/class/powercap/intel-rapl:0/energy_uj", "1000000\n");
	ck_assert(isnan(tree_read(&s)));
	tree_put("sys/class/powercap/intel-rapl:0/energy_uj", "2000000\n");
	NEAR(tree_read(&s) - before, 1);
	et_source_close(&s);
}
END_TEST

START_TEST(a_counter_for_root_alone_says_how_it_is_opened)
{
	tree_refuses(&et_source_rapl, ET_ENOINPUT, "intel-rapl");
	tree_zone("intel-rapl:0", "package-0\n", "5000000\n", "262143328850\n");
	ck_assert_int_eq(chmod(scratch_path(""), 0755), 0);
	ck_assert_int_eq(chmod(scratch_path("sys/class/powercap/intel-rapl:0/energy_uj"), 0400), 0);
	bool root = geteuid() == 0;
	if (root)
		ck_assert_int_eq(seteuid(65534), 0);
	else
		ck_assert_int_eq(
			chmod(scratch_path("sys/class/powercap/intel-rapl:0/energy_uj"), 0), 0);
	tree_refuses(&et_source_rapl, ET_EIO, "intel-rapl:0/energy_uj is for root alone");
	tree_refuses(&et_source_rapl, ET_EIO, "mode class/powercap/intel-rapl:0/energy_uj = 0444");
	/* It is said too when there is no other source; nothing else is worth telling. */
	struct et_power_conf conf = tree_conf();
	struct et_meter *m;
	struct et_err err;
	const char *why;
	ck_assert_int_eq(et_meter_open(&m, &conf, &err), 0);
	ck_assert_ptr_null(et_meter_source(m, &why));
	ck_assert_ptr_nonnull(strstr(why, "for root alone"));
	et_meter_close(m);
	if (root)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* ---- battery ---- */

#define BAT "sys/class/power_supply/BAT0/"

START_TEST(a_battery_counts_while_it_is_discharged)
{
	struct et_source s;

	tree_put("sys/class/power_supply/AC/type", "Mains\n");
	tree_put("sys/class/power_supply/hidpp_battery_0/type", "Battery\n");
	tree_put("sys/class/power_supply/hidpp_battery_0/scope", "Device\n");
	tree_put("sys/class/power_supply/hidpp_battery_0/status", "Discharging\n");
	tree_put("sys/class/power_supply/hidpp_battery_0/power_now", "77000000\n");
	tree_refuses(&et_source_battery, ET_ENOINPUT, "no battery");
	tree_put(BAT "type", "Battery\n");
	tree_put(BAT "status", "Charging\n");
	tree_put(BAT "power_now", "-8500000\n");
	tree_refuses(&et_source_battery, ET_ENOINPUT, "not discharging (Charging)");
	tree_put(BAT "status", "Discharging\n");
	tree_open(&s, &et_source_battery);
	NEAR(tree_read(&s), 8.5); /* negative: flows out */
	tree_put(BAT "power_now", "9250000\n");
	NEAR(tree_read(&s), 9.25);
	tree_remove(BAT "power_now");
	ck_assert(isnan(tree_read(&s)));
	tree_put(BAT "current_now", "-750000\n");
	tree_put(BAT "voltage_now", "12000000\n");
	NEAR(tree_read(&s), 9);
	/* Two of them take turns. */
	tree_put(BAT "status", "Charging\n");
	ck_assert(isnan(tree_read(&s)));
	et_source_close(&s);
	tree_put(BAT "status", "Unknown\n");
	tree_put("sys/class/power_supply/BAT1/type", "Battery\n");
	tree_put("sys/class/power_supply/BAT1/status", "Discharging\n");
	tree_put("sys/class/power_supply/BAT1/power_now", "4000000\n");
	tree_open(&s, &et_source_battery);
	NEAR(tree_read(&s), 4);
	et_source_close(&s);
}
END_TEST

START_TEST(a_battery_without_numbers_says_so)
{
	tree_put(BAT "type", "Battery\n");
	tree_put(BAT "status", "Discharging\n");
	tree_refuses(&et_source_battery, ET_EIO, "neither power nor current");
	for (size_t i = 0; i < ET_COUNT(lies); i++) {
		tree_put(BAT "power_now", lies[i]);
		tree_refuses(&et_source_battery, ET_EIO, "neither power nor current");
	}
}
END_TEST

/* ---- model ---- */

START_TEST(boards_have_their_watts)
{
	static const struct {
		const char *model, *name;
		double idle, full;
		int percent;
	} known[] = {
		{"Raspberry Pi Zero 2 W Rev 1.0", "Raspberry Pi Zero 2 W", 0.6, 2.1, 50},
		{"Raspberry Pi 3 Model B Rev 1.2", "Raspberry Pi 3 Model B", 1.5, 4.3, 30},
		{"Raspberry Pi 3 Model B Plus Rev 1.3", "Raspberry Pi 3 Model B Plus", 3.1, 5.6,
		 30},
		{"Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 4 Model B", 1.6, 7.2, 30},
		{"Raspberry Pi 400 Rev 1.0", "Raspberry Pi 400", 2.7, 6.4, 30},
		{"Raspberry Pi 5 Model B Rev 1.0", "Raspberry Pi 5 Model B", 2.8, 13.8, 30},
		{"Raspberry Pi 500 Rev 1.0", "Raspberry Pi 500", 3.1, 11, 30},
		{"Orange Pi 5 Max", "Orange Pi 5 Max", 1.4, 12.8, 30},
		{"Xunlong Orange Pi 5", "Orange Pi 5", 1, 11.5, 30},
		{"Radxa ROCK 5C", "ROCK 5C", 1.6, 12.4, 30},
		{"Turing Machines RK1", "RK1", 2.85, 18.1, 30},
		{"Libre Computer AML-S905X-CC", "AML-S905X-CC", 1.3, 2.4, 30},
	};
	static const char *const unknown[] = {"Raspberry Pi 2 Model B Rev 1.1",
					      "Orange Pi 5 Plus",
					      "NVIDIA Jetson Nano Developer Kit",
					      "Raspberry Pi Zero 2 WH",
					      "",
					      "Xraspberry Pi 400"};
	double idle, full;
	int percent;

	for (size_t i = 0; i < ET_COUNT(known); i++) {
		const char *name = et_board_watts(known[i].model, &idle, &full, &percent);
		ck_assert_msg(name && strcmp(name, known[i].name) == 0, "%s is %s", known[i].model,
			      name ? name : "unknown");
		NEAR(idle, known[i].idle);
		NEAR(full, known[i].full);
		ck_assert_int_eq(percent, known[i].percent);
	}
	for (size_t i = 0; i < ET_COUNT(unknown); i++)
		ck_assert_msg(!et_board_watts(unknown[i], &idle, &full, &percent), "knows %s",
			      unknown[i]);
}
END_TEST

START_TEST(the_model_goes_by_how_busy_processors_are)
{
	struct et_source s;

	tree_put("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3\n");
	tree_refuses(&et_source_model, ET_ENOINPUT, "this machine is not in the table");
	tree_put("proc/device-tree/model", "Somebody's board");
	tree_refuses(&et_source_model, ET_ENOINPUT, "Somebody's board is not in the table");
	FILE *f = fopen(scratch_path("proc/device-tree/model"), "w");
	const char model[] = "Raspberry Pi 4 Model B Rev 1.4"; /* written with its NUL */
	fwrite(model, 1, sizeof(model), f);
	fclose(f);
	tree_open(&s, &et_source_model);
	ck_assert_str_eq(s.info.name, "model:Raspberry Pi 4 Model B");
	double before = s.kind->read(&s, 100);
	/* 150 of 200 ticks busy; irq and softirq count, iowait and steal do not. */
	tree_put("proc/stat", "cpu  200 10 110 840 10 15 15 999 0 0\n");
	NEAR(s.kind->read(&s, 102) - before, 2 * (1.6 + 5.6 * 0.75));
	/* Too few ticks to tell: as before. */
	tree_put("proc/stat", "cpu  200 10 110 845 10 15 15 999 0 0\n");
	NEAR(s.kind->read(&s, 102.5) - before, 2.5 * (1.6 + 5.6 * 0.75));
	/* From 840 to 940: all of it idle since the last look that counted. */
	tree_put("proc/stat", "cpu  200 10 110 940 10 15 15 999 0 0\n");
	NEAR(s.kind->read(&s, 103.5) - before, 2.5 * (1.6 + 5.6 * 0.75) + 1.6);
	tree_put("proc/stat", "cp");
	ck_assert(isnan(s.kind->read(&s, 104)));
	tree_put("proc/stat", "cpu  x\n");
	ck_assert(isnan(s.kind->read(&s, 104)));
	et_source_close(&s);
}
END_TEST

START_TEST(watts_by_hand_are_checked)
{
	static const char *const wrong[] = {"",	     "3",     "3,",    ",4",  "4,3",  "-1,4",
					    "3,4,5", "3 , 4", "nan,4", "0,0", "1,1e9"};
	double idle, full;
	struct et_err err;

	for (size_t i = 0; i < ET_COUNT(wrong); i++)
		ck_assert_msg(et_model_parse(wrong[i], &idle, &full, &err) == ET_EUSAGE,
			      "took '%s'", wrong[i]);
	ck_assert_int_eq(et_model_parse("2.7,6.4", &idle, &full, &err), 0);
	NEAR(idle, 2.7);
	NEAR(full, 6.4);
	struct et_power_conf conf = tree_conf();
	struct et_source s;
	conf.model = "2,4";
	tree_put("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\n");
	ck_assert_int_eq(et_source_open(&s, &et_source_model, &conf, &err), 0);
	ck_assert_str_eq(s.info.name, "model:given");
	et_source_close(&s);
}
END_TEST

Suite *suite_power(void)
{
	Suite *s = suite_create("power");
	TCase *tc = tcase_create("sources");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, pmic_adds_up_twelve_rails_and_no_input);
	tcase_add_test(tc, pmic_reads_the_number_behind_the_sign);
	tcase_add_test(tc, older_boards_have_a_mailbox_without_a_meter);
	tcase_add_test(tc, the_mailbox_speaks_in_words);
	tcase_add_test(tc, the_input_rail_of_a_nano_holds_the_others);
	tcase_add_test(tc, rails_without_an_input_are_added_up);
	tcase_add_test(tc, a_monitor_is_found_again_under_another_number);
	tcase_add_test(tc, an_ina_without_power_has_volts_and_amperes);
	tcase_add_test(tc, energy_is_better_than_power_and_graphics_are_not_ours);
	tcase_add_test(tc, the_channel_of_the_whole_is_taken);
	tcase_add_test(tc, packages_and_memory_wrap_each_at_its_own_range);
	tcase_add_test(tc, the_platform_counter_holds_the_packages);
	tcase_add_test(tc, a_counter_without_a_range_does_not_wrap);
	tcase_add_test(tc, a_counter_for_root_alone_says_how_it_is_opened);
	tcase_add_test(tc, a_battery_counts_while_it_is_discharged);
	tcase_add_test(tc, a_battery_without_numbers_says_so);
	tcase_add_test(tc, boards_have_their_watts);
	tcase_add_test(tc, the_model_goes_by_how_busy_processors_are);
	tcase_add_test(tc, watts_by_hand_are_checked);
	suite_add_tcase(s, tc);
	return s;
}
