/*
 * Pictures and datasets: from files on disk to normalised float32 NHWC batches, decoded ahead of
 * training on threads of their own. On base only.
 */
#ifndef ET_DATA_DATA_H
#define ET_DATA_DATA_H

#include <signal.h>

#include "base/base.h"

/* ---- pictures -------------------------------------------------------------------------------- */

/* 8-bit pixels, rows contiguous: px[(y * w + x) * c + ch]; c is 1 (grey) or 3 (RGB). */
struct et_picture {
	uint8_t *px;
	int h, w, c;
	size_t cap; /* bytes allocated at px; buffers grow and are reused */
};
void et_picture_free(struct et_picture *p);

/* What a file says of itself without being decoded. bytes = memory that decoding takes at most. */
struct et_picture_info {
	int h, w;
	size_t bytes;
	const char *kind; /* "png" or "jpeg" */
};
int et_picture_probe(const char *path, struct et_picture_info *info,
		     struct et_err *err) ET_MUST_CHECK;

/*
 * Decodes a PNG or JPEG (told apart by content, not by name) to c channels: palette, grey, 16-bit
 * (high byte, as PIL), 1/2/4-bit PNGs come out as 8-bit; alpha is dropped (as PIL's convert("RGB")
 * does); grey to RGB by copying, RGB to grey by PIL's L = (19595 R + 38470 G + 7471 B + 32768) >>
 * 16; CMYK/YCCK JPEGs are converted. EXIF orientation is not applied (as torchvision's default
 * loader). want_h, want_w: the size it will be resized to, or 0; a JPEG may then be decoded at 1/2,
 * 1/4 or 1/8 as long as both sides stay at least twice the wanted ones. A truncated or corrupt file
 * is ET_EDATA naming the file.
 */
int et_picture_decode(const char *path, int c, int want_h, int want_w, struct et_picture *out,
		      struct et_err *err) ET_MUST_CHECK;

/*
 * Bilinear resize with antialiasing of the source box (x0,y0,bw,bh; fractions of pixels allowed) to
 * w x h, equal to PIL's Image.resize(BILINEAR, box=...) within one level: a triangle filter of
 * support max(1, scale), separable, horizontal first, rounded to 8 bits between the passes.
 * scratch is grown as needed.
 */
int et_picture_resize(const struct et_picture *src, double x0, double y0, double bw, double bh,
		      int h, int w, struct et_picture *dst, struct et_picture *scratch,
		      struct et_err *err) ET_MUST_CHECK;

/*
 * Writes a PNG: of 8-bit RGB, or with a palette of indices into it. row() fills each row in turn.
 * The file is complete or, on an error, what it was before.
 */
struct et_png {
	int h, w;
	const uint8_t (*palette)[3]; /* [256], or NULL */
	void (*row)(void *arg, int y, uint8_t *px);
	void *arg;
};
int et_png_write(const char *path, const struct et_png *png, struct et_err *err) ET_MUST_CHECK;

/* ---- augmentation ---------------------------------------------------------------------------- */

/*
 * Parsed from text such as "flip,crop:4,rrc:0.08-1,jitter:0.4,cutout:8"; zero = off. Where pixels
 * come from is the same for a picture and its mask: what is outside of a picture is zero in it and
 * ET_MASK_IGNORE in the mask. Masks know nothing of jitter and cutout.
 */
struct et_augment {
	bool flip;     /* horizontal, probability 1/2 */
	int crop;      /* pad by so many pixels (zeros) and crop back at random */
	float rrc_min; /* random resized crop, as torchvision: range of the area in (0,1], */
	float rrc_max; /* aspect ratio 3/4..4/3 */
	float jitter;  /* brightness, contrast, saturation each in [1-j, 1+j], random order */
	int cutout;    /* side of a square set to the mean after normalisation (zeros) */
	/*
	 * All of the picture at a size drawn from this range, 1 being that of the resize rule, then
	 * a crop of the input's size at random; what is missing of it, right and below, is outside.
	 */
	float scale_min, scale_max;
};
/*
 * "none" or "" turns everything off; "rrc" alone is rrc:0.08-1, "scale" scale:0.5-2. Errors
 * (ET_EUSAGE) name the word and the nearest known one.
 */
int et_augment_parse(const char *text, struct et_augment *a, struct et_err *err) ET_MUST_CHECK;

/* ---- preprocessing --------------------------------------------------------------------------- */

enum et_resize {
	ET_RESIZE_CROP,	  /* shorter side to size / crop_pct, then the centre, as torchvision */
	ET_RESIZE_STRETCH /* both sides to the size, aspect ratio ignored */
};

/* From a picture to network input: (px / 255 - mean) / std per channel. */
struct et_prep {
	int channels, height, width; /* channels is 1 or 3 */
	float mean[3], std[3];
	enum et_resize resize;
	double crop_pct; /* (0,1] */
};

/*
 * One sample into dst[height*width*channels]: random resized crop, random scale, or else the
 * geometry of enum et_resize, crop with padding, flip, jitter, normalisation, cutout. With augment
 * (NULL: off), the draws are a function of (seed, epoch, sample) and src's size alone: from
 * et_rng_open(seed, ET_STREAM_AUGMENT, epoch, sample), in that order, and only for what is turned
 * on. For a target that is not square ET_RESIZE_CROP resizes until both sides cover size /
 * crop_pct. tmp: three scratch pictures owned by the caller.
 */
int et_prep_run(const struct et_prep *prep, const struct et_augment *augment, uint64_t seed,
		uint64_t epoch, uint32_t sample, const struct et_picture *src,
		struct et_picture tmp[3], float *dst, struct et_err *err) ET_MUST_CHECK;

/* What a picture of h x w pixels shows to the network without augmentation: a box of its pixels. */
struct et_seen {
	double x, y, w, h;
};
struct et_seen et_prep_seen(const struct et_prep *prep, int h, int w);

/*
 * The labels that belong to it, label[height*width], from the mask of a picture that was decoded to
 * h x w pixels: moved in the same way, resized by PIL's NEAREST. What is ET_MASK_IGNORE becomes
 * `ignore`. The mask's size is that of the picture's file.
 */
int et_prep_labels(const struct et_prep *prep, const struct et_augment *augment, uint64_t seed,
		   uint64_t epoch, uint32_t sample, int h, int w, const struct et_picture *mask,
		   int32_t ignore, struct et_picture *scratch, int32_t *label,
		   struct et_err *err) ET_MUST_CHECK;

/* ---- datasets -------------------------------------------------------------------------------- */

enum et_split { ET_SPLIT_TRAIN, ET_SPLIT_VAL, ET_SPLIT_TEST, ET_SPLITS };

struct et_dataset_conf {
	/*
	 * Share of train (or its subset) in [0,1) held out where val is missing; < 0: 0.1 if there
	 * is neither val nor test, else 0. By class, rounded to the nearest; at least one stays in
	 * train.
	 */
	double val_fraction;
	uint64_t seed; /* of that split */
	bool skip_bad; /* bad headers and pairs are left out and counted */
	/*
	 * NULL, or a file that lists the pictures of train, a line each, the others are not there:
	 * the number of the picture in train, from 0, or in a folder its path relative to the
	 * dataset. Blank lines and those that begin with # do not count. Order does not matter.
	 * ET_EDATA with the line where one is unknown or listed twice, or none is left. With
	 * skip_bad a bad picture may be listed, but none by its number if any is bad.
	 */
	const char *subset;
	/*
	 * So many classes where masks have no classes.txt; 0: as the largest index in the masks
	 * says, for which all of them are decoded.
	 */
	int classes;
	const volatile sig_atomic_t *stop; /* polled while scanning; may be NULL */
};

/*
 * Opens a dataset directory, recognised by what is in it:
 *
 *   idx       train-images-idx3-ubyte[.gz] (or .idx3-) with labels beside, t10k-* as test
 *   cifar10   data_batch_{1..5}.bin, test_batch.bin, batches.meta.txt,
 *             here or in cifar-10-batches-bin/
 *   cifar100  train.bin, test.bin, fine_label_names.txt, here or in cifar-100-binary/; fine labels
 *   voc       JPEGImages/, SegmentationClass/ and ImageSets/Segmentation/{train,val}.txt, here, in
 *             VOC2012/ or in VOCdevkit/VOC2012/
 *   cityscapes  leftImg8bit/{train,val}/ and gtFine/{train,val}/; masks labelTrainIds, else
 *             labelIds, whose ids become the 19 classes that count
 *   masks     images/ and masks/, recursive, pairs by the name without its ending; or both in each
 *             of train/ val/ test/, or those in both. Class names: classes.txt, one a line, else
 *             numbers
 *   folder    <class>/...picture, recursive, sorted by bytes, links followed, hidden names ignored;
 *             or that below each of train/ val/ test/ (valid/ and validation/ too)
 *
 * The first of them that fits. Masks are grey or palette PNGs of up to 8 bits, whose values are
 * taken as they are: ET_MASK_IGNORE, or the index of a class. Theirs is the size of the picture.
 * A picture without a mask, a mask without a picture, or sizes that differ are ET_EDATA.
 *
 * Header-only checks of every picture happen here, so that the largest is known before a run
 * starts. Classes of a folder are those of train (of val, else test, where there is no train); a
 * class of another split that train lacks is ET_EDATA. An unrecognised directory is ET_EDATA saying
 * what was looked for; a missing one ET_ENOINPUT; ET_ESTOP when *stop was set.
 */
#define ET_MASK_IGNORE 255
struct et_dataset;
int et_dataset_open(struct et_dataset **ds, const char *path, const struct et_dataset_conf *conf,
		    struct et_err *err) ET_MUST_CHECK;
/*
 * The same from pictures at hand, without classes: files, and directories for all that is below,
 * in their order, as the test split. One that is bad is left out and told: failed() gets what was
 * wrong with it.
 */
int et_dataset_list(struct et_dataset **ds, const char *const *paths, size_t n,
		    const volatile sig_atomic_t *stop,
		    void (*failed)(void *arg, const struct et_err *why), void *arg,
		    struct et_err *err) ET_MUST_CHECK;
void et_dataset_close(struct et_dataset *ds);

const char *et_dataset_format(const struct et_dataset *ds);
size_t et_dataset_count(const struct et_dataset *ds, enum et_split split);
int et_dataset_classes(const struct et_dataset *ds);
const char *et_dataset_class_name(const struct et_dataset *ds, int label);
int et_dataset_label(const struct et_dataset *ds, enum et_split split, size_t i);
/* The picture's file, or "train-images-idx3-ubyte.gz[17]", into buf. */
const char *et_dataset_item_name(const struct et_dataset *ds, enum et_split split, size_t i,
				 char *buf, size_t n);
/* Pictures left out because their header was bad (skip_bad). */
size_t et_dataset_skipped(const struct et_dataset *ds);
/* Bytes held in memory for the life of the dataset. */
size_t et_dataset_bytes(const struct et_dataset *ds);
/* The most that decoding one picture at its full size takes; et_loader_bytes() knows the real one.
 */
size_t et_dataset_decode_bytes(const struct et_dataset *ds);
/* Was the val split held out of train (val_fraction), rather than found as such? */
bool et_dataset_held_out(const struct et_dataset *ds);
/*
 * Changes when classes, counts, order, labels or names change, not when the directory is moved: a
 * run refuses to resume on another dataset.
 */
uint64_t et_dataset_fingerprint(const struct et_dataset *ds);
/* Do pictures have a mask, a label for each pixel? et_dataset_label() is 0 then. */
bool et_dataset_has_masks(const struct et_dataset *ds);
/* Native size when all pictures share one (idx, cifar), else 0 x 0. */
void et_dataset_size(const struct et_dataset *ds, int *h, int *w, int *c);

/* The picture i of a split as c channels; want_h/want_w as in et_picture_decode. Thread-safe. */
int et_dataset_load(const struct et_dataset *ds, enum et_split split, size_t i, int c, int want_h,
		    int want_w, struct et_picture *out, struct et_err *err) ET_MUST_CHECK;
/*
 * Its mask, one channel, in the size that the picture has in its file: a class or ET_MASK_IGNORE
 * for each pixel. ET_EDATA with file and pixel where another value is found. Thread-safe.
 */
int et_dataset_load_mask(const struct et_dataset *ds, enum et_split split, size_t i,
			 struct et_picture *out, struct et_err *err) ET_MUST_CHECK;

/* ---- loader: batches ahead of time ----------------------------------------------------------- */

struct et_batch {
	uint64_t epoch;
	size_t number;	/* within the epoch, from 0 */
	size_t n;	/* the batch size; less at the end of an epoch or by skipping, down to 0 */
	size_t skipped; /* bad pictures left out of it */
	bool dropped;	/* unseen: conf.drop said so */
	bool *known;	/* [n] not decoded, x holds nothing of it (label does): conf.known */
	float *x;	/* [n, height, width, channels] */
	size_t rows;	/* labels of one sample: 1, or height * width of a dataset with masks */
	int32_t *label; /* [n * rows] */
	uint32_t *sample; /* [n] indices into the split */
	int status;	  /* internal to the loader */
};

struct et_loader_conf {
	const struct et_dataset *ds;
	enum et_split split;
	struct et_prep prep;
	struct et_augment augment; /* all zero for evaluation */
	size_t batch_size;
	bool shuffle; /* order = et_rng_permutation(seed, SHUFFLE, epoch), else 0..n-1 */
	uint64_t seed;
	bool skip_bad;	  /* else the first bad picture is an error naming its file */
	unsigned workers; /* decoding threads, at least 1 */
	unsigned depth;	  /* batch buffers, the one in use among them; 1 decodes nothing ahead */
	const volatile sig_atomic_t *stop; /* polled while waiting; may be NULL */
	/* Is this batch to come out empty, with nothing of it decoded? NULL: never. */
	bool (*drop)(void *arg, uint64_t epoch, size_t batch);
	void *drop_arg;
	/* May the decoding of this sample be left out? From any thread. NULL: never. */
	bool (*known)(void *arg, uint64_t epoch, uint32_t sample);
	void *known_arg;
	int32_t ignore;	   /* the label of what masks leave out */
	uint64_t variants; /* > 0: the augmentations of epoch e are those of e % variants */
};

/*
 * All buffers are reserved by open; the workers, which block all signals, sleep until start.
 * Batches come in order whatever the number of workers, and their content depends only on (seed,
 * epoch, sample). Not thread-safe for the consumer: one thread calls start, next, done.
 */
struct et_loader;
/* All that open reserves, and what decoding takes at most beside it. */
size_t et_loader_bytes(const struct et_loader_conf *conf);
int et_loader_open(struct et_loader **l, const struct et_loader_conf *conf,
		   struct et_err *err) ET_MUST_CHECK;
/* Begins (or begins anew) the epoch at batch number `first`. */
int et_loader_start(struct et_loader *l, uint64_t epoch, size_t first,
		    struct et_err *err) ET_MUST_CHECK;
/*
 * 1 and a batch; 0 at the end of the epoch; ET_ESTOP when *stop was set. Where a picture of the
 * batch that is due is bad and not to be skipped, the error of the first such one in it, as often
 * as asked. A batch must be given back before the next is asked for.
 */
int et_loader_next(struct et_loader *l, const struct et_batch **b,
		   struct et_err *err) ET_MUST_CHECK;
/* Gives the batch back. */
void et_loader_done(struct et_loader *l, const struct et_batch *b);
size_t et_loader_batches(const struct et_loader *l); /* in an epoch */
void et_loader_close(struct et_loader *l);

#endif
