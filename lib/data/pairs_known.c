/* Pictures with masks in the layouts of Pascal VOC and of Cityscapes, whose classes are known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/folder.h"
#include "data/walk.h"

static int add_classes(struct et_pairs *p, const char *const *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ET_TRY(et_dataset_add_class(p->ds, name[i], p->err));
	return ET_OK;
}

/* ---- Pascal VOC ------------------------------------------------------------------------------ */

#define VOC_LISTS "ImageSets/Segmentation"

static const char *const voc_classes[] = {
	"background", "aeroplane", "bicycle",	  "bird",  "boat",	  "bottle", "bus",
	"car",	      "cat",	   "chair",	  "cow",   "diningtable", "dog",    "horse",
	"motorbike",  "person",	   "pottedplant", "sheep", "sofa",	  "train",  "tvmonitor"};

char *et_voc_find(const char *path)
{
	static const char *const below[] = {"", "VOC2012", "VOCdevkit/VOC2012"};
	for (size_t i = 0; i < ET_COUNT(below); i++) {
		char *root = *below[i] ? et_path_join(path, below[i]) : et_strdup(path);
		if (root && et_has_dir(root, "JPEGImages") &&
		    et_has_dir(root, "SegmentationClass") && et_has_dir(root, VOC_LISTS))
			return root;
		free(root);
	}
	return NULL;
}

/* One picture of a list: a line without its ending. */
static int voc_add(struct et_pairs *p, const char *list, size_t line, char *name)
{
	char picture[NAME_MAX + 64], mask[NAME_MAX + 64];
	size_t n = strlen(name);
	while (n && strchr(" \t\r", name[n - 1]))
		name[--n] = '\0';
	if (!n)
		return ET_OK;
	if (n > NAME_MAX || strchr(name, '/'))
		return et_fail(p->err, ET_EDATA,
			       "%s: line %zu: expected the name of a picture, found '%.50s'", list,
			       line, name);
	snprintf(picture, sizeof(picture), "JPEGImages/%s.jpg", name);
	snprintf(mask, sizeof(mask), "SegmentationClass/%s.png", name);
	return et_pairs_add(p, picture, mask, NULL);
}

static int voc_list(struct et_pairs *p, const char *list)
{
	char *text;
	size_t n, line = 0;
	ET_TRY(et_file_read(list, (size_t)1 << 28, &text, &n, p->err));
	int rc = ET_OK;
	for (char *at = text, *next; at && rc == ET_OK; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		rc = voc_add(p, list, ++line, at);
	}
	free(text);
	return rc;
}

int et_voc_scan(struct et_pairs *p)
{
	static const struct {
		const char *name;
		enum et_split split;
	} lists[] = {{VOC_LISTS "/train.txt", ET_SPLIT_TRAIN},
		     {VOC_LISTS "/val.txt", ET_SPLIT_VAL}};
	const struct folder *own = p->ds->own;
	for (size_t i = 0; i < ET_COUNT(lists); i++) {
		char *list = et_path_join(own->root, lists[i].name);
		p->split = lists[i].split;
		int rc = !list			? et_fail(p->err, ET_ENOMEM, "out of memory")
			 : et_path_exists(list) ? voc_list(p, list)
						: ET_OK;
		free(list);
		ET_TRY(rc);
	}
	ET_TRY(et_pairs_any(p));
	return add_classes(p, voc_classes, ET_COUNT(voc_classes));
}

/* ---- Cityscapes ------------------------------------------------------------------------------ */

#define PICTURES "leftImg8bit"
#define LABELS	 "gtFine"
#define ENDING	 "_leftImg8bit.png"

static const char *const cityscapes_classes[] = {
	"road",		"sidewalk",   "building", "wall",	"fence",  "pole",  "traffic light",
	"traffic sign", "vegetation", "terrain",  "sky",	"person", "rider", "car",
	"truck",	"bus",	      "train",	  "motorcycle", "bicycle"};

int et_cityscapes_class(int id)
{
	static const uint8_t counted[] = {7,  8,  11, 12, 13, 17, 19, 20, 21, 22,
					  23, 24, 25, 26, 27, 28, 31, 32, 33};
	for (int i = 0; i < (int)ET_COUNT(counted); i++)
		if (counted[i] == id)
			return i;
	return id <= 33 || id == ET_MASK_IGNORE ? ET_MASK_IGNORE : -1;
}

bool et_cityscapes_detect(const char *path)
{
	return et_has_dir(path, PICTURES) && et_has_dir(path, LABELS);
}

struct city_walk {
	struct et_pairs *pairs;
	struct et_walk walk;
	size_t relative;
};

/* leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png with gtFine/SPLIT/CITY/NAME_gtFine_label*.png */
static int city_found(void *arg)
{
	struct city_walk *c = arg;
	struct et_pairs *p = c->pairs;
	const struct folder *own = p->ds->own;
	char mask[PATH_MAX + 64];
	const char *path = c->walk.path + c->relative;
	size_t n = strlen(path), ending = strlen(ENDING);
	if (n <= ending || strcmp(path + n - ending, ENDING) != 0)
		return et_fail(p->err, ET_EDATA, "%s: expected a name that ends in %s",
			       c->walk.path, ENDING);
	int stem = (int)(n - ending - strlen(PICTURES));
	snprintf(mask, sizeof(mask), "%s%.*s_gtFine_labelTrainIds.png", LABELS, stem,
		 path + strlen(PICTURES));
	char *full = et_path_join(own->root, mask);
	p->ids = full && !et_path_exists(full);
	free(full);
	if (p->ids)
		snprintf(mask, sizeof(mask), "%s%.*s_gtFine_labelIds.png", LABELS, stem,
			 path + strlen(PICTURES));
	return et_pairs_add(p, path, mask, NULL);
}

/* The masks of test/ are not public, and those in their place say nothing: it is left out. */
int et_cityscapes_scan(struct et_pairs *p)
{
	static const struct {
		const char *name;
		enum et_split split;
	} splits[] = {{PICTURES "/train", ET_SPLIT_TRAIN}, {PICTURES "/val", ET_SPLIT_VAL}};
	const struct folder *own = p->ds->own;
	struct city_walk *c = et_calloc(1, sizeof(*c));
	size_t root = strlen(own->root);
	int rc = c ? ET_OK : et_fail(p->err, ET_ENOMEM, "%s: out of memory", own->root);
	for (size_t i = 0; i < ET_COUNT(splits) && rc == ET_OK; i++) {
		*c = (struct city_walk){.pairs = p};
		c->walk.stop = p->conf->stop;
		c->walk.err = p->err;
		c->walk.found = city_found;
		c->walk.arg = c;
		c->relative = own->root[root - 1] == '/' ? root : root + 1;
		memcpy(c->walk.path, own->root, root + 1);
		p->split = splits[i].split;
		rc = et_walk_enter(&c->walk, root, splits[i].name);
		if (rc == ET_OK && et_path_is_dir(c->walk.path))
			rc = et_walk_pictures(&c->walk);
		et_walk_free(&c->walk);
	}
	free(c);
	ET_TRY(rc);
	ET_TRY(et_pairs_any(p));
	return add_classes(p, cityscapes_classes, ET_COUNT(cityscapes_classes));
}
