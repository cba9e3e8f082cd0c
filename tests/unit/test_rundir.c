/* The run directory: checkpoints that are kept, with and without links, and the lock. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/checkpoint.h"
#include "scratch.h"
#include "suites.h"

/* In place of the C library's: a file system such as vfat has no links. */
static int refuse_links;
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	if (refuse_links) {
		errno = refuse_links;
		return -1;
	}
	return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

/* And others, over a network, have no locks. */
static int refuse_locks;
int flock(int fd, int how)
{
	if (refuse_locks) {
		errno = refuse_locks;
		return -1;
	}
	return (int)syscall(SYS_flock, fd, how);
}

static void teardown(void)
{
	refuse_links = refuse_locks = 0;
	scratch_close();
}

static struct et_err err;

/* A latest pair, told apart by a letter. */
static void put_latest(char c)
{
	/* New files, as those of checkpoints are: old names keep what they had. */
	unlink(scratch_path(ET_MODEL_FILE));
	unlink(scratch_path(ET_STATE_FILE));
	scratch_put(ET_MODEL_FILE, (char[]){'m', c}, 2);
	scratch_put(ET_STATE_FILE, (char[]){'s', c}, 2);
}

static bool kept(uint64_t step, char c)
{
	char name[80];
	bool both = true;

	for (int p = 0; p < ET_PARTS; p++) {
		snprintf(name, sizeof(name), "checkpoints/step-%08d.%s.safetensors", (int)step,
			 p ? "state" : "model");
		both = both && scratch_holds(name, (char[]){p ? 's' : 'm', c}, 2);
	}
	return both;
}

static bool latest(char c)
{
	return scratch_holds(ET_MODEL_FILE, (char[]){'m', c}, 2) &&
	       scratch_holds(ET_STATE_FILE, (char[]){'s', c}, 2);
}

/* With links (0) the latest pair stays where it is, without it is gone from there. */
static const int errnos[] = {0, EPERM, EOPNOTSUPP, EMLINK, EXDEV};

START_TEST(kept_and_restored)
{
	char dir[200];
	snprintf(dir, sizeof(dir), "%s", scratch_path(""));
	refuse_links = errnos[_i];
	put_latest('a');
	ck_assert_msg(et_kept_add(dir, 7, &err) == ET_OK, "%s", err.text);
	ck_assert(kept(7, 'a'));
	ck_assert_int_eq(latest('a'), !refuse_links);

	/* The same step again replaces what was kept of it. */
	put_latest('b');
	ck_assert_int_eq(et_kept_add(dir, 7, &err), ET_OK);
	ck_assert(kept(7, 'b'));
	et_kept_undo(dir, 7);
	ck_assert(latest('b'));

	put_latest('c');
	struct et_kept list[8];
	size_t n = et_kept_list(dir, list, 8);
	ck_assert_uint_eq(n, refuse_links ? 0 : 1);
	if (n) {
		ck_assert(list[0].step == 7 && list[0].has[0] && list[0].has[1]);
		ck_assert_int_eq(et_kept_restore(dir, &list[0], &err), ET_OK);
		ck_assert(latest('b') && kept(7, 'b'));
	}
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
	put_latest('a');
	refuse_links = ENOSPC;
	ck_assert_int_eq(et_kept_add(scratch_path(""), 7, &err), ET_EIO);
	ck_assert(latest('a'));
}
END_TEST

START_TEST(pruned)
{
	static const uint64_t steps[] = {0, 5, 40, 300, 123456789};
	char dir[200];
	struct et_kept list[8];

	snprintf(dir, sizeof(dir), "%s", scratch_path(""));
	for (size_t i = 0; i < ET_COUNT(steps); i++) {
		put_latest((char)('a' + i));
		ck_assert_int_eq(et_kept_add(dir, steps[i], &err), ET_OK);
	}
	/* Files of others, and half of a pair. */
	scratch_put("checkpoints/step-5.model.safetensors", "x", 1);
	scratch_put("checkpoints/notes", "x", 1);
	scratch_put("checkpoints/step-00000200.state.safetensors", "x", 1);
	ck_assert_uint_eq(et_kept_list(dir, list, 8), 6);
	ck_assert(list[0].step == 123456789 && list[1].step == 300 && list[2].step == 200);
	ck_assert(!list[2].has[ET_PART_MODEL] && list[2].has[ET_PART_STATE]);

	et_kept_prune(dir, 1000, 2);
	ck_assert_uint_eq(et_kept_list(dir, list, 8), 2);
	ck_assert(list[0].step == 300 && list[1].step == 40);
	ck_assert(kept(300, 'd') && kept(40, 'c'));
	et_kept_prune(dir, 1000, 0);
	ck_assert_uint_eq(et_kept_list(dir, list, 8), 0);
	ck_assert(scratch_holds("checkpoints/notes", "x", 1));
}
END_TEST

/* ---- the lock -------------------------------------------------------------------------------- */

#define WORKERS 4
#define TURNS	60

/* Adds one to a number in a file, which only those may do who are alone. */
static void add_one(const char *path)
{
	char text[32] = "0";
	int fd = open(path, O_RDWR | O_CREAT, 0666);

	if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) < 0)
		_exit(1);
	int v = atoi(text);
	usleep(50);
	int n = snprintf(text, sizeof(text), "%d", v + 1);
	if (pwrite(fd, text, (size_t)n, 0) != n)
		_exit(1);
	close(fd);
}

static void work(const char *dir, const char *count)
{
	const struct et_env env = {0};
	struct et_lock lock;

	for (int done = 0; done < TURNS;) {
		int status = et_lock_take(&lock, &env, dir, &err);
		if (status == ET_EBUSY)
			continue;
		if (status)
			_exit(2);
		add_one(count);
		et_lock_release(&lock);
		done++;
	}
	_exit(0);
}

/* The file goes with every release, and the directory with it: nobody may slip in between. */
START_TEST(one_at_a_time)
{
	char dir[200], count[200], text[32];
	int code;

	snprintf(dir, sizeof(dir), "%s", scratch_path("deep/run"));
	snprintf(count, sizeof(count), "%s", scratch_path("count"));
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0)
			work(dir, count);
	for (int i = 0; i < WORKERS; i++) {
		ck_assert_int_gt(wait(&code), 0);
		ck_assert_msg(WIFEXITED(code) && WEXITSTATUS(code) == 0, "%d", code);
	}
	int n = snprintf(text, sizeof(text), "%d", WORKERS * TURNS);
	ck_assert(scratch_holds("count", text, (size_t)n));
	ck_assert(!et_path_exists(scratch_path("deep/run/lock")));
}
END_TEST

START_TEST(says_whose_it_is)
{
	const struct et_env env = {0};
	struct et_lock lock, other;
	char want[64];

	ck_assert_int_eq(et_lock_take(&lock, &env, scratch_path("run"), &err), ET_OK);
	ck_assert_int_eq(et_lock_take(&other, &env, scratch_path("run"), &err), ET_EBUSY);
	snprintf(want, sizeof(want), "run: process %ld on ", (long)getpid());
	ck_assert_msg(strstr(err.text, want) && strstr(err.text, " has been training it since 20"),
		      "%s", err.text);
	/* Whatever it says, it is said in one line. */
	scratch_put("run/lock", "\033[2J\n\n\n", 7);
	ck_assert_int_eq(et_lock_take(&other, &env, scratch_path("run"), &err), ET_EBUSY);
	ck_assert_msg(strstr(err.text, "run: another process is training it"), "%s", err.text);
	/* Somebody removed the file and took a lock on a new one: that one is not ours to remove.
	 */
	ck_assert_int_eq(unlink(scratch_path("run/lock")), 0);
	ck_assert_int_eq(et_lock_take(&other, &env, scratch_path("run"), &err), ET_OK);
	et_lock_release(&lock);
	ck_assert(et_path_exists(scratch_path("run/lock")));
	et_lock_release(&other);
	ck_assert(!et_path_exists(scratch_path("run/lock")));
}
END_TEST

static void count_warnings(void *arg, enum et_log_level level, const char *line)
{
	*(int *)arg += level == ET_LOG_WARNING && strstr(line, "has no locks") != NULL;
}

START_TEST(without_locks_work_goes_on)
{
	int warned = 0;
	const struct et_env env = {.log = count_warnings, .log_arg = &warned};
	struct et_lock lock;

	refuse_locks = ENOLCK;
	ck_assert_int_eq(et_lock_take(&lock, &env, scratch_path("run"), &err), ET_OK);
	ck_assert_int_eq(warned, 1);
	ck_assert(et_path_exists(scratch_path("run/lock")));
	et_lock_release(&lock);
	ck_assert(!et_path_exists(scratch_path("run")));
}
END_TEST

Suite *suite_rundir(void)
{
	Suite *s = suite_create("rundir");
	TCase *tc = tcase_create("checkpoints");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, teardown);
	tcase_add_loop_test(tc, kept_and_restored, 0, (int)ET_COUNT(errnos));
	tcase_add_test(tc, a_full_disk_is_an_error);
	tcase_add_test(tc, pruned);
	suite_add_tcase(s, tc);
	tc = tcase_create("lock");
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, scratch_open, teardown);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, says_whose_it_is);
	tcase_add_test(tc, without_locks_work_goes_on);
	suite_add_tcase(s, tc);
	return s;
}
