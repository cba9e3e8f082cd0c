/* Private to run: masks of pictures, as predict writes them. */
#ifndef ET_RUN_MASKS_H
#define ET_RUN_MASKS_H

#include "run/run.h"

struct et_masks;
/*
 * For the pictures of s, whose spec gives logits for pixels. Says what cannot be: two pictures with
 * one mask, or masks among the pictures. Makes the directory. ET_EUSAGE, ET_ECREATE.
 */
int et_masks_open(struct et_masks **m, const struct et_session *s, const char *dir, bool overlay,
		  struct et_err *err) ET_MUST_CHECK;
void et_masks_close(struct et_masks *m);
/* The most that it takes, with what lies in it. */
uint64_t et_masks_bytes(const struct et_session *s, bool overlay);

/*
 * Writes the mask of a picture, by its logits [p,q,classes], and the overlay. Fills in the files'
 * names, good until the next call, and the share of each class in the pixels that were seen, by
 * class, all of them: share[classes].
 */
int et_masks_write(struct et_masks *m, const char *picture, const float *logits, double *share,
		   const char **mask, const char **overlay, struct et_err *err) ET_MUST_CHECK;

#endif
