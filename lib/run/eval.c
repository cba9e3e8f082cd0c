/* et_eval: how good a trained network is on a part of a dataset. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

static int open_model(struct et_session *s, const struct et_eval *eval, struct et_model_files *f,
		      struct et_err *err)
{
	const struct et_model model = {
		.model = eval->model, .weights = eval->weights, .best = eval->best};

	ET_TRY(et_model_open(s, &model, f, err));
	ET_TRY(et_session_net(s, s->is_run ? f->info.train : s->spec.train, NULL, err));
	if (eval->batch_size > 0) {
		s->t.batch_size = eval->batch_size;
		s->t.micro_batch = 0;
	}
	if (eval->skip_bad)
		s->t.on_bad_image = 1;
	return ET_OK;
}

static int choose_split(struct et_session *s, const char *name, const char **chosen,
			struct et_err *err)
{
	static const struct {
		const char *name;
		enum et_split split;
	} splits[] = {{"test", ET_SPLIT_TEST}, {"val", ET_SPLIT_VAL}, {"train", ET_SPLIT_TRAIN}};

	for (size_t i = 0; i < ET_COUNT(splits); i++) {
		if (name ? strcmp(name, splits[i].name) != 0
			 : !et_dataset_count(s->ds, splits[i].split))
			continue;
		if (!et_dataset_count(s->ds, splits[i].split))
			return et_fail(err, ET_EDATA, "the dataset has no pictures in its %s split",
				       name);
		s->val = splits[i].split;
		*chosen = splits[i].name;
		return ET_OK;
	}
	return et_fail(err, ET_EUSAGE, "split: expected train, val or test, found '%.50s'",
		       name ? name : "");
}

/*
 * A subset concerns what is in train and what was held out of it. Other splits do without, so that
 * a run can be evaluated when the list is gone, and on other data.
 */
static int open_split(struct et_session *s, const struct et_eval *eval, const char **chosen,
		      struct et_err *err)
{
	s->whole = true;
	ET_TRY(et_session_data(s, eval->data, err));
	ET_TRY(choose_split(s, eval->split, chosen, err));
	bool listed =
		s->val == ET_SPLIT_TRAIN || (s->val == ET_SPLIT_VAL && et_dataset_held_out(s->ds));
	if (!listed || !*s->t.subset)
		return ET_OK;
	et_dataset_close(s->ds);
	s->ds = NULL;
	s->whole = false;
	ET_TRY(et_session_data(s, eval->data, err));
	return choose_split(s, eval->split, chosen, err);
}

/* The whole evaluation, with the threads of one team standing by. */
struct scoring {
	struct et_session *s;
	const struct et_eval *eval;
	struct et_loader *loader;
	struct et_score score;
	struct et_progress p;
	struct et_err *err;
	int status;
};

static void run_scoring(void *arg)
{
	struct scoring *j = arg;
	j->status = et_evaluate(j->s, j->loader, &j->score, j->eval->progress, j->eval->arg, &j->p,
				j->err);
}

static int score_split(struct et_session *s, const struct et_eval *eval, struct et_eval_result *r,
		       struct et_err *err)
{
	struct et_loader_conf conf = et_session_loader(s, s->val, false);
	struct scoring j = {.s = s, .eval = eval, .p = {.eta_s = -1}, .err = err};
	size_t k = (size_t)s->spec.classes;

	r->classes = s->spec.classes;
	r->class_names = et_calloc(k, sizeof(char *));
	r->confusion = et_calloc(k * k, sizeof(*r->confusion));
	r->iou = et_spec_rows(&s->spec) > 1 ? et_calloc(k, sizeof(*r->iou)) : NULL;
	if (!r->class_names || !r->confusion || (et_spec_rows(&s->spec) > 1 && !r->iou))
		return et_fail(err, ET_ENOMEM, "out of memory");
	for (size_t i = 0; i < k; i++)
		if (!(r->class_names[i] = et_strdup(et_dataset_class_name(s->ds, (int)i))))
			return et_fail(err, ET_ENOMEM, "out of memory");
	j.score.confusion = r->confusion;
	ET_TRY(et_loader_open(&j.loader, &conf, err));
	double begun = et_now();
	et_team_run(&s->net.ctx, run_scoring, &j);
	et_loader_close(j.loader);
	r->seconds = et_now() - begun;
	r->images = j.score.images;
	r->skipped = j.score.skipped + et_dataset_skipped(s->ds);
	r->loss = j.score.loss;
	r->labels = j.score.labels;
	r->accuracy = j.score.accuracy;
	r->miou = et_spec_rows(&s->spec) > 1 ? et_iou(r->confusion, r->classes, r->iou) : NAN;
	r->top5 = j.score.top5;
	r->images_per_s = (double)j.score.images / fmax(r->seconds, 1e-9);
	return j.status;
}

static int eval_session(struct et_session *s, const struct et_eval *eval, struct et_model_files *f,
			struct et_eval_result *r, struct et_err *err)
{
	struct et_plan plan;

	ET_TRY(open_model(s, eval, f, err));
	ET_TRY(open_split(s, eval, &r->split, err));
	ET_TRY(et_session_fits(s, false, &plan, err));
	ET_TRY(et_net_alloc(&s->net, err));
	ET_TRY(et_session_load(s, f->weights, err));
	return score_split(s, eval, r, err);
}

int et_eval(const struct et_env *env, const struct et_eval *eval, struct et_eval_result *result,
	    struct et_err *err)
{
	struct et_session s = {.env = env};
	struct et_model_files files = {0};

	memset(result, 0, sizeof(*result));
	int status = eval_session(&s, eval, &files, result, err);
	et_session_close(&s);
	et_model_close(&files);
	if (status)
		et_eval_free(result);
	return status;
}

void et_eval_free(struct et_eval_result *r)
{
	for (int i = 0; r->class_names && i < r->classes; i++)
		free(r->class_names[i]);
	free(r->class_names);
	free(r->confusion);
	free(r->iou);
	r->class_names = NULL;
	r->confusion = NULL;
	r->iou = NULL;
}
