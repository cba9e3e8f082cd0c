/* Depthwise convolution: one kernel call a row; threads split rows, or channels for the weights. */
#include "op/depthwise.h"

/* Tap rows a kernel can have; the spec reader allows no more. */
#define KH_MAX 64

struct job {
	const struct et_ctx *x;
	const struct et_conv *g;
	int n;
	const float *in, *w;
	const struct et_epilogue *epi;
	float *out;
};

static struct et_dw_row row_of(const struct et_conv *g)
{
	return (struct et_dw_row){.c = g->c,
				  .q = g->q,
				  .w = g->w,
				  .kw = g->kw,
				  .sw = g->sw,
				  .pw = g->pw,
				  .dw = g->dw};
}

/* Input rows that the taps of output row p meet, NULL in the padding. */
static void input_rows(const struct et_conv *g, const float *img, int p, const float **rows)
{
	for (int a = 0; a < g->kh; a++) {
		int y = p * g->sh - g->ph + a * g->dh;
		rows[a] = y >= 0 && y < g->h ? img + (size_t)y * (size_t)g->w * (size_t)g->c : NULL;
	}
}

static void forward_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_conv *g = j->g;
	const struct et_epilogue *e = j->epi;
	struct et_dw_row row = row_of(g);
	size_t image = (size_t)g->h * (size_t)g->w * (size_t)g->c,
	       width = (size_t)g->q * (size_t)g->c;
	const float *rows[KH_MAX];
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		float *y = j->out + r * width;
		input_rows(g, j->in + r / (size_t)g->p * image, (int)(r % (size_t)g->p), rows);
		/* Without a scale the shift is a plain bias, which the kernel starts its sums from.
		 */
		j->x->k->dw_forward(&row, g->kh, rows, j->w, e && !e->scale ? e->shift : NULL, y);
		if (!e || (!e->scale && !e->residual && e->act == ET_ACT_NONE))
			continue;
		for (int q = 0; q < g->q; q++)
			j->x->k->store((size_t)g->c, y + (size_t)q * (size_t)g->c,
				       y + (size_t)q * (size_t)g->c, false, e->scale,
				       e->scale ? e->shift : NULL,
				       e->residual
					       ? e->residual + r * width + (size_t)q * (size_t)g->c
					       : NULL,
				       e->act);
	}
}

void et_depthwise_forward(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			  const float *w, const struct et_epilogue *epi, float *y)
{
	struct job j = {.x = x, .g = g, .n = n, .in = in, .w = w, .epi = epi, .out = y};
	et_parallel(x, (size_t)n * (size_t)g->p, 1, forward_rows, &j);
}

static void data_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_conv *g = j->g;
	struct et_dw_row row = row_of(g);
	size_t image = (size_t)g->p * (size_t)g->q * (size_t)g->c,
	       width = (size_t)g->w * (size_t)g->c;
	const float *rows[KH_MAX];
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		const float *dy = j->in + r / (size_t)g->h * image;
		int i = (int)(r % (size_t)g->h);
		for (int a = 0; a < g->kh; a++) {
			int t = i + g->ph - a * g->dh;
			bool hit = t >= 0 && t % g->sh == 0 && t / g->sh < g->p;
			rows[a] =
				hit ? dy + (size_t)(t / g->sh) * (size_t)g->q * (size_t)g->c : NULL;
		}
		j->x->k->dw_data(&row, g->kh, rows, j->w, j->out + r * width);
	}
}

void et_depthwise_data(const struct et_ctx *x, const struct et_conv *g, int n, const float *dy,
		       const float *w, float *dx)
{
	struct job j = {.x = x, .g = g, .n = n, .in = dy, .w = w, .out = dx};
	et_parallel(x, (size_t)n * (size_t)g->h, 1, data_rows, &j);
}

static void weight_channels(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_conv *g = j->g;
	struct et_dw_row row = row_of(g);
	size_t image = (size_t)g->h * (size_t)g->w * (size_t)g->c,
	       width = (size_t)g->q * (size_t)g->c;
	const float *rows[KH_MAX];
	(void)thread;

	for (size_t r = 0; r < (size_t)j->n * (size_t)g->p; r++) {
		input_rows(g, j->in + r / (size_t)g->p * image, (int)(r % (size_t)g->p), rows);
		j->x->k->dw_weight(&row, g->kh, rows, j->w + r * width, j->out, (int)begin,
				   (int)end);
	}
}

void et_depthwise_weight(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			 const float *dy, float *dw)
{
	struct job j = {.x = x, .g = g, .n = n, .in = in, .w = dy, .out = dw};
	/* 16 channels are a vector of the widest unit and a cache line: pieces share neither. */
	et_parallel(x, (size_t)g->c, 16, weight_channels, &j);
}
