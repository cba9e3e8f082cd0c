/*
 * CIFAR's binary format: records of one label (CIFAR-100: coarse, then fine) and three planes of
 * 32 x 32 bytes. 180 MB of them: read one by one when they are wanted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/priv.h"

#define SIDE   32
#define PLANE  (SIDE * SIDE)
#define PIXELS (3 * PLANE)

/* Where CIFAR-10 and CIFAR-100 differ. The last file is the test split. */
struct layout {
	const char *subdir, *names;
	const char *files[7];
	size_t labels; /* bytes before the pixels; the last one is the label */
	int classes;   /* when there is no file of names */
};

static const struct layout cifar10 = {.subdir = "cifar-10-batches-bin",
				      .names = "batches.meta.txt",
				      .files = {"data_batch_1.bin", "data_batch_2.bin",
						"data_batch_3.bin", "data_batch_4.bin",
						"data_batch_5.bin", "test_batch.bin"},
				      .labels = 1,
				      .classes = 10};
static const struct layout cifar100 = {.subdir = "cifar-100-binary",
				       .names = "fine_label_names.txt",
				       .files = {"train.bin", "test.bin"},
				       .labels = 2,
				       .classes = 100};

struct cifar_file {
	const char *name;
	int fd;
	uint32_t first, n; /* refs first .. first + n - 1 */
};

struct cifar {
	const struct layout *layout;
	int files;
	struct cifar_file file[6];
};

static size_t record_bytes(const struct layout *l)
{
	return l->labels + PIXELS;
}

/* ---- finding --------------------------------------------------------------------------------- */

static bool has(const char *dir, const char *sub, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s%s%s", dir, sub, *sub ? "/" : "", name);
	return n < (int)sizeof(path) && et_path_exists(path);
}

static bool cifar10_in(const char *dir, const char *sub)
{
	return has(dir, sub, "data_batch_1.bin") || has(dir, sub, "test_batch.bin");
}

/* The names of its files are such as anyone might give: two of them are asked for. */
static bool cifar100_in(const char *dir, const char *sub)
{
	int found = 0;
	found += has(dir, sub, "train.bin");
	found += has(dir, sub, "test.bin");
	found += has(dir, sub, "fine_label_names.txt");
	return found >= 2;
}

static bool cifar10_detect(const char *path)
{
	return cifar10_in(path, "") || cifar10_in(path, cifar10.subdir);
}

static bool cifar100_detect(const char *path)
{
	return cifar100_in(path, "") || cifar100_in(path, cifar100.subdir);
}

/* n bytes from `at`; what is returned falls short at the end of the file, or is negative. */
static ssize_t read_at(int fd, void *to, size_t n, uint64_t at)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = pread(fd, (char *)to + done, n - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* One name a line; blank lines do not count. Without the file the classes are numbers. */
static int read_names(struct et_dataset *ds, const char *dir, const struct layout *l,
		      struct et_err *err)
{
	if (!has(dir, "", l->names))
		return et_dataset_number_classes(ds, l->classes, err);
	char *path = et_path_join(dir, l->names), *text = NULL, *save = NULL;
	size_t n;
	int rc = path ? et_file_read(path, 1 << 20, &text, &n, err)
		      : et_fail(err, ET_ENOMEM, "%s: out of memory", dir);
	if (rc == ET_OK && strlen(text) != n)
		rc = et_fail(err, ET_EDATA, "%s: expected names, found a zero byte", path);
	if (rc == ET_OK)
		for (char *name = strtok_r(text, "\r\n", &save); name && rc == ET_OK;
		     name = strtok_r(NULL, "\r\n", &save)) {
			name += strspn(name, " \t");
			for (size_t k = strlen(name); k && strchr(" \t", name[k - 1]);)
				name[--k] = '\0';
			if (*name)
				rc = et_dataset_add_class(ds, name, err);
		}
	if (rc == ET_OK && !ds->classes)
		rc = et_fail(err, ET_EDATA, "%s: no names of classes in it", path);
	free(text);
	free(path);
	return rc;
}

static int check_label(const struct et_dataset *ds, const char *path, uint32_t i, int label,
		       struct et_err *err)
{
	if (label < ds->classes)
		return ET_OK;
	return et_fail(err, ET_EDATA, "%s: record %u: label %d, but there are %d classes", path, i,
		       label, ds->classes);
}

/* The labels stand between the pixels: the whole file is read once, front to back. */
static int scan_labels(struct et_dataset *ds, const struct cifar_file *f, const char *path,
		       enum et_split split, const volatile sig_atomic_t *stop, struct et_err *err)
{
	const struct layout *l = ((struct cifar *)ds->own)->layout;
	size_t record = record_bytes(l), chunk = 64;
	uint8_t *buf = malloc(chunk * record);
	int rc = buf ? ET_OK : et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	(void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (uint32_t i = 0; i < f->n && rc == ET_OK;) {
		uint32_t n = (uint32_t)et_min(chunk, f->n - i);
		ssize_t got = read_at(f->fd, buf, n * record, (uint64_t)i * record);
		if (got != (ssize_t)(n * record))
			rc = got < 0 ? et_fail(err, ET_EIO, "%s: cannot read: %s", path,
					       strerror(errno))
				     : et_fail(err, ET_EDATA, "%s: became shorter", path);
		for (uint32_t k = 0; k < n && rc == ET_OK; k++, i++) {
			int label = buf[k * record + l->labels - 1];
			rc = check_label(ds, path, i, label, err);
			if (rc == ET_OK)
				rc = et_dataset_add(ds, split, f->first + i, label, err);
		}
		if (rc == ET_OK && et_stop_asked(stop))
			rc = et_fail(err, ET_ESTOP, "%s: stopped while reading", path);
	}
	/* Later the records are wanted in any order: reading ahead would read in vain. */
	(void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_RANDOM);
	free(buf);
	return rc;
}

static int open_file(struct et_dataset *ds, const char *path, const char *name, enum et_split split,
		     const volatile sig_atomic_t *stop, struct et_err *err)
{
	struct cifar *own = ds->own;
	struct cifar_file *f = &own->file[own->files];
	size_t record = record_bytes(own->layout);
	uint64_t size;
	ET_TRY(et_file_open(path, &f->fd, &size, err));
	f->name = name;
	f->first = own->files ? f[-1].first + f[-1].n : 0;
	own->files++;
	if (size == 0 || size % record || size / record > UINT32_MAX - f->first)
		return et_fail(err, ET_EDATA,
			       "%s: expected a multiple of %zu bytes, the size of a record; found "
			       "%ju bytes",
			       path, record, (uintmax_t)size);
	f->n = (uint32_t)(size / record);
	return scan_labels(ds, f, path, split, stop, err);
}

static int open_files(struct et_dataset *ds, const char *dir, const struct layout *l,
		      const volatile sig_atomic_t *stop, struct et_err *err)
{
	bool any_train = has(dir, "", l->files[0]);
	for (int i = 0; l->files[i]; i++) {
		bool test = !l->files[i + 1];
		/* All of train or none of it: an interrupted download is not a small dataset. */
		if (!has(dir, "", l->files[i]) && (test || !any_train))
			continue;
		char *path = et_path_join(dir, l->files[i]);
		int rc = path ? open_file(ds, path, l->files[i],
					  test ? ET_SPLIT_TEST : ET_SPLIT_TRAIN, stop, err)
			      : et_fail(err, ET_ENOMEM, "%s: out of memory", dir);
		free(path);
		ET_TRY(rc);
	}
	return ET_OK;
}

static int cifar_open(struct et_dataset *ds, const char *path, const struct layout *l, bool below,
		      const struct et_dataset_conf *conf, struct et_err *err)
{
	struct cifar *own = et_calloc(1, sizeof(*own));
	char *dir = below ? et_path_join(path, l->subdir) : et_strdup(path);
	ds->own = own;
	int rc = ET_OK;
	if (!own || !dir)
		rc = et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	else
		own->layout = l;
	if (rc == ET_OK)
		rc = read_names(ds, dir, l, err);
	if (rc == ET_OK)
		rc = open_files(ds, dir, l, conf->stop, err);
	free(dir);
	ds->h = ds->w = SIDE;
	ds->c = 3;
	return rc;
}

static int cifar10_open(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
			struct et_err *err)
{
	return cifar_open(ds, path, &cifar10, !cifar10_in(path, ""), conf, err);
}

static int cifar100_open(struct et_dataset *ds, const char *path,
			 const struct et_dataset_conf *conf, struct et_err *err)
{
	return cifar_open(ds, path, &cifar100, !cifar100_in(path, ""), conf, err);
}

static void cifar_close(struct et_dataset *ds)
{
	struct cifar *own = ds->own;
	if (!own)
		return;
	for (int i = 0; i < own->files; i++)
		close(own->file[i].fd);
	free(own);
}

/* ---- records --------------------------------------------------------------------------------- */

static const struct cifar_file *file_of(const struct et_dataset *ds, uint32_t ref)
{
	const struct cifar *own = ds->own;
	int i = 0;
	while (ref - own->file[i].first >= own->file[i].n)
		i++;
	return &own->file[i];
}

static int cifar_load(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
		      struct et_picture *out, struct et_err *err)
{
	(void)want_h;
	(void)want_w;
	const struct layout *l = ((const struct cifar *)ds->own)->layout;
	const struct cifar_file *f = file_of(ds, ref);
	uint8_t plane[PIXELS], rgb[PIXELS];
	uint64_t at = (uint64_t)(ref - f->first) * record_bytes(l) + l->labels;
	ssize_t got = read_at(f->fd, plane, sizeof(plane), at);
	if (got < 0)
		return et_fail(err, ET_EIO, "%s: record %u: cannot read: %s", f->name,
			       ref - f->first, strerror(errno));
	if (got != sizeof(plane))
		return et_fail(err, ET_EDATA, "%s: record %u: the file became shorter", f->name,
			       ref - f->first);
	for (size_t i = 0; i < PLANE; i++)
		for (size_t ch = 0; ch < 3; ch++)
			rgb[3 * i + ch] = plane[ch * PLANE + i];
	return et_picture_copy(rgb, SIDE, SIDE, 3, c, out, err);
}

static void cifar_name(const struct et_dataset *ds, uint32_t ref, bool relative, char *buf,
		       size_t n)
{
	(void)relative;
	const struct cifar_file *f = file_of(ds, ref);
	snprintf(buf, n, "%s[%u]", f->name, ref - f->first);
}

static void cifar_extent(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
			 struct et_extent *e)
{
	(void)ds;
	(void)ref;
	(void)want_h;
	(void)want_w;
	*e = (struct et_extent){.h = SIDE, .w = SIDE, .buffer = et_picture_bytes(SIDE, SIDE, c)};
}

static size_t cifar_bytes(const struct et_dataset *ds)
{
	(void)ds;
	return sizeof(struct cifar);
}

const struct et_format et_format_cifar10 = {.name = "cifar10",
					    .detect = cifar10_detect,
					    .open = cifar10_open,
					    .close = cifar_close,
					    .load = cifar_load,
					    .name_item = cifar_name,
					    .extent = cifar_extent,
					    .bytes = cifar_bytes};
const struct et_format et_format_cifar100 = {.name = "cifar100",
					     .detect = cifar100_detect,
					     .open = cifar100_open,
					     .close = cifar_close,
					     .load = cifar_load,
					     .name_item = cifar_name,
					     .extent = cifar_extent,
					     .bytes = cifar_bytes};
