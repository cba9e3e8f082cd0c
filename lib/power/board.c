/* Temperature, clock and throttling from sysfs. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/power.h"

/* The first line of a small file, without its newline; false when it cannot be read or is empty. */
static bool read_line(const char *path, char *buf, size_t n)
{
	FILE *f = fopen(path, "re");
	bool got = f && fgets(buf, (int)n, f) && *buf;

	if (f)
		fclose(f);
	if (got)
		buf[strcspn(buf, "\n")] = 0;
	return got;
}

static bool read_number(const char *path, double *v)
{
	char line[64];
	return path && read_line(path, line, sizeof(line)) && et_parse_f64(line, v);
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

static void find_zone(struct et_board *b, const char *root)
{
	int best = 0;

	for (int i = 0; i < 32; i++) {
		char type[64];
		double v;
		char *name = et_asprintf("%s/sys/class/thermal/thermal_zone%d/type", root, i);
		char *temp = et_asprintf("%s/sys/class/thermal/thermal_zone%d/temp", root, i);
		int rank =
			name && temp && read_line(name, type, sizeof(type)) && read_number(temp, &v)
				? zone_rank(type)
				: 0;
		if (rank > best) {
			best = rank;
			free(b->temp);
			b->temp = temp;
			temp = NULL;
		}
		free(name);
		free(temp);
	}
}

static void find_clocks(struct et_board *b, const char *root)
{
	for (int i = 0; i < 256 && b->n_freq < (int)ET_COUNT(b->freq); i++) {
		char *path = et_asprintf(
			"%s/sys/devices/system/cpu/cpufreq/policy%d/scaling_cur_freq", root, i);
		double khz;
		if (path && read_number(path, &khz))
			b->freq[b->n_freq++] = path;
		else
			free(path);
	}
}

void et_board_open(struct et_board *b, const char *root)
{
	char line[64];

	memset(b, 0, sizeof(*b));
	b->read_at = -INFINITY;
	find_zone(b, root);
	find_clocks(b, root);
	b->throttled = et_asprintf("%s/sys/devices/platform/soc/soc:firmware/get_throttled", root);
	if (b->throttled && !read_line(b->throttled, line, sizeof(line))) {
		free(b->throttled);
		b->throttled = NULL;
	}
}

struct et_board_state et_board_read(struct et_board *b)
{
	double now = et_now(), v;
	char line[64], *end;

	if (now - b->read_at < 1)
		return b->last;
	b->read_at = now;
	b->last = (struct et_board_state){.temp_c = NAN, .freq_mhz = NAN, .throttled = -1};
	if (read_number(b->temp, &v))
		b->last.temp_c = v / 1000;
	for (int i = 0; i < b->n_freq; i++)
		if (read_number(b->freq[i], &v))
			b->last.freq_mhz = fmax(b->last.freq_mhz, v / 1000);
	if (b->throttled && read_line(b->throttled, line, sizeof(line))) {
		long long bits = strtoll(line, &end, 16);
		if (end != line && !*end && bits >= 0)
			b->last.throttled = bits;
	}
	return b->last;
}

bool et_board_any(const struct et_board *b)
{
	return b->temp || b->throttled || b->n_freq > 0;
}

void et_board_close(struct et_board *b)
{
	free(b->temp);
	free(b->throttled);
	for (int i = 0; i < b->n_freq; i++)
		free(b->freq[i]);
	memset(b, 0, sizeof(*b));
}
