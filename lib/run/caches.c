/* Sizes of the processors' data caches, from sysfs or else from the C library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/run.h"

/* Processors and caches of one that are looked for. */
#define MOST_PROCESSORS 256
#define MOST_CACHES	8

struct cache {
	int level;
	size_t sharers;
	uint64_t bytes;
};

static bool read_line(const char *dir, const char *name, char line[static 256])
{
	char *path = et_asprintf("%s/%s", dir, name);
	FILE *f = path ? fopen(path, "re") : NULL;
	bool got = f && fgets(line, 256, f);

	if (f)
		fclose(f);
	if (got)
		line[strcspn(line, "\n")] = 0;
	free(path);
	return got;
}

/* How many processors "0-3,8" are; 1 for what is no such list. */
static size_t count_list(const char *list)
{
	size_t n = 0;

	while (*list >= '0' && *list <= '9') {
		char *end;
		long first = strtol(list, &end, 10), last = first;
		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		if (last < first || last - first >= MOST_PROCESSORS)
			return 1;
		n += (size_t)(last - first) + 1;
		list = *end == ',' ? end + 1 : end;
	}
	return et_max(n, 1);
}

static bool read_cache(const char *dir, struct cache *c)
{
	char line[256];
	int64_t level;

	if (!read_line(dir, "type", line) || strncmp(line, "Instruction", 11) == 0)
		return false;
	if (!read_line(dir, "level", line) || !et_parse_i64(line, &level) || level < 1 ||
	    level > ET_CACHE_LEVELS)
		return false;
	c->level = (int)level;
	if (!read_line(dir, "size", line) || !et_parse_size(line, &c->bytes) || !c->bytes)
		return false;
	c->sharers = read_line(dir, "shared_cpu_list", line) ? count_list(line) : 1;
	return true;
}

/* Of different processors, the smallest share counts: a job is over when all have done their part.
 */
static void keep_least(struct et_caches *all, const struct cache *c)
{
	uint64_t *bytes = &all->bytes[c->level - 1];
	size_t *sharers = &all->sharers[c->level - 1];

	if (*bytes && *bytes / *sharers <= c->bytes / c->sharers)
		return;
	*bytes = c->bytes;
	*sharers = c->sharers;
}

static void ask_library(struct et_caches *all)
{
#if defined(_SC_LEVEL1_DCACHE_SIZE)
	static const int name[ET_CACHE_LEVELS] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
						  _SC_LEVEL3_CACHE_SIZE};
	for (int i = 0; i < ET_CACHE_LEVELS; i++) {
		long bytes = sysconf(name[i]);
		all->bytes[i] = bytes > 0 ? (uint64_t)bytes : 0;
		all->sharers[i] = 1;
	}
#else
	(void)all;
#endif
}

void et_caches_read(const char *root, struct et_caches *all)
{
	bool found = false;

	memset(all, 0, sizeof(*all));
	for (int cpu = 0; cpu < MOST_PROCESSORS; cpu++) {
		struct cache c;
		int i = 0;
		for (; i < MOST_CACHES; i++) {
			char *dir = et_asprintf("%s/sys/devices/system/cpu/cpu%d/cache/index%d",
						root, cpu, i);
			bool there = dir && access(dir, F_OK) == 0;
			if (there && read_cache(dir, &c)) {
				keep_least(all, &c);
				found = true;
			}
			free(dir);
			if (!there)
				break;
		}
		if (i == 0)
			break;
	}
	if (!found && !*root)
		ask_library(all);
}

uint64_t et_caches_share(const struct et_caches *all, int level, int threads)
{
	size_t sharers = et_min(all->sharers[level - 1], (size_t)threads);

	return all->bytes[level - 1] / et_max(sharers, 1);
}
