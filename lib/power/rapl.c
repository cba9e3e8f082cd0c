/*
 * Energy counters of Intel's and AMD's processors: psys, the whole platform, else the packages and
 * their memory. Cores and graphics are parts of a package, and intel-rapl-mmio shows a package once
 * more. Each zone wraps around at a range of its own.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/source.h"

#define ZONES 16

struct zone {
	char dir[ET_SYS_PATH - 64];
	double range, last; /* microjoules; range NaN: not known */
};
struct rapl {
	int n;
	bool begun;
	double joules;
	struct zone zone[ZONES];
};

/* A zone with what it is called; false with errno when its counter cannot be read. */
static bool add_zone(struct rapl *r, const char *dir)
{
	struct zone *z = &r->zone[r->n];

	if (r->n == ZONES || strlen(dir) >= sizeof(z->dir)) {
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(z->dir, dir);
	if (!et_sys_number(&z->last, "%s/energy_uj", dir))
		return false;
	r->n++;
	int e = errno;
	if (!et_sys_number(&z->range, "%s/max_energy_range_uj", dir) || z->range <= 0)
		z->range = NAN;
	errno = e;
	return true;
}

/* The memory of a package: a zone below it, which the class directory lists as well. */
static void add_dram(struct rapl *r, const char *package)
{
	char child[16][ET_SYS_NAME], name[ET_SYS_NAME], dir[ET_SYS_PATH];
	int n = et_sys_list(child, 16, "intel-rapl:", "%s", package);

	for (int i = 0; i < n; i++)
		if (et_sys_line(name, sizeof(name), "%s/%s/name", package, child[i]) &&
		    strcmp(name, "dram") == 0 &&
		    snprintf(dir, sizeof(dir), "%s/%s", package, child[i]) < (int)sizeof(dir))
			(void)add_zone(r, dir);
}

static int refused(const char *dir, int e, struct et_err *err)
{
	if (e != EACCES && e != EPERM)
		return et_fail(err, ET_EIO, "%s/energy_uj: %s", dir,
			       e == EINVAL ? "holds no number" : strerror(e));
	const char *in_class = strstr(dir, "/sys/");
	in_class = in_class ? in_class + 5 : dir;
	return et_fail(err, ET_EIO,
		       "%s/energy_uj is for root alone; to allow it to all: 'sudo chmod a+r "
		       "%s/energy_uj' until the next boot, or a line 'mode %s/energy_uj = 0444' "
		       "in /etc/sysfs.conf (package sysfsutils)",
		       dir, dir, in_class);
}

/* One pass over the zones at the top: those called psys, or the packages and their memory. */
static int find(struct rapl *r, const char *root, bool psys, struct et_err *err)
{
	char top[64][ET_SYS_NAME], name[ET_SYS_NAME], dir[ET_SYS_PATH];
	int n = et_sys_list(top, 64, "intel-rapl:", "%s/sys/class/powercap", root);

	for (int i = 0; i < n; i++) {
		if (snprintf(dir, sizeof(dir), "%s/sys/class/powercap/%s", root, top[i]) >=
			    (int)sizeof(dir) ||
		    !et_sys_line(name, sizeof(name), "%s/name", dir) ||
		    (psys ? strcmp(name, "psys") : strncmp(name, "package", 7)) != 0)
			continue;
		if (!add_zone(r, dir)) {
			int e = errno;
			/* Of two packages one is no answer. */
			r->n = 0;
			return refused(dir, e, err);
		}
		/* A platform counter that was never filled is one in name only. */
		if (psys && r->zone[r->n - 1].last == 0)
			r->n--;
		else if (!psys)
			add_dram(r, dir);
	}
	return ET_OK;
}

static int rapl_open(struct et_source *s, const struct et_power_conf *conf, struct et_err *err)
{
	struct rapl *r = et_calloc(1, sizeof(*r));

	if (!r)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = find(r, et_power_root(conf), true, err);
	bool psys = r->n > 0;
	if (!psys) {
		/* psys may be closed to us: what is said of a package is as good. */
		int packages = find(r, et_power_root(conf), false, err);
		status = r->n ? ET_OK : packages ? packages : status;
		if (!r->n && !status)
			status = et_fail(err, ET_ENOINPUT,
					 "there is no intel-rapl zone with an energy counter");
	}
	if (status) {
		free(r);
		return status;
	}
	snprintf(s->info.name, sizeof(s->info.name), "rapl");
	if (r->n > 1)
		snprintf(s->info.path, sizeof(s->info.path), "%.200s (%d zones)", r->zone[0].dir,
			 r->n);
	else
		snprintf(s->info.path, sizeof(s->info.path), "%.200s", r->zone[0].dir);
	s->info.scope = psys ? "board" : "package";
	s->info.unit = "uJ";
	s->info.note = psys ? NULL : "without drives, network, screen and the supply's losses";
	s->info.counter = true;
	s->info.hz = 1;
	/* A second must stay well below half of the range, at a few hundred watts. */
	for (int i = 0; i < r->n; i++)
		if (r->zone[i].range < 2000e6)
			s->info.hz = 10;
	s->state = r;
	return ET_OK;
}

static double rapl_read(struct et_source *s, double now)
{
	struct rapl *r = s->state;
	double value[ZONES];
	bool known = true;

	(void)now;
	/* All or none: otherwise a zone that was gone for a moment would count twice. */
	for (int i = 0; i < r->n; i++)
		if (!et_sys_number(&value[i], "%s/energy_uj", r->zone[i].dir) || value[i] < 0 ||
		    value[i] > r->zone[i].range || value[i] > (double)UINT64_MAX)
			return NAN;
	for (int i = 0; i < r->n; i++) {
		struct zone *z = &r->zone[i];
		double passed = value[i] - z->last;
		if (passed < 0)
			passed += z->range;
		/* Without a range, or with a wrong one, nobody knows how much passed. */
		known &= passed >= 0;
		r->joules += passed >= 0 && r->begun ? passed / 1e6 : 0;
		z->last = value[i];
	}
	r->begun = true;
	return known ? r->joules : NAN;
}

const struct et_source_kind et_source_rapl = {"rapl", rapl_open, rapl_read, NULL};
