/* Evaluation of one split; and et_eval. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/cache.h"

/* Counts predictions: the confusion matrix, and labels among the five largest logits. */
static void count_rows(const struct et_session *s, const float *logits, const struct et_batch *b,
		       uint64_t *confusion, uint64_t *top5)
{
	int k = s->spec.classes;

	for (size_t i = 0; i < b->n; i++) {
		const float *row = logits + i * (size_t)k;
		int label = b->label[i], best = 0, above = 0;
		for (int j = 0; j < k; j++) {
			best = row[j] > row[best] ? j : best;
			/* Equal logits rank in the order of classes. */
			above += row[j] > row[label] || (row[j] == row[label] && j < label);
		}
		if (confusion)
			confusion[(size_t)label * (size_t)k + (size_t)best]++;
		*top5 += above < 5;
	}
}

static double share(uint64_t part, uint64_t all)
{
	return all ? (double)part / (double)all : NAN;
}

/* Counts predictions of pixels: the first of the largest logits. */
static void count_pixels(const struct et_session *s, const float *logits, const struct et_batch *b,
			 uint64_t *confusion)
{
	int k = s->spec.classes;

	for (size_t i = 0; confusion && i < b->n * b->rows; i++) {
		const float *row = logits + i * (size_t)k;
		int label = b->label[i], best = 0;
		if (label == s->net.loss.ignore)
			continue;
		for (int j = 1; j < k; j++)
			best = row[j] > row[best] ? j : best;
		confusion[(size_t)label * (size_t)k + (size_t)best]++;
	}
}

int et_evaluate(struct et_session *s, struct et_loader *loader, struct et_score *score,
		void (*progress)(void *arg, const struct et_progress *p), void *arg,
		struct et_progress *p, struct et_err *err)
{
	const struct et_batch *b;
	struct et_loss_sum sum = {0};
	struct et_loss loss = s->net.loss;
	uint64_t top5 = 0;
	bool pixels = et_spec_rows(&s->spec) > 1;
	double weight = 0, begun = et_now();
	int got;

	/* The plain loss: smoothing and class weights belong to training. */
	s->net.loss.smoothing = 0;
	s->net.loss.weight = NULL;
	score->images = score->labels = score->skipped = 0;
	got = et_loader_start(loader, 0, 0, err);
	p->phase = ET_PHASE_EVAL;
	p->batches = et_loader_batches(loader);
	while (!got && (got = et_loader_next(loader, &b, err)) == 1) {
		struct et_pass pass = {.x = b->x, .n = (int)b->n};
		struct et_cache *cache = s->val_cache;
		got = 0;
		if (et_stopped(s->env)) {
			got = et_fail(err, ET_ESTOP, "stopped");
		} else if (b->n) {
			et_cache_begin(cache, b, 0, et_shape_count(s->spec.input), &pass);
			const float *logits = et_net_forward(&s->net, &pass);
			et_cache_end(cache, b, 0, &pass);
			double norm = et_loss_norm(&s->net.loss, b->n * b->rows, b->label);
			struct et_loss_sum part = {0};
			if (norm > 0)
				et_net_loss(&s->net, &pass, b->label, norm, false, &part);
			sum.loss += part.loss * norm;
			sum.correct += part.correct;
			weight += norm;
			if (pixels)
				count_pixels(s, logits, b, score->confusion);
			else
				count_rows(s, logits, b, score->confusion, &top5);
			score->images += b->n;
			score->labels += part.rows;
		}
		score->skipped += b->skipped;
		p->batch = b->number + 1;
		et_loader_done(loader, b);
		p->loss = weight > 0 ? sum.loss / weight : NAN;
		p->accuracy = share(sum.correct, score->labels);
		p->images_per_s = (double)score->images / fmax(et_now() - begun, 1e-9);
		if (progress && !got)
			progress(arg, p);
	}
	s->net.loss = loss;
	score->loss = weight > 0 ? sum.loss / weight : NAN;
	score->accuracy = share(sum.correct, score->labels);
	score->top5 = s->spec.classes > 5 && !pixels ? share(top5, score->labels) : NAN;
	return got < 0 ? got : ET_OK;
}

/* ---- et_eval --------------------------------------------------------------------------------- */

static int open_model(struct et_session *s, const struct et_eval *eval, struct et_run_info *info,
		      char **weights, struct et_err *err)
{
	bool run = et_path_is_dir(eval->model);
	const struct cJSON *train;

	s->is_run = run;
	if (run) {
		ET_TRY(et_run_read(eval->model, info, err));
		ET_TRY(et_spec_parse(&s->spec, info->spec_text, strlen(info->spec_text),
				     eval->model, err));
		train = info->train;
	} else {
		ET_TRY(et_spec_read(&s->spec, eval->model, err));
		train = s->spec.train;
		if (!eval->weights)
			return et_fail(err, ET_EUSAGE,
				       "%s is a spec: evaluating it needs --weights FILE; or name "
				       "a run directory",
				       eval->model);
	}
	*weights = eval->weights ? et_strdup(eval->weights)
				 : et_path_join(eval->model, "model.safetensors");
	if (!*weights)
		return et_fail(err, ET_ENOMEM, "out of memory");
	ET_TRY(et_session_net(s, train, NULL, err));
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

static int eval_session(struct et_session *s, const struct et_eval *eval, struct et_run_info *info,
			char **weights, struct et_eval_result *r, struct et_err *err)
{
	struct et_plan plan;

	ET_TRY(open_model(s, eval, info, weights, err));
	ET_TRY(open_split(s, eval, &r->split, err));
	ET_TRY(et_session_fits(s, false, &plan, err));
	ET_TRY(et_net_alloc(&s->net, err));
	et_net_init(&s->net, 0);
	ET_TRY(et_session_load(s, *weights, err));
	return score_split(s, eval, r, err);
}

int et_eval(const struct et_env *env, const struct et_eval *eval, struct et_eval_result *result,
	    struct et_err *err)
{
	struct et_session s = {.env = env, .has_init = true};
	struct et_run_info info = {0};
	char *weights = NULL;

	memset(result, 0, sizeof(*result));
	int status = eval_session(&s, eval, &info, &weights, result, err);
	et_session_close(&s);
	et_run_info_free(&info);
	free(weights);
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
