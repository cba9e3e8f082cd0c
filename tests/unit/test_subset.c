/* Lists of training pictures: what is left of train, and every line that can be wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "make_picture.h"
#include "scratch.h"
#include "test_dataset.h"

static struct et_err err;

static void put_list(const char *text)
{
	scratch_put("list", text, strlen(text));
}

/* Below the directory `name`, with that list. */
static int try_open(struct et_dataset **ds, const char *name, struct et_dataset_conf conf)
{
	conf.subset = scratch_path("list");
	memset(&err, 0, sizeof(err));
	return et_dataset_open(ds, scratch_path(name), &conf, &err);
}

static struct et_dataset *open_list(const char *name, const char *list, struct et_dataset_conf conf)
{
	struct et_dataset *ds = NULL;
	put_list(list);
	if (try_open(&ds, name, conf) < 0)
		ck_abort_msg("%s", err.text);
	return ds;
}

/* The list is refused with this text behind its path. */
static void refused(const char *name, const char *list, bool skip_bad, const char *want)
{
	struct et_dataset *ds = NULL;
	char text[600];
	if (list)
		put_list(list);
	int rc = try_open(&ds, name, (struct et_dataset_conf){.skip_bad = skip_bad});
	snprintf(text, sizeof(text), "%s: %s", scratch_path("list"), want);
	ck_assert_msg(rc == ET_EDATA && strcmp(err.text, text) == 0, "%d: %s\nnot: %s", rc,
		      rc ? err.text : "accepted", text);
	ck_assert_ptr_null(ds);
}

/* ---- IDX: numbers ---------------------------------------------------------------------------- */

/* Train of 30 pictures of 1 x 1, labels i % 3; a test part of 2. */
static void put_idx(void)
{
	uint8_t px[16 + 30] = {0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 1, 0, 0, 0, 1};
	uint8_t label[8 + 30] = {0, 0, 8, 1, 0, 0, 0, 30};
	for (int i = 0; i < 30; i++) {
		px[16 + i] = (uint8_t)i;
		label[8 + i] = (uint8_t)(i % 3);
	}
	scratch_put("train-images-idx3-ubyte", px, sizeof(px));
	scratch_put("train-labels-idx1-ubyte", label, sizeof(label));
	px[7] = label[7] = 2;
	scratch_put("t10k-images-idx3-ubyte", px, 18);
	scratch_put("t10k-labels-idx1-ubyte", label, 10);
}

/* Train has these pictures, which are their own numbers; -1 ends. */
static void check_numbers(const struct et_dataset *ds, enum et_split split, const int *want)
{
	struct et_picture p = {0};
	char name[64], text[64];
	size_t n = 0;
	for (; want[n] >= 0; n++) {
		ck_assert_uint_lt(n, et_dataset_count(ds, split));
		ck_assert_int_eq(et_dataset_load(ds, split, n, 1, 0, 0, &p, &err), 0);
		ck_assert_int_eq(p.px[0], want[n]);
		ck_assert_int_eq(et_dataset_label(ds, split, n), want[n] % 3);
		snprintf(text, sizeof(text), "train-images-idx3-ubyte[%d]", want[n]);
		ck_assert_str_eq(et_dataset_item_name(ds, split, n, name, sizeof(name)), text);
	}
	ck_assert_uint_eq(et_dataset_count(ds, split), n);
	et_picture_free(&p);
}
#define NUMBERS(...) ((const int[]){__VA_ARGS__, -1})

START_TEST(numbers)
{
	put_idx();
	/* In the order of the training set, whatever that of the list. */
	struct et_dataset *ds = open_list("", "# half\n\n7\r\n  29 \n \t\n\t# more\n0\n012",
					  (struct et_dataset_conf){0});
	check_numbers(ds, ET_SPLIT_TRAIN, NUMBERS(0, 7, 12, 29));
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_VAL), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 2);
	ck_assert_int_eq(et_dataset_classes(ds), 3);
	uint64_t fingerprint = et_dataset_fingerprint(ds);
	et_dataset_close(ds);
	/* The same pictures in another order are the same subset; others are not. */
	ds = open_list("", "12\n0\n7\n29\n", (struct et_dataset_conf){0});
	ck_assert_uint_eq(et_dataset_fingerprint(ds), fingerprint);
	et_dataset_close(ds);
	ds = open_list("", "12\n0\n7\n28\n", (struct et_dataset_conf){0});
	ck_assert_uint_ne(et_dataset_fingerprint(ds), fingerprint);
	et_dataset_close(ds);
	ds = open_list("", "12\n0\n7\n", (struct et_dataset_conf){0});
	ck_assert_uint_ne(et_dataset_fingerprint(ds), fingerprint);
	et_dataset_close(ds);
	/* Classes of which the list has nothing remain. */
	ds = open_list("", "3", (struct et_dataset_conf){0});
	check_numbers(ds, ET_SPLIT_TRAIN, NUMBERS(3));
	ck_assert_int_eq(et_dataset_classes(ds), 3);
	et_dataset_close(ds);
}
END_TEST

/* What is held out comes from what the list leaves. */
START_TEST(held_out)
{
	int seen[30] = {0};
	put_idx();
	struct et_dataset *ds = open_list("", "0\n3\n6\n9\n1\n4\n7\n10\n",
					  (struct et_dataset_conf){.val_fraction = 0.5, .seed = 1});
	ck_assert(et_dataset_held_out(ds));
	for (int s = ET_SPLIT_TRAIN; s <= ET_SPLIT_VAL; s++) {
		int class[3] = {0};
		struct et_picture p = {0};
		for (size_t i = 0; i < et_dataset_count(ds, s); i++) {
			ck_assert_int_eq(et_dataset_load(ds, s, i, 1, 0, 0, &p, &err), 0);
			seen[p.px[0]]++;
			class[et_dataset_label(ds, s, i)]++;
		}
		ck_assert(class[0] == 2 && class[1] == 2 && class[2] == 0);
		et_picture_free(&p);
	}
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(seen[i], i % 3 < 2 && i < 11);
	et_dataset_close(ds);
}
END_TEST

START_TEST(bad_numbers)
{
	struct et_dataset *ds;
	put_idx();
	refused("", "1\n30\n", false,
		"line 2: there is no picture 30: the training set has 30, counted from 0");
	refused("", "1\n\n 18446744073709551616", false,
		"line 3: there is no picture 18446744073709551616: the training set has 30, "
		"counted from 0");
	refused("", "-1\n", false, "line 1: expected the number of a picture, found '-1'");
	refused("", "1\n2 3\n", false, "line 2: expected the number of a picture, found '2 3'");
	refused("", "1.0\n", false, "line 1: expected the number of a picture, found '1.0'");
	refused("", "train[1]\n", false,
		"line 1: expected the number of a picture, found 'train[1]'");
	refused("", "5\n# 5\n4\n05\n", false, "line 4: '05' stands in line 1 already");
	/* The first wrong line, of whatever kind. */
	refused("", "5\n5\nx\n99\n", false, "line 2: '5' stands in line 1 already");
	refused("", "", false, "line 1: the list ends without a picture");
	refused("", "# none\n\n", false, "line 2: the list ends without a picture");
	scratch_put("list", "1\n2\0\n3\n", 7);
	refused("", NULL, false, "line 2: expected a picture's number or path, found a zero byte");
	unlink(scratch_path("list"));
	ck_assert_int_eq(try_open(&ds, "", (struct et_dataset_conf){0}), ET_ENOINPUT);
	assert_says(err.text, "/list: ");
	/* Without a training part no number is one of it. */
	unlink(scratch_path("train-images-idx3-ubyte"));
	refused("", "0\n", false,
		"line 1: there is no picture 0: the training set has 0, counted from 0");
}
END_TEST

/* ---- folders: paths -------------------------------------------------------------------------- */

static void put_folders(void)
{
	/* Paths sort differently as a whole: "a-b/..." comes before "a/...". */
	static const char *const files[] = {"d/train/a/1.png",	 "d/train/a/2.png",
					    "d/train/a/10.png",	 "d/train/a-b/deep/1.png",
					    "d/train/a-b/x.png", "d/test/a/1.png"};
	for (size_t i = 0; i < ET_COUNT(files); i++)
		make_png(scratch_path(files[i]), 4, 6, 1);
}

static void check_paths(const struct et_dataset *ds, const char *const *want)
{
	char name[1000];
	size_t n = 0, root = strlen(scratch_path("d")) + 1;
	for (; want[n]; n++) {
		ck_assert_uint_lt(n, et_dataset_count(ds, ET_SPLIT_TRAIN));
		et_dataset_item_name(ds, ET_SPLIT_TRAIN, n, name, sizeof(name));
		ck_assert_str_eq(name + root, want[n]);
		ck_assert_int_eq(et_dataset_label(ds, ET_SPLIT_TRAIN, n),
				 strstr(want[n], "/a-b/") ? 1 : 0);
	}
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), n);
}
#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(paths)
{
	put_folders();
	struct et_dataset *ds = open_list("d", "train/a-b/deep/1.png\ntrain/a/2.png\r\n",
					  (struct et_dataset_conf){0});
	check_paths(ds, PATHS("train/a/2.png", "train/a-b/deep/1.png"));
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 1);
	et_dataset_close(ds);
	/* All of them, and by number, which is the place in the order of the dataset. */
	ds = open_list("d",
		       "train/a/1.png\n1\ntrain/a/2.png\ntrain/a-b/deep/1.png\n"
		       "train/a-b/x.png\n",
		       (struct et_dataset_conf){0});
	check_paths(ds, PATHS("train/a/1.png", "train/a/10.png", "train/a/2.png",
			      "train/a-b/deep/1.png", "train/a-b/x.png"));
	et_dataset_close(ds);
}
END_TEST

START_TEST(bad_paths)
{
	put_folders();
	refused("d", "train/a/1.png\ntrain/a/3.png\n", false,
		"line 2: 'train/a/3.png' is not in the training set, whose first picture is "
		"'train/a/1.png'");
	refused("d", "test/a/1.png\n", false,
		"line 1: 'test/a/1.png' is not in the training set, whose first picture is "
		"'train/a/1.png'");
	refused("d", "train/a/1.png\n2\n\ntrain/a/1.png\ntrain/a/1.png\n", false,
		"line 4: 'train/a/1.png' stands in line 1 already");
	refused("d", "train/a/1.png\n0\n", false, "line 2: '0' stands in line 1 already");
	refused("d", "5\n", false,
		"line 1: there is no picture 5: the training set has 5, counted from 0");
}
END_TEST

/* A bad picture may be listed where such are left out; numbers have then lost their meaning. */
START_TEST(bad_pictures)
{
	put_folders();
	make_shorter(scratch_path("d/train/a/1.png"), 20);
	ck_assert_int_eq(symlink("nothing", scratch_path("d/train/a/3.png")), 0);
	struct et_dataset *ds = open_list("d", "train/a/2.png\ntrain/a/1.png\ntrain/a/3.png\n",
					  (struct et_dataset_conf){.skip_bad = true});
	check_paths(ds, PATHS("train/a/2.png"));
	ck_assert_uint_eq(et_dataset_skipped(ds), 2);
	et_dataset_close(ds);
	refused("d", "train/a/2.png\ntrain/a/4.png\n", true,
		"line 2: 'train/a/4.png' is not in the training set, whose first picture is "
		"'train/a/10.png'");
	refused("d", "test/a/1.png\n", true,
		"line 1: 'test/a/1.png' is not in the training set, whose first picture is "
		"'train/a/10.png'");
	refused("d", "0\n", true,
		"line 1: expected a path: pictures have no numbers where bad ones are left out (2 "
		"here)");
}
END_TEST

TCase *tcase_subset(void)
{
	TCase *tc = tcase_create("subset");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, held_out);
	tcase_add_test(tc, bad_numbers);
	tcase_add_test(tc, paths);
	tcase_add_test(tc, bad_paths);
	tcase_add_test(tc, bad_pictures);
	return tc;
}
