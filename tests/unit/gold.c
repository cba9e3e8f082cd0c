#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gold.h"

void gold_each(const char *file, const char *op, int least, void (*check)(const struct gold_case *))
{
	char path[128];
	struct et_st st;
	struct et_err err;
	int found = 0, major, minor;

	snprintf(path, sizeof(path), "tests/gold/%s.safetensors", file);
	if (et_st_open(&st, path, &err) < 0)
		ck_abort_msg("%s (unit tests run from the top of the sources)", err.text);
	const char *torch = et_st_meta(&st, "torch");
	ck_assert_msg(torch && sscanf(torch, "%d.%d", &major, &minor) == 2,
		      "%s does not say which PyTorch made it", path);
	for (size_t i = 0; i < st.n_meta; i++) {
		struct gold_case c = {&st, st.meta[2 * i], st.meta[2 * i + 1]};
		size_t len = strlen(op);
		if (strncmp(c.text, op, len) || c.text[len] != ' ')
			continue;
		num_label("%s of PyTorch %s", c.name, torch);
		check(&c);
		found++;
	}
	ck_assert_int_ge(found, least);
	et_st_close(&st);
}

double gold_num(const struct gold_case *c, const char *key)
{
	char pattern[32];
	int len = snprintf(pattern, sizeof(pattern), " %s=", key);
	const char *at = strstr(c->text, pattern);
	if (!at)
		ck_abort_msg("case %s has no %s", c->name, key);
	return strtod(at + len, NULL);
}

int gold_int(const struct gold_case *c, const char *key)
{
	return (int)gold_num(c, key);
}

static const struct et_st_tensor *tensor_of(const struct gold_case *c, const char *tensor, size_t n)
{
	char name[128];
	snprintf(name, sizeof(name), "%s.%s", c->name, tensor);
	const struct et_st_tensor *t = et_st_find(c->st, name);
	if (!t || t->count != n)
		ck_abort_msg("no tensor %s of %zu elements", name, n);
	return t;
}

float *gold_f32(const struct gold_case *c, const char *tensor, size_t n)
{
	struct et_err err;
	float *x = num_floats(n);
	if (et_st_read_f32(c->st, tensor_of(c, tensor, n), x, &err) < 0)
		ck_abort_msg("%s", err.text);
	return x;
}

int32_t *gold_i32(const struct gold_case *c, const char *tensor, size_t n)
{
	struct et_err err;
	int64_t *wide = num_alloc(n, sizeof(*wide));
	int32_t *x = num_guarded(n * sizeof(*x));
	if (et_st_read_i64(c->st, tensor_of(c, tensor, n), wide, &err) < 0)
		ck_abort_msg("%s", err.text);
	for (size_t i = 0; i < n; i++)
		x[i] = (int32_t)wide[i];
	return x;
}

float *gold_nhwc(const struct gold_case *c, const char *tensor, int n, size_t hw, int channels)
{
	return num_nhwc_f32(n, hw, channels,
			    gold_f32(c, tensor, (size_t)n * hw * (size_t)channels));
}
