/*
 * MNIST's format: big-endian dimensions and bytes, plain or gzipped. Pictures and labels are
 * decoded into memory as a whole: a gzip stream has no way in but from its beginning.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "data/priv.h"

/* A side of an IDX picture; MNIST and its relatives have 28. */
#define SIDE_MAX 4096

struct idx_part {
	char name[64]; /* of the file of pictures */
	uint8_t *px;
	uint32_t n, h, w;
};

/* ref counts through train, then test. */
struct idx {
	struct idx_part part[2];
};

/* ---- names ----------------------------------------------------------------------------------- */

/* The name under which the file "train-images" or so, of so many dimensions, is there, or NULL. */
static const char *find(const char *dir, const char *stem, int dims, char name[64])
{
	static const char *const forms[] = {"%s-idx%d-ubyte", "%s.idx%d-ubyte", "%s-idx%d-ubyte.gz",
					    "%s.idx%d-ubyte.gz"};
	for (size_t i = 0; i < ET_COUNT(forms); i++) {
		char path[PATH_MAX];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(name, 64, forms[i], stem, dims);
#pragma GCC diagnostic pop
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (et_path_exists(path))
			return name;
	}
	return NULL;
}

static bool idx_detect(const char *path)
{
	char name[64];
	return find(path, "train-images", 3, name) || find(path, "t10k-images", 3, name);
}

/* ---- one file -------------------------------------------------------------------------------- */

struct idx_file {
	const char *path;
	gzFile gz; /* reads plain files as well */
	uint64_t size;
};

static int file_open(struct idx_file *f, const char *path, struct et_err *err)
{
	int fd;
	f->path = path;
	ET_TRY(et_file_open(path, &fd, &f->size, err));
	f->gz = gzdopen(fd, "rb");
	if (!f->gz) {
		close(fd);
		return et_fail(err, ET_ENOMEM, "%s: out of memory for zlib", path);
	}
	gzbuffer(f->gz, 65536);
	return ET_OK;
}

static int file_fail(struct idx_file *f, struct et_err *err)
{
	int z;
	const char *text = gzerror(f->gz, &z);
	if (z == Z_ERRNO)
		return et_fail(err, ET_EIO, "%s: cannot read: %s", f->path, strerror(errno));
	if (z == Z_MEM_ERROR)
		return et_fail(err, ET_ENOMEM, "%s: out of memory for zlib", f->path);
	return et_fail(err, ET_EDATA, "%s: bad gzip data: %s", f->path, text);
}

/* Exactly n bytes. */
static int file_read(struct idx_file *f, void *to, size_t n, struct et_err *err)
{
	uint8_t *p = to;
	for (size_t done = 0; done < n;) {
		int got = gzread(f->gz, p + done, (unsigned)et_min(n - done, 1u << 20));
		if (got < 0)
			return file_fail(f, err);
		if (got == 0)
			return et_fail(err, ET_EDATA,
				       "%s: the file ends too early: %zu bytes are missing",
				       f->path, n - done);
		done += (size_t)got;
	}
	return ET_OK;
}

/* Nothing may follow; what is left of a gzip stream, its checksum among it, must be sound. */
static int file_end(struct idx_file *f, struct et_err *err)
{
	uint8_t more;
	int got = gzread(f->gz, &more, 1), z;
	if (got > 0)
		return et_fail(err, ET_EDATA, "%s: more bytes than its header says", f->path);
	gzerror(f->gz, &z);
	return got < 0 || (z != Z_OK && z != Z_STREAM_END) ? file_fail(f, err) : ET_OK;
}

/* Big-endian. Magic is 0, 0, 8 (unsigned bytes), number of dimensions. */
static int read_dims(struct idx_file *f, int dims, uint32_t *dim, struct et_err *err)
{
	uint8_t b[16];
	ET_TRY(file_read(f, b, 4 + 4 * (size_t)dims, err));
	if (b[0] || b[1] || b[2] != 8 || b[3] != dims)
		return et_fail(err, ET_EDATA,
			       "%s: expected the magic number 0000080%d of IDX, found "
			       "%02x%02x%02x%02x",
			       f->path, dims, b[0], b[1], b[2], b[3]);
	for (int i = 0; i < dims; i++) {
		const uint8_t *d = b + 4 + 4 * i;
		dim[i] = (uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3];
		if (dim[i] == 0 || (i > 0 && dim[i] > SIDE_MAX))
			return et_fail(err, ET_EDATA,
				       "%s: dimension %d: expected 1 to %u, found %u", f->path, i,
				       i ? SIDE_MAX : UINT32_MAX, dim[i]);
	}
	return ET_OK;
}

/* Can so many bytes be in the file? Asked before they are allocated: deflate's best is 1032:1. */
static int check_length(struct idx_file *f, int dims, uint64_t need, struct et_err *err)
{
	uint64_t head = 4 + 4 * (uint64_t)dims, most = f->size * 1032;
	if (gzdirect(f->gz) && need + head != f->size)
		return et_fail(err, ET_EDATA, "%s: its header says %ju bytes, but the file has %ju",
			       f->path, (uintmax_t)(need + head), (uintmax_t)f->size);
	if (need > most || need > SIZE_MAX / 2)
		return et_fail(err, ET_EDATA,
			       "%s: its header says %ju bytes, which cannot be in the %ju here",
			       f->path, (uintmax_t)(need + head), (uintmax_t)f->size);
	return ET_OK;
}

/* The bytes of a whole file on the heap. */
static int read_bytes(struct idx_file *f, int dims, uint32_t *dim, uint8_t **bytes,
		      struct et_err *err)
{
	ET_TRY(read_dims(f, dims, dim, err));
	/* 2^32 * 2^12 * 2^12 fits. */
	uint64_t need = dim[0];
	for (int i = 1; i < dims; i++)
		need *= dim[i];
	ET_TRY(check_length(f, dims, need, err));
	*bytes = malloc((size_t)need);
	if (!*bytes)
		return et_fail(err, ET_ENOMEM, "%s: out of memory for %ju bytes", f->path,
			       (uintmax_t)need);
	ET_TRY(file_read(f, *bytes, (size_t)need, err));
	return file_end(f, err);
}

static int read_file(const char *dir, const char *name, int dims, uint32_t *dim, uint8_t **bytes,
		     struct et_err *err)
{
	struct idx_file f;
	*bytes = NULL;
	char *path = et_path_join(dir, name);
	if (!path)
		return et_fail(err, ET_ENOMEM, "%s: out of memory", dir);
	int rc = file_open(&f, path, err);
	if (rc == ET_OK) {
		rc = read_bytes(&f, dims, dim, bytes, err);
		gzclose(f.gz);
	}
	if (rc < 0) {
		free(*bytes);
		*bytes = NULL;
	}
	free(path);
	return rc;
}

/* ---- the dataset ----------------------------------------------------------------------------- */

/* Pictures and labels of one split; 1 if it is there. */
static int open_part(struct et_dataset *ds, const char *dir, enum et_split split, const char *stem,
		     struct et_err *err)
{
	struct idx *own = ds->own;
	struct idx_part *p = &own->part[split == ET_SPLIT_TEST];
	char stem_text[32], label_name[64];
	uint32_t dim[3], n;
	uint8_t *labels;
	uint32_t base = own->part[0].n;

	snprintf(stem_text, sizeof(stem_text), "%s-images", stem);
	if (!find(dir, stem_text, 3, p->name))
		return 0;
	snprintf(stem_text, sizeof(stem_text), "%s-labels", stem);
	if (!find(dir, stem_text, 1, label_name))
		return et_fail(err, ET_ENOINPUT, "%s: there is %s, but no %s-idx1-ubyte[.gz]", dir,
			       p->name, stem_text);
	ET_TRY(read_file(dir, p->name, 3, dim, &p->px, err));
	p->n = dim[0];
	p->h = dim[1];
	p->w = dim[2];
	ET_TRY(read_file(dir, label_name, 1, &n, &labels, err));
	int rc = ET_OK;
	if (n != p->n)
		rc = et_fail(err, ET_EDATA, "%s: %s has %u pictures, %s has %u labels", dir,
			     p->name, p->n, label_name, n);
	/* A ref has 32 bits, for both splits together. */
	if (rc == ET_OK && (uint64_t)base + n > UINT32_MAX)
		rc = et_fail(err, ET_EDATA, "%s: more than 2^32 pictures", dir);
	for (uint32_t i = 0; i < n && rc == ET_OK; i++)
		rc = et_dataset_add(ds, split, base * (split == ET_SPLIT_TEST) + i, labels[i], err);
	free(labels);
	return rc < 0 ? rc : 1;
}

static int32_t max_label(const struct et_items *s)
{
	int32_t most = -1;
	for (size_t i = 0; i < s->n; i++)
		most = s->label[i] > most ? s->label[i] : most;
	return most;
}

static int idx_open(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
		    struct et_err *err)
{
	struct idx *own = et_calloc(1, sizeof(*own));
	if (!(ds->own = own))
		return et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	int train = open_part(ds, path, ET_SPLIT_TRAIN, "train", err);
	ET_TRY(train);
	if (et_stop_asked(conf->stop))
		return et_fail(err, ET_ESTOP, "%s: stopped while reading", path);
	int test = open_part(ds, path, ET_SPLIT_TEST, "t10k", err);
	ET_TRY(test);
	const struct idx_part *a = &own->part[0], *b = &own->part[1];
	if (train && test && (a->h != b->h || a->w != b->w))
		return et_fail(err, ET_EDATA, "%s: %s has pictures of %u x %u, %s of %u x %u", path,
			       a->name, a->w, a->h, b->name, b->w, b->h);
	enum et_split first = train ? ET_SPLIT_TRAIN : ET_SPLIT_TEST;
	int32_t most = max_label(&ds->split[first]), tested = max_label(&ds->split[ET_SPLIT_TEST]);
	if (tested > most)
		return et_fail(err, ET_EDATA, "%s: label %d of t10k is not in train (0 to %d)",
			       path, (int)tested, (int)most);
	ET_TRY(et_dataset_number_classes(ds, most + 1, err));
	ds->h = (int)(train ? a : b)->h;
	ds->w = (int)(train ? a : b)->w;
	ds->c = 1;
	return ET_OK;
}

static void idx_close(struct et_dataset *ds)
{
	struct idx *own = ds->own;
	if (!own)
		return;
	free(own->part[0].px);
	free(own->part[1].px);
	free(own);
}

/* Turns ref into an index into the part. */
static const struct idx_part *part_of(const struct et_dataset *ds, uint32_t *ref)
{
	const struct idx *own = ds->own;
	if (*ref < own->part[0].n)
		return &own->part[0];
	*ref -= own->part[0].n;
	return &own->part[1];
}

static int idx_load(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
		    struct et_picture *out, struct et_err *err)
{
	(void)want_h;
	(void)want_w;
	const struct idx_part *p = part_of(ds, &ref);
	return et_picture_copy(p->px + (size_t)ref * p->h * p->w, (int)p->h, (int)p->w, 1, c, out,
			       err);
}

static void idx_name(const struct et_dataset *ds, uint32_t ref, bool relative, char *buf, size_t n)
{
	const struct idx *own = ds->own;
	const struct idx_part *p = part_of(ds, &ref);
	/* Unpacking or renaming the files does not make another dataset. */
	const char *part = p == &own->part[0] ? "train" : "t10k";
	snprintf(buf, n, "%s[%u]", relative ? part : p->name, ref);
}

static void idx_extent(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
		       struct et_extent *e)
{
	(void)ref;
	(void)want_h;
	(void)want_w;
	*e = (struct et_extent){
		.h = ds->h, .w = ds->w, .buffer = et_picture_bytes(ds->h, ds->w, c)};
}

static size_t idx_bytes(const struct et_dataset *ds)
{
	const struct idx *own = ds->own;
	size_t bytes = sizeof(*own);
	for (int i = 0; i < 2; i++)
		bytes += (size_t)own->part[i].n * own->part[i].h * own->part[i].w;
	return bytes;
}

const struct et_format et_format_idx = {.name = "idx",
					.detect = idx_detect,
					.open = idx_open,
					.close = idx_close,
					.load = idx_load,
					.name_item = idx_name,
					.extent = idx_extent,
					.bytes = idx_bytes};
