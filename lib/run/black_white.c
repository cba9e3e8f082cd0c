/* Masks in black and white, the trap of segmentation: 255 is no class. */
#include <string.h>

#include "run/run.h"

#define LOOKED_AT 10

void et_session_check_masks(const struct et_session *s, const char *path)
{
	size_t n = et_min(et_dataset_count(s->ds, ET_SPLIT_TRAIN), LOOKED_AT);
	struct et_picture mask = {0};
	bool found[256] = {false};
	struct et_err err;

	for (size_t i = 0; i < n; i++) {
		/* What is wrong with a mask is said when its turn comes. */
		if (et_dataset_load_mask(s->ds, ET_SPLIT_TRAIN, i, &mask, &err))
			continue;
		for (size_t k = 0; k < (size_t)mask.h * (size_t)mask.w; k++)
			found[mask.px[k]] = true;
	}
	et_picture_free(&mask);
	if (s->spec.classes > 1 && found[0] && found[ET_MASK_IGNORE] &&
	    !memchr(found + 1, true, ET_MASK_IGNORE - 1))
		et_log(s->env, ET_LOG_WARNING,
		       "%s: the first %zu masks hold nothing but 0 and 255, and 255 is not "
		       "counted: "
		       "where they are black and white, white has to become 1",
		       path, n);
}
