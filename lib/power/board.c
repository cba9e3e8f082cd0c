/* Temperature, clock and throttling, from the firmware or from sysfs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "power/source.h"

/* ---- the firmware ---------------------------------------------------------------------------- */

/* "temp=48.8'C", "frequency(0)=1500000000": the number behind "=". */
static bool ask_number(struct et_mailbox *m, const char *command, double *v)
{
	char reply[ET_MAILBOX_TEXT];

	if (!et_mailbox_ask(m, command, reply, sizeof(reply)) || strncmp(reply, "error", 5) == 0 ||
	    !strchr(reply, '='))
		return false;
	char *number = strchr(reply, '=') + 1;
	number[strspn(number, "0123456789.-")] = 0;
	return et_parse_f64(number, v);
}

/* Hexadecimal bits with or without 0x; -1: none. */
static int64_t bits_of(const char *text)
{
	char *end;
	unsigned long long bits = strtoull(text, &end, 16);
	bool whole = end != text && (!*end || *end == '\n') && *text != '-';

	return whole && bits <= UINT32_MAX ? (int64_t)bits : -1;
}

static int64_t ask_bits(struct et_mailbox *m)
{
	char reply[ET_MAILBOX_TEXT];

	if (!et_mailbox_ask(m, "get_throttled", reply, sizeof(reply)) ||
	    strncmp(reply, "throttled=", 10) != 0)
		return -1;
	return bits_of(reply + 10);
}

static double ask_temp(struct et_mailbox *m)
{
	double v;

	return ask_number(m, "measure_temp", &v) ? v : NAN;
}

static double ask_clock(struct et_mailbox *m)
{
	double v;

	return ask_number(m, "measure_clock arm", &v) && v > 0 ? v / 1e6 : NAN;
}

static void open_mailbox(struct et_board *b)
{
	struct et_mailbox *m = et_calloc(1, sizeof(*m));
	struct et_err err;

	if (!m || et_mailbox_open(m, b->root, &err)) {
		free(m);
		return;
	}
	b->asks_temp = !isnan(ask_temp(m));
	b->asks_clock = !isnan(ask_clock(m));
	b->asks_throttled = ask_bits(m) >= 0;
	if (b->asks_temp || b->asks_clock || b->asks_throttled) {
		b->mailbox = m;
		return;
	}
	et_mailbox_close(m);
	free(m);
}

/* ---- sysfs ----------------------------------------------------------------------------------- */

/* Millidegrees to degrees; what no processor can have is a sensor that is off. */
static bool degrees(const char *path, double *v)
{
	if (!path || !et_sys_number(v, "%s", path))
		return false;
	*v /= 1000;
	return *v > -60 && *v < 200;
}

/* How well a zone's type speaks of the processor; 0 = some other part of the board. */
static int zone_rank(const char *type)
{
	static const char *const names[] = {"cpu", "soc", "x86_pkg_temp", "package", "CPU"};

	for (size_t i = 0; i < ET_COUNT(names); i++)
		if (strstr(type, names[i]))
			return 2;
	return 1;
}

static void replace(char **path, char *with)
{
	free(*path);
	*path = with;
}

/* The hwmon of that name, "FILE" in it; NULL: none. */
static char *in_hwmon(const char *root, const char *name, const char *file)
{
	char entry[64][ET_SYS_NAME], found[ET_SYS_NAME];
	int n = et_sys_list(entry, 64, "hwmon", "%s/sys/class/hwmon", root);

	for (int i = 0; i < n; i++)
		if (et_sys_line(found, sizeof(found), "%s/sys/class/hwmon/%s/name", root,
				entry[i]) &&
		    strcmp(found, name) == 0)
			return et_asprintf("%s/sys/class/hwmon/%s/%s", root, entry[i], file);
	return NULL;
}

/* Takes a path for the temperature if it can be read and is better, or is the one of before. */
static int offer(struct et_board *b, char *path, const char *type, int rank, int best,
		 const char *like)
{
	double v;
	bool take = rank > best && (!like || strcmp(type, like) == 0) && degrees(path, &v);

	if (!take) {
		free(path);
		return best;
	}
	replace(&b->temp, path);
	if (!like)
		snprintf(b->temp_type, sizeof(b->temp_type), "%s", type);
	return rank;
}

/* The best zone; with `like` only one of that type will do. False: the path is what it was. */
static bool find_zone(struct et_board *b, const char *like)
{
	static const char *const chips[] = {"k10temp", "coretemp", "zenpower"};
	char zone[64][ET_SYS_NAME], type[ET_SYS_NAME];
	int n = et_sys_list(zone, 64, "thermal_zone", "%s/sys/class/thermal", b->root), best = 0;

	for (int i = 0; i < n; i++)
		if (et_sys_line(type, sizeof(type), "%s/sys/class/thermal/%s/type", b->root,
				zone[i]))
			best = offer(b,
				     et_asprintf("%s/sys/class/thermal/%s/temp", b->root, zone[i]),
				     type, zone_rank(type), best, like);
	for (size_t i = 0; i < ET_COUNT(chips); i++)
		best = offer(b, in_hwmon(b->root, chips[i], "temp1_input"), chips[i], 2, best,
			     like);
	return best > 0;
}

static void find_clocks(struct et_board *b)
{
	for (int i = 0; i < 256 && b->n_freq < (int)ET_COUNT(b->freq); i++) {
		char *path = et_asprintf(
			"%s/sys/devices/system/cpu/cpufreq/policy%d/scaling_cur_freq", b->root, i);
		double khz;
		if (path && et_sys_number(&khz, "%s", path))
			b->freq[b->n_freq++] = path;
		else
			free(path);
	}
}

void et_board_open(struct et_board *b, const char *root)
{
	memset(b, 0, sizeof(*b));
	b->read_at = -INFINITY;
	b->last = (struct et_board_state){.temp_c = NAN, .freq_mhz = NAN, .throttled = -1};
	b->root = et_strdup(root);
	if (!b->root)
		return;
	open_mailbox(b);
	if (!b->asks_temp)
		(void)find_zone(b, NULL);
	if (!b->asks_clock)
		find_clocks(b);
	if (b->asks_throttled)
		return;
	/* Not read before it is needed: the kernel puts a warning into its log at the first time.
	 */
	b->throttled =
		et_asprintf("%s/sys/devices/platform/soc/soc:firmware/get_throttled", b->root);
	if (b->throttled && access(b->throttled, R_OK) == 0)
		return;
	replace(&b->throttled, NULL);
	b->alarm = in_hwmon(b->root, "rpi_volt", "in0_lcrit_alarm");
}

/* ---- reading --------------------------------------------------------------------------------- */

static double read_temp(struct et_board *b)
{
	double v;

	if (b->asks_temp)
		return ask_temp(b->mailbox);
	if (!b->temp)
		return NAN;
	if (degrees(b->temp, &v))
		return v;
	/* Zones are numbered anew when a driver comes back. */
	return find_zone(b, b->temp_type) && degrees(b->temp, &v) ? v : NAN;
}

static double read_clock(struct et_board *b)
{
	double best = NAN, v;

	if (b->asks_clock)
		return ask_clock(b->mailbox);
	for (int i = 0; i < b->n_freq; i++)
		if (et_sys_number(&v, "%s", b->freq[i]) && v > 0)
			best = fmax(best, v / 1000);
	return best;
}

static int64_t read_throttled(struct et_board *b)
{
	char line[64];
	double alarm;

	if (b->asks_throttled)
		return ask_bits(b->mailbox);
	if (b->throttled)
		return et_sys_line(line, sizeof(line), "%s", b->throttled) ? bits_of(line) : -1;
	if (!b->alarm)
		return -1;
	if (!et_sys_number(&alarm, "%s", b->alarm)) {
		char *again = in_hwmon(b->root, "rpi_volt", "in0_lcrit_alarm");
		if (!again)
			return -1;
		replace(&b->alarm, again);
		if (!et_sys_number(&alarm, "%s", b->alarm))
			return -1;
	}
	return alarm != 0;
}

struct et_board_state et_board_read(struct et_board *b)
{
	double now = et_now();

	/* A little less than a second, for those who ask once a second. */
	if (now - b->read_at < 0.9)
		return b->last;
	b->read_at = now;
	b->last = (struct et_board_state){read_temp(b), read_clock(b), read_throttled(b)};
	return b->last;
}

bool et_board_any(const struct et_board *b)
{
	return b->mailbox || b->temp || b->throttled || b->alarm || b->n_freq > 0;
}

void et_board_close(struct et_board *b)
{
	if (b->mailbox)
		et_mailbox_close(b->mailbox);
	free(b->mailbox);
	free(b->root);
	free(b->temp);
	free(b->throttled);
	free(b->alarm);
	for (int i = 0; i < b->n_freq; i++)
		free(b->freq[i]);
	memset(b, 0, sizeof(*b));
}
