/* gnuplot: where it is, how it is started, and what becomes of its picture. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gnuplot.h"
#include "names.h"

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

int gnuplot_find(struct gnuplot *g, const char *path, struct et_err *err)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (!dir)
		return et_fail(err, ET_ENOMEM, "--plot: out of memory");
	bool may = access(dir, W_OK | X_OK) == 0 && (!slash || slash[1]);
	int why = errno;
	free(dir);
	if (!may)
		return et_fail(err, ET_ECREATE, "--plot %s: cannot create: %s", path,
			       slash && !slash[1] ? "it is a directory" : strerror(why));
	g->path = path;
	g->svg = dot && strcasecmp(dot, ".svg") == 0;
	if (!find_program("gnuplot", g->program, sizeof(g->program)))
		return et_fail(err, ET_EUSAGE,
			       "--plot: needs gnuplot, which is not installed. On Debian: apt "
			       "install gnuplot-nox");
	return ET_OK;
}

/* ---- the script ------------------------------------------------------------------------------ */

/* In single quotes nothing means anything but the quote itself, which is doubled. */
void gnuplot_text(FILE *script, const char *name)
{
	char shown[512];
	name_copy(shown, sizeof(shown), name);
	fputc('\'', script);
	for (const char *s = shown; *s; s++) {
		if (*s == '\'')
			fputc('\'', script);
		fputc(*s, script);
	}
	fputc('\'', script);
}

/* A gnuplot without cairo has the other PNG. */
static void put_terminal(const struct gnuplot *g, FILE *f, int width, int height)
{
	if (g->svg)
		fprintf(f,
			"set terminal svg size %d,%d dynamic font 'sans,12' background '#ffffff'\n",
			width, height);
	else
		fprintf(f,
			"if (strstrt(GPVAL_TERMINALS, ' pngcairo ') > 0) \\\n"
			"set terminal pngcairo size %d,%d font 'sans,11'; else \\\n"
			"set terminal png size %d,%d\n",
			width, height, width, height);
}

/* ---- gnuplot --------------------------------------------------------------------------------- */

/* Its last word on what went wrong. */
static int failed(const char *program, FILE *said, struct et_err *err)
{
	char line[200], last[200] = "";
	rewind(said);
	while (fgets(line, sizeof(line), said))
		if (strspn(line, " \t^\n") < strlen(line))
			memcpy(last, line, sizeof(last));
	last[strcspn(last, "\n")] = 0;
	return et_fail(err, ET_EIO, "--plot: %s failed%s%s", program, *last ? ": " : "", last);
}

/* files: of standard input, output and error. */
static int run_gnuplot(const char *program, FILE *const files[3], struct et_err *err)
{
	char name[] = "gnuplot", defaults[] = "--default-settings",
	     *argv[] = {name, defaults, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = 0, e = 0;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return et_fail(err, ET_ENOMEM, "--plot: out of memory");
	for (int i = 0; i < 3 && !e; i++)
		e = posix_spawn_file_actions_adddup2(&actions, fileno(files[i]), i);
	if (!e)
		e = posix_spawn(&pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (e)
		return et_fail(err, ET_EIO, "--plot: cannot start %s: %s", program, strerror(e));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ET_OK
							     : failed(program, files[2], err);
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

int gnuplot_draw(const struct gnuplot *g, int width, int height,
		 int (*put)(FILE *script, const void *what, struct et_err *err), const void *what,
		 struct et_err *err)
{
	FILE *files[] = {tmpfile(), tmpfile(), tmpfile()};
	int status = ET_OK;
	if (!files[0] || !files[1] || !files[2])
		status = et_fail(err, ET_EIO, "--plot: no temporary file: %s", strerror(errno));
	if (!status) {
		put_terminal(g, files[0], width, height);
		status = put(files[0], what, err);
	}
	if (!status && (fflush(files[0]) != 0 || fseek(files[0], 0, SEEK_SET) != 0))
		status = et_fail(err, ET_EIO, "--plot: temporary file: %s", strerror(errno));
	if (!status)
		status = run_gnuplot(g->program, files, err);
	if (!status)
		status = keep(files[1], g->path, err);
	for (int i = 0; i < 3; i++)
		if (files[i])
			fclose(files[i]);
	return status;
}
