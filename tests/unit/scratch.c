#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

static char dir[200];
static struct rlimit limit;
static mode_t mask;
static int cwd;

void scratch_open(void)
{
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	mask = umask(022);
	cwd = open(".", O_RDONLY | O_DIRECTORY);
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof(dir), "%.150s/et-unit-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void scratch_close(void)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	setrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, SIG_DFL);
	umask(mask);
	if (cwd >= 0) {
		ck_assert_int_eq(fchdir(cwd), 0);
		close(cwd);
	}
}

void scratch_limit(size_t bytes)
{
	struct rlimit less = {bytes, limit.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &less), 0);
}

const char *scratch_path(const char *name)
{
	static char paths[8][700];
	static unsigned next;
	char *path = paths[next++ % 8];
	snprintf(path, sizeof(paths[0]), *name ? "%s/%s" : "%s", dir, name);
	return path;
}

const char *scratch_put(const char *name, const void *data, size_t n)
{
	const char *path = scratch_path(name);
	FILE *f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

int scratch_holds(const char *name, const void *data, size_t n)
{
	FILE *f = fopen(scratch_path(name), "rb");
	if (!f)
		return 0;
	char *text = malloc(n + 1);
	ck_assert_ptr_nonnull(text);
	int same = fread(text, 1, n + 1, f) == n && !memcmp(text, data, n);
	free(text);
	fclose(f);
	return same;
}

int scratch_count(void)
{
	DIR *d = opendir(dir);
	ck_assert_ptr_nonnull(d);
	int n = 0;
	for (struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	return n;
}
