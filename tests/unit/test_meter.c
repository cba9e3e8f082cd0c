/* Energy by time from readings, and the thread that reads. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "power_tree.h"
#include "scratch.h"
#include "suites.h"

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-9)

static struct et_series series;

/* ---- energy by time, with a clock by hand ---- */

START_TEST(power_is_added_up_by_the_trapezoid)
{
	et_series_open(&series, false, 5);
	ck_assert(isnan(et_series_energy(&series, 0, 0)));
	et_series_add(&series, 10, 2);
	et_series_add(&series, 11, 4);
	et_series_add(&series, 13, 4);
	et_series_add(&series, 14, 0);
	NEAR(et_series_energy(&series, 10, 11), 3);
	NEAR(et_series_energy(&series, 10, 13), 11);
	NEAR(et_series_energy(&series, 10, 14), 13);
	/* Between readings energy is linear: half of 3, a quarter of 8, half of 2. */
	NEAR(et_series_energy(&series, 10, 10.5), 1.5);
	NEAR(et_series_energy(&series, 10.5, 11.5), 1.5 + 2);
	NEAR(et_series_energy(&series, 11.5, 12), 2);
	NEAR(et_series_energy(&series, 10.5, 13.5), 1.5 + 8 + 1);
	NEAR(et_series_energy(&series, 12, 12), 0);
	NEAR(et_series_energy(&series, 14, 14), 0);
	/* Beyond the readings nothing is known. */
	ck_assert(isnan(et_series_energy(&series, 9.9, 11)));
	ck_assert(isnan(et_series_energy(&series, 10, 14.1)));
	ck_assert(isnan(et_series_energy(&series, 12, 11)));
	ck_assert(isnan(et_series_energy(&series, NAN, 11)));
	/* No reading, and one that is not later. */
	et_series_add(&series, 15, NAN);
	et_series_add(&series, 14, 99);
	et_series_add(&series, 13, 99);
	ck_assert(isnan(et_series_energy(&series, 10, 14.1)));
	et_series_add(&series, 16, 2);
	NEAR(et_series_energy(&series, 14, 16), 2);
}
END_TEST

START_TEST(a_counter_is_its_differences)
{
	et_series_open(&series, true, 5);
	et_series_add(&series, 0, 1000);
	et_series_add(&series, 1, 1007);
	et_series_add(&series, 2, 1007);
	et_series_add(&series, 4, 1017);
	NEAR(et_series_energy(&series, 0, 4), 17);
	NEAR(et_series_energy(&series, 0.5, 3), 3.5 + 5);
	NEAR(et_series_energy(&series, 1, 2), 0);
}
END_TEST

START_TEST(a_gap_is_not_bridged)
{
	et_series_open(&series, false, 0.5);
	et_series_add(&series, 0, 4);
	et_series_add(&series, 0.5, 4); /* just not one */
	et_series_add(&series, 1.2, 4);
	et_series_add(&series, 1.5, 4);
	NEAR(et_series_energy(&series, 0, 0.5), 2);
	NEAR(et_series_energy(&series, 1.2, 1.5), 1.2);
	ck_assert(isnan(et_series_energy(&series, 0, 1.5)));
	ck_assert(isnan(et_series_energy(&series, 0.4, 0.6)));
	ck_assert(isnan(et_series_energy(&series, 0.6, 0.7)));
	ck_assert(isnan(et_series_energy(&series, 1.1, 1.2)));
	ck_assert(isnan(et_series_energy(&series, 1.1, 1.3)));
	NEAR(et_series_energy(&series, 1.3, 1.4), 0.4);
}
END_TEST

/*
 * 9 W, a swing of 2 W in 7 s, one of 5 W in 3 hours, and 3 W more in the first 20 s of each minute.
 */
#define SLOW (3 * 3600.0)
static double curve(double t)
{
	return 9 + 2 * sin(2 * M_PI * t / 7) + 5 * sin(2 * M_PI * t / SLOW) +
	       (fmod(t, 60) < 20 ? 3 : 0);
}

static double integral(double t)
{
	double minutes = floor(t / 60), rest = t - 60 * minutes;

	return 9 * t + 7 / M_PI * (1 - cos(2 * M_PI * t / 7)) +
	       5 * SLOW / (2 * M_PI) * (1 - cos(2 * M_PI * t / SLOW)) +
	       3 * (20 * minutes + fmin(rest, 20));
}

static void within(double from, double to, double part)
{
	double e = et_series_energy(&series, from, to), want = integral(to) - integral(from);

	ck_assert_msg(fabs(e - want) <= part * want, "%g to %g s: %g J, expected %g", from, to, e,
		      want);
}

START_TEST(a_known_curve_has_its_joules)
{
	const double from = 1e6, hours = 30;
	double now = 0;

	et_series_open(&series, false, 0.5);
	for (long i = 0; now < hours * 3600; i++) {
		/* A thread that is late now and then. */
		now = (double)i * 0.1 + 0.08 * fabs(sin((double)i * 1.7));
		et_series_add(&series, from + now, curve(now));
		ck_assert_uint_le(series.n, ET_SERIES);
	}
	/* The samples are shifted, so shift the curve's origin: t of the curve is from + t. */
	for (size_t i = 0; i < series.n; i++)
		series.point[i].t -= from;
	double end = series.point[series.n - 1].t;
	/* Steps of 0.7 s, not long ago, and spans of any length up to the end or to earlier. */
	for (int i = 0; i < 20; i++)
		within(end - 20 + 0.7 * i, end - 20 + 0.7 * (i + 1), 0.01);
	for (double span = 5; span < end; span *= 1.5)
		within(end - span, end, 0.005);
	within(series.point[0].t, end, 0.005);
	within(end / 3, end / 2, 0.005);
}
END_TEST

START_TEST(gaps_stay_gaps_in_a_long_run)
{
	double t = 0;

	/* Every 100 s a gap of 10 s: 7200 in 200 hours, so that their borders alone are too many.
	 */
	et_series_open(&series, true, 5);
	for (int i = 0; i < 7200; i++, t += 10)
		for (int k = 0; k < 91; k++, t++)
			et_series_add(&series, t, 2 * t);
	ck_assert_uint_le(series.n, ET_SERIES);
	double end = series.point[series.n - 1].t;
	NEAR(et_series_energy(&series, end - 80, end), 160);
	ck_assert(isnan(et_series_energy(&series, end - 120, end)));
	ck_assert(isnan(et_series_energy(&series, end - 94, end - 93)));
	ck_assert(isnan(et_series_energy(&series, 0, end)));
	/* Never a number that is not true. */
	for (double a = 0; a < end - 30; a += 977) {
		double e = et_series_energy(&series, a, a + 30);
		ck_assert_msg(isnan(e) || fabs(e - 60) < 1e-6, "at %g s %g J of 60", a, e);
	}
}
END_TEST

START_TEST(the_border_of_a_gap_stays_where_it_is)
{
	/* An hour, a gap of a minute, thirty hours. */
	et_series_open(&series, false, 5);
	for (int t = 0; t < 31 * 3600; t++)
		if (t <= 3600 || t >= 3660)
			et_series_add(&series, t, 3);
	NEAR(et_series_energy(&series, 3000, 3600), 1800);
	NEAR(et_series_energy(&series, 3660, 4000), 1020);
	ck_assert(isnan(et_series_energy(&series, 3000, 3601)));
	ck_assert(isnan(et_series_energy(&series, 3659, 4000)));
}
END_TEST

/* ---- the thread ---- */

static void nap(double s)
{
	struct timespec t = {(time_t)s, (long)((s - floor(s)) * 1e9)};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static struct et_meter *started(const struct et_power_conf *conf)
{
	struct et_meter *m;
	struct et_err err = {0};

	ck_assert_msg(et_meter_open(&m, conf, &err) == 0, "%s", err.text);
	ck_assert_msg(et_meter_start(m, &err) == 0, "%s", err.text);
	return m;
}

/* A file of watts, replaced in one moment. */
static void say(const char *watts)
{
	scratch_put("new", watts, strlen(watts));
	ck_assert_int_eq(rename(scratch_path("new"), scratch_path("watts")), 0);
}

static int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

START_TEST(the_choice_is_explained)
{
	struct et_power_conf conf = tree_conf();
	struct et_meter *m;
	struct et_err err;
	const char *why;

	ck_assert_int_eq(et_meter_open(&m, &conf, &err), 0);
	ck_assert_ptr_null(et_meter_source(m, &why));
	ck_assert_ptr_nonnull(strstr(why, "--power-from"));
	ck_assert(!et_meter_sync(m));
	ck_assert(isinf(et_meter_known_to(m)));
	ck_assert(isnan(et_meter_energy(m, 0, 1)));
	ck_assert_int_eq(et_meter_start(m, &err), 0); /* nothing to read: no thread */
	ck_assert(isnan(et_meter_board(m).temp_c));
	et_meter_close(m);
	et_meter_close(NULL);

	conf.source = "rapl";
	ck_assert_int_eq(et_meter_open(&m, &conf, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "--power rapl: there is no intel-rapl zone"));
	conf.source = "raple";
	ck_assert_int_eq(et_meter_open(&m, &conf, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "the nearest is rapl"));

	/* In probing order; a meter given by hand before all, the model behind all. */
	tree_zone("intel-rapl:0", "package-0\n", "1000000\n", "262143328850\n");
	tree_put("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\n");
	static const struct {
		const char *source, *from, *model, *want;
	} rows[] = {{NULL, NULL, NULL, "rapl"},
		    {"auto", NULL, "1,2", "rapl"},
		    {NULL, "echo 3", NULL, "external"},
		    {"rapl", "echo 3", NULL, "rapl"},
		    {"model", NULL, "1,2", "model:given"},
		    {"none", "echo 3", NULL, NULL}};
	for (size_t i = 0; i < ET_COUNT(rows); i++) {
		conf.source = rows[i].source;
		conf.from = rows[i].from;
		conf.model = rows[i].model;
		ck_assert_int_eq(et_meter_open(&m, &conf, &err), 0);
		const struct et_meter_source *s = et_meter_source(m, &why);
		ck_assert_msg(rows[i].want ? s && !strcmp(s->name, rows[i].want) : !s,
			      "row %zu: %s", i, s ? s->name : "none");
		et_meter_close(m);
	}
	/* Options that are wrong are so whether they are used or not. */
	conf = tree_conf();
	conf.model = "2,1";
	ck_assert_int_eq(et_meter_open(&m, &conf, &err), ET_EUSAGE);
	conf.model = NULL;
	conf.from = "no-such-program-here";
	ck_assert_int_eq(et_meter_open(&m, &conf, &err), ET_EUSAGE);
	conf.from = scratch_path("");
	ck_assert_int_eq(et_meter_open(&m, &conf, &err), ET_EUSAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "directory"));
}
END_TEST

START_TEST(a_counter_is_read_at_the_moment_asked_for)
{
	struct et_power_conf conf = tree_conf();

	tree_zone("intel-rapl:0", "package-0\n", "0\n", "100000000\n");
	struct et_meter *m = started(&conf);
	double before = et_now();
	ck_assert(et_meter_sync(m));
	double a = et_meter_known_to(m);
	ck_assert_double_ge(a, before);
	tree_put("sys/class/powercap/intel-rapl:0/energy_uj", "70000000\n");
	ck_assert(et_meter_sync(m));
	double b = et_meter_known_to(m);
	tree_put("sys/class/powercap/intel-rapl:0/energy_uj", "20000000\n"); /* over its end */
	ck_assert(et_meter_sync(m));
	double c = et_meter_known_to(m);
	NEAR(et_meter_energy(m, a, b), 70);
	NEAR(et_meter_energy(m, b, c), 50);
	NEAR(et_meter_energy(m, a, c), 120);
	ck_assert(isnan(et_meter_energy(m, a, c + 60)));
	/* Gone: no answer, and what was known stays. */
	tree_move("sys/class/powercap/intel-rapl:0", "gone");
	ck_assert(!et_meter_sync(m));
	NEAR(et_meter_energy(m, a, c), 120);
	et_meter_close(m);
}
END_TEST

START_TEST(a_file_of_watts_is_followed)
{
	struct et_power_conf conf = tree_conf();
	char path[700];
	bool good = false;

	snprintf(path, sizeof(path), "%s", scratch_path("watts"));
	conf.from = path;
	/* Another try when the machine was too busy to look in time. */
	for (int tries = 0; tries < 10 && !good; tries++) {
		say("header\n4.0\n");
		struct et_meter *m = started(&conf);
		double a = et_meter_known_to(m);
		nap(0.7);
		double change = et_now();
		say("4.0\n16\n");
		nap(0.7);
		ck_assert(et_meter_sync(m));
		double b = et_meter_known_to(m), e = et_meter_energy(m, a, b);
		double want = 4 * (change - a) + 16 * (b - change);
		/* The step is seen as a slope of a tenth of a second. */
		good = fabs(e - want) <= 12 * 0.11;
		/* A reading that is none leaves a gap, and then all is well again. */
		say("broken\n");
		nap(0.8);
		ck_assert(!et_meter_sync(m));
		say("2"); /* without its newline */
		ck_assert(et_meter_sync(m));
		double c = et_meter_known_to(m);
		ck_assert(isnan(et_meter_energy(m, a, c)));
		nap(0.3);
		ck_assert(et_meter_sync(m));
		double d = et_meter_known_to(m);
		good = good && fabs(et_meter_energy(m, c, d) - 2 * (d - c)) < 1e-9;
		et_meter_close(m);
	}
	ck_assert(good);
}
END_TEST

START_TEST(a_fifo_speaks_when_someone_writes)
{
	struct et_power_conf conf = tree_conf();
	char path[700];

	snprintf(path, sizeof(path), "%s", scratch_path("fifo"));
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	conf.from = path;
	struct et_meter *m = started(&conf); /* nobody writes yet */
	ck_assert(!et_meter_sync(m));
	int fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	char longest[300];
	memset(longest, '0', sizeof(longest));
	longest[299] = '\n';
	/* A heading, a good number, one that never ends, and one that is not yet whole. */
	ck_assert_int_eq(write(fd, "watts\n 3.5 \r\n", 13), 13);
	ck_assert_int_eq(write(fd, longest, 300), 300);
	ck_assert_int_eq(write(fd, "99", 2), 2);
	ck_assert(et_meter_sync(m));
	double a = et_meter_known_to(m);
	ck_assert(et_meter_sync(m));
	double b = et_meter_known_to(m);
	ck_assert_double_eq_tol(et_meter_energy(m, a, b) / (b - a), 3.5, 1e-6);
	close(fd);
	fd = open(path, O_WRONLY); /* the next writer */
	ck_assert_int_eq(write(fd, "\n1.25\n", 6), 6);
	ck_assert(et_meter_sync(m));
	a = et_meter_known_to(m);
	ck_assert(et_meter_sync(m));
	b = et_meter_known_to(m);
	ck_assert_double_eq_tol(et_meter_energy(m, a, b) / (b - a), 1.25, 1e-6);
	close(fd);
	et_meter_close(m);
}
END_TEST

/* Reads a number that a command wrote; 0: not yet. */
static pid_t written_pid(void)
{
	FILE *f = fopen(scratch_path("pid"), "r");
	int pid = 0;

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

START_TEST(a_command_ends_with_the_meter)
{
	struct et_power_conf conf = tree_conf();
	char command[900];
	int files = open_files();

	/* It will not be asked nicely, and has children. */
	snprintf(command, sizeof(command),
		 "trap '' TERM; echo $$ >%s; echo 5; while :; do sleep 1; done",
		 scratch_path("pid"));
	conf.from = command;
	struct et_meter *m = started(&conf);
	ck_assert(et_meter_sync(m));
	pid_t pid = written_pid();
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(kill(-pid, 0), 0);
	et_meter_close(m);
	for (int i = 0; i < 500 && kill(-pid, 0) == 0; i++)
		nap(0.01);
	ck_assert_msg(kill(pid, 0) < 0 && errno == ESRCH, "the command or its zombie is there");
	ck_assert_msg(kill(-pid, 0) < 0 && errno == ESRCH, "its children are there");
	ck_assert_int_eq(open_files(), files);
}
END_TEST

START_TEST(a_command_that_ends_is_run_again)
{
	struct et_power_conf conf = tree_conf();
	char command[900];
	int files = open_files();

	snprintf(command, sizeof(command), "echo x >>%s; wc -l <%s", scratch_path("runs"),
		 scratch_path("runs"));
	conf.from = command;
	struct et_meter *m = started(&conf);
	for (int i = 0; i < 600 && et_meter_sync(m); i++) {
		FILE *f = fopen(scratch_path("runs"), "r");
		int lines = 0;
		for (int c; (c = fgetc(f)) != EOF;)
			lines += c == '\n';
		fclose(f);
		if (lines >= 3)
			break;
		nap(0.05);
	}
	ck_assert(et_meter_sync(m));
	et_meter_close(m);
	ck_assert_int_eq(open_files(), files);
	/* One that fails is no reading, and no disaster. */
	conf.from = "exit 3";
	m = started(&conf);
	ck_assert(!et_meter_sync(m));
	et_meter_close(m);
}
END_TEST

static volatile sig_atomic_t caught;
static void on_signal(int sig)
{
	caught = sig;
}

START_TEST(signals_are_for_the_others)
{
	struct et_power_conf conf = tree_conf();
	sigset_t one, before, pending;

	tree_zone("intel-rapl:0", "package-0\n", "0\n", "100000000\n");
	signal(SIGUSR1, on_signal);
	struct et_meter *m = started(&conf);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	sigprocmask(SIG_BLOCK, &one, &before);
	kill(getpid(), SIGUSR1);
	nap(0.1);
	/* The meter's thread has not taken it. */
	ck_assert_int_eq(caught, 0);
	sigpending(&pending);
	ck_assert(sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_SETMASK, &before, NULL);
	ck_assert_int_eq(caught, SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
	et_meter_close(m);
}
END_TEST

START_TEST(the_board_is_read_without_a_source_too)
{
	struct et_power_conf conf = tree_conf();

	tree_put("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
	tree_put("sys/class/thermal/thermal_zone0/temp", "61234\n");
	struct et_meter *m = started(&conf);
	ck_assert_double_eq_tol(et_meter_board(m).temp_c, 61.234, 1e-9);
	ck_assert_int_eq(et_meter_board(m).throttled, -1);
	tree_put("sys/class/thermal/thermal_zone0/temp", "70000\n");
	for (int i = 0; i < 500 && et_meter_board(m).temp_c < 70; i++)
		nap(0.02);
	ck_assert_double_eq_tol(et_meter_board(m).temp_c, 70, 1e-9);
	et_meter_close(m);
}
END_TEST

Suite *suite_meter(void)
{
	Suite *s = suite_create("meter");
	TCase *tc = tcase_create("series");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, power_is_added_up_by_the_trapezoid);
	tcase_add_test(tc, a_counter_is_its_differences);
	tcase_add_test(tc, a_gap_is_not_bridged);
	tcase_add_test(tc, a_known_curve_has_its_joules);
	tcase_add_test(tc, gaps_stay_gaps_in_a_long_run);
	tcase_add_test(tc, the_border_of_a_gap_stays_where_it_is);
	suite_add_tcase(s, tc);
	tc = tcase_create("thread");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, the_choice_is_explained);
	tcase_add_test(tc, a_counter_is_read_at_the_moment_asked_for);
	tcase_add_test(tc, a_file_of_watts_is_followed);
	tcase_add_test(tc, a_fifo_speaks_when_someone_writes);
	tcase_add_test(tc, a_command_ends_with_the_meter);
	tcase_add_test(tc, a_command_that_ends_is_run_again);
	tcase_add_test(tc, signals_are_for_the_others);
	tcase_add_test(tc, the_board_is_read_without_a_source_too);
	suite_add_tcase(s, tc);
	return s;
}
