/* Weights of classes in the loss. */
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

/* Labels of each class in the masks of train, those at their own size. */
static int count_masks(const struct et_session *s, uint64_t *count, struct et_err *err)
{
	size_t n = et_dataset_count(s->ds, ET_SPLIT_TRAIN);
	struct et_picture mask = {0};
	int status = ET_OK;

	for (size_t i = 0; i < n && !status; i++) {
		status = et_stopped(s->env)
				 ? et_fail(err, ET_ESTOP, "stopped while counting the classes")
				 : et_dataset_load_mask(s->ds, ET_SPLIT_TRAIN, i, &mask, err);
		size_t pixels = status ? 0 : (size_t)mask.h * (size_t)mask.w;
		for (size_t k = 0; k < pixels; k++)
			if (mask.px[k] != ET_MASK_IGNORE)
				count[mask.px[k]]++;
		/* What training leaves out is left out here. */
		if (s->t.on_bad_image == 1 && (status == ET_EDATA || status == ET_ENOINPUT))
			status = ET_OK;
	}
	et_picture_free(&mask);
	return status;
}

static int count_labels(const struct et_session *s, uint64_t *count, struct et_err *err)
{
	if (et_dataset_has_masks(s->ds))
		return count_masks(s, count, err);
	for (size_t i = 0; i < et_dataset_count(s->ds, ET_SPLIT_TRAIN); i++)
		count[et_dataset_label(s->ds, ET_SPLIT_TRAIN, i)]++;
	return ET_OK;
}

/* Inverse frequency: labels / (classes * labels of the class), as sklearn's "balanced". */
static int weights_auto(struct et_session *s, struct et_err *err)
{
	uint64_t *count = et_calloc((size_t)s->spec.classes, sizeof(*count)), n = 0;

	if (!count)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = count_labels(s, count, err);
	for (int k = 0; k < s->spec.classes; k++)
		n += count[k];
	for (int k = 0; k < s->spec.classes; k++)
		s->class_weight[k] =
			count[k] ? (float)((double)n / ((double)s->spec.classes * (double)count[k]))
				 : 0;
	free(count);
	return status;
}

static int weights_file(struct et_session *s, const char *path, struct et_err *err)
{
	char *text, *save = NULL;
	size_t n;
	int k = 0, status = ET_OK;

	ET_TRY(et_file_read(path, 1 << 20, &text, &n, err));
	for (char *word = strtok_r(text, " \t\r\n,", &save); word && !status;
	     word = strtok_r(NULL, " \t\r\n,", &save)) {
		double v;
		if (!et_parse_f64(word, &v) || !(v >= 0) || v > 1e6)
			status = et_fail(
				err, ET_EDATA,
				"%s: class weights: expected numbers from 0 to 1e6, found '%.50s'",
				path, word);
		else if (k < s->spec.classes)
			s->class_weight[k++] = (float)v;
		else
			k++;
	}
	if (!status && k != s->spec.classes)
		status = et_fail(err, ET_EDATA,
				 "%s: class weights: expected %d numbers, one a class; found %d",
				 path, s->spec.classes, k);
	free(text);
	return status;
}

static int read_class_weights(struct et_session *s, struct et_err *err)
{
	bool balance = strcmp(s->t.class_weights, "auto") == 0;

	if (s->class_weight || strcmp(s->t.class_weights, "none") == 0)
		return ET_OK;
	if (balance && !s->ds)
		return et_fail(err, ET_EUSAGE,
			       "class_weights auto counts the pictures of a dataset, and here is "
			       "none: expected a file, or none");
	s->class_weight = et_calloc((size_t)s->spec.classes, sizeof(float));
	if (!s->class_weight)
		return et_fail(err, ET_ENOMEM, "out of memory");
	return balance ? weights_auto(s, err) : weights_file(s, s->t.class_weights, err);
}

int et_session_class_weights(struct et_session *s, struct et_err *err)
{
	ET_TRY(read_class_weights(s, err));
	s->net.loss.weight = s->class_weight;
	return ET_OK;
}
