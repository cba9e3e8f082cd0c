/* A bench as a picture, by gnuplot: script on its standard input, PNG from its standard output. */
#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char **environ;

/* ---- before ---------------------------------------------------------------------------------- */

static bool find_program(const char *name, char *path, size_t n)
{
	const char *dirs = getenv("PATH");
	for (const char *d = dirs; d; d = strchr(d, ':') ? strchr(d, ':') + 1 : NULL) {
		int length = (int)strcspn(d, ":");
		int need = snprintf(path, n, "%.*s%s%s", length, d, length ? "/" : "./", name);
		if (need > 0 && (size_t)need < n && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

int plotter_find(struct plotter *p, const char *path, struct et_err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (!dir)
		return et_fail(err, ET_ENOMEM, "--plot: out of memory");
	bool may = access(dir, W_OK | X_OK) == 0 && (!slash || slash[1]);
	int why = errno;
	free(dir);
	if (!may)
		return et_fail(err, ET_ECREATE, "--plot %s: cannot create: %s", path,
			       slash && !slash[1] ? "it is a directory" : strerror(why));
	p->path = path;
	if (!find_program("gnuplot", p->program, sizeof(p->program)))
		return et_fail(err, ET_EUSAGE,
			       "--plot: needs gnuplot, which is not installed. On Debian: apt "
			       "install gnuplot-nox");
	return ET_OK;
}

/* ---- script ---------------------------------------------------------------------------------- */

/* Of a whole training; with masks it is mean IoU that counts. */
static double score(const struct et_bench_mode *m)
{
	return isnan(m->val_miou) ? m->val_accuracy : m->val_miou;
}

static bool have_accuracy(const struct et_bench_result *r)
{
	for (int i = 0; i < r->modes; i++)
		if (!isnan(score(&r->mode[i])))
			return true;
	return false;
}

/* A recipe holds nothing that would end its quotes. */
static int put_points(FILE *f, const struct et_bench_result *r, bool accuracy)
{
	int n = 0;
	fputs("$points << END\n", f);
	for (int i = 0; i < r->modes; i++) {
		const struct et_bench_mode *m = &r->mode[i];
		double y = accuracy ? score(m) : m->cosine;
		uint64_t memory = m->peak_memory ? m->peak_memory : m->planned_peak;
		if (isnan(y))
			continue;
		fprintf(f, "%.9g %.9g %.9g \"%s\" %d\n", m->step.median, (double)memory / 1e6, y,
			m->recipe, ++n);
	}
	fputs("END\n", f);
	return n;
}

static void put_panel(FILE *f, int column, const char *label)
{
	fprintf(f,
		"set xlabel '%s'\n"
		"plot $points using %d:3:5 with points pointtype 7 pointsize 1.6 linecolor "
		"variable, \\\n"
		"  '' using %d:(int($5) %% 2 ? $3 : NaN):4 with labels offset 0,1 noenhanced, \\\n"
		"  '' using %d:(int($5) %% 2 ? NaN : $3):4 with labels offset 0,-1 noenhanced\n",
		label, column, column, column);
}

static int put_script(FILE *f, const struct et_bench_result *r)
{
	bool accuracy = have_accuracy(r), measured = r->mode[0].peak_memory > 0;
	fputs("set terminal pngcairo size 1200,560 font 'sans,11'\n"
	      "unset key\nset grid\nset offsets graph 0.2, graph 0.2, graph 0.12, graph 0.12\n",
	      f);
	int n = put_points(f, r, accuracy);
	fprintf(f, "set ylabel '%s'\nset multiplot layout 1,2\n",
		!accuracy		     ? "cosine with the exact gradient of the weights"
		: isnan(r->mode[0].val_miou) ? "validation accuracy"
					     : "validation mIoU");
	put_panel(f, 1, "median step, ms");
	put_panel(f, 2, measured ? "peak memory, MB" : "peak memory as planned, MB");
	fputs("unset multiplot\n", f);
	return n;
}

/* ---- gnuplot --------------------------------------------------------------------------------- */

static int run_gnuplot(const char *program, FILE *script, FILE *picture, struct et_err *err)
{
	char name[] = "gnuplot", defaults[] = "--default-settings",
	     *argv[] = {name, defaults, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = 0;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return et_fail(err, ET_ENOMEM, "--plot: out of memory");
	int e = posix_spawn_file_actions_adddup2(&actions, fileno(script), 0);
	if (!e)
		e = posix_spawn_file_actions_adddup2(&actions, fileno(picture), 1);
	if (!e)
		e = posix_spawn(&pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (e)
		return et_fail(err, ET_EIO, "--plot: cannot start %s: %s", program, strerror(e));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? ET_OK
		       : et_fail(err, ET_EIO, "--plot: %s failed", program);
}

/* What was written into a file, moved to its place. */
static int keep(FILE *picture, const char *path, struct et_err *err)
{
	long n = fseek(picture, 0, SEEK_END) == 0 ? ftell(picture) : -1;
	char *bytes = n > 0 ? malloc((size_t)n) : NULL;
	rewind(picture);
	int status = bytes && fread(bytes, 1, (size_t)n, picture) == (size_t)n
			     ? et_file_write(path, bytes, (size_t)n, err)
			     : et_fail(err, ET_EIO, "--plot %s: gnuplot has drawn nothing", path);
	free(bytes);
	return status;
}

int plotter_draw(const struct plotter *p, const struct et_bench_result *r, struct et_err *err)
{
	FILE *script = tmpfile(), *picture = tmpfile();
	int status = ET_OK;
	if (!script || !picture)
		status = et_fail(err, ET_EIO, "--plot: no temporary file: %s", strerror(errno));
	else if (put_script(script, r) == 0)
		status = et_fail(err, ET_EIO,
				 "--plot %s: neither accuracy nor likeness to exact is "
				 "known: nothing to draw",
				 p->path);
	else if (fflush(script) != 0 || fseek(script, 0, SEEK_SET) != 0)
		status = et_fail(err, ET_EIO, "--plot: temporary file: %s", strerror(errno));
	if (!status)
		status = run_gnuplot(p->program, script, picture, err);
	if (!status)
		status = keep(picture, p->path, err);
	if (script)
		fclose(script);
	if (picture)
		fclose(picture);
	return status;
}
