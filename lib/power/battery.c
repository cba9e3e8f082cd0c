/*
 * What a battery gives while it is discharged, which is what the machine draws. On mains there is
 * no telling.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/source.h"

#define BATTERIES 4

struct battery {
	int n;
	char dir[BATTERIES][ET_SYS_PATH - 64];
};

/* Watts of one battery; 0 while it rests beside another; NaN while it is charged or unreadable. */
static double watts_of(const char *dir, bool *discharging, char status[ET_SYS_NAME])
{
	double power, current, voltage;

	if (!et_sys_line(status, ET_SYS_NAME, "%s/status", dir) || strcmp(status, "Charging") == 0)
		return NAN;
	if (strcmp(status, "Discharging") != 0)
		return 0;
	*discharging = true;
	/* Drivers do not agree on the sign of what flows out. */
	if (!et_sys_number(&power, "%s/power_now", dir)) {
		if (!et_sys_number(&current, "%s/current_now", dir) ||
		    !et_sys_number(&voltage, "%s/voltage_now", dir))
			return NAN;
		power = current * voltage / 1e6;
	}
	return fabs(power) / 1e6 < ET_POWER_MAX_W ? fabs(power) / 1e6 : NAN;
}

static double battery_read(struct et_source *s, double now)
{
	const struct battery *b = s->state;
	char status[ET_SYS_NAME];
	bool discharging = false;
	double sum = 0;

	(void)now;
	for (int i = 0; i < b->n; i++)
		sum += watts_of(b->dir[i], &discharging, status);
	return discharging ? sum : NAN;
}

static void find(struct battery *b, const char *root)
{
	char name[32][ET_SYS_NAME], type[ET_SYS_NAME];
	int n = et_sys_list(name, 32, "", "%s/sys/class/power_supply", root);

	for (int i = 0; i < n && b->n < BATTERIES; i++) {
		char *dir = b->dir[b->n];
		if (snprintf(dir, sizeof(b->dir[0]), "%s/sys/class/power_supply/%s", root,
			     name[i]) >= (int)sizeof(b->dir[0]) ||
		    !et_sys_line(type, sizeof(type), "%s/type", dir) ||
		    strcmp(type, "Battery") != 0)
			continue;
		/* That of a mouse or a headset feeds no computer. */
		if (et_sys_line(type, sizeof(type), "%s/scope", dir) && strcmp(type, "Device") == 0)
			continue;
		b->n++;
	}
}

static int battery_open(struct et_source *s, const struct et_power_conf *conf, struct et_err *err)
{
	struct battery *b = et_calloc(1, sizeof(*b));
	char status[ET_SYS_NAME] = "";
	bool discharging = false;
	int code = ET_OK;

	if (!b)
		return et_fail(err, ET_ENOMEM, "out of memory");
	find(b, et_power_root(conf));
	s->state = b;
	if (!b->n)
		code = et_fail(err, ET_ENOINPUT, "there is no battery");
	else if (isnan(battery_read(s, 0))) {
		(void)watts_of(b->dir[0], &discharging, status);
		code = discharging ? et_fail(err, ET_EIO, "%s tells neither power nor current",
					     b->dir[0])
				   : et_fail(err, ET_ENOINPUT,
					     "%s is not discharging (%s): on mains it does not say "
					     "what is drawn",
					     b->dir[0], *status ? status : "status unknown");
	}
	if (code) {
		free(b);
		return code;
	}
	snprintf(s->info.name, sizeof(s->info.name), "battery");
	snprintf(s->info.path, sizeof(s->info.path), "%.250s", b->dir[0]);
	s->info.scope = "board";
	s->info.unit = "uW";
	s->info.note = "only while it is discharging";
	/* It measures no oftener, and each question goes to a slow controller. */
	s->info.hz = 1;
	return ET_OK;
}

const struct et_source_kind et_source_battery = {"battery", battery_open, battery_read, NULL};
