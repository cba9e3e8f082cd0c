/* What all kinds of datasets have in common: the held-out split, the fingerprint, refusals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "make_picture.h"
#include "scratch.h"
#include "suites.h"
#include "test_dataset.h"

static const struct et_dataset_conf defaults = {.val_fraction = -1, .seed = 1};

struct et_dataset *dataset_open(const char *name)
{
	struct et_dataset *ds = NULL;
	struct et_err err = {.text = ""};
	int rc = et_dataset_open(&ds, scratch_path(name), &defaults, &err);
	ck_assert_msg(rc == 0, "%s: %s", name, err.text);
	return ds;
}

void assert_says(const char *text, const char *word)
{
	ck_assert_msg(strstr(text, word) != NULL, "expected '%s' in: %s", word, text);
}

void dataset_refused(const char *name, int code, const char *const *words)
{
	struct et_dataset *ds = NULL;
	struct et_err err = {.text = ""};
	int rc = et_dataset_open(&ds, scratch_path(name), &defaults, &err);
	ck_assert_msg(rc == code, "%s: expected %d, found %d: %s", name, code, rc, err.text);
	ck_assert_int_eq(err.code, code);
	ck_assert_ptr_null(ds);
	for (; *words; words++)
		assert_says(err.text, *words);
}

/* Train of 40 pictures of 1 x 1: label i % 3 == 0, and one of a class of its own at the end. */
static void put_train(const char *images, const char *labels)
{
	uint8_t px[16 + 41] = {0, 0, 8, 3, 0, 0, 0, 41, 0, 0, 0, 1, 0, 0, 0, 1};
	uint8_t label[8 + 41] = {0, 0, 8, 1, 0, 0, 0, 41};
	for (int i = 0; i < 41; i++) {
		px[16 + i] = (uint8_t)i;
		label[8 + i] = i == 40 ? 2 : i % 3 == 0;
	}
	scratch_put(images, px, sizeof(px));
	scratch_put(labels, label, sizeof(label));
}

static struct et_dataset *open_with(double fraction, uint64_t seed)
{
	struct et_dataset_conf conf = {.val_fraction = fraction, .seed = seed};
	struct et_dataset *ds;
	struct et_err err;
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path(""), &conf, &err), 0);
	return ds;
}

static size_t count_label(const struct et_dataset *ds, enum et_split split, int label)
{
	size_t n = 0;
	for (size_t i = 0; i < et_dataset_count(ds, split); i++)
		n += et_dataset_label(ds, split, i) == label;
	return n;
}

/* The one pixel, which is the number of the picture. */
static int number_of(const struct et_dataset *ds, enum et_split split, size_t i)
{
	struct et_picture p = {0};
	ck_assert_int_eq(et_dataset_load(ds, split, i, 1, 0, 0, &p, NULL), 0);
	int v = p.px[0];
	et_picture_free(&p);
	return v;
}

START_TEST(held_out)
{
	put_train("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
	struct et_dataset *ds = open_with(-1, 1);
	ck_assert(et_dataset_held_out(ds));
	/* A tenth of 26, 14 and 1, rounded; of one picture nothing leaves train. */
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_VAL), 3 + 1);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 41 - 4);
	ck_assert_uint_eq(count_label(ds, ET_SPLIT_VAL, 0), 3);
	ck_assert_uint_eq(count_label(ds, ET_SPLIT_VAL, 1), 1);
	/* Together they are all pictures, each once, in the old order, with their own labels. */
	int seen[41] = {0};
	for (int s = 0; s < 2; s++) {
		enum et_split split = s ? ET_SPLIT_VAL : ET_SPLIT_TRAIN;
		for (size_t i = 0, last = 0; i < et_dataset_count(ds, split); i++) {
			int k = number_of(ds, split, i);
			ck_assert_int_ge(k, (int)last);
			last = (size_t)k;
			seen[k]++;
			ck_assert_int_eq(et_dataset_label(ds, split, i), k == 40 ? 2 : k % 3 == 0);
		}
	}
	for (int i = 0; i < 41; i++)
		ck_assert_int_eq(seen[i], 1);
	/* Which ones is pinned: a resumed run must find the split of the version that began it. */
	static const int pinned[4] = {11, 22, 33, 35};
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(number_of(ds, ET_SPLIT_VAL, i), pinned[i]);
	struct et_dataset *same = open_with(0.1, 1), *other = open_with(0.1, 2);
	ck_assert_uint_eq(et_dataset_fingerprint(ds), et_dataset_fingerprint(same));
	ck_assert_uint_ne(et_dataset_fingerprint(ds), et_dataset_fingerprint(other));
	et_dataset_close(ds);
	et_dataset_close(same);
	et_dataset_close(other);
}
END_TEST

START_TEST(held_out_extremes)
{
	put_train("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
	struct et_dataset *ds = open_with(0, 1);
	ck_assert(!et_dataset_held_out(ds));
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_VAL), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 41);
	et_dataset_close(ds);
	/* One of each class stays. */
	ds = open_with(0.999, 1);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 3);
	for (int k = 0; k < 3; k++)
		ck_assert_uint_eq(count_label(ds, ET_SPLIT_TRAIN, k), 1);
	et_dataset_close(ds);

	struct et_dataset_conf conf = {.val_fraction = 1};
	struct et_err err;
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path(""), &conf, &err), ET_EUSAGE);
	assert_says(err.text, "val_fraction");
	conf.val_fraction = NAN;
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path(""), &conf, &err), ET_EUSAGE);

	/* With a test split nothing is held out, unless asked for. */
	put_train("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");
	ds = open_with(-1, 1);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_VAL), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 41);
	et_dataset_close(ds);
	ds = open_with(0.5, 1);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_VAL), 13 + 7);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 41);
	et_dataset_close(ds);
}
END_TEST

START_TEST(refusals)
{
	struct et_dataset *ds;
	struct et_err err;
	REFUSED("nowhere", ET_ENOINPUT, "nowhere", "No such file");
	scratch_put("file", "x", 1);
	REFUSED("file", ET_EDATA, "file", "directory");
	REFUSED("", ET_EDATA, "Found 0 pictures in ", "CLASS/", "train/",
		"train-images-idx3-ubyte[.gz]", "data_batch_1.bin", "train.bin");
	ck_assert_int_eq(et_dataset_open(&ds, "", &defaults, &err), ET_ENOINPUT);
	et_dataset_close(NULL);
	/* Out of range: an error, not a crash. */
	put_train("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
	ds = dataset_open("");
	struct et_picture p = {0};
	size_t n = et_dataset_count(ds, ET_SPLIT_TRAIN);
	ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TRAIN, n, 1, 0, 0, &p, &err), ET_EINTERNAL);
	ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TEST, 0, 1, 0, 0, &p, &err), ET_EINTERNAL);
	et_picture_free(&p);
	et_dataset_close(ds);
}
END_TEST

Suite *suite_dataset(void)
{
	Suite *s = suite_create("dataset");
	TCase *tc = tcase_create("dataset");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, held_out);
	tcase_add_test(tc, held_out_extremes);
	tcase_add_test(tc, refusals);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcase_idx());
	suite_add_tcase(s, tcase_cifar());
	suite_add_tcase(s, tcase_folder());
	suite_add_tcase(s, tcase_masks());
	suite_add_tcase(s, tcase_subset());
	suite_add_tcase(s, tcase_loader());
	suite_add_tcase(s, tcase_loader_fault());
	suite_add_tcase(s, tcase_loader_masks());
	return s;
}
