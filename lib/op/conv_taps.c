/* Which taps of a kernel meet a picture, and where. */
#include "op/conv_taps.h"

struct et_taps et_taps_alloc(const struct et_conv *g, struct et_arena *work)
{
	size_t n = (size_t)g->kh * (size_t)g->kw;
	struct et_taps t;
	t.y = et_arena_alloc(work, n, sizeof(*t.y));
	t.x = et_arena_alloc(work, n, sizeof(*t.x));
	t.b = et_arena_alloc(work, n, sizeof(*t.b));
	t.n = 0;
	return t;
}

bool et_tap_meets(int offset, int stride, int steps, int n)
{
	for (int i = 0; i < steps; i++, offset += stride)
		if (offset >= 0 && offset < n)
			return true;
	return false;
}

bool et_row_meets(const struct et_conv *g, int a)
{
	return et_tap_meets(a * g->dh - g->ph, g->sh, g->p, g->h);
}

bool et_column_meets(const struct et_conv *g, int b)
{
	return et_tap_meets(b * g->dw - g->pw, g->sw, g->q, g->w);
}

void et_taps_list(const struct et_conv *g, struct et_taps *t, bool *all, bool measuring)
{
	int cn = g->c / g->groups, rows = 0, cols = 0;

	for (int a = 0; a < g->kh; a++)
		rows += et_row_meets(g, a);
	for (int b = 0; b < g->kw; b++)
		cols += et_column_meets(g, b);
	*all = rows * cols == 0 || (rows == g->kh && cols == g->kw);
	t->n = *all ? g->kh * g->kw : rows * cols;
	for (int a = 0, i = 0; a < g->kh && !measuring; a++)
		for (int b = 0; b < g->kw; b++) {
			if (!*all && !(et_row_meets(g, a) && et_column_meets(g, b)))
				continue;
			t->y[i] = (int16_t)(a * g->dh - g->ph);
			t->x[i] = (int16_t)(b * g->dw - g->pw);
			t->b[i++] = (size_t)(a * g->kw + b) * (size_t)cn;
		}
}

struct et_gather et_input_view(const struct et_conv *g, int n, const float *in,
			       const struct et_prologue *pro, int group, const struct et_taps *t,
			       int first, int count)
{
	int cn = g->c / g->groups;

	return (struct et_gather){
		.src = in,
		.n = n,
		.h = g->h,
		.w = g->w,
		.c = g->c,
		.c0 = group * cn,
		.cn = cn,
		.gh = g->p,
		.gw = g->q,
		.sh = g->sh,
		.sw = g->sw,
		.taps = count,
		.y = t->y + first,
		.x = t->x + first,
		.pro = pro,
	};
}
