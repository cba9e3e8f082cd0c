/* A picture and its mask: the checks of both. */
#include <stdlib.h>
#include <string.h>

#include "data/folder.h"

static int add_mask(struct et_pairs *p, const char *path, size_t work)
{
	struct folder *own = p->ds->own;
	void *masks = own->mask;
	if (!et_grow(&masks, own->n, &own->mask_cap, sizeof(*own->mask)))
		return et_fail(p->err, ET_ENOMEM, "%s: out of memory for masks", own->root);
	own->mask = masks;
	struct folder_mask *m = &own->mask[own->n];
	*m = (struct folder_mask){.work_kb = (uint32_t)(work / 1024 + 1) & 0x7fffffff,
				  .ids = p->ids};
	return et_pool_add(&own->paths, path, &m->path, p->err);
}

static int leave_out(struct et_pairs *p, const char *picture)
{
	struct folder *own = p->ds->own;
	void *bad = own->bad;
	if (!et_grow(&bad, own->n_bad, &own->bad_cap, sizeof(*own->bad)))
		return et_fail(p->err, ET_ENOMEM, "%s: out of memory", own->root);
	own->bad = bad;
	ET_TRY(et_pool_add(&own->paths, picture, &own->bad[own->n_bad], p->err));
	own->n_bad++;
	p->ds->skipped++;
	return ET_OK;
}

/* Headers of both files, given by their full paths; the mask's is work alone. */
static int check_pair(struct et_pairs *p, const char *picture, const char *mask,
		      struct et_header *head, size_t *work)
{
	struct et_header m;
	ET_TRY(et_picture_header(picture, head, p->err));
	ET_TRY(et_mask_header(mask, &m, p->err));
	if (m.h != head->h || m.w != head->w)
		return et_fail(p->err, ET_EDATA,
			       "%s: %d x %d pixels, but its picture %s has %d x %d", mask, m.w, m.h,
			       picture, head->w, head->h);
	*work = m.work;
	return ET_OK;
}

int et_pairs_add(struct et_pairs *p, const char *picture, const char *mask, const char *why)
{
	const struct folder *own = p->ds->own;
	struct et_header head;
	size_t work = 0;
	if (et_stop_asked(p->conf->stop))
		return et_fail(p->err, ET_ESTOP, "%s: stopped while looking for pictures",
			       own->root);
	char *full = et_path_join(own->root, picture);
	char *full_mask = mask ? et_path_join(own->root, mask) : NULL;
	int rc;
	if (!full || (mask && !full_mask))
		rc = et_fail(p->err, ET_ENOMEM, "%s: out of memory", own->root);
	else if (strlen(full) >= PATH_MAX || (mask && strlen(full_mask) >= PATH_MAX))
		rc = et_fail(p->err, ET_EDATA, "a path is too long, more than %d bytes: %.300s",
			     PATH_MAX - 1, full);
	else if (!mask)
		rc = et_fail(p->err, ET_EDATA, "%s: %s", full, why);
	else
		rc = check_pair(p, full, full_mask, &head, &work);
	free(full);
	free(full_mask);
	if (p->conf->skip_bad && et_status_is_bad_picture(rc))
		return leave_out(p, picture);
	ET_TRY(rc);
	ET_TRY(add_mask(p, mask, work));
	return et_folder_add(p->ds, picture, &head, p->split, 0, p->err);
}

int et_pairs_any(const struct et_pairs *p)
{
	const struct folder *own = p->ds->own;
	return own->n ? ET_OK
		      : et_fail(p->err, ET_EDATA, "Found 0 pictures with masks in %s%s", own->root,
				p->ds->skipped ? ", besides those that were left out" : "");
}
