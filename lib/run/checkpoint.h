/* Private to run: the files of checkpoints, and those that are kept beside the latest one. */
#ifndef ET_RUN_CHECKPOINT_H
#define ET_RUN_CHECKPOINT_H

#include "run/run.h"

#define ET_MODEL_FILE "model.safetensors"
#define ET_STATE_FILE "state.safetensors"
#define ET_BEST_FILE  "best.safetensors"
#define ET_KEPT_DIR   "checkpoints"
#define ET_KEPT_MAX   1024 /* more than `keep` can be */

enum et_part { ET_PART_MODEL, ET_PART_STATE, ET_PARTS };

struct et_kept {
	uint64_t step;
	bool has[ET_PARTS];
};

/* The path of one file of the pair kept of a step, on the heap. */
char *et_kept_path(const char *dir, uint64_t step, enum et_part part);
/* What is kept, whole or not, the newest first; returns how many. */
size_t et_kept_list(const char *dir, struct et_kept *list, size_t max);
/* Keeps the latest pair under its step; where there are no links it is gone from its place. */
int et_kept_add(const char *dir, uint64_t step, struct et_err *err) ET_MUST_CHECK;
/* Puts what there is of a kept pair in the place of the latest one. */
int et_kept_restore(const char *dir, const struct et_kept *pair, struct et_err *err) ET_MUST_CHECK;
/* Puts back what et_kept_add() moved, if it is missing. */
void et_kept_undo(const char *dir, uint64_t step);
/*
 * Removes all but the newest `stay` pairs, those of later steps than `upto` and halves of pairs;
 * and the directory when nothing is left in it.
 */
void et_kept_prune(const char *dir, uint64_t upto, size_t stay);

/* What the file of a state says besides the moments. */
#define ET_STATE_TEXTS 29
struct et_state_meta {
	char text[ET_STATE_TEXTS][40];
	const char *pairs[2 * ET_STATE_TEXTS];
	uint64_t bytes; /* of the whole file */
};
int et_state_meta(struct et_state_meta *m, const struct et_net *net, const struct et_state *s,
		  uint32_t model_crc, uint64_t model_bytes, struct et_err *err) ET_MUST_CHECK;
/* ET_EDATA when a bit of the file is not what was written. */
int et_state_parse(const struct et_st *st, struct et_state *s, struct et_err *err) ET_MUST_CHECK;

#endif
