/* Is there room on the disk for what a run will write? Asked before it trains. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "run/checkpoint.h"
#include "run/trainer.h"

/* Bytes of a row as they usually are, with every cell filled. */
#define STEP_ROW  200
#define EPOCH_ROW 240
#define CLASS_IOU 12

static uint64_t in_blocks(uint64_t bytes, uint64_t block)
{
	return (bytes + block - 1) / block * block;
}

static uint64_t size_of(char *path, uint64_t block)
{
	struct stat st;
	bool is = path && stat(path, &st) == 0 && S_ISREG(st.st_mode);

	free(path);
	return is ? in_blocks((uint64_t)st.st_size, block) : 0;
}

/* What stands there of what is counted anew, and will be replaced or go. */
static uint64_t bytes_there(const char *dir, uint64_t block)
{
	struct et_kept list[ET_KEPT_MAX];
	size_t n = et_kept_list(dir, list, ET_COUNT(list));
	uint64_t sum = size_of(et_path_join(dir, ET_MODEL_FILE), block) +
		       size_of(et_path_join(dir, ET_STATE_FILE), block) +
		       size_of(et_path_join(dir, ET_BEST_FILE), block);

	for (size_t i = 0; i < n; i++)
		for (int p = 0; p < ET_PARTS; p++)
			sum += size_of(et_kept_path(dir, list[i].step, (enum et_part)p), block);
	return sum;
}

/* Steps of all epochs that are left; batches of pictures that will be held out are not taken off.
 */
static uint64_t row_bytes(const struct et_trainer *t)
{
	const struct et_session *s = t->s;
	uint64_t epochs = (uint64_t)s->t.epochs - t->state.epoch;
	uint64_t steps =
		et_ceil_div(et_dataset_count(s->ds, ET_SPLIT_TRAIN), (size_t)s->t.batch_size);
	uint64_t row = EPOCH_ROW;

	if (et_spec_rows(&s->spec) > 1)
		row += CLASS_IOU * (uint64_t)s->spec.classes;
	return epochs * (steps * STEP_ROW + row);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

int et_trainer_room(struct et_trainer *t, struct et_err *err)
{
	const struct et_session *s = t->s;
	uint64_t model, state, keep = (uint64_t)s->t.keep;
	char need_text[32], one_text[32], pair_text[32], best_text[32], free_text[32],
		more[80] = "";
	struct statvfs fs;

	/* What does not say how large it is may be as large as it likes. */
	if (statvfs(t->dir, &fs) < 0 || !fs.f_blocks || !fs.f_frsize)
		return ET_OK;
	ET_TRY(et_checkpoint_bytes(&s->net, &t->state, &model, &state, err));
	uint64_t block = fs.f_frsize, room = (uint64_t)fs.f_bavail * block;
	model = in_blocks(model, block);
	state = in_blocks(state, block);
	/* While one is written those that stay are there as well. */
	uint64_t pair = model + state, there = bytes_there(t->dir, block);
	uint64_t besides = model + (s->cache.file ? s->cache.bytes : 0);
	uint64_t need = less((keep + 1) * pair + besides, there);
	uint64_t one = less(2 * pair + besides, there), rows = row_bytes(t);

	et_human_bytes(need, need_text);
	et_human_bytes(pair, pair_text);
	et_human_bytes(model, best_text);
	et_human_bytes(room, free_text);
	if (need > room) {
		if (keep > 1 && one <= room)
			snprintf(more, sizeof(more), ", or --keep 1, which needs %s",
				 et_human_bytes(one, one_text));
		return et_fail(err, ET_ECREATE,
			       "%s: the disk is too full: %s %s needed (%" PRIu64
			       " checkpoint%s of %s, the one being written, the best one of %s%s), "
			       "%s are free; make room%s",
			       t->dir, need_text, there ? "more are" : "are", keep,
			       keep == 1 ? "" : "s", pair_text, best_text,
			       s->cache.file ? ", the features of --cache" : "", free_text, more);
	}
	et_log(s->env, ET_LOG_INFO,
	       "disk: up to %s for checkpoints, %" PRIu64 " of %s and the best one; %s are free",
	       need_text, keep, pair_text, free_text);
	if (need + rows > room)
		et_log(s->env, ET_LOG_WARNING,
		       "%s: %s are free; rows of all epochs may take %s of it beside the "
		       "checkpoints",
		       t->dir, free_text, et_human_bytes(rows, one_text));
	return ET_OK;
}
