/* IDX: pictures and labels made byte by byte, plain and gzipped; then Fashion-MNIST itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "scratch.h"
#include "test_dataset.h"

/* Five pictures of 2 rows and 3 columns: 0..5, 6..11, ... */
static const uint8_t train_px[46] = {0,	 0,  8,	 3,  0,	 0,  0,	 5,  0,	 0,  0,	 2,  0,	 0,  0,	 3,
				     0,	 1,  2,	 3,  4,	 5,  6,	 7,  8,	 9,  10, 11, 12, 13, 14, 15,
				     16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29};
static const uint8_t train_labels[13] = {0, 0, 8, 1, 0, 0, 0, 5, 0, 2, 1, 2, 0};
static const uint8_t test_px[22] = {0, 0, 8, 3, 0, 0,	0,   1,	  0,   0,   0,
				    2, 0, 0, 0, 3, 100, 101, 102, 103, 104, 105};
static const uint8_t test_labels[9] = {0, 0, 8, 1, 0, 0, 0, 1, 2};

static const char *put_gz(const char *name, const void *data, size_t n)
{
	const char *path = scratch_path(name);
	gzFile gz = gzopen(path, "wb9");
	ck_assert_ptr_nonnull(gz);
	ck_assert_int_eq(gzwrite(gz, data, (unsigned)n), (int)n);
	ck_assert_int_eq(gzclose(gz), Z_OK);
	return path;
}

static void put_train(void)
{
	scratch_put("train-images-idx3-ubyte", train_px, sizeof(train_px));
	scratch_put("train-labels-idx1-ubyte", train_labels, sizeof(train_labels));
}

static void put_test(void)
{
	scratch_put("t10k-images-idx3-ubyte", test_px, sizeof(test_px));
	scratch_put("t10k-labels-idx1-ubyte", test_labels, sizeof(test_labels));
}

static void check_content(const struct et_dataset *ds)
{
	struct et_picture p = {0};
	struct et_err err;
	int h, w, c;
	ck_assert_str_eq(et_dataset_format(ds), "idx");
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 5);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_VAL), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 1);
	ck_assert_int_eq(et_dataset_classes(ds), 3);
	ck_assert_str_eq(et_dataset_class_name(ds, 2), "2");
	et_dataset_size(ds, &h, &w, &c);
	ck_assert(h == 2 && w == 3 && c == 1);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(et_dataset_label(ds, ET_SPLIT_TRAIN, i), train_labels[8 + i]);
		ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TRAIN, i, 1, 0, 0, &p, &err), 0);
		ck_assert(p.h == 2 && p.w == 3 && p.c == 1);
		ck_assert_mem_eq(p.px, train_px + 16 + 6 * i, 6);
	}
	ck_assert_int_eq(et_dataset_label(ds, ET_SPLIT_TEST, 0), 2);
	ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TEST, 0, 3, 9, 9, &p, &err), 0);
	ck_assert(p.h == 2 && p.w == 3 && p.c == 3);
	for (int i = 0; i < 18; i++)
		ck_assert_int_eq(p.px[i], 100 + i / 3);
	et_picture_free(&p);
	ck_assert_uint_ge(et_dataset_bytes(ds), 36);
	ck_assert_uint_ge(et_dataset_decode_bytes(ds), 18);
}

START_TEST(plain_and_packed)
{
	char name[64];
	put_train();
	put_test();
	struct et_dataset *ds = dataset_open("");
	check_content(ds);
	ck_assert_str_eq(et_dataset_item_name(ds, ET_SPLIT_TRAIN, 4, name, sizeof(name)),
			 "train-images-idx3-ubyte[4]");
	ck_assert_str_eq(et_dataset_item_name(ds, ET_SPLIT_TEST, 0, name, sizeof(name)),
			 "t10k-images-idx3-ubyte[0]");
	uint64_t fingerprint = et_dataset_fingerprint(ds);
	et_dataset_close(ds);

	unlink(scratch_path("train-images-idx3-ubyte"));
	unlink(scratch_path("t10k-labels-idx1-ubyte"));
	put_gz("train-images.idx3-ubyte.gz", train_px, sizeof(train_px));
	scratch_put("t10k-labels.idx1-ubyte", test_labels, sizeof(test_labels));
	ds = dataset_open("");
	check_content(ds);
	ck_assert_str_eq(et_dataset_item_name(ds, ET_SPLIT_TRAIN, 0, name, sizeof(name)),
			 "train-images.idx3-ubyte.gz[0]");
	/* Packing and renaming the files leaves the dataset the same. */
	ck_assert_uint_eq(et_dataset_fingerprint(ds), fingerprint);
	et_dataset_close(ds);
}
END_TEST

START_TEST(test_alone)
{
	put_test();
	struct et_dataset *ds = dataset_open("");
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 1);
	ck_assert_int_eq(et_dataset_classes(ds), 3);
	et_dataset_close(ds);
}
END_TEST

/* train-images with the bytes at `at` replaced and n bytes in all. */
static void put_images(size_t at, const void *bytes, size_t count, size_t n)
{
	uint8_t b[64] = {0};
	memcpy(b, train_px, sizeof(train_px));
	memcpy(b + at, bytes, count);
	scratch_put("train-images-idx3-ubyte", b, n);
}

START_TEST(bad_headers)
{
	static const char *const file = "train-images-idx3-ubyte";
	put_train();
	put_images(2, "\x0d", 1, 46);
	REFUSED("", ET_EDATA, file, "00000803", "00000d03");
	put_images(3, "\1", 1, 46);
	REFUSED("", ET_EDATA, file, "00000803", "00000801");
	put_images(0, "\1", 1, 46);
	REFUSED("", ET_EDATA, file, "01000803");
	put_images(8, "\0\0\0\0", 4, 46);
	REFUSED("", ET_EDATA, file, "dimension 1", "found 0");
	put_images(4, "\0\0\0\0", 4, 46);
	REFUSED("", ET_EDATA, file, "dimension 0", "found 0");
	put_images(12, "\0\1\0\0", 4, 46);
	REFUSED("", ET_EDATA, file, "dimension 2", "65536");
	put_images(0, "", 0, 10);
	REFUSED("", ET_EDATA, file, "too early");
	put_images(0, "", 0, 45);
	REFUSED("", ET_EDATA, file, "46", "45");
	put_images(0, "", 0, 47);
	REFUSED("", ET_EDATA, file, "46", "47");
	put_images(0, "", 0, 0);
	REFUSED("", ET_EDATA, file, "too early");
	/* 2^32 pictures of 4096 x 4096 in 46 bytes: refused before anything is allocated. */
	put_images(4, "\xff\xff\xff\xff\0\0\x10\0\0\0\x10\0", 12, 46);
	REFUSED("", ET_EDATA, file, "72057594021150736");
}
END_TEST

START_TEST(bad_gzip)
{
	static const char *const name = "train-images-idx3-ubyte.gz";
	uint8_t px[60];
	uint8_t packed[200];
	memcpy(px, train_px, sizeof(train_px));
	memset(px + 46, 7, 14);
	scratch_put("train-labels-idx1-ubyte", train_labels, sizeof(train_labels));
	put_gz(name, px, 45);
	REFUSED("", ET_EDATA, name, "too early", "1 bytes");
	put_gz(name, px, 47);
	REFUSED("", ET_EDATA, name, "more bytes");
	put_gz(name, px, 7);
	REFUSED("", ET_EDATA, name, "too early");
	/* Cut anywhere, or with a wrong checksum. */
	FILE *f = fopen(put_gz(name, px, 46), "rb");
	size_t n = fread(packed, 1, sizeof(packed), f);
	fclose(f);
	for (size_t k = 0; k < n; k++) {
		scratch_put(name, packed, k);
		REFUSED("", ET_EDATA, name);
	}
	packed[n - 5] ^= 1;
	scratch_put(name, packed, n);
	REFUSED("", ET_EDATA, name, "gzip");
	packed[n - 5] ^= 1;
	scratch_put(name, packed, n);
	et_dataset_close(dataset_open(""));
	/* What deflate cannot have packed. */
	memcpy(px + 4, "\x0f\xff\xff\xff\0\0\x10\0\0\0\x10\0", 12);
	put_gz(name, px, 46);
	REFUSED("", ET_EDATA, name, "cannot be");
}
END_TEST

START_TEST(bad_together)
{
	put_train();
	unlink(scratch_path("train-labels-idx1-ubyte"));
	REFUSED("", ET_ENOINPUT, "train-labels-idx1-ubyte[.gz]");
	uint8_t four[12] = {0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 0};
	scratch_put("train-labels-idx1-ubyte", four, sizeof(four));
	REFUSED("", ET_EDATA, "5 pictures", "4 labels");
	put_train();
	put_test();
	uint8_t label[9];
	memcpy(label, test_labels, 9);
	label[8] = 3;
	scratch_put("t10k-labels-idx1-ubyte", label, 9);
	REFUSED("", ET_EDATA, "label 3", "0 to 2");
	uint8_t px[22];
	put_test();
	memcpy(px, test_px, 22);
	px[11] = 3;
	px[15] = 2;
	scratch_put("t10k-images-idx3-ubyte", px, 22);
	REFUSED("", ET_EDATA, "3 x 2", "2 x 3");
}
END_TEST

START_TEST(stopped)
{
	volatile sig_atomic_t stop = 1;
	struct et_dataset_conf conf = {.val_fraction = -1, .stop = &stop};
	struct et_dataset *ds;
	struct et_err err;
	put_train();
	ck_assert_int_eq(et_dataset_open(&ds, scratch_path(""), &conf, &err), ET_ESTOP);
	ck_assert_ptr_null(ds);
}
END_TEST

/* Debian's dataset-fashion-mnist. Numbers from a few lines of Python. */
START_TEST(fashion_mnist)
{
	static const char dir[] = "/usr/share/datasets/fashion-mnist";
	struct et_dataset_conf conf = {.val_fraction = -1};
	struct et_dataset *ds;
	struct et_picture p = {0};
	struct et_err err;
	if (!et_path_exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"))
		return;
	ck_assert_int_eq(et_dataset_open(&ds, dir, &conf, &err), 0);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TRAIN), 60000);
	ck_assert_uint_eq(et_dataset_count(ds, ET_SPLIT_TEST), 10000);
	ck_assert_int_eq(et_dataset_classes(ds), 10);
	static const int train[] = {9, 0, 0, 3, 0, 2, 7, 2}, test[] = {9, 2, 1, 1, 6, 1, 4, 6};
	for (size_t i = 0; i < 8; i++) {
		ck_assert_int_eq(et_dataset_label(ds, ET_SPLIT_TRAIN, i), train[i]);
		ck_assert_int_eq(et_dataset_label(ds, ET_SPLIT_TEST, i), test[i]);
	}
	uint64_t sum = 0, each[2] = {0};
	for (size_t i = 0; i < 10000; i++) {
		ck_assert_int_eq(et_dataset_load(ds, ET_SPLIT_TEST, i, 1, 0, 0, &p, &err), 0);
		for (int k = 0; k < 28 * 28; k++)
			sum += p.px[k];
		if (i == 0 || i == 9999)
			each[i == 9999] = sum;
	}
	ck_assert_uint_eq(each[0], 33456);
	ck_assert_uint_eq(each[1], 573469082);
	et_picture_free(&p);
	et_dataset_close(ds);
}
END_TEST

TCase *tcase_idx(void)
{
	TCase *tc = tcase_create("idx");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, plain_and_packed);
	tcase_add_test(tc, test_alone);
	tcase_add_test(tc, bad_headers);
	tcase_add_test(tc, bad_gzip);
	tcase_add_test(tc, bad_together);
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, fashion_mnist);
	return tc;
}
