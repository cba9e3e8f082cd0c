/*
 * The current monitors of NVIDIA's Jetson boards: up to three rails a chip. Where one rail is the
 * board's input, POM_5V_IN or VDD_IN, the others are parts of it; else the rails are added up.
 * Older kernels show them as iio devices (mV, mA, mW), newer ones as hwmon (mV, mA).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/source.h"

#define RAILS 16

struct rail {
	char dir[ET_SYS_PATH - 64];
	char label[ET_SYS_NAME];
	bool iio;
	int channel;
};
struct rails {
	int n;
	bool total; /* rail[0] alone: the board's input */
	struct rail rail[RAILS];
};
struct ina {
	char *root;
	double looked; /* when the rails were looked for last */
	struct rails rails;
};

static double milli(const struct rail *r, const char *what)
{
	double v;

	return et_sys_number(&v, "%s/%s%d_input", r->dir, what, r->channel) ? v : NAN;
}

static double rail_watts(const struct rail *r)
{
	double power = r->iio ? milli(r, "in_power") / 1e3 : NAN;

	if (isnan(power))
		power = milli(r, r->iio ? "in_voltage" : "in") *
			milli(r, r->iio ? "in_current" : "curr") / 1e6;
	return fabs(power) < ET_POWER_MAX_W ? power : NAN;
}

static double all_watts(const struct rails *r)
{
	double sum = r->n ? 0 : NAN;

	for (int i = 0; i < r->n; i++)
		sum += rail_watts(&r->rail[i]);
	return sum;
}

/* A rail counts when it is connected and can be read. */
static void add_rail(struct rails *all, const char *dir, bool iio, int channel)
{
	struct rail r = {.iio = iio, .channel = channel};
	bool labelled = iio ? et_sys_line(r.label, sizeof(r.label), "%s/rail_name_%d", dir, channel)
			    : et_sys_line(r.label, sizeof(r.label), "%s/in%d_label", dir, channel);

	if (!labelled)
		snprintf(r.label, sizeof(r.label), "%d", channel);
	if (all->n == RAILS || strstr(r.label, "NC") || strlen(dir) >= sizeof(r.dir))
		return;
	strcpy(r.dir, dir);
	if (isnan(rail_watts(&r)))
		return;
	if (strcmp(r.label, "POM_5V_IN") == 0 || strcmp(r.label, "VDD_IN") == 0) {
		all->rail[0] = r;
		all->n = 1;
		all->total = true;
	} else if (!all->total) {
		all->rail[all->n++] = r;
	}
}

static void find_iio(struct rails *all, const char *root)
{
	char chip[16][ET_SYS_NAME], device[4][ET_SYS_NAME], dir[ET_SYS_PATH];
	int chips = et_sys_list(chip, 16, "", "%s/sys/bus/i2c/drivers/ina3221x", root);

	for (int c = 0; c < chips; c++) {
		int devices = et_sys_list(device, 4, "iio", "%s/sys/bus/i2c/drivers/ina3221x/%s",
					  root, chip[c]);
		for (int d = 0; d < devices; d++) {
			int len =
				snprintf(dir, sizeof(dir), "%s/sys/bus/i2c/drivers/ina3221x/%s/%s",
					 root, chip[c], device[d]);
			for (int i = 0; i < 3 && len < (int)sizeof(dir); i++)
				add_rail(all, dir, true, i);
		}
	}
}

static void find_hwmon(struct rails *all, const char *root)
{
	char chip[64][ET_SYS_NAME], hwmon[4][ET_SYS_NAME], dir[ET_SYS_PATH], name[ET_SYS_NAME];
	int chips = et_sys_list(chip, 64, "", "%s/sys/bus/i2c/devices", root);

	for (int c = 0; c < chips; c++) {
		if (!et_sys_line(name, sizeof(name), "%s/sys/bus/i2c/devices/%s/name", root,
				 chip[c]) ||
		    !strstr(name, "ina3221"))
			continue;
		int n = et_sys_list(hwmon, 4, "hwmon", "%s/sys/bus/i2c/devices/%s/hwmon", root,
				    chip[c]);
		for (int h = 0; h < n; h++) {
			int len = snprintf(dir, sizeof(dir), "%s/sys/bus/i2c/devices/%s/hwmon/%s",
					   root, chip[c], hwmon[h]);
			/* 4 to 6 are the voltages at the shunts, 7 is their sum. */
			for (int i = 1; i <= 3 && len < (int)sizeof(dir); i++)
				add_rail(all, dir, false, i);
		}
	}
}

static void find(struct rails *all, const char *root)
{
	all->n = 0;
	all->total = false;
	find_iio(all, root);
	/* One chip has one driver, so nothing is found twice. */
	if (!all->n)
		find_hwmon(all, root);
}

static int ina_open(struct et_source *s, const struct et_power_conf *conf, struct et_err *err)
{
	struct ina *x = et_calloc(1, sizeof(*x));
	char *root = et_strdup(et_power_root(conf));

	if (!x || !root) {
		free(x);
		free(root);
		return et_fail(err, ET_ENOMEM, "out of memory");
	}
	x->root = root;
	find(&x->rails, root);
	if (!x->rails.n) {
		free(root);
		free(x);
		return et_fail(err, ET_ENOINPUT, "there is no INA3221 with a rail to read");
	}
	const struct rail *r = &x->rails.rail[0];
	double shunt;
	snprintf(s->info.name, sizeof(s->info.name), "ina3221");
	if (x->rails.total)
		snprintf(s->info.path, sizeof(s->info.path), "%.180s (%s)", r->dir, r->label);
	else
		snprintf(s->info.path, sizeof(s->info.path), "%.180s (%d rails)", r->dir,
			 x->rails.n);
	s->info.scope = x->rails.total ? "board" : "rails";
	s->info.unit = r->iio ? "mW" : "mV*mA";
	s->info.note = x->rails.total ? NULL : "the sum of the rails; there is none for the input";
	s->info.hz = 10;
	if (!r->iio && et_sys_number(&shunt, "%s/shunt%d_resistor", r->dir, r->channel))
		s->info.shunt_uohm = shunt;
	s->state = x;
	return ET_OK;
}

static double ina_read(struct et_source *s, double now)
{
	struct ina *x = s->state;
	double watts = all_watts(&x->rails);

	if (isnan(watts) && !(now - x->looked < 1)) {
		/* Numbers move when a driver is loaded again. Fewer rails are another sum. */
		struct rails again;
		x->looked = now;
		find(&again, x->root);
		if (again.n == x->rails.n && again.total == x->rails.total) {
			x->rails = again;
			watts = all_watts(&x->rails);
		}
	}
	return watts;
}

static void ina_close(struct et_source *s)
{
	struct ina *x = s->state;

	free(x->root);
	free(x);
}

const struct et_source_kind et_source_ina3221 = {"ina3221", ina_open, ina_read, ina_close};
