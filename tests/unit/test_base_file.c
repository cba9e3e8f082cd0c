/* Paths, reading whole files, and the durable writer. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/base.h"
#include "scratch.h"
#include "test_base.h"

START_TEST(paths)
{
	static const char *const cases[][3] = {
		{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
	for (size_t i = 0; i < ET_COUNT(cases); i++) {
		char *p = et_path_join(cases[i][0], cases[i][1]);
		ck_assert_str_eq(p, cases[i][2]);
		free(p);
	}
	scratch_put("f", "x", 1);
	ck_assert(et_path_exists(scratch_path("f")));
	ck_assert(!et_path_is_dir(scratch_path("f")));
	ck_assert(et_path_is_dir(scratch_path("")));
	ck_assert(!et_path_exists(scratch_path("g")));
}
END_TEST

START_TEST(read_whole)
{
	struct et_err err;
	char *text;
	size_t n;
	ck_assert_int_eq(et_file_read(scratch_put("f", "hello\0you", 9), 9, &text, &n, &err), 0);
	ck_assert_uint_eq(n, 9);
	ck_assert_mem_eq(text, "hello\0you", 10);
	free(text);
	ck_assert_int_eq(et_file_read(scratch_put("empty", "", 0), 0, &text, &n, &err), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_str_eq(text, "");
	free(text);
	char *big = calloc(1, 1000000);
	big[999999] = 'x';
	ck_assert_int_eq(et_file_read(scratch_put("big", big, 1000000), 0, &text, &n, &err), 0);
	ck_assert_uint_eq(n, 1000000);
	ck_assert_mem_eq(text, big, 1000000);
	free(text);
	free(big);
	/* Says of itself that it has 0 bytes. */
	ck_assert_int_eq(et_file_read("/proc/self/mountinfo", 0, &text, &n, &err), 0);
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_eq(strlen(text), n);
	free(text);
	ck_assert_int_eq(et_file_read("/proc/self/mountinfo", 10, &text, &n, &err), ET_EDATA);
}
END_TEST

START_TEST(read_refused)
{
	struct et_err err;
	char *text;
	size_t n;
	ck_assert_int_eq(et_file_read(scratch_put("f", "0123456789", 10), 9, &text, &n, &err),
			 ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "/f: longer than the limit of 9 B"));
	ck_assert_ptr_null(text);
	ck_assert_int_eq(et_file_read(scratch_path("nope"), 0, &text, &n, &err), ET_ENOINPUT);
	ck_assert_ptr_nonnull(strstr(err.text, "/nope: cannot open: No such file"));
	ck_assert_int_eq(et_file_read(scratch_path("f/x"), 0, &text, &n, &err), ET_ENOINPUT);
	ck_assert_int_eq(et_file_read("", 0, &text, &n, &err), ET_ENOINPUT);
	ck_assert_int_eq(et_file_read(scratch_path(""), 0, &text, &n, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "expected a regular file, found a directory"));
	/* Must not wait for somebody to write into it. */
	ck_assert_int_eq(mkfifo(scratch_path("pipe"), 0600), 0);
	ck_assert_int_eq(et_file_read(scratch_path("pipe"), 0, &text, &n, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "found a pipe"));
	ck_assert_int_eq(et_file_read("/dev/zero", 0, &text, &n, &err), ET_EDATA);
	ck_assert_ptr_nonnull(strstr(err.text, "found a device"));
}
END_TEST

START_TEST(dir_make)
{
	struct et_err err;
	ck_assert_int_eq(et_dir_make(scratch_path("a/b/c"), &err), 0);
	ck_assert(et_path_is_dir(scratch_path("a/b/c")));
	ck_assert_int_eq(et_dir_make(scratch_path("a/b/c"), &err), 0);
	ck_assert_int_eq(et_dir_make(scratch_path("a//d///"), &err), 0);
	ck_assert(et_path_is_dir(scratch_path("a/d")));
	ck_assert_int_eq(et_dir_make("/", &err), 0);
	ck_assert_int_eq(et_dir_make(".", &err), 0);
	ck_assert_int_eq(chdir(scratch_path("")), 0);
	ck_assert_int_eq(et_dir_make("r", &err), 0);
	ck_assert_int_eq(et_dir_make("s/t", &err), 0);
	ck_assert(et_path_is_dir(scratch_path("r")) && et_path_is_dir(scratch_path("s/t")));
	scratch_put("f", "", 0);
	ck_assert_int_eq(et_dir_make(scratch_path("f"), &err), ET_ECREATE);
	ck_assert_ptr_nonnull(
		strstr(err.text, "/f: cannot make this directory: a file is in its place"));
	ck_assert_int_eq(et_dir_make(scratch_path("f/g/h"), &err), ET_ECREATE);
	ck_assert_int_eq(et_dir_make("", &err), ET_ECREATE);
	ck_assert_int_eq(et_dir_make("/proc/nope", &err), ET_ECREATE);
}
END_TEST

START_TEST(write_replaces)
{
	struct et_err err;
	struct et_writer w;
	scratch_put("f", "old", 3);
	umask(027);
	ck_assert_int_eq(et_writer_open(&w, scratch_path("f"), &err), 0);
	et_writer_put(&w, "new ", 4);
	et_writer_put(&w, NULL, 0);
	et_writer_put(&w, "text", 4);
	ck_assert_uint_eq(w.bytes, 8);
	ck_assert_uint_eq(w.crc, crc32(0, (const Bytef *)"new text", 8));
	/* The reader of a file half written must see the old one; the new one stands beside it. */
	ck_assert(scratch_holds("f", "old", 3));
	ck_assert_int_eq(scratch_count(), 2);
	ck_assert_int_eq(et_writer_sync(&w, &err), 0);
	ck_assert(scratch_holds("f", "old", 3));
	struct stat st;
	ck_assert_int_eq(stat(w.temp, &st), 0);
	ck_assert_int_eq(st.st_size, 8);
	ck_assert_int_eq(et_writer_commit(&w, &err), 0);
	ck_assert(scratch_holds("f", "new text", 8));
	ck_assert_int_eq(scratch_count(), 1);
	ck_assert_int_eq(stat(scratch_path("f"), &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	et_writer_abort(&w);
	ck_assert_int_eq(scratch_count(), 1);
}
END_TEST

START_TEST(write_large)
{
	struct et_err err;
	struct et_writer w;
	static unsigned char data[400000];
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, 0, 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)et_rng_u32(&r);
	/* Pieces below, at and above the size of the buffer, in this order. */
	static const size_t piece[] = {1, 65535, 65536, 1, 65536, 100, 131072, 65535, 2};
	ck_assert_int_eq(et_writer_open(&w, scratch_path("f"), &err), 0);
	size_t at = 0;
	for (size_t i = 0; i < ET_COUNT(piece); at += piece[i++])
		et_writer_put(&w, data + at, piece[i]);
	ck_assert_int_eq(et_writer_sync(&w, &err), 0);
	et_writer_put(&w, data + at, 10);
	at += 10;
	ck_assert_uint_eq(w.bytes, at);
	uint32_t crc = w.crc;
	ck_assert_int_eq(et_writer_commit(&w, &err), 0);
	ck_assert(scratch_holds("f", data, at));
	ck_assert_uint_eq(crc, crc32(0, data, (uInt)at));
}
END_TEST

START_TEST(write_abort)
{
	struct et_err err;
	struct et_writer w;
	scratch_put("f", "old", 3);
	ck_assert_int_eq(et_writer_open(&w, scratch_path("f"), &err), 0);
	et_writer_put(&w, "new", 3);
	et_writer_abort(&w);
	et_writer_abort(&w);
	ck_assert(scratch_holds("f", "old", 3));
	ck_assert_int_eq(scratch_count(), 1);
	ck_assert_int_eq(et_file_write(scratch_path("f"), "", 0, &err), 0);
	ck_assert(scratch_holds("f", "", 0));
}
END_TEST

START_TEST(write_links)
{
	struct et_err err;
	ck_assert_int_eq(mkdir(scratch_path("d"), 0777), 0);
	scratch_put("d/real", "old", 3);
	ck_assert_int_eq(symlink("d/real", scratch_path("link")), 0);
	ck_assert_int_eq(et_file_write(scratch_path("link"), "new", 3, &err), 0);
	ck_assert(scratch_holds("d/real", "new", 3));
	struct stat st;
	ck_assert_int_eq(lstat(scratch_path("link"), &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_int_eq(symlink("nowhere", scratch_path("dangling")), 0);
	ck_assert_int_eq(et_file_write(scratch_path("dangling"), "new", 3, &err), 0);
	ck_assert(scratch_holds("dangling", "new", 3));
}
END_TEST

/* A name as long as the file system allows leaves no room for a suffix. */
START_TEST(write_long_names)
{
	struct et_err err;
	char name[257];
	memset(name, 'n', 255);
	name[255] = '\0';
	ck_assert_int_eq(et_file_write(scratch_path(name), "x", 1, &err), 0);
	ck_assert(scratch_holds(name, "x", 1));
	memset(name, 'n', 256);
	name[256] = '\0';
	ck_assert_int_lt(et_file_write(scratch_path(name), "x", 1, &err), 0);
	ck_assert_int_eq(scratch_count(), 1);
}
END_TEST

START_TEST(write_refused)
{
	struct et_err err;
	struct et_writer w;
	static const char *const bad[] = {"/proc/nope", "/nope/f", "/dev/null", "/", ""};
	for (size_t i = 0; i < ET_COUNT(bad); i++) {
		ck_assert_msg(et_writer_open(&w, bad[i], &err) == ET_ECREATE, "%s", bad[i]);
		et_writer_abort(&w);
	}
	ck_assert_int_eq(et_writer_open(&w, scratch_path(""), &err), ET_ECREATE);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot create: a directory"));
	ck_assert_int_eq(et_writer_open(&w, scratch_path("x/"), &err), ET_ECREATE);
	ck_assert_int_eq(et_writer_open(&w, scratch_path("nope/f"), &err), ET_ECREATE);
	ck_assert_ptr_nonnull(strstr(err.text, "/nope/f: cannot create: No such file"));
	ck_assert_int_eq(scratch_count(), 0);
	/* root may write anywhere, so that this says nothing about it. */
	if (geteuid() != 0) {
		ck_assert_int_eq(chmod(scratch_path(""), 0500), 0);
		ck_assert_int_eq(et_writer_open(&w, scratch_path("f"), &err), ET_ECREATE);
		ck_assert_int_eq(chmod(scratch_path(""), 0700), 0);
	}
}
END_TEST

/* A limit on the size of files stands in for a full disk: first a short write, then an error. */
START_TEST(write_fails)
{
	struct et_err err;
	struct et_writer w;
	static char data[300000];
	scratch_put("f", "old", 3);
	scratch_limit(100000);

	ck_assert_int_eq(et_writer_open(&w, scratch_path("f"), &err), 0);
	et_writer_put(&w, data, sizeof(data));
	et_writer_put(&w, "more", 4);
	ck_assert_int_eq(et_writer_commit(&w, &err), ET_EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "/f: cannot write"));
	ck_assert_ptr_nonnull(
		strstr(err.text, "/f: cannot write: File too large; the previous file was kept"));
	ck_assert(scratch_holds("f", "old", 3));
	ck_assert_int_eq(scratch_count(), 1);
	et_writer_abort(&w);

	/* The failure may come as late as the last flush, and sync leaves the writer to be aborted.
	 */
	ck_assert_int_eq(et_writer_open(&w, scratch_path("g"), &err), 0);
	et_writer_put(&w, data, 90000);
	et_writer_put(&w, data, 20000);
	ck_assert_int_eq(w.failed, 0);
	ck_assert_int_eq(et_writer_sync(&w, &err), ET_EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "no file was made"));
	ck_assert_int_eq(et_writer_sync(&w, &err), ET_EIO);
	et_writer_abort(&w);
	ck_assert_int_eq(scratch_count(), 1);
}
END_TEST

START_TEST(write_rename_fails)
{
	struct et_err err;
	struct et_writer w;
	ck_assert_int_eq(et_writer_open(&w, scratch_path("f"), &err), 0);
	et_writer_put(&w, "x", 1);
	ck_assert_int_eq(mkdir(scratch_path("f"), 0777), 0);
	ck_assert_int_eq(et_writer_commit(&w, &err), ET_EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "/f: cannot move the new file into place"));
	ck_assert_int_eq(scratch_count(), 1);
}
END_TEST

/* Killed in the middle: the old file stands, and what is left over disturbs nobody. */
START_TEST(write_killed)
{
	struct et_err err;
	struct et_writer w;
	scratch_put("f", "old", 3);
	ck_assert_int_eq(et_writer_open(&w, scratch_path("f"), &err), 0);
	et_writer_put(&w, "half", 4);
	ck_assert_int_eq(et_writer_sync(&w, &err), 0);
	/* What the system does at such an end. */
	close(w.fd);
	free(w.path);
	free(w.temp);
	ck_assert(scratch_holds("f", "old", 3));
	/* After a reboot process numbers come again: the next writer has the same one. */
	ck_assert_int_eq(et_file_write(scratch_path("f"), "new", 3, &err), 0);
	ck_assert(scratch_holds("f", "new", 3));
	ck_assert_int_eq(scratch_count(), 2);
}
END_TEST

TCase *tcase_file(void)
{
	TCase *tc = tcase_create("file");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, paths);
	tcase_add_test(tc, read_whole);
	tcase_add_test(tc, read_refused);
	tcase_add_test(tc, dir_make);
	tcase_add_test(tc, write_replaces);
	tcase_add_test(tc, write_large);
	tcase_add_test(tc, write_abort);
	tcase_add_test(tc, write_links);
	tcase_add_test(tc, write_long_names);
	tcase_add_test(tc, write_refused);
	tcase_add_test(tc, write_fails);
	tcase_add_test(tc, write_rename_fails);
	tcase_add_test(tc, write_killed);
	return tc;
}
