/* Opening of what a run needs: settings, net, dataset. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

bool et_session_coasts(const struct et_session *s)
{
	const struct et_technique *t = &s->recipe.on[ET_AXIS_STEPS];
	return t->mode && t->mode->coasts && t->mode->coasts(t->opt);
}

/* Micro-batches must not change the result. */
static int check_modes(const struct et_session *s, struct et_err *err)
{
	for (int i = 0; i < s->net.n && et_session_micro(s) < s->t.batch_size; i++)
		for (int axis = 0; axis < ET_AXES; axis++) {
			const struct et_mode *m = s->net.nodes[i].hooks.on.on[axis].mode;
			if (m && m->whole_batch)
				return et_fail(err, ET_EUSAGE,
					       "micro_batch %d of batch_size %d: %s on layer %s "
					       "takes a threshold from the whole batch, so the "
					       "result would differ; use no --micro-batch",
					       s->t.micro_batch, s->t.batch_size, m->name,
					       s->net.nodes[i].name);
		}
	return ET_OK;
}

static int check_batch_norm(const struct et_session *s, struct et_err *err)
{
	int micro = et_session_micro(s);
	bool by_batch = false;

	for (int i = 0; i < s->net.n; i++) {
		const struct et_node *node = &s->net.nodes[i];
		if (!node->bn_batch)
			continue;
		if (micro < s->t.batch_size)
			return et_fail(
				err, ET_EUSAGE,
				"micro_batch %d of batch_size %d: layer %s takes its statistics "
				"from the whole batch, so "
				"the result would differ; use --bn frozen, or no --micro-batch",
				s->t.micro_batch, s->t.batch_size, node->name);
		if ((int64_t)s->t.batch_size * node->out.h * node->out.w == 1)
			return et_fail(err, ET_EUSAGE,
				       "batch_size 1: layer %s would take the statistics of a "
				       "channel from one value; use "
				       "--bn frozen, or a larger batch",
				       node->name);
		by_batch = true;
	}
	if (by_batch && s->t.batch_size == 1)
		et_log(s->env, ET_LOG_WARNING,
		       "batch_size 1 with batch norm on batch statistics: use --bn frozen "
		       "when fine-tuning");
	return ET_OK;
}

int et_session_settings(struct et_session *s, const struct cJSON *train, const struct et_conf *conf,
			struct et_err *err)
{
	ET_TRY(et_machine_ctx(s->env, &s->ctx, err));
	ET_TRY(et_train_read(&s->t, train, conf, err));
	s->ctx.direct = s->t.winograd == 1;
	if (s->batch) {
		s->t.batch_size = s->batch;
		s->t.micro_batch = 0;
	}
	ET_TRY(et_augment_parse(s->t.augment, &s->augment, err));
	s->prep = (struct et_prep){.channels = s->spec.input.c,
				   .height = s->spec.input.h,
				   .width = s->spec.input.w,
				   .resize = s->spec.stretch ? ET_RESIZE_STRETCH : ET_RESIZE_CROP,
				   .crop_pct = s->spec.crop_pct};
	memcpy(s->prep.mean, s->spec.mean, sizeof(s->prep.mean));
	memcpy(s->prep.std, s->spec.std, sizeof(s->prep.std));
	s->val = ET_SPLITS;
	return ET_OK;
}

int et_session_build(struct et_session *s, struct et_err *err)
{
	et_net_free(&s->net);
	ET_TRY(et_net_build(&s->net, &s->spec, &s->ctx, err));
	s->net.want_input_grad = s->input_grad;
	s->net.want_probes = s->net.unchained = s->probing;
	bool frozen = s->t.bn == ET_BN_FROZEN || (s->t.bn == ET_BN_AUTO && s->has_init);
	ET_TRY(et_net_select(&s->net, s->t.trainable, s->t.last, frozen, err));
	s->net.loaded = s->has_init;
	ET_TRY(et_net_set_modes(&s->net, s->t.mode, s->t.modes, &s->recipe, err));
	s->net.loss.smoothing = (float)s->t.label_smoothing;
	s->net.loss.weight = s->class_weight;
	/* Nothing but SGD's step may want to see a gradient. */
	s->net.fuse_update = s->t.optimizer == ET_SGD && s->t.clip_norm <= 0 &&
			     et_session_micro(s) >= s->t.batch_size && !et_session_coasts(s) &&
			     !s->probing && !s->batch;
	ET_TRY(check_modes(s, err));
	return check_batch_norm(s, err);
}

int et_session_net(struct et_session *s, const struct cJSON *train, const struct et_conf *conf,
		   struct et_err *err)
{
	ET_TRY(et_session_settings(s, train, conf, err));
	return et_session_build(s, err);
}

/* ---- dataset --------------------------------------------------------------------------------- */

/* run.json holds the names of the classes, and JSON holds UTF-8. */
static int check_class_names(const struct et_session *s, const char *path, struct et_err *err)
{
	for (int k = 0; k < s->spec.classes; k++) {
		const char *name = et_dataset_class_name(s->ds, k);
		size_t left = strlen(name), used;
		for (uint32_t cp; left; name += used, left -= used) {
			used = et_utf8_next(name, left, &cp);
			if (!used)
				return et_fail(err, ET_EDATA,
					       "%s: the name of class %d, '%s', is not UTF-8", path,
					       k, et_dataset_class_name(s->ds, k));
		}
	}
	return ET_OK;
}

/* A run goes on from another directory, too. */
static void resolve_subset(struct et_session *s)
{
	char *full = *s->t.subset ? realpath(s->t.subset, NULL) : NULL;

	if (!full)
		return;
	free(s->t.subset);
	s->t.subset = full;
}

/* One label a picture, or one a pixel? */
static int check_end(const struct et_session *s, const char *path, struct et_err *err)
{
	const struct et_layer_desc *end = &s->spec.layers[s->spec.n - 1];
	const struct et_shape *in = &s->spec.input;
	bool masks = et_dataset_has_masks(s->ds), one = et_spec_rows(&s->spec) == 1;

	if (masks ? !one && end->out.h == in->h && end->out.w == in->w : one)
		return ET_OK;
	if (!masks)
		return et_fail(err, ET_EDATA,
			       "%s: has one class a picture, but the last layer of %s, %s, gives "
			       "%dx%d vectors of logits: add global_avgpool2d, or flatten and "
			       "linear; masks would be in images/ and masks/",
			       path, s->spec.path, end->name, end->out.h, end->out.w);
	return et_fail(
		err, ET_EDATA,
		"%s: has masks, a class a pixel of %dx%d, but the last layer of %s, %s, "
		"gives %dx%d vectors of logits: end it in upsample2d with \"size\": [%d, %d]",
		path, in->h, in->w, s->spec.path, end->name, end->out.h, end->out.w, in->h, in->w);
}

/* As many classes as the dataset has; of a run as many as it was started with. */
static int follow_classes(struct et_session *s, const char *path, struct et_err *err)
{
	int classes = et_dataset_classes(s->ds), before = s->spec.classes;

	if (classes == before)
		return ET_OK;
	if (s->is_run)
		return et_fail(err, ET_EDATA, "%s: has %d classes, but the run %s has %d", path,
			       classes, s->spec.path, before);
	et_net_free(&s->net);
	if (et_spec_set_classes(&s->spec, classes, err) < 0)
		return et_err_prefix(err, "%s: has %d classes", path, classes);
	et_log(s->env, ET_LOG_INFO, "%d classes in %s, the spec says %d: the classifier has %d",
	       classes, path, before, classes);
	return et_session_build(s, err);
}

int et_session_data(struct et_session *s, const char *path, struct et_err *err)
{
	struct et_dataset_conf conf = {.subset = *s->t.subset && !s->whole ? s->t.subset : NULL,
				       .val_fraction = s->t.val_fraction,
				       .seed = (uint64_t)s->t.seed,
				       .skip_bad = s->t.on_bad_image == 1,
				       .classes =
					       s->spec.follows && !s->is_run ? 0 : s->spec.classes,
				       .stop = s->env->stop};

	ET_TRY(et_dataset_open(&s->ds, path, &conf, err));
	ET_TRY(check_end(s, path, err));
	ET_TRY(follow_classes(s, path, err));
	ET_TRY(check_class_names(s, path, err));
	if (et_dataset_count(s->ds, ET_SPLIT_VAL))
		s->val = ET_SPLIT_VAL;
	else if (et_dataset_count(s->ds, ET_SPLIT_TEST))
		s->val = ET_SPLIT_TEST;
	if (et_dataset_skipped(s->ds))
		et_log(s->env, ET_LOG_WARNING,
		       "%zu pictures left out: their headers cannot be read%s",
		       et_dataset_skipped(s->ds),
		       et_dataset_has_masks(s->ds) ? ", or their masks do not fit" : "");
	if (et_dataset_has_masks(s->ds))
		et_session_check_masks(s, path);
	resolve_subset(s);
	return et_session_class_weights(s, err);
}

const char *et_session_val_name(const struct et_session *s)
{
	if (s->val == ET_SPLITS)
		return NULL;
	if (s->val == ET_SPLIT_TEST)
		return "test";
	return et_dataset_held_out(s->ds) ? "held out" : "val";
}

int et_session_micro(const struct et_session *s)
{
	return s->t.micro_batch ? s->t.micro_batch : s->t.batch_size;
}

struct et_loader_conf et_session_loader(const struct et_session *s, enum et_split split,
					bool training)
{
	struct et_loader_conf c = {
		.ds = s->ds,
		.split = split,
		.prep = s->prep,
		.batch_size = (size_t)(training ? s->t.batch_size : et_session_micro(s)),
		.shuffle = training,
		.seed = (uint64_t)s->t.seed,
		.skip_bad = s->t.on_bad_image == 1,
		.ignore = s->spec.ignore_index,
		.workers = et_machine_workers(s->env),
		.depth = 2, /* one in use, one ahead */
		.stop = s->env->stop};
	if (training)
		c.augment = s->augment;
	return c;
}

void et_session_close(struct et_session *s)
{
	et_net_free(&s->net);
	et_dataset_close(s->ds);
	et_train_free(&s->t);
	et_spec_free(&s->spec);
	free(s->class_weight);
	memset(s, 0, sizeof(*s));
}
