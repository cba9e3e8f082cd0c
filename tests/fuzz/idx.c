/*
 * Fuzz target: whatever the bytes, a pair of IDX files is refused with a text, or opens as a
 * dataset whose every picture loads and whose labels are classes. The input is the length of the
 * labels' file (two bytes, high byte first), that file, and the file of pictures; each plain or
 * gzipped. Build as tests/fuzz/safetensors.c, with all of lib/base and lib/data, and -lpng -ljpeg
 * -lz -lm.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/data.h"

/* Pictures looked at in one dataset. */
#define MOST 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static char dir[] = "/tmp/et-fuzz-idx-XXXXXX";
static int fds[2] = {-1, -1};
static const char *const names[2] = {"train-labels-idx1-ubyte", "train-images-idx3-ubyte"};

static void tidy(void)
{
	char path[80];
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* A directory of two links to files in memory. */
static void set_up(void)
{
	char path[80], target[40];
	require(mkdtemp(dir) != NULL);
	atexit(tidy);
	for (int i = 0; i < 2; i++) {
		fds[i] = memfd_create(names[i], MFD_CLOEXEC);
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		snprintf(target, sizeof(target), "/proc/self/fd/%d", fds[i]);
		require(fds[i] >= 0 && symlink(target, path) == 0);
	}
}

static void put(int fd, const uint8_t *data, size_t n)
{
	require(ftruncate(fd, 0) == 0 && pwrite(fd, data, n, 0) == (ssize_t)n);
}

static void look(const struct et_dataset *ds)
{
	struct et_picture p = {0};
	struct et_err err;
	int h, w, c, classes = et_dataset_classes(ds);
	char name[100];
	size_t n = et_dataset_count(ds, ET_SPLIT_TRAIN);
	et_dataset_size(ds, &h, &w, &c);
	require(n > 0 && h > 0 && w > 0 && c == 1 && classes > 0 && classes <= 256);
	require(et_dataset_bytes(ds) >= n * (size_t)h * (size_t)w);
	for (size_t k = 0; k < n && k < MOST; k++) {
		/* From both ends. */
		size_t i = k % 2 ? n - 1 - k / 2 : k / 2;
		int label = et_dataset_label(ds, ET_SPLIT_TRAIN, i);
		require(label >= 0 && label < classes);
		require(strlen(et_dataset_class_name(ds, label)) > 0);
		et_dataset_item_name(ds, ET_SPLIT_TRAIN, i, name, sizeof(name));
		require(!strncmp(name, names[1], strlen(names[1])));
		require(et_dataset_load(ds, ET_SPLIT_TRAIN, i, k % 2 ? 3 : 1, 0, 0, &p, &err) == 0);
		require(p.h == h && p.w == w && p.c == (k % 2 ? 3 : 1));
	}
	et_picture_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct et_dataset_conf conf = {.val_fraction = 0.2};
	struct et_dataset *ds;
	struct et_err err = {.text = ""};
	if (fds[0] < 0)
		set_up();
	if (size < 2)
		return 0;
	size_t labels = (size_t)data[0] << 8 | data[1];
	labels = labels < size - 2 ? labels : size - 2;
	put(fds[0], data + 2, labels);
	put(fds[1], data + 2 + labels, size - 2 - labels);
	int rc = et_dataset_open(&ds, dir, &conf, &err);
	if (rc < 0) {
		require(rc == ET_EDATA && err.code == rc && *err.text && !ds);
		return 0;
	}
	look(ds);
	et_dataset_close(ds);
	return 0;
}
