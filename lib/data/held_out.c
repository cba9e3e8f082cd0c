/* Pictures of train that a dataset without a part to validate on keeps apart. */
#include <stdlib.h>

#include "data/priv.h"

/* Scratch: train's items by class, those of class k at at[start[k]..start[k + 1]). */
struct by_class {
	uint32_t *at, *start, *order;
	bool *held;
};

static void sort_by_class(const struct et_dataset *ds, struct by_class *by)
{
	const struct et_items *train = &ds->split[ET_SPLIT_TRAIN];
	for (size_t i = 0; i < train->n; i++)
		by->start[train->label[i] + 1]++;
	for (int k = 0; k < ds->classes; k++)
		by->start[k + 1] += by->start[k];
	for (size_t i = 0; i < train->n; i++)
		by->at[by->start[train->label[i]]++] = (uint32_t)i;
	/* Each start is now where the next class begins. */
	for (int k = ds->classes; k > 0; k--)
		by->start[k] = by->start[k - 1];
	by->start[0] = 0;
}

/* Marks in held[] the items of one class that leave train. */
static void hold_out_class(const struct by_class *by, uint64_t seed, double fraction, int label)
{
	const uint32_t *at = by->at + by->start[label];
	uint32_t n = by->start[label + 1] - by->start[label];
	if (n < 2)
		return;
	uint32_t out = (uint32_t)(n * fraction + 0.5);
	out = out < n ? out : n - 1;
	et_rng_permutation(seed, ET_STREAM_SPLIT, (uint64_t)label, by->order, n);
	for (uint32_t i = 0; i < out; i++)
		by->held[at[by->order[i]]] = true;
}

/* Moves the marked items of train to val; both keep their order. */
static int move_held(struct et_dataset *ds, const bool *held, struct et_err *err)
{
	struct et_items *train = &ds->split[ET_SPLIT_TRAIN];
	size_t left = 0;
	for (size_t i = 0; i < train->n; i++) {
		if (held[i]) {
			ET_TRY(et_dataset_add(ds, ET_SPLIT_VAL, train->ref[i], train->label[i],
					      err));
			ds->held_out = true;
		} else {
			train->ref[left] = train->ref[i];
			train->label[left++] = train->label[i];
		}
	}
	train->n = left;
	return ET_OK;
}

int et_dataset_hold_out(struct et_dataset *ds, const struct et_dataset_conf *conf,
			struct et_err *err)
{
	const struct et_items *train = &ds->split[ET_SPLIT_TRAIN];
	double fraction = conf->val_fraction;
	if (fraction < 0)
		fraction = ds->split[ET_SPLIT_TEST].n ? 0 : 0.1;
	if (ds->split[ET_SPLIT_VAL].n || fraction == 0 || train->n == 0)
		return ET_OK;
	struct by_class by = {.at = et_calloc(train->n, sizeof(*by.at)),
			      .start = et_calloc((size_t)ds->classes + 1, sizeof(*by.start)),
			      .order = et_calloc(train->n, sizeof(*by.order)),
			      .held = et_calloc(train->n, sizeof(*by.held))};
	int rc = ET_OK;
	if (by.at && by.start && by.order && by.held) {
		sort_by_class(ds, &by);
		for (int label = 0; label < ds->classes; label++)
			hold_out_class(&by, conf->seed, fraction, label);
		rc = move_held(ds, by.held, err);
	} else {
		rc = et_fail(err, ET_ENOMEM, "out of memory for holding out pictures");
	}
	free(by.at);
	free(by.start);
	free(by.order);
	free(by.held);
	return rc;
}
