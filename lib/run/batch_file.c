/* A batch in a file: pictures as numbers, and their labels. All in it is checked. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

/* Most images, as of the setting batch_size. */
#define IMAGES_MAX 65536
/* Most numbers of a tensor, so that sizes in bytes are in range. */
#define COUNT_MAX (SIZE_MAX / sizeof(int64_t))

static int find(const struct et_st *st, const char *name, const struct et_st_tensor **t,
		struct et_err *err)
{
	*t = et_st_find(st, name);
	return *t ? ET_OK
		  : et_fail(err, ET_EDATA, "%s: expected a tensor \"%s\", found none", st->path,
			    name);
}

/* Is it [n, then the given sides]? */
static bool has_shape(const struct et_st_tensor *t, uint64_t n, const int *sides, int n_sides)
{
	bool same = t->rank == n_sides + 1 && t->shape[0] == n;
	for (int i = 0; i < n_sides && same; i++)
		same = t->shape[i + 1] == (uint64_t)sides[i];
	return same;
}

static int check_input(struct et_batch_file *b, const struct et_spec *spec, struct et_err *err)
{
	const struct et_st_tensor *t = b->input;
	const int sides[] = {spec->input.c, spec->input.h, spec->input.w};
	char found[128];

	if (t->dtype != ET_F32)
		return et_fail(err, ET_EDATA, "%s: tensor \"input\": expected dtype F32, found %s",
			       b->st.path, t->dtype_name);
	if (t->rank != 4 || !has_shape(t, t->shape[0], sides, 3))
		return et_fail(err, ET_EDATA,
			       "%s: tensor \"input\": expected shape [N,%d,%d,%d] for %s, found %s",
			       b->st.path, sides[0], sides[1], sides[2], spec->path,
			       et_st_shape_text(t->rank, t->shape, found));
	if (t->shape[0] < 1 || t->shape[0] > IMAGES_MAX)
		return et_fail(err, ET_EDATA,
			       "%s: tensor \"input\": expected 1 to %d images, found %" PRIu64,
			       b->st.path, IMAGES_MAX, t->shape[0]);
	b->n = (int)t->shape[0];
	return ET_OK;
}

static int check_target(struct et_batch_file *b, const struct et_spec *spec, struct et_err *err)
{
	const struct et_st_tensor *t = b->target;
	struct et_shape out = spec->layers[spec->n - 1].out;
	const int sides[] = {out.h, out.w};
	int n_sides = out.h == 1 && out.w == 1 ? 0 : 2;
	uint64_t want[3] = {(uint64_t)b->n, (uint64_t)out.h, (uint64_t)out.w};
	char expected[128], found[128];

	if (t->dtype != ET_I64 && t->dtype != ET_I32)
		return et_fail(err, ET_EDATA,
			       "%s: tensor \"target\": expected dtype I64 or I32, found %s",
			       b->st.path, t->dtype_name);
	if (!has_shape(t, want[0], sides, n_sides))
		return et_fail(err, ET_EDATA, "%s: tensor \"target\": expected shape %s, found %s",
			       b->st.path, et_st_shape_text(n_sides + 1, want, expected),
			       et_st_shape_text(t->rank, t->shape, found));
	b->rows = (size_t)t->count;
	return ET_OK;
}

int et_batch_file_open(struct et_batch_file *b, const char *path, const struct et_spec *spec,
		       struct et_err *err)
{
	memset(b, 0, sizeof(*b));
	ET_TRY(et_st_open(&b->st, path, err));
	int status = find(&b->st, "input", &b->input, err);
	if (!status)
		status = find(&b->st, "target", &b->target, err);
	if (!status)
		status = check_input(b, spec, err);
	if (!status)
		status = check_target(b, spec, err);
	if (!status && (b->input->count > COUNT_MAX || b->target->count > COUNT_MAX))
		status = et_fail(err, ET_EFIT, "%s: exceeds the addresses of this machine", path);
	if (status)
		et_batch_file_close(b);
	return status;
}

void et_batch_file_bytes(const struct et_batch_file *b, uint64_t *kept, uint64_t *loading)
{
	uint64_t x = b->input->count * sizeof(float);

	*kept = x + b->rows * sizeof(int32_t);
	*loading = et_max(x, b->rows * sizeof(int64_t));
}

/* ---- numbers --------------------------------------------------------------------------------- */

static int load_input(struct et_batch_file *b, const struct et_ctx *x, const struct et_spec *spec,
		      struct et_err *err)
{
	size_t n = (size_t)b->input->count, bad = 0;
	float *nchw = et_calloc(n, sizeof(float));

	b->x = et_calloc(n, sizeof(float));
	int status = nchw && b->x ? et_st_read_f32(&b->st, b->input, nchw, err)
				  : et_fail(err, ET_ENOMEM, "out of memory");
	while (!status && bad < n && isfinite(nchw[bad]))
		bad++;
	if (!status && bad < n)
		status = et_fail(err, ET_EDATA,
				 "%s: tensor \"input\": element %zu is %g, not a finite number",
				 b->st.path, bad, (double)nchw[bad]);
	if (!status)
		et_unflatten(x, b->n, (size_t)spec->input.h * (size_t)spec->input.w, spec->input.c,
			     nchw, b->x);
	free(nchw);
	return status;
}

static int bad_label(const struct et_batch_file *b, const struct et_spec *spec, size_t i, int64_t v,
		     struct et_err *err)
{
	char or_ignored[40] = "";

	if (spec->ignore_index >= 0)
		snprintf(or_ignored, sizeof(or_ignored), ", or %d to be ignored",
			 spec->ignore_index);
	return et_fail(err, ET_EDATA,
		       "%s: tensor \"target\": element %zu is %" PRId64
		       ", expected a class from 0 to %d%s",
		       b->st.path, i, v, spec->classes - 1, or_ignored);
}

static int load_target(struct et_batch_file *b, const struct et_spec *spec, struct et_err *err)
{
	int64_t *wide = et_calloc(b->rows, sizeof(*wide));

	b->label = et_calloc(b->rows, sizeof(*b->label));
	int status = wide && b->label ? et_st_read_i64(&b->st, b->target, wide, err)
				      : et_fail(err, ET_ENOMEM, "out of memory");
	for (size_t i = 0; i < b->rows && !status; i++) {
		bool ignored = spec->ignore_index >= 0 && wide[i] == spec->ignore_index;
		if (!ignored && (wide[i] < 0 || wide[i] >= spec->classes))
			status = bad_label(b, spec, i, wide[i], err);
		else
			b->label[i] = (int32_t)wide[i];
	}
	free(wide);
	return status;
}

int et_batch_file_load(struct et_batch_file *b, const struct et_ctx *x, const struct et_spec *spec,
		       struct et_err *err)
{
	ET_TRY(load_target(b, spec, err));
	return load_input(b, x, spec, err);
}

void et_batch_file_close(struct et_batch_file *b)
{
	et_st_close(&b->st);
	free(b->x);
	free(b->label);
	memset(b, 0, sizeof(*b));
}
