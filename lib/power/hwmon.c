/*
 * Current and power monitors of the hwmon class: an INA2xx on the supply's line, a USB-C tester,
 * the meter of a server. hwmonN is another N after each boot and when a driver is loaded again, so
 * a monitor is known by its name and its device, and looked for again when it cannot be read.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "power/source.h"

#define CHANNELS 16

enum how { NONE, POWER, AVERAGE, PRODUCT, ENERGY }; /* microwatts; mV and mA; microjoules */

struct monitor {
	char dir[ET_SYS_PATH - 64], name[ET_SYS_NAME];
	char device[ET_SYS_NAME]; /* its bus address, "" where there is none */
	enum how how;
	int volts;		  /* of PRODUCT: the channel of the bus voltage */
	int n, channel[CHANNELS]; /* added up */
};
struct hwmon {
	char *root;
	double looked;
	struct monitor m;
	double last[CHANNELS], joules; /* of counters */
	bool begun;
};

/*
 * Monitors of something else: graphics cards, and chips with a source of their own here. A name
 * that ends in a star stands for all that begin so.
 */
static const char *const others[] = {"amdgpu", "radeon",  "nouveau", "nvidia*", "i915",
				     "xe",     "ina3221", "BAT*",    "mlx5*",	"nvme"};

static bool of_something_else(const char *name, const char *dir)
{
	char type[ET_SYS_NAME];

	for (size_t i = 0; i < ET_COUNT(others); i++)
		if (et_glob_match(others[i], name))
			return true;
	/* Batteries and chargers are in this class too. */
	return et_sys_line(type, sizeof(type), "%s/device/type", dir);
}

static bool is_ina(const char *name)
{
	return et_glob_match("ina2[0-9]*", name) || et_glob_match("ina7[0-9]*", name);
}

/* The file's name of one value. */
static double value(const struct monitor *m, enum how how, int channel)
{
	double v, u;
	bool got;

	switch (how) {
	case POWER:
		got = et_sys_number(&v, "%s/power%d_input", m->dir, channel);
		break;
	case AVERAGE:
		got = et_sys_number(&v, "%s/power%d_average", m->dir, channel);
		break;
	case ENERGY:
		got = et_sys_number(&v, "%s/energy%d_input", m->dir, channel);
		break;
	case PRODUCT:
		got = et_sys_number(&v, "%s/in%d_input", m->dir, m->volts) &&
		      et_sys_number(&u, "%s/curr%d_input", m->dir, channel);
		v *= got ? u : 1;
		break;
	default:
		got = false;
	}
	/* A current that flows the other way is one into the board all the same: a turned shunt. */
	double most = how == ENERGY ? (double)UINT64_MAX : ET_POWER_MAX_W * 1e6;
	return got && fabs(v) < most ? fabs(v) : NAN;
}

/*
 * Which channels of one kind stand for the whole: all sockets, or the one that says "total", else
 * the first.
 */
static bool take(struct monitor *m, enum how how, const char *file)
{
	char label[ET_SYS_NAME];
	int total = 0, first = 0;

	m->n = 0;
	m->how = how;
	for (int i = 1; i <= CHANNELS; i++) {
		if (isnan(value(m, how, i)))
			continue;
		first = first ? first : i;
		if (!et_sys_line(label, sizeof(label), "%s/%s%d_label", m->dir, file, i))
			continue;
		if (strncmp(label, "Esocket", 7) == 0)
			m->channel[m->n++] = i;
		else if (strstr(label, "total") && !total)
			total = i;
	}
	if (!m->n && first)
		m->channel[m->n++] = total ? total : first;
	if (!m->n)
		m->how = NONE;
	return m->n > 0;
}

/* How well a monitor tells what the board draws; 0: not at all. */
static int look_at(struct monitor *m, const char *root, const char *entry)
{
	char link[PATH_MAX], target[PATH_MAX];

	memset(m, 0, sizeof(*m));
	if (snprintf(m->dir, sizeof(m->dir), "%s/sys/class/hwmon/%s", root, entry) >=
		    (int)sizeof(m->dir) ||
	    !et_sys_line(m->name, sizeof(m->name), "%s/name", m->dir) ||
	    of_something_else(m->name, m->dir))
		return 0;
	snprintf(link, sizeof(link), "%s/device", m->dir);
	ssize_t len = readlink(link, target, sizeof(target) - 1);
	if (len > 0) {
		target[len] = 0;
		const char *base = strrchr(target, '/');
		snprintf(m->device, sizeof(m->device), "%.*s", (int)sizeof(m->device) - 1,
			 base ? base + 1 : target);
	}
	if (take(m, ENERGY, "energy"))
		return 3;
	m->volts = strcmp(m->name, "powerz") == 0 ? 0 : 1; /* an INA's in0 is at its shunt */
	bool tester = m->volts == 0;
	if (take(m, POWER, "power") || ((is_ina(m->name) || tester) && take(m, PRODUCT, "curr")) ||
	    take(m, AVERAGE, "power"))
		return is_ina(m->name) || tester ? 2 : 1;
	return 0;
}

/* The best there is, or, with `like`, the one that was chosen before. */
static bool find(struct monitor *best, const char *root, const struct monitor *like)
{
	char entry[64][ET_SYS_NAME];
	int n = et_sys_list(entry, 64, "hwmon", "%s/sys/class/hwmon", root), most = 0;

	for (int i = 0; i < n; i++) {
		struct monitor m;
		int rank = look_at(&m, root, entry[i]);
		if (like && (strcmp(m.name, like->name) != 0 || m.how != like->how ||
			     m.n != like->n || strcmp(m.device, like->device) != 0))
			continue;
		if (rank > most) {
			most = rank;
			*best = m;
		}
	}
	return most > 0;
}

static int hwmon_open(struct et_source *s, const struct et_power_conf *conf, struct et_err *err)
{
	static const char *const files[] = {"", "power%d_input", "power%d_average", "curr%d_input",
					    "energy%d_input"};
	struct hwmon *h = et_calloc(1, sizeof(*h));
	char *root = et_strdup(et_power_root(conf)), file[32];
	double shunt;

	if (!h || !root) {
		free(h);
		free(root);
		return et_fail(err, ET_ENOMEM, "out of memory");
	}
	h->root = root;
	if (!find(&h->m, root, NULL)) {
		free(root);
		free(h);
		return et_fail(err, ET_ENOINPUT,
			       "there is no monitor of the board's power or energy in "
			       "/sys/class/hwmon");
	}
	const struct monitor *m = &h->m;
	snprintf(s->info.name, sizeof(s->info.name), "hwmon:%s", m->name);
	snprintf(file, sizeof(file), files[m->how], m->channel[0]);
	snprintf(s->info.path, sizeof(s->info.path), "%.220s/%s", m->dir, file);
	s->info.scope = strncmp(m->name, "amd_energy", 10) == 0 || strncmp(m->name, "zen", 3) == 0
				? "package"
				: "board";
	s->info.unit = m->how == ENERGY ? "uJ" : m->how == PRODUCT ? "mV*mA" : "uW";
	s->info.note = is_ina(m->name) ? "a wrong shunt_resistor scales every reading" : NULL;
	s->info.counter = m->how == ENERGY;
	s->info.hz = m->how == ENERGY || m->how == AVERAGE ? 1 : 10;
	if (et_sys_number(&shunt, "%s/shunt_resistor", m->dir))
		s->info.shunt_uohm = shunt;
	s->state = h;
	return ET_OK;
}

static bool read_all(const struct hwmon *h, double v[CHANNELS])
{
	for (int i = 0; i < h->m.n; i++) {
		v[i] = value(&h->m, h->m.how, h->m.channel[i]);
		if (isnan(v[i]))
			return false;
	}
	return true;
}

/* Is what stands in the directory still the monitor that was chosen? */
static bool still_there(const struct monitor *m)
{
	char name[ET_SYS_NAME];

	return et_sys_line(name, sizeof(name), "%s/name", m->dir) && strcmp(name, m->name) == 0;
}

static double hwmon_read(struct et_source *s, double now)
{
	struct hwmon *h = s->state;
	double v[CHANNELS], sum = 0;
	bool known = true;

	if (!still_there(&h->m) || !read_all(h, v)) {
		struct monitor again;
		if (now - h->looked < 1)
			return NAN;
		h->looked = now;
		if (!find(&again, h->root, &h->m))
			return NAN;
		h->m = again;
		if (!read_all(h, v))
			return NAN;
	}
	for (int i = 0; i < h->m.n; i++) {
		double passed = v[i] - h->last[i];
		/* A counter that begins anew with its driver, or wraps: who knows at what. */
		known &= !h->begun || passed >= 0;
		sum += h->m.how == ENERGY ? fmax(passed, 0) : v[i];
		h->last[i] = v[i];
	}
	if (h->m.how != ENERGY)
		return sum / 1e6;
	h->joules += h->begun ? sum / 1e6 : 0;
	h->begun = true;
	return known ? h->joules : NAN;
}

static void hwmon_close(struct et_source *s)
{
	struct hwmon *h = s->state;

	free(h->root);
	free(h);
}

const struct et_source_kind et_source_hwmon = {"hwmon", hwmon_open, hwmon_read, hwmon_close};
