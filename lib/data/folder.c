/* A directory of pictures for each class, below train/ val/ test/ or not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/folder.h"

static bool folder_detect(const char *path)
{
	(void)path;
	return true;
}

static int folder_open(struct et_dataset *ds, const char *path, const struct et_dataset_conf *conf,
		       struct et_err *err)
{
	struct folder *own = et_calloc(1, sizeof(*own));
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n >= PATH_MAX) {
		free(own);
		return et_fail(err, ET_EDATA, "a path is too long, more than %d bytes: %.300s",
			       PATH_MAX - 1, path);
	}
	ds->own = own;
	if (!own || !(own->root = et_asprintf("%.*s", (int)n, path)))
		return et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	ET_TRY(et_folder_scan(ds, conf, err));
	own->paths.text = et_trim(own->paths.text, own->paths.cap = own->paths.used);
	own->item = et_trim(own->item, own->n * sizeof(*own->item));
	own->cap = own->n;
	return ET_OK;
}

static void folder_close(struct et_dataset *ds)
{
	struct folder *own = ds->own;
	if (!own)
		return;
	free(own->root);
	free(own->paths.text);
	free(own->item);
	free(own);
}

/* Paths were checked for length when they were found. */
static void folder_name(const struct et_dataset *ds, uint32_t ref, bool relative, char *buf,
			size_t n)
{
	const struct folder *own = ds->own;
	const char *path = own->paths.text + own->item[ref].path;
	bool slash = own->root[strlen(own->root) - 1] == '/';
	if (relative)
		snprintf(buf, n, "%s", path);
	else
		snprintf(buf, n, "%s%s%s", own->root, slash ? "" : "/", path);
}

static int folder_load(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
		       struct et_picture *out, struct et_err *err)
{
	char path[PATH_MAX];
	folder_name(ds, ref, false, path, sizeof(path));
	return et_picture_decode(path, c, want_h, want_w, out, err);
}

static void folder_extent(const struct et_dataset *ds, uint32_t ref, int c, int want_h, int want_w,
			  struct et_extent *e)
{
	const struct folder *own = ds->own;
	const struct folder_item *item = &own->item[ref];
	struct et_header head = {.h = item->h,
				 .w = item->w,
				 .jpeg = item->jpeg,
				 .needs_rgb = item->needs_rgb,
				 .work = (size_t)item->work_kb * 1024};
	e->buffer = et_header_extent(&head, c, want_h, want_w, &e->h, &e->w);
	e->work = head.work;
}

static bool folder_is_bad(const struct et_dataset *ds, const char *path)
{
	const struct folder *own = ds->own;
	struct et_header head;
	struct stat st; /* of a link itself: one to nothing was left out, too */
	char *full = et_path_join(own->root, path);
	bool bad = full && lstat(full, &st) == 0 &&
		   et_status_is_bad_picture(et_picture_header(full, &head, NULL));
	free(full);
	return bad;
}

static size_t folder_bytes(const struct et_dataset *ds)
{
	const struct folder *own = ds->own;
	return sizeof(*own) + strlen(own->root) + 1 + own->paths.cap +
	       own->cap * sizeof(*own->item);
}

const struct et_format et_format_folder = {.name = "folder",
					   .detect = folder_detect,
					   .open = folder_open,
					   .close = folder_close,
					   .load = folder_load,
					   .name_item = folder_name,
					   .extent = folder_extent,
					   .bytes = folder_bytes,
					   .paths = true,
					   .is_bad = folder_is_bad};
