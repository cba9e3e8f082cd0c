/* Directories of pictures: classes, splits, links, and everything that can be wrong with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "make_picture.h"
#include "scratch.h"
#include "test_dataset.h"

static const char *png(const char *name)
{
	return make_png(scratch_path(name), 4, 6, 1);
}

static const char *text(const char *name, const char *content)
{
	make_parents(scratch_path(name));
	return scratch_put(name, content, strlen(content));
}

static void make_dir(const char *name)
{
	make_parents(scratch_path(name));
	ck_assert_int_eq(mkdir(scratch_path(name), 0777), 0);
}

static void make_link(const char *target, const char *name)
{
	make_parents(scratch_path(name));
	ck_assert_int_eq(symlink(target, scratch_path(name)), 0);
}

/* The items of a split are these files below `root`, with these labels; NULL ends. */
static void check_items(const struct et_dataset *ds, enum et_split split, const char *root,
			const char *const *files, const int *labels)
{
	char name[1000];
	size_t i = 0;
	for (; files[i]; i++) {
		ck_assert_uint_lt(i, et_dataset_count(ds, split));
		et_dataset_item_name(ds, split, i, name, sizeof(name));
		size_t n = strlen(scratch_path(root));
		ck_assert(!strncmp(name, scratch_path(root), n) && name[n] == '/');
		ck_assert_str_eq(name + n + 1, files[i]);
		ck_assert_int_eq(et_dataset_label(ds, split, i), labels[i]);
	}
	ck_assert_uint_eq(et_dataset_count(ds, split), i);
}
#define FILES(...)  ((const char *const[]){__VA_ARGS__, NULL})
#define LABELS(...) ((const int[]){__VA_ARGS__})

static struct et_dataset *open_all(const char *name, bool skip_bad)
{
	struct et_dataset_conf conf = {.val_fraction = 0, .skip_bad = skip_bad};
	struct et_dataset *ds = NULL;
	struct et_err err = {.text = ""};
	int rc = et_dataset_open(&ds, scratch_path(name), &conf, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	return ds;
}

START_TEST(order)
{
	png("d/b/2.png");
	png("d/b/10.PNG");
	make_jpeg(scratch_path("d/b/deep/er/x.JPeG"), 5, 3, 2);
	png("d/b/deep.png");
	png("d/B/1.png");
	png("d/\xc3\xa4/1.png");
	png("d/.hidden/1.png");
	png("d/b/.hidden.png");
	png("d/b/.hidden/1.png");
	text("d/b/notes.txt", "not a picture");
	text("d/readme.md", "nor this");
	struct et_dataset *ds = open_all("d", false);
	ck_assert_str_eq(et_dataset_format(ds), "folder");
	ck_assert_int_eq(et_dataset_classes(ds), 3);
	ck_assert_str_eq(et_dataset_class_name(ds, 0), "B");
	ck_assert_str_eq(et_dataset_class_name(ds, 1), "b");
	ck_assert_str_eq(et_dataset_class_name(ds, 2), "\xc3\xa4");
	check_items(ds, ET_SPLIT_TRAIN, "d",
		    FILES("B/1.png", "b/10.PNG", "b/2.png", "b/deep/er/x.JPeG", "b/deep.png",
			  "\xc3\xa4/1.png"),
		    LABELS(0, 1, 1, 1, 1, 2));
	int h, w, c;
	et_dataset_size(ds, &h, &w, &c);
	ck_assert(h == 0 && w == 0);
	/* The largest picture of this dataset has 4 x 6 pixels of 3 bytes. */
	ck_assert_uint_ge(et_dataset_decode_bytes(ds), 72);
	struct et_picture p = {0};
	struct et_err err;
	ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TRAIN, 2, 3, 0, 0, &p, &err), 0);
	ck_assert(p.h == 4 && p.w == 6 && p.c == 3);
	ck_assert_uint_eq(p.px[3 * (6 * 2 + 5) + 1], make_pixel(2, 5, 1, 1));
	ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TRAIN, 3, 1, 0, 0, &p, &err), 0);
	ck_assert(p.h == 5 && p.w == 3 && p.c == 1);
	et_picture_free(&p);
	et_dataset_close(ds);
	/* Slashes at the end change nothing. */
	ds = open_all("d//", false);
	check_items(ds, ET_SPLIT_TRAIN, "d",
		    FILES("B/1.png", "b/10.PNG", "b/2.png", "b/deep/er/x.JPeG", "b/deep.png",
			  "\xc3\xa4/1.png"),
		    LABELS(0, 1, 1, 1, 1, 2));
	et_dataset_close(ds);
}
END_TEST

START_TEST(splits)
{
	png("d/train/cat/1.png");
	png("d/train/dog/1.png");
	png("d/valid/dog/2.png");
	png("d/test/cat/3.png");
	png("d/test/dog/4.png");
	png("d/other/fox/5.png");
	struct et_dataset *ds = dataset_open("d");
	ck_assert_int_eq(et_dataset_classes(ds), 2);
	check_items(ds, ET_SPLIT_TRAIN, "d", FILES("train/cat/1.png", "train/dog/1.png"),
		    LABELS(0, 1));
	check_items(ds, ET_SPLIT_VAL, "d", FILES("valid/dog/2.png"), LABELS(1));
	check_items(ds, ET_SPLIT_TEST, "d", FILES("test/cat/3.png", "test/dog/4.png"),
		    LABELS(0, 1));
	ck_assert(!et_dataset_held_out(ds));
	et_dataset_close(ds);
	rename(scratch_path("d/valid"), scratch_path("d/validation"));
	ds = dataset_open("d");
	check_items(ds, ET_SPLIT_VAL, "d", FILES("validation/dog/2.png"), LABELS(1));
	et_dataset_close(ds);
	png("d/val/dog/6.png");
	REFUSED("d", ET_EDATA, "val", "validation");
	rename(scratch_path("d/val"), scratch_path("e"));
	/* A class that train lacks. */
	png("d/test/eel/1.png");
	REFUSED("d", ET_EDATA, "test/eel", "train", "'eel'");
	/* Without train/: splits only if nothing else is there. */
	png("only/val/cat/1.png");
	png("only/test/cat/2.png");
	ds = dataset_open("only");
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 0);
	check_items(ds, ET_SPLIT_VAL, "only", FILES("val/cat/1.png"), LABELS(0));
	check_items(ds, ET_SPLIT_TEST, "only", FILES("test/cat/2.png"), LABELS(0));
	et_dataset_close(ds);
	png("exam/test/1.png");
	png("exam/lecture/2.png");
	ds = open_all("exam", false);
	check_items(ds, ET_SPLIT_TRAIN, "exam", FILES("lecture/2.png", "test/1.png"), LABELS(0, 1));
	et_dataset_close(ds);
}
END_TEST

START_TEST(links)
{
	png("elsewhere/a/1.png");
	png("d/x/b/2.png");
	make_link(scratch_path("elsewhere"), "d/x/link");
	make_link("../../elsewhere/a/1.png", "d/x/one.png");
	make_link(scratch_path("d/x"), "d/x/b/loop");
	make_link("..", "d/x/b/up");
	make_link(scratch_path("elsewhere"), "d/y");
	struct et_dataset *ds = open_all("d", false);
	check_items(ds, ET_SPLIT_TRAIN, "d",
		    FILES("x/b/2.png", "x/link/a/1.png", "x/one.png", "y/a/1.png"),
		    LABELS(0, 0, 0, 1));
	et_dataset_close(ds);
	/* Two links in each of 30 directories, to the next one: 2^30 ways, each entered once. */
	char name[64], target[32];
	for (int i = 0; i < 30; i++) {
		snprintf(target, sizeof(target), "../../f/c%d", i + 1);
		for (int k = 0; k < 2; k++) {
			snprintf(name, sizeof(name), "f/c%d/%d", i, k);
			make_link(target, name);
		}
	}
	png("f/c30/1.png");
	make_link("../f/c0", "g/class");
	ds = open_all("g", false);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 1);
	et_dataset_close(ds);
}
END_TEST

START_TEST(no_pictures)
{
	make_dir("d/cat");
	text("d/dog/x.txt", "x");
	REFUSED("d", ET_EDATA, "Found 0 pictures in ", "/d:");
	png("d/dog/1.png");
	REFUSED("d", ET_EDATA, "class 'cat' has no pictures");
	png("d/eel/1.png");
	REFUSED("d", ET_EDATA, "class 'cat' has no pictures");
	rename(scratch_path("d/cat"), scratch_path("d/zoo"));
	REFUSED("d", ET_EDATA, "class 'zoo' has no pictures");
	png("loose/1.png");
	REFUSED("loose", ET_EDATA, "Found 0 pictures in ", "have no class");
	png("late/train/1.png");
	png("late/test/cat/1.png");
	REFUSED("late", ET_EDATA, "Found 0 pictures in ", "late/train", "have no class");
	/* An empty class of test is nobody's fault. */
	png("few/train/a/1.png");
	png("few/train/b/1.png");
	png("few/test/b/1.png");
	make_dir("few/test/a");
	et_dataset_close(dataset_open("few"));
}
END_TEST

static void check_bad(const char *file, int code, const char *const *words)
{
	struct et_dataset *ds;
	dataset_refused("d", code, words);
	ds = open_all("d", true);
	ck_assert_uint_eq(et_dataset_skipped(ds), 1);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 2);
	et_dataset_close(ds);
	ck_assert_int_eq(unlink(scratch_path(file)), 0);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(bad_pictures)
{
	png("d/a/1.png");
	png("d/b/1.png");
	struct et_dataset *ds = open_all("d", true);
	ck_assert_uint_eq(et_dataset_skipped(ds), 0);
	et_dataset_close(ds);
	text("d/a/x.bmp", "BM0000");
	check_bad("d/a/x.bmp", ET_EDATA, WORDS("d/a/x.bmp", "PNG and JPEG", "BMP"));
	text("d/a/x.Tiff", "MM");
	check_bad("d/a/x.Tiff", ET_EDATA, WORDS("d/a/x.Tiff", "PNG and JPEG"));
	text("d/a/x.webp", "RIFF0000WEBP");
	check_bad("d/a/x.webp", ET_EDATA, WORDS("x.webp", "PNG and JPEG", "WebP"));
	text("d/a/x.ppm", "P6 1 1 255 abc");
	check_bad("d/a/x.ppm", ET_EDATA, WORDS("x.ppm", "PNG and JPEG", "PNM"));
	text("d/a/x.jpg", "");
	check_bad("d/a/x.jpg", ET_EDATA, WORDS("x.jpg", "empty"));
	text("d/a/x.heic", "");
	check_bad("d/a/x.heic", ET_EDATA, WORDS("x.heic"));
	make_shorter(png("d/a/x.png"), 20);
	check_bad("d/a/x.png", ET_EDATA, WORDS("x.png", "bad PNG"));
	make_shorter(make_jpeg(scratch_path("d/b/x.jpg"), 9, 9, 1), 100);
	check_bad("d/b/x.jpg", ET_EDATA, WORDS("d/b/x.jpg", "bad JPEG"));
	make_link("nothing", "d/a/x.png");
	check_bad("d/a/x.png", ET_ENOINPUT, WORDS("d/a/x.png"));
	/* Opening one for reading would wait for ever. */
	ck_assert_int_eq(mkfifo(scratch_path("d/a/x.png"), 0600), 0);
	check_bad("d/a/x.png", ET_EDATA, WORDS("d/a/x.png", "pipe"));
	/* A PNG called JPEG is a picture. */
	png("d/a/x.jpg");
	ds = open_all("d", false);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 3);
	et_dataset_close(ds);
	/* A class of which nothing is left. */
	text("d/c/1.gif", "GIF89a");
	struct et_dataset_conf conf = {.skip_bad = true};
	struct et_err err;
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("d"), &conf, &err), ET_EDATA);
	assert_says(err.text, "class 'c' has no pictures");
	assert_says(err.text, "1 that were left out");
}
END_TEST

START_TEST(long_paths)
{
	/* Deeper than PATH_MAX, made from inside. */
	char name[201];
	memset(name, 'n', 200);
	name[200] = '\0';
	png("d/a/1.png");
	ck_assert_int_eq(chdir(scratch_path("d/a")), 0);
	for (int i = 0; i < 25; i++) {
		ck_assert_int_eq(mkdir(name, 0777), 0);
		ck_assert_int_eq(chdir(name), 0);
	}
	REFUSED("d", ET_EDATA, "too long");
	/* For the fixture's removal, which goes by path. */
	for (int i = 0; i < 25; i++) {
		ck_assert_int_eq(chdir(".."), 0);
		ck_assert_int_eq(rmdir(name), 0);
	}
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(stopped)
{
	volatile sig_atomic_t stop = 1;
	struct et_dataset_conf conf = {.stop = &stop, .skip_bad = true};
	struct et_dataset *ds;
	struct et_err err;
	png("d/a/1.png");
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path("d"), &conf, &err), ET_ESTOP);
	ck_assert_ptr_null(ds);
}
END_TEST

static uint64_t fingerprint(const char *name)
{
	struct et_dataset *ds = dataset_open(name);
	uint64_t f = et_dataset_fingerprint(ds);
	et_dataset_close(ds);
	return f;
}

START_TEST(fingerprints)
{
	png("d/a/1.png");
	png("d/a/2.png");
	png("d/b/3.png");
	uint64_t f = fingerprint("d");
	ck_assert_uint_eq(fingerprint("d"), f);
	rename(scratch_path("d"), scratch_path("moved"));
	ck_assert_uint_eq(fingerprint("moved"), f);
	/* Each change shows, and taken back is gone. */
	static const char *const changes[][2] = {{"moved/a/1.png", "moved/a/0.png"},
						 {"moved/a/1.png", "moved/b/1.png"},
						 {"moved/b", "moved/c"},
						 {"moved/a", "moved/c"},
						 {"moved/a/2.png", "away.png"}};
	for (size_t i = 0; i < ET_COUNT(changes); i++) {
		rename(scratch_path(changes[i][0]), scratch_path(changes[i][1]));
		ck_assert_uint_ne(fingerprint("moved"), f);
		rename(scratch_path(changes[i][1]), scratch_path(changes[i][0]));
		ck_assert_uint_eq(fingerprint("moved"), f);
	}
}
END_TEST

TCase *tcase_folder(void)
{
	TCase *tc = tcase_create("folder");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, order);
	tcase_add_test(tc, splits);
	tcase_add_test(tc, links);
	tcase_add_test(tc, no_pictures);
	tcase_add_test(tc, bad_pictures);
	tcase_add_test(tc, long_paths);
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, fingerprints);
	return tc;
}
