/* Patches: pooling, spreading, and what layers do to gradients of one value a patch. */
#include <string.h>

#include "op/op.h"

static int pad_of(int size, int side, int count)
{
	int over = count * side - size;
	return over >= 0 ? (over + 1) / 2 : over / 2; /* rounded up */
}

struct et_grid et_grid_make(int h, int w, int side_h, int side_w, int gh, int gw)
{
	return (struct et_grid){.h = h,
				.w = w,
				.side_h = side_h,
				.side_w = side_w,
				.gh = gh,
				.gw = gw,
				.pad_h = pad_of(h, side_h, gh),
				.pad_w = pad_of(w, side_w, gw)};
}

bool et_grid_same(const struct et_grid *a, const struct et_grid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Pixels [*begin, *end) of an axis that patch i has inside the picture. */
static void patch_range(int i, int side, int pad, int size, int *begin, int *end)
{
	int at = i * side - pad;
	*begin = at < 0 ? 0 : at > size ? size : at;
	*end = at + side > size ? size : at + side < *begin ? *begin : at + side;
}

static void row_range(const struct et_grid *g, int i, int *begin, int *end)
{
	patch_range(i, g->side_h, g->pad_h, g->h, begin, end);
}

static void column_range(const struct et_grid *g, int j, int *begin, int *end)
{
	patch_range(j, g->side_w, g->pad_w, g->w, begin, end);
}

/* Work on rows of patches: piece r is row r % gh of image r / gh. */
struct job {
	const struct et_kern *k;
	const struct et_grid *g;
	size_t n, c;
	enum et_act act;
	float by;
	const float *in;
	float *out;
	uint8_t *count;
	const uint8_t *counted;
	const float *rows_weight, *cols_weight;
};

static size_t image_floats(const struct job *j)
{
	return (size_t)j->g->h * (size_t)j->g->w * j->c;
}

static size_t patches_floats(const struct job *j)
{
	return (size_t)j->g->gh * (size_t)j->g->gw * j->c;
}

/* Rows of patches that make a piece worth handing out. */
static size_t row_grain(const struct job *j)
{
	return et_row_grain((size_t)j->g->side_h * (size_t)j->g->w * j->c);
}

static void pool_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_grid *g = j->g;
	struct et_window win = {.row = (size_t)g->w * j->c, .pixel = j->c};
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		size_t img = r / (size_t)g->gh;
		float *out = j->out + r * (size_t)g->gw * j->c;
		int y0, y1, x0, x1;
		row_range(g, (int)(r % (size_t)g->gh), &y0, &y1);
		win.rows = y1 - y0;
		for (int p = 0; p < g->gw; p++, out += j->c) {
			column_range(g, p, &x0, &x1);
			win.cols = x1 - x0;
			win.count = j->by > 0 ? j->by : (float)(win.rows * win.cols);
			j->k->window(&win, j->c,
				     j->in + img * image_floats(j) +
					     ((size_t)y0 * (size_t)g->w + (size_t)x0) * j->c,
				     false, out);
		}
	}
}

void et_patch_pool(const struct et_ctx *x, const struct et_grid *g, int n, int c, const float *in,
		   float by, float *out)
{
	struct job j = {.k = x->k, .g = g, .c = (size_t)c, .by = by, .in = in, .out = out};
	et_parallel(x, (size_t)n * (size_t)g->gh, row_grain(&j), pool_rows, &j);
}

static void spread_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_grid *g = j->g;
	size_t row = (size_t)g->w * j->c;
	(void)thread;

	for (size_t r = begin; r < end; r++) { /* rows of pixels */
		float *out = j->out + r * row;
		int y = (int)(r % (size_t)g->h) + g->pad_h, i = y / g->side_h;
		if (y < 0 || i >= g->gh) {
			memset(out, 0, row * sizeof(float));
			continue;
		}
		/* The first row of a patch is put together, the others of this piece copy it. */
		if (r > begin && y > 0 && r % (size_t)g->h && (y - 1) / g->side_h == i) {
			memcpy(out, out - row, row * sizeof(float));
			continue;
		}
		const float *in = j->in + (r / (size_t)g->h) * patches_floats(j) +
				  (size_t)i * (size_t)g->gw * j->c;
		for (int q = 0; q < g->w; q++, out += j->c) {
			int at = q + g->pad_w;
			if (at < 0 || at / g->side_w >= g->gw)
				memset(out, 0, j->c * sizeof(float));
			else
				memcpy(out, in + (size_t)(at / g->side_w) * j->c,
				       j->c * sizeof(float));
		}
	}
}

void et_patch_spread(const struct et_ctx *x, const struct et_grid *g, int n, int c,
		     const float *patch, float *out)
{
	struct job j = {.k = x->k, .g = g, .c = (size_t)c, .in = patch, .out = out};
	size_t grain = et_row_grain((size_t)g->w * j.c);
	/* Whole rows of patches where that is fine enough. */
	grain = et_ceil_div(grain, (size_t)g->side_h) * (size_t)g->side_h;
	et_parallel(x, (size_t)n * (size_t)g->h, grain, spread_rows, &j);
}

/* ---- sums over all pixels -------------------------------------------------------------------- */

static void total_channels(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_grid *g = j->g;
	struct et_window win = {.rows = g->gh,
				.cols = g->gw,
				.row = (size_t)g->gw * j->c,
				.pixel = j->c,
				.wrow = j->rows_weight,
				.wcol = j->cols_weight,
				.count = 1};
	(void)thread;

	for (size_t img = 0; img < j->n; img++)
		j->k->window(&win, end - begin, j->in + img * patches_floats(j) + begin, true,
			     j->out + begin);
}

void et_patch_total(const struct et_ctx *x, const struct et_grid *g, int n, int c,
		    const float *mean, float *sum, struct et_arena *work)
{
	size_t mark = et_arena_mark(work);
	float *rows = et_arena_alloc(work, (size_t)g->gh, sizeof(float));
	float *cols = et_arena_alloc(work, (size_t)g->gw, sizeof(float));
	struct job j = {.k = x->k,
			.g = g,
			.n = (size_t)n,
			.c = (size_t)c,
			.in = mean,
			.out = sum,
			.rows_weight = rows,
			.cols_weight = cols};
	int begin, end;

	if (!et_measuring(work)) {
		for (int i = 0; i < g->gh; i++) {
			row_range(g, i, &begin, &end);
			rows[i] = (float)(end - begin);
		}
		for (int i = 0; i < g->gw; i++) {
			column_range(g, i, &begin, &end);
			cols[i] = (float)(end - begin);
		}
		/* 16 channels are a vector of the widest unit and a cache line. */
		et_parallel(x, j.c, 16, total_channels, &j);
	}
	et_arena_release(work, mark);
}

/* ---- activations ----------------------------------------------------------------------------- */

static void count_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_grid *g = j->g;
	size_t row = (size_t)g->w * j->c;
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		size_t img = r / (size_t)g->gh * image_floats(j);
		int y0, y1, x0, x1;
		row_range(g, (int)(r % (size_t)g->gh), &y0, &y1);
		for (int p = 0; p < g->gw; p++) {
			column_range(g, p, &x0, &x1);
			size_t at = img + (size_t)y0 * row + (size_t)x0 * j->c;
			j->k->act_count(y1 - y0, x1 - x0, row, j->c, j->in + at, j->out + at,
					j->count + (r * (size_t)g->gw + (size_t)p) * j->c, j->act);
		}
	}
}

void et_act_count(const struct et_ctx *x, enum et_act act, const struct et_grid *g, int n, int c,
		  const float *in, float *y, uint8_t *count)
{
	struct job j = {
		.k = x->k, .g = g, .c = (size_t)c, .act = act, .in = in, .out = y, .count = count};
	et_parallel(x, (size_t)n * (size_t)g->gh, row_grain(&j), count_rows, &j);
}

static void share_rows(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_grid *g = j->g;
	(void)thread;

	for (size_t r = begin; r < end; r++) {
		int y0, y1, x0, x1;
		row_range(g, (int)(r % (size_t)g->gh), &y0, &y1);
		for (int p = 0; p < g->gw; p++) {
			size_t at = (r * (size_t)g->gw + (size_t)p) * j->c;
			column_range(g, p, &x0, &x1);
			j->k->share(j->c, j->counted + at, 1 / (float)((y1 - y0) * (x1 - x0)),
				    j->in + at, j->out + at);
		}
	}
}

void et_act_share(const struct et_ctx *x, const struct et_grid *g, int n, int c,
		  const uint8_t *count, const float *dy, float *dx)
{
	struct job j = {.k = x->k, .g = g, .c = (size_t)c, .counted = count, .in = dy, .out = dx};
	et_parallel(x, (size_t)n * (size_t)g->gh, et_row_grain((size_t)g->gw * j.c), share_rows,
		    &j);
}

static void fill_images(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	size_t patches = (size_t)j->g->gh * (size_t)j->g->gw;
	(void)thread;

	for (size_t r = begin; r < end; r++)
		j->k->scale(j->c, j->by, j->in + r / patches * j->c, j->out + r * j->c);
}

void et_patch_fill(const struct et_ctx *x, const struct et_grid *g, int n, int c, float alpha,
		   const float *v, float *out)
{
	struct job j = {.k = x->k, .g = g, .c = (size_t)c, .by = alpha, .in = v, .out = out};
	et_parallel(x, (size_t)n * (size_t)g->gh * (size_t)g->gw, et_row_grain(j.c), fill_images,
		    &j);
}
