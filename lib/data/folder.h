/* Datasets whose pictures are files: what finds them, and what loads them. */
#ifndef ET_DATA_FOLDER_H
#define ET_DATA_FOLDER_H

#include "data/priv.h"

/* A picture: where its path begins in the pool, and its header. */
struct folder_item {
	uint32_t path;
	int h, w;
	uint32_t work_kb : 30, jpeg : 1, needs_rgb : 1;
};

/* Its mask. */
struct folder_mask {
	uint32_t path;
	uint32_t work_kb : 31, ids : 1; /* ids: values are Cityscapes' label ids */
};

/* Paths are relative to root. ref is the index of an item. */
struct folder {
	char *root;
	struct et_pool paths;
	struct folder_item *item;
	size_t n, cap;
	struct folder_mask *mask; /* [n], or NULL: classes by directories */
	size_t mask_cap;
	uint32_t *bad; /* paths of pictures left out because of their masks, or theirs */
	size_t n_bad, bad_cap;
};

/* Adds the picture whose header this is; path is relative to root. */
int et_folder_add(struct et_dataset *ds, const char *path, const struct et_header *head,
		  enum et_split split, int32_t label, struct et_err *err) ET_MUST_CHECK;

/* Finds the pictures below own->root, their classes and splits. */
int et_folder_scan(struct et_dataset *ds, const struct et_dataset_conf *conf,
		   struct et_err *err) ET_MUST_CHECK;

/* ---- masks ----------------------------------------------------------------------------------- */

/* What the scanners of pictures with masks share. */
struct et_pairs {
	struct et_dataset *ds;
	const struct et_dataset_conf *conf;
	struct et_err *err;
	enum et_split split;
	bool ids; /* values of the masks to come are Cityscapes' label ids */
};
/*
 * A picture and its mask, paths relative to root, with the checks of both. mask NULL: there is
 * none, and `why` says so.
 */
int et_pairs_add(struct et_pairs *p, const char *picture, const char *mask,
		 const char *why) ET_MUST_CHECK;

/* ET_EDATA where none was added. */
int et_pairs_any(const struct et_pairs *p) ET_MUST_CHECK;

int et_plain_scan(struct et_pairs *p) ET_MUST_CHECK;
int et_voc_scan(struct et_pairs *p) ET_MUST_CHECK;
int et_cityscapes_scan(struct et_pairs *p) ET_MUST_CHECK;
bool et_plain_detect(const char *path);
bool et_cityscapes_detect(const char *path);
/* Where in path, or below it, VOC's directories are; NULL: not there. The caller frees it. */
char *et_voc_find(const char *path);
/* The class of a Cityscapes label id, ET_MASK_IGNORE for those that do not count, -1 for no id. */
int et_cityscapes_class(int id);

#endif
