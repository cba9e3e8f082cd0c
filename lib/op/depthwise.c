/* Depthwise convolution, forward and dx: kernel calls for one or two rows; threads split rows. */
#include "op/depthwise.h"
#include "op/moments.h"

size_t et_dw_even(size_t c, size_t fit)
{
	return et_ceil_div(et_ceil_div(c, et_ceil_div(c, fit)), 16) * 16;
}

size_t et_dw_ring(const struct et_conv *g, const struct et_prologue *pro, size_t channels)
{
	size_t rows = (size_t)(g->kh - 1) * (size_t)g->dh + 2;
	/* Whole cache lines: threads share none. */
	return pro ? et_ceil_div(rows * (size_t)g->w * channels, 16) * 16 : 0;
}

size_t et_dw_pixel(const struct et_dw_source *s)
{
	return (size_t)(s->pro ? s->c : s->g->c);
}

static float *ring_row(const struct et_dw_source *s, int i)
{
	int size = (s->g->kh - 1) * s->g->dh + 2;
	return s->ring + (size_t)(i % size) * (size_t)s->g->w * (size_t)s->c;
}

static void fill_ring(struct et_dw_source *s, const float *image, int from, int to)
{
	const struct et_conv *g = s->g;
	const struct et_prologue *pro = s->pro;

	if (image != s->image) {
		s->image = image;
		s->next = 0;
	}
	if (s->next < from)
		s->next = from;
	for (; s->next < to; s->next++)
		s->k->affine_act((size_t)g->w, (size_t)s->c,
				 image + (size_t)s->next * (size_t)g->w * (size_t)g->c + s->c0,
				 (size_t)g->c, pro->scale + s->c0, pro->shift + s->c0, pro->act,
				 ring_row(s, s->next), (size_t)s->c);
}

void et_dw_rows(struct et_dw_source *s, const float *image, int p, int count, const float **rows)
{
	const struct et_conv *g = s->g;
	int from = p * g->sh - g->ph, taps = g->kh + count - 1, to = from + (taps - 1) * g->dh + 1;

	if (s->pro)
		fill_ring(s, image, from, to < g->h ? to : g->h);
	for (int a = 0; a < taps; a++) {
		int i = from + a * g->dh;
		rows[a] = i < 0 || i >= g->h ? NULL
			  : s->pro	     ? ring_row(s, i)
				   : image + (size_t)i * (size_t)g->w * (size_t)g->c + s->c0;
	}
}

/* ---- forward --------------------------------------------------------------------------------- */

struct forward {
	const struct et_ctx *x;
	const struct et_conv *g;
	int n;
	const float *in, *w;
	const struct et_prologue *pro;
	const struct et_epilogue *epi;
	float *y, *rings;
	const struct et_moment_blocks *moments; /* or NULL */
	size_t unit;				/* output rows that no thread shares */
};

/*
 * Channels worked on at a time, all rows of a piece for each: where the rows that an output row
 * meets stay in the first cache (16 KB of them) with strips of 64 channels and more. In wider rows
 * strips would break up what memory reads ahead.
 */
static int strip_of(const struct et_conv *g)
{
	size_t c = (size_t)g->c, fit = 4096 / ((size_t)(g->kh + 1) * (size_t)g->w) / 16 * 16;
	return fit < 64 || fit >= c ? g->c : (int)et_dw_even(c, fit);
}

/* Output rows p..end-1 of one image, the source's channels. */
static void forward_strip(const struct forward *f, struct et_dw_source *s, size_t img, int p,
			  int end)
{
	const struct et_conv *g = f->g;
	const struct et_epilogue *e = f->epi;
	const size_t width = (size_t)g->q * (size_t)g->c;
	const float *image = f->in + img * (size_t)g->h * (size_t)g->w * (size_t)g->c;
	struct et_dw d = {.c = s->c,
			  .q = g->q,
			  .w = g->w,
			  .kh = g->kh,
			  .kw = g->kw,
			  .sw = g->sw,
			  .pw = g->pw,
			  .dw = g->dw,
			  .xs = et_dw_pixel(s),
			  .ys = (size_t)g->c,
			  .ws = g->c};
	struct et_dw_end finish = {0};
	const float *rows[ET_DW_ROWS];

	if (e)
		finish = (struct et_dw_end){.scale = e->scale ? e->scale + s->c0 : NULL,
					    .shift = e->shift ? e->shift + s->c0 : NULL,
					    .act = e->act};
	while (p < end) {
		size_t at = (img * (size_t)g->p + (size_t)p) * width + (size_t)s->c0;
		int count = et_dw_pairs(g) && p + 1 < end ? 2 : 1;
		if (e && e->residual)
			finish.res = e->residual + at;
		et_dw_rows(s, image, p, count, rows);
		f->x->k->dw_forward(&d, count, rows, f->w + s->c0, &finish, f->y + at, width);
		p += count;
	}
}

/* The moments of the block that row r is in, of the source's channels. */
static void take_moments(const struct forward *f, const struct et_dw_source *s, size_t r)
{
	size_t b = r / f->unit, c = (size_t)f->g->c, row = (size_t)f->g->q * c;
	et_moments_block(f->moments, b, f->y + b * f->unit * row + s->c0, c, (size_t)s->c0,
			 (size_t)s->c);
}

static void forward_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct forward *f = arg;
	const struct et_conv *g = f->g;
	const size_t height = (size_t)g->p, all = (size_t)f->n * height;
	const int strip = strip_of(g);
	struct et_dw_source s = {.k = f->x->k, .g = g, .pro = f->pro};

	s.ring = f->rings + (size_t)thread * et_dw_ring(g, f->pro, (size_t)strip);
	end = et_min(end * f->unit, all);
	for (size_t r = begin * f->unit, to; r < end; r = to) {
		size_t img = r / height;
		to = et_min((img + 1) * height, end);
		if (f->moments)
			to = et_min(to, (r / f->unit + 1) * f->unit);
		for (s.c0 = 0; s.c0 < g->c; s.c0 += strip) {
			s.c = g->c - s.c0 < strip ? g->c - s.c0 : strip;
			if (strip < g->c)
				s.image = NULL;
			forward_strip(f, &s, img, (int)(r - img * height),
				      (int)(to - img * height));
			if (f->moments && (to % f->unit == 0 || to == all))
				take_moments(f, &s, to - 1);
		}
	}
}

/*
 * Rows that belong together: a block of moments (whole images when these are cut into strips,
 * each of which is then still in cache); and a ring is filled anew for each piece of a thread's, so
 * not within small images.
 */
static size_t forward_unit(const struct et_conv *g, int n, const struct et_prologue *pro,
			   bool moments)
{
	const size_t rows = (size_t)n * (size_t)g->p;

	if (moments && strip_of(g) == g->c) {
		size_t pixels = et_block_rows(rows * (size_t)g->q, (size_t)g->c);
		return et_ceil_div(et_ceil_div(pixels, (size_t)g->q), 2) * 2;
	}
	return moments || (pro && g->p <= 16) ? (size_t)g->p : 1;
}

void et_depthwise_forward(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			  const struct et_prologue *pro, const float *w,
			  const struct et_epilogue *epi, float *y, struct et_arena *work)
{
	size_t mark = et_arena_mark(work), rows = (size_t)n * (size_t)g->p;
	const struct et_moments *want = epi ? epi->moments : NULL;
	struct forward f = {.x = x,
			    .g = g,
			    .n = n,
			    .in = in,
			    .w = w,
			    .pro = pro,
			    .epi = epi,
			    .y = y,
			    .unit = forward_unit(g, n, pro, want)};
	struct et_moment_blocks m;

	f.rings = et_arena_alloc(work, (size_t)x->threads * et_dw_ring(g, pro, (size_t)strip_of(g)),
				 sizeof(float));
	if (want) {
		m = et_moments_open(x, rows * (size_t)g->q, (size_t)g->c, f.unit * (size_t)g->q,
				    work);
		f.moments = &m;
	}
	if (!et_measuring(work)) {
		et_parallel(x, et_ceil_div(rows, f.unit), 1, forward_rows, &f);
		if (want)
			et_moments_join(&m, want->mean, want->var);
	}
	et_arena_release(work, mark);
}

/* ---- dx -------------------------------------------------------------------------------------- */

/* Stride 1 along the row: a forward over dy with the taps mirrored. */
static void mirrored_rows(const struct et_kern *k, const struct et_conv *g, int c0, int c,
			  const struct et_dw_grad *dy, const float *w, float *dx, int i0, int i1)
{
	const size_t to = (size_t)g->w * (size_t)g->c;
	const struct et_dw_end plain = {0};
	struct et_dw d = {.c = c,
			  .q = g->w,
			  .w = g->q,
			  .kh = g->kh,
			  .kw = g->kw,
			  .sw = 1,
			  .pw = (g->kw - 1) * g->dw - g->pw,
			  .dw = g->dw,
			  .xs = dy->pixel,
			  .ys = (size_t)g->c,
			  .ws = -(ptrdiff_t)g->c};
	const float *rows[ET_DW_ROWS];
	int count;

	w += (size_t)(g->kh * g->kw - 1) * (size_t)g->c + (size_t)c0;
	for (int i = i0; i < i1; i += count) {
		count = et_dw_pairs(g) && i + 1 < i1 ? 2 : 1;
		for (int a = 0; a < g->kh + count - 1; a++) {
			int t = i + g->ph - (g->kh - 1 - a) * g->dh;
			bool hit = t >= 0 && t % g->sh == 0 && t / g->sh < g->p;
			rows[a] = hit ? et_dw_grad_row(dy, t / g->sh) : NULL;
		}
		k->dw_forward(&d, count, rows, w, &plain, dx + (size_t)i * to + c0, to);
	}
}

static void strided_rows(const struct et_kern *k, const struct et_conv *g, int c0, int c,
			 const struct et_dw_grad *dy, const float *w, float *dx, int i0, int i1)
{
	const size_t to = (size_t)g->w * (size_t)g->c;
	struct et_dw d = {.c = c,
			  .q = g->q,
			  .w = g->w,
			  .kh = g->kh,
			  .kw = g->kw,
			  .sw = g->sw,
			  .pw = g->pw,
			  .dw = g->dw,
			  .xs = (size_t)g->c,
			  .ys = dy->pixel,
			  .ws = g->c};
	const float *rows[ET_DW_ROWS];

	for (int i = i0; i < i1; i++) {
		for (int a = 0; a < g->kh; a++) {
			int t = i + g->ph - a * g->dh;
			bool hit = t >= 0 && t % g->sh == 0 && t / g->sh < g->p;
			rows[a] = hit ? et_dw_grad_row(dy, t / g->sh) : NULL;
		}
		k->dw_data(&d, rows, w + c0, dx + (size_t)i * to + c0);
	}
}

void et_dw_data_rows(const struct et_kern *k, const struct et_conv *g, int c0, int c,
		     const struct et_dw_grad *dy, const float *w, float *dx, int i0, int i1)
{
	(g->sw == 1 ? mirrored_rows : strided_rows)(k, g, c0, c, dy, w, dx, i0, i1);
}

struct data {
	const struct et_ctx *x;
	const struct et_conv *g;
	const float *dy, *w;
	float *dx;
};

static void data_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct data *j = arg;
	const struct et_conv *g = j->g;
	const size_t height = (size_t)g->h, in = height * (size_t)g->w * (size_t)g->c,
		     out = (size_t)g->p * (size_t)g->q * (size_t)g->c;
	const int strip = strip_of(g);
	(void)thread;

	while (begin < end) {
		size_t img = begin / height, stop = et_min((img + 1) * height, end);
		for (int c0 = 0; c0 < g->c; c0 += strip) {
			const struct et_dw_grad dy = et_dw_grad(g, j->dy + img * out, c0);
			et_dw_data_rows(j->x->k, g, c0, g->c - c0 < strip ? g->c - c0 : strip, &dy,
					j->w, j->dx + img * in, (int)(begin - img * height),
					(int)(stop - img * height));
		}
		begin = stop;
	}
}

void et_depthwise_data(const struct et_ctx *x, const struct et_conv *g, int n, const float *dy,
		       const float *w, float *dx)
{
	struct data j = {.x = x, .g = g, .dy = dy, .w = w, .dx = dx};
	et_parallel(x, (size_t)n * (size_t)g->h, 1, data_rows, &j);
}
