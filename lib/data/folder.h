/* What folder.c and folder_scan.c share. */
#ifndef ET_DATA_FOLDER_H
#define ET_DATA_FOLDER_H

#include "data/priv.h"

/* A picture: where its path begins in the pool, and its header. */
struct folder_item {
	uint32_t path;
	int h, w;
	uint32_t work_kb : 30, jpeg : 1, needs_rgb : 1;
};

/* Paths are relative to root. ref is the index of an item. */
struct folder {
	char *root;
	struct et_pool paths;
	struct folder_item *item;
	size_t n, cap;
};

/* Finds the pictures below own->root, their classes and splits. */
int et_folder_scan(struct et_dataset *ds, const struct et_dataset_conf *conf,
		   struct et_err *err) ET_MUST_CHECK;

#endif
