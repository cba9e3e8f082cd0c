#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power_tree.h"
#include "scratch.h"

void tree_put(const char *path, const char *text)
{
	struct et_err err;
	char dir[700];

	snprintf(dir, sizeof(dir), "%s", scratch_path(path));
	*strrchr(dir, '/') = 0;
	ck_assert_int_eq(et_dir_make(dir, &err), 0);
	scratch_put(path, text, strlen(text));
}

void tree_remove(const char *path)
{
	ck_assert_int_eq(remove(scratch_path(path)), 0);
}

void tree_move(const char *from, const char *to)
{
	ck_assert_int_eq(rename(scratch_path(from), scratch_path(to)), 0);
}

struct et_power_conf tree_conf(void)
{
	static char root[700];

	snprintf(root, sizeof(root), "%s", scratch_path(""));
	/* No slash at the end, as users give it. */
	size_t n = strlen(root);
	if (root[n - 1] == '/')
		root[n - 1] = 0;
	return (struct et_power_conf){.sysroot = root};
}

void tree_open(struct et_source *s, const struct et_source_kind *kind)
{
	struct et_power_conf conf = tree_conf();
	struct et_err err = {0};

	ck_assert_msg(et_source_open(s, kind, &conf, &err) == 0, "%s: %s", kind->name, err.text);
}

void tree_refuses(const struct et_source_kind *kind, int status, const char *text)
{
	struct et_power_conf conf = tree_conf();
	struct et_err err = {0};
	struct et_source s;

	ck_assert_int_eq(et_source_open(&s, kind, &conf, &err), status);
	ck_assert_msg(strstr(err.text, text) != NULL, "'%s' is not in '%s'", text, err.text);
}

double tree_read(struct et_source *s)
{
	static double now;

	return s->kind->read(s, now += 10);
}

void tree_zone(const char *dir, const char *name, const char *energy, const char *range)
{
	char path[300];

	snprintf(path, sizeof(path), "sys/class/powercap/%s/name", dir);
	tree_put(path, name);
	snprintf(path, sizeof(path), "sys/class/powercap/%s/energy_uj", dir);
	tree_put(path, energy);
	snprintf(path, sizeof(path), "sys/class/powercap/%s/max_energy_range_uj", dir);
	tree_put(path, range);
}

/*
 * By hand: 3.7 * 0.1 + 3.3 * 0.2 + 1.8 * 0.3 + 1.1 * 0.05 + 0.6 * 0.1 + 1.1 * 0.25 + 0.8 * 0.5 +
 * 0.9 * 2 + 0.8 * 0.0125 + 3.3 * 0 + 3.3 * 0.05 + 5 * 0.033 = 4.5. Two indents, as firmwares have.
 */
const char tree_pmic[] = " 3V7_WL_SW_A current(0)=0.10000000A\n"
			 "   3V3_SYS_A current(1)=0.20000000A\n"
			 "   1V8_SYS_A current(2)=0.30000000A\n"
			 "  DDR_VDD2_A current(3)=0.05000000A\n"
			 "  DDR_VDDQ_A current(4)=0.10000000A\n"
			 "   1V1_SYS_A current(5)=0.25000000A\n"
			 "    0V8_SW_A current(6)=0.50000000A\n"
			 "  VDD_CORE_A current(7)=2.00000000A\n"
			 "   0V8_AON_A current(16)=0.01250000A\n"
			 "   3V3_DAC_A current(17)=0.00000000A\n"
			 "   3V3_ADC_A current(18)=0.05000000A\n"
			 "      HDMI_A current(22)=0.03300000A\n"
			 "        3V7_WL_SW_V volt(8)=3.70000000V\n"
			 "          3V3_SYS_V volt(9)=3.30000000V\n"
			 "1V8_SYS_V volt(10)=1.80000000V\n"
			 "DDR_VDD2_V volt(11)=1.10000000V\n"
			 "DDR_VDDQ_V volt(12)=0.60000000V\n"
			 "1V1_SYS_V volt(13)=1.10000000V\n"
			 "0V8_SW_V volt(14)=0.80000000V\n"
			 "VDD_CORE_V volt(15)=0.90000000V\n"
			 "0V8_AON_V volt(19)=0.80000000V\n"
			 "3V3_DAC_V volt(20)=3.30000000V\n"
			 "3V3_ADC_V volt(21)=3.30000000V\n"
			 "HDMI_V volt(23)=5.00000000V\n"
			 "EXT5V_V volt(24)=5.12345678V\n"
			 "BATT_V volt(25)=0.00000000V\n";
