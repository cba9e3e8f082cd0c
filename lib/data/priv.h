/* What the files of the data room share among themselves; nobody else includes this. */
#ifndef ET_DATA_PRIV_H
#define ET_DATA_PRIV_H

#include <limits.h>

#include "data/data.h"

/* ---- pictures -------------------------------------------------------------------------------- */

/* libjpeg's own limit of a side; the pixels are those at which PIL suspects a bomb. */
#define ET_PICTURE_MAX_SIDE   65500
#define ET_PICTURE_MAX_PIXELS 178956970

/* A picture file being read, through a buffer of its own: no stdio, so no heap. */
struct et_source {
	const char *path;
	int fd;
	uint64_t size;	 /* of the file */
	size_t at, have; /* the bytes buf[at..have) are not yet used */
	int failed;	 /* errno of a failed read; the file then seems to end there */
	unsigned char buf[16384];
};
/* Fills an empty buffer; false at the end of the file. */
bool et_source_fill(struct et_source *s);
/* Copies n bytes out; false if the file ends before. */
bool et_source_read(struct et_source *s, void *to, size_t n);
/* Ahead by n bytes, or to the end of the file. */
void et_source_skip(struct et_source *s, uint64_t n);
/* The status for a decoder that gave up, saying why: ET_EIO where reading failed, else ET_EDATA. */
int et_source_fail(const struct et_source *s, const char *kind, const char *why,
		   struct et_err *err);

/* What a header says. The decoder takes `work` bytes beside the pixels, whatever the reduction. */
struct et_header {
	int h, w;
	bool jpeg;	/* can be decoded at 1/2, 1/4, 1/8 */
	bool needs_rgb; /* to become grey the whole picture has to exist as RGB first */
	size_t work;
};
int et_picture_header(const char *path, struct et_header *head, struct et_err *err) ET_MUST_CHECK;
/* The largest of 1, 2, 4, 8 that leaves both sides at least twice as long as wanted. */
int et_header_reduction(const struct et_header *head, int want_h, int want_w);
/* Rows become grey one by one in place, so that the last row of RGB sticks out of the buffer. */
#define ET_GREY_SLACK(w) (2 * (size_t)(w))
/* The size the picture is decoded to, and the bytes its buffer takes. */
size_t et_header_extent(const struct et_header *head, int c, int want_h, int want_w, int *h,
			int *w);
/* Refuses sizes out of the limits. */
int et_picture_check_size(const char *path, uint64_t h, uint64_t w,
			  struct et_err *err) ET_MUST_CHECK;

int et_png_header(struct et_source *s, struct et_header *head, struct et_err *err) ET_MUST_CHECK;
int et_png_decode(struct et_source *s, int c, struct et_picture *out,
		  struct et_err *err) ET_MUST_CHECK;
/* The same of masks: a grey or palette PNG of up to 8 bits, its values as they are, one channel. */
int et_png_mask_header(struct et_source *s, struct et_header *head,
		       struct et_err *err) ET_MUST_CHECK;
int et_png_mask_decode(struct et_source *s, struct et_picture *out,
		       struct et_err *err) ET_MUST_CHECK;
int et_mask_header(const char *path, struct et_header *head, struct et_err *err) ET_MUST_CHECK;
int et_mask_decode(const char *path, struct et_picture *out, struct et_err *err) ET_MUST_CHECK;
int et_jpeg_header(struct et_source *s, struct et_header *head, struct et_err *err) ET_MUST_CHECK;
int et_jpeg_decode(struct et_source *s, int c, int want_h, int want_w, struct et_picture *out,
		   struct et_err *err) ET_MUST_CHECK;

/*
 * Makes the buffer hold h * w * c + extra bytes and sets the size; what was in it is lost. Never
 * shrinks, and takes no more than is needed.
 */
int et_picture_reserve(struct et_picture *p, int h, int w, int c, size_t extra,
		       struct et_err *err) ET_MUST_CHECK;
/* Bytes of h * w * c, which cannot overflow within the limits where size_t has 64 bits. */
size_t et_picture_bytes(int h, int w, int c);

/* n pixels of RGB to PIL's L; to may be rgb. */
void et_pixels_grey(const uint8_t *rgb, uint8_t *to, size_t n);

/* Part of a picture; stride in bytes. */
struct et_view {
	const uint8_t *px;
	size_t stride;
	int h, w, c;
};
struct et_view et_picture_view(const struct et_picture *p, int y, int x, int h, int w);
/* et_picture_resize() of a view, beyond which no pixel is looked at. */
int et_view_resize(const struct et_view *src, double x0, double y0, double bw, double bh, int h,
		   int w, struct et_picture *dst, struct et_picture *scratch,
		   struct et_err *err) ET_MUST_CHECK;
/* What the scratch picture grows to at most for a view of sh x sw, or smaller, to h x w. */
size_t et_resize_scratch_bytes(int sh, int sw, int h, int w, int c);

/* ---- augmentation and preprocessing ---------------------------------------------------------- */

/* torchvision's RandomResizedCrop.get_params: box y, x, h, w within h x w. Draws for up to 10
 * tries. */
struct et_box {
	int y, x, h, w;
};
struct et_box et_augment_rrc(const struct et_augment *a, struct et_rng *r, int h, int w);
/* src at (dy,dx) of h x w pixels; what comes in from outside is zero. */
int et_picture_place(const struct et_picture *src, int dy, int dx, int h, int w,
		     struct et_picture *dst, struct et_err *err) ET_MUST_CHECK;

/*
 * Where the pixels of an input come from: the view of the picture, nothing outside of which is
 * looked at, is resized to all_h x all_w, of which h x w from (top,left) on, at most the size of
 * the input, are kept; they go to (dy,dx). x0, y0, bw, bh is what is kept, in pixels of the view.
 * Last all is mirrored, with flip.
 */
struct et_moves {
	struct et_box view;
	double x0, y0, bw, bh;
	int64_t all_h, all_w, top, left;
	int h, w, dy, dx;
	bool flip;
};
/* Draws for a picture of h x w pixels: rrc or scale, crop, flip. */
void et_moves_draw(struct et_moves *m, const struct et_prep *prep, const struct et_augment *a,
		   struct et_rng *r, int h, int w);
/* What the scratch picture of et_prep_labels() grows to. */
size_t et_labels_scratch_bytes(const struct et_prep *prep);

/* torchvision's adjust_brightness, _contrast, _saturation of PIL pictures, in place. */
enum et_adjust { ET_BRIGHTNESS, ET_CONTRAST, ET_SATURATION, ET_ADJUSTS };
void et_picture_adjust(struct et_picture *p, enum et_adjust what, float factor);
/* Draws the order of the three, then their factors in the order of the enum. */
void et_augment_jitter(const struct et_augment *a, struct et_rng *r, struct et_picture *p);

int et_prep_check(const struct et_prep *prep, struct et_err *err) ET_MUST_CHECK;
/* The smallest size from which the result does not suffer: want_h, want_w of et_dataset_load(). */
void et_prep_want(const struct et_prep *prep, const struct et_augment *a, int *want_h, int *want_w);

/* ---- datasets -------------------------------------------------------------------------------- */

/* Room for one more element of `size` bytes after n; arrays double. */
bool et_grow(void **array, size_t n, size_t *cap, size_t size) ET_MUST_CHECK;
/* Gives back what growing left over; the array where it is now, NULL for none. */
void *et_trim(void *array, size_t bytes) ET_MUST_CHECK;

/* Texts one after another, NUL-terminated, named by where they begin. */
struct et_pool {
	char *text;
	size_t used, cap;
};
int et_pool_add(struct et_pool *p, const char *text, uint32_t *at,
		struct et_err *err) ET_MUST_CHECK;

/* A split: ref says which record of the format, the meaning of the number is the format's. */
struct et_items {
	uint32_t *ref;
	int32_t *label;
	size_t n, cap;
};

struct et_dataset {
	const struct et_format *format;
	void *own; /* the format's */
	struct et_items split[ET_SPLITS];
	struct et_pool names; /* of the classes */
	uint32_t *class_at;
	int classes, class_cap;
	bool held_out;
	size_t skipped;
	int h, w, c; /* native size, or 0 */
	uint64_t fingerprint;
};

/*
 * What loading an item takes: its size in memory, the bytes of its buffer and of its mask's, and
 * the decoder's own.
 */
struct et_extent {
	int h, w;
	size_t buffer, mask, work;
};

/*
 * One kind of dataset on disk. open() fills own, the splits, the classes and the native size; on
 * failure close() is called, which must cope with a half-made own.
 */
struct et_format {
	const char *name;
	bool (*detect)(const char *path);
	int (*open)(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
		    struct et_err *err);
	void (*close)(struct et_dataset *ds);
	int (*load)(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
		    struct et_picture *out, struct et_err *err);
	/* The path of the file to show, or relative to the dataset. */
	void (*name_item)(const struct et_dataset *ds, uint32_t ref, bool relative, char *buf,
			  size_t n);
	void (*extent)(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
		       struct et_extent *e);
	size_t (*bytes)(const struct et_dataset *ds);
	/*
	 * NULL where items have one label each. load_mask(): a label for each pixel, of one channel
	 * and of the size that the picture has in its file; what is no class is ET_MASK_IGNORE.
	 * name_mask() as name_item().
	 */
	int (*load_mask)(const struct et_dataset *ds, uint32_t ref, struct et_picture *out,
			 struct et_err *err);
	void (*name_mask)(const struct et_dataset *ds, uint32_t ref, bool relative, char *buf,
			  size_t n);
	/*
	 * Are items known by paths, which a subset may list? If so, is_bad() says of a path that is
	 * not among them whether the picture is there but was left out (skip_bad).
	 */
	bool paths;
	bool (*is_bad)(const struct et_dataset *ds, const char *path);
};
extern const struct et_format et_format_idx, et_format_cifar10, et_format_cifar100,
	et_format_folder, et_format_masks, et_format_voc, et_format_cityscapes;

int et_dataset_add(struct et_dataset *ds, enum et_split split, uint32_t ref, int32_t label,
		   struct et_err *err) ET_MUST_CHECK;
int et_dataset_add_class(struct et_dataset *ds, const char *name, struct et_err *err) ET_MUST_CHECK;
/* Classes "0" .. "n-1". */
int et_dataset_number_classes(struct et_dataset *ds, int n, struct et_err *err) ET_MUST_CHECK;
void et_dataset_extent(const struct et_dataset *ds, enum et_split split, size_t i, int c,
		       int want_h, int want_w, struct et_extent *e);
/* Moves a part of train to val where the settings say so. */
int et_dataset_hold_out(struct et_dataset *ds, const struct et_dataset_conf *conf,
			struct et_err *err) ET_MUST_CHECK;
/* Leaves in train what the file lists, in train's order: et_dataset_conf.subset. */
int et_subset_apply(struct et_dataset *ds, const char *path, bool skip_bad,
		    struct et_err *err) ET_MUST_CHECK;

/* h x w RGB (planar or interleaved) or grey bytes that are in memory, as c channels. */
int et_picture_copy(const uint8_t *px, int h, int w, int from_c, int c, struct et_picture *out,
		    struct et_err *err) ET_MUST_CHECK;

/* May --on-bad-image skip go on after this status? Not when reading or the machine failed. */
static inline bool et_status_is_bad_picture(int status)
{
	return status == ET_EDATA || status == ET_ENOINPUT;
}

static inline bool et_stop_asked(const volatile sig_atomic_t *stop)
{
	return stop && *stop;
}

#endif
