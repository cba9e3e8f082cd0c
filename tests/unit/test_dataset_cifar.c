/* CIFAR-10 and CIFAR-100 of a few records each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "make_picture.h"
#include "scratch.h"
#include "test_dataset.h"

/*
 * n records of 3072 bytes after `labels` bytes: planes hold make_pixel() of seed first + i; the
 * label is (first + i) % 3, the coarse one before it 9.
 */
static void put_records(const char *name, size_t labels, unsigned first, size_t n, size_t extra)
{
	size_t record = labels + 3072;
	uint8_t *bytes = calloc(n * record + extra + 1, 1);
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = bytes + i * record;
		if (labels == 2)
			*p++ = 9;
		*p++ = (uint8_t)((first + i) % 3);
		for (int ch = 0; ch < 3; ch++)
			for (int y = 0; y < 32; y++)
				for (int x = 0; x < 32; x++)
					*p++ = make_pixel(y, x, ch, first + (unsigned)i);
	}
	make_parents(scratch_path(name));
	scratch_put(name, bytes, n * record + extra);
	free(bytes);
}

static void put_cifar10(const char *sub)
{
	char name[64];
	for (unsigned k = 0; k < 5; k++) {
		snprintf(name, sizeof(name), "%sdata_batch_%u.bin", sub, k + 1);
		put_records(name, 1, 2 * k, 2, 0);
	}
	snprintf(name, sizeof(name), "%stest_batch.bin", sub);
	put_records(name, 1, 20, 3, 0);
}

static void check_picture(const struct et_dataset *ds, enum et_split split, size_t i, unsigned seed)
{
	struct et_picture p = {0};
	struct et_err err;
	ck_assert_int_eq(et_dataset_label(ds, split, i), (int)(seed % 3));
	ck_assert_int_eq(et_dataset_load(ds, split, i, 3, 0, 0, &p, &err), 0);
	ck_assert(p.h == 32 && p.w == 32 && p.c == 3);
	const uint8_t *px = p.px;
	for (int y = 0; y < 32; y++)
		for (int x = 0; x < 32; x++)
			for (int ch = 0; ch < 3; ch++)
				ck_assert_uint_eq(*px++, make_pixel(y, x, ch, seed));
	ck_assert_int_eq(et_dataset_load(ds, split, i, 1, 0, 0, &p, &err), 0);
	ck_assert(p.h == 32 && p.w == 32 && p.c == 1);
	unsigned r = make_pixel(5, 6, 0, seed), g = make_pixel(5, 6, 1, seed),
		 b = make_pixel(5, 6, 2, seed);
	ck_assert_uint_eq(p.px[5 * 32 + 6], (19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
	et_picture_free(&p);
}

START_TEST(ten)
{
	char name[64];
	int h, w, c;
	put_cifar10("");
	scratch_put("batches.meta.txt", "cat\nlarge dog \r\n\n\ncow\n\n", 22);
	struct et_dataset *ds = dataset_open("");
	ck_assert_str_eq(et_dataset_format(ds), "cifar10");
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 10);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 3);
	ck_assert_int_eq(et_dataset_classes(ds), 3);
	ck_assert_str_eq(et_dataset_class_name(ds, 0), "cat");
	ck_assert_str_eq(et_dataset_class_name(ds, 1), "large dog");
	ck_assert_str_eq(et_dataset_class_name(ds, 2), "cow");
	et_dataset_size(ds, &h, &w, &c);
	ck_assert(h == 32 && w == 32 && c == 3);
	for (unsigned i = 0; i < 10; i++)
		check_picture(ds, ET_SPLIT_TRAIN, i, i);
	for (unsigned i = 0; i < 3; i++)
		check_picture(ds, ET_SPLIT_TEST, i, 20 + i);
	ck_assert_str_eq(et_dataset_item_name(ds, ET_SPLIT_TRAIN, 5, name, sizeof(name)),
			 "data_batch_3.bin[1]");
	ck_assert_str_eq(et_dataset_item_name(ds, ET_SPLIT_TEST, 2, name, sizeof(name)),
			 "test_batch.bin[2]");
	/* The names of the classes are part of what the dataset is. */
	uint64_t fingerprint = et_dataset_fingerprint(ds);
	et_dataset_close(ds);
	scratch_put("batches.meta.txt", "cat\nlarge dog\nbull\n", 19);
	ds = dataset_open("");
	ck_assert_uint_ne(et_dataset_fingerprint(ds), fingerprint);
	/* Not in memory: it may be 180 MB. */
	ck_assert_uint_lt(et_dataset_bytes(ds), 3072);
	/* A file that becomes shorter is an error, not a crash. */
	make_shorter(scratch_path("data_batch_3.bin"), 3073);
	struct et_picture p = {0};
	struct et_err err;
	ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TRAIN, 4, 3, 0, 0, &p, &err), 0);
	ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TRAIN, 5, 3, 0, 0, &p, &err), ET_EDATA);
	assert_says(err.text, "data_batch_3.bin");
	et_picture_free(&p);
	et_dataset_close(ds);
}
END_TEST

START_TEST(ten_below)
{
	put_cifar10("cifar-10-batches-bin/");
	struct et_dataset *ds = dataset_open("");
	ck_assert_str_eq(et_dataset_format(ds), "cifar10");
	check_picture(ds, ET_SPLIT_TRAIN, 9, 9);
	/* Without a file of names. */
	ck_assert_int_eq(et_dataset_classes(ds), 10);
	ck_assert_str_eq(et_dataset_class_name(ds, 9), "9");
	uint64_t fingerprint = et_dataset_fingerprint(ds);
	et_dataset_close(ds);
	ds = dataset_open("cifar-10-batches-bin");
	ck_assert_uint_eq(et_dataset_fingerprint(ds), fingerprint);
	et_dataset_close(ds);
}
END_TEST

START_TEST(hundred)
{
	put_records("cifar-100-binary/train.bin", 2, 0, 4, 0);
	put_records("cifar-100-binary/test.bin", 2, 7, 2, 0);
	scratch_put("cifar-100-binary/fine_label_names.txt", "apple\nbear\nchair\n", 17);
	struct et_dataset *ds = dataset_open("");
	ck_assert_str_eq(et_dataset_format(ds), "cifar100");
	ck_assert_int_eq(et_dataset_classes(ds), 3);
	ck_assert_str_eq(et_dataset_class_name(ds, 2), "chair");
	for (unsigned i = 0; i < 4; i++)
		check_picture(ds, ET_SPLIT_TRAIN, i, i);
	for (unsigned i = 0; i < 2; i++)
		check_picture(ds, ET_SPLIT_TEST, i, 7 + i);
	et_dataset_close(ds);
	/* Records longer than one reading of the scan. */
	put_records("train.bin", 2, 0, 200, 0);
	put_records("test.bin", 2, 0, 1, 0);
	ds = dataset_open("");
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 200);
	check_picture(ds, ET_SPLIT_TRAIN, 199, 199);
	et_dataset_close(ds);
}
END_TEST

START_TEST(bad_files)
{
	put_cifar10("");
	put_records("data_batch_2.bin", 1, 0, 2, 1);
	REFUSED("", ET_EDATA, "data_batch_2.bin", "3073", "6147");
	put_records("data_batch_2.bin", 1, 0, 0, 0);
	REFUSED("", ET_EDATA, "data_batch_2.bin", "0 bytes");
	unlink(scratch_path("data_batch_2.bin"));
	REFUSED("", ET_ENOINPUT, "data_batch_2.bin");
	put_cifar10("");
	scratch_put("batches.meta.txt", "cat\ndog\n", 8);
	REFUSED("", ET_EDATA, "data_batch_2.bin", "record 0", "label 2", "2 classes");
	scratch_put("batches.meta.txt", "\n \n", 3);
	REFUSED("", ET_EDATA, "batches.meta.txt", "no names");
	scratch_put("batches.meta.txt", "cat\0dog\n", 8);
	REFUSED("", ET_EDATA, "batches.meta.txt", "zero byte");
}
END_TEST

TCase *tcase_cifar(void)
{
	TCase *tc = tcase_create("cifar");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, ten);
	tcase_add_test(tc, ten_below);
	tcase_add_test(tc, hundred);
	tcase_add_test(tc, bad_files);
	return tc;
}
