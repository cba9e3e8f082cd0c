/* What an evaluation found, as text and as CSV. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluation.h"
#include "names.h"

void print_evaluation(FILE *out, const struct et_eval_result *r)
{
	fprintf(out, "accuracy      %.4f\n", r->accuracy);
	if (r->iou)
		fprintf(out, "miou          %.4f\n", r->miou);
	if (!isnan(r->top5))
		fprintf(out, "top5          %.4f\n", r->top5);
	fprintf(out, "loss          %.4f\n", r->loss);
	fprintf(out, "images        %llu\n", (unsigned long long)r->images);
	if (r->iou)
		fprintf(out, "pixels        %llu\n", (unsigned long long)r->labels);
	fprintf(out, "skipped       %llu\n", (unsigned long long)r->skipped);
	fprintf(out, "split         %s\n", r->split);
	fprintf(out, "seconds       %.2f\n", r->seconds);
	fprintf(out, "images_per_s  %.0f\n", r->images_per_s);
}

/* What is labelled as a class, predicted as it, and both. */
struct tally {
	uint64_t labels, predicted, correct;
};

static struct tally tally(const struct et_eval_result *r, size_t class)
{
	size_t n = (size_t)r->classes;
	struct tally t = {.correct = r->confusion[class * n + class]};

	for (size_t k = 0; k < n; k++) {
		t.labels += r->confusion[class * n + k];
		t.predicted += r->confusion[k * n + class];
	}
	return t;
}

static void print_ratio(FILE *out, uint64_t part, uint64_t whole)
{
	if (whole)
		fprintf(out, "  %9.4f", (double)part / (double)whole);
	else
		fprintf(out, "  %9s", "-");
}

void print_classes(FILE *out, const struct et_eval_result *r)
{
	size_t n = (size_t)r->classes, column = strlen("class");
	for (size_t i = 0; i < n; i++)
		if (name_width(r->class_names[i]) > column)
			column = name_width(r->class_names[i]);
	/* Of pixels there are many. */
	int count = r->iou ? 12 : 8;
	fprintf(out, "\n%-*s  %*s  %*s  %9s  %*s  %9s%s\n", (int)column, "class", count,
		r->iou ? "pixels" : "images", count, "correct", "accuracy", r->iou ? count : 9,
		"predicted", "precision", r->iou ? "        iou" : "");
	for (size_t i = 0; i < n; i++) {
		struct tally t = tally(r, i);
		size_t width = name_put(out, r->class_names[i]);
		fprintf(out, "%*s  %*llu  %*llu", (int)(column - width), "", count,
			(unsigned long long)t.labels, count, (unsigned long long)t.correct);
		print_ratio(out, t.correct, t.labels);
		fprintf(out, "  %*llu", r->iou ? count : 9, (unsigned long long)t.predicted);
		print_ratio(out, t.correct, t.predicted);
		if (r->iou)
			print_ratio(out, t.correct, t.labels + t.predicted - t.correct);
		fputc('\n', out);
	}
}

/* ---- CSV ------------------------------------------------------------------------------------- */

/* Puts what `print` says into a file, which is complete or what it was before. */
static int write_csv(const char *path, const struct et_eval_result *r,
		     void (*print)(FILE *out, const struct et_eval_result *r), struct et_err *err)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return et_fail(err, ET_ENOMEM, "%s: no memory to write it", path);
	print(out, r);
	bool failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return et_fail(err, ET_ENOMEM, "%s: no memory to write it", path);
	}
	int status = et_file_write(path, text, size, err);
	free(text);
	return status;
}

static void confusion(FILE *out, const struct et_eval_result *r)
{
	size_t n = (size_t)r->classes;

	fputs("class", out);
	for (size_t i = 0; i < n; i++) {
		fputc(',', out);
		et_csv_text(out, r->class_names[i]);
	}
	fputc('\n', out);
	for (size_t i = 0; i < n; i++) {
		et_csv_text(out, r->class_names[i]);
		for (size_t k = 0; k < n; k++)
			fprintf(out, ",%llu", (unsigned long long)r->confusion[i * n + k]);
		fputc('\n', out);
	}
}

int write_confusion(const char *path, const struct et_eval_result *r, struct et_err *err)
{
	return write_csv(path, r, confusion, err);
}

/* A cell; empty where there is nothing to divide by. */
static void put_share(FILE *out, uint64_t part, uint64_t whole)
{
	fputc(',', out);
	if (whole)
		fprintf(out, "%.6g", (double)part / (double)whole);
}

static void classes(FILE *out, const struct et_eval_result *r)
{
	fprintf(out, "class,%s,correct,accuracy,predicted,precision%s\n",
		r->iou ? "pixels" : "images", r->iou ? ",iou" : "");
	for (size_t i = 0; i < (size_t)r->classes; i++) {
		struct tally t = tally(r, i);
		et_csv_text(out, r->class_names[i]);
		fprintf(out, ",%llu,%llu", (unsigned long long)t.labels,
			(unsigned long long)t.correct);
		put_share(out, t.correct, t.labels);
		fprintf(out, ",%llu", (unsigned long long)t.predicted);
		put_share(out, t.correct, t.predicted);
		if (r->iou)
			put_share(out, t.correct, t.labels + t.predicted - t.correct);
		fputc('\n', out);
	}
}

int write_classes(const char *path, const struct et_eval_result *r, struct et_err *err)
{
	return write_csv(path, r, classes, err);
}
