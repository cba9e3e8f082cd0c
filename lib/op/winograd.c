/*
 * Winograd convolution: tiles of the input and filters are transformed, and what was a convolution
 * is (m+2)^2 independent products V[tile][c] * U[c][k], whose results are transformed back.
 *
 * Two orders of work, so that one operand stays in a thread's cache. By tiles: the filters are
 * transformed once and every thread takes blocks of tiles through all three steps. By filters, for
 * deep layers, whose U is many times the cache and the number of their tiles: the input is
 * transformed once, and every thread takes blocks of output channels, whose weights it packs once
 * and transforms a row of taps at a time, just before their products. An element of y is computed
 * the same way in both: depth blocks in their order, then the tile's transform.
 */
#include "op/team.h"
#include "op/winograd.h"

size_t et_wino_cache(const struct et_kern *k)
{
	return k->vl >= 8 ? 256 * 1024 : 64 * 1024;
}

/* Input transformed at a time when going by filters, in floats: memory against filters' work. */
#define SPAN_FLOATS (2 * 1024 * 1024)
/* Channels of weights transformed at a time. */
#define CHUNK 16
/* Channels that pass through pack_r at a time, where panels are not plain rows. */
#define PIECE 16

struct job {
	const struct et_ctx *x;
	const struct et_wino_rows *g;
	int n, taps;		 /* side of an input tile; its square */
	int th, tw;		 /* tiles down and across an image */
	size_t tiles;		 /* of all images */
	size_t depth, depths;	 /* channels in a depth block, blocks */
	size_t slot;		 /* depths of a tap in a row of a panel */
	size_t area;		 /* floats of a panel of all taps and one depth block */
	size_t at[ET_WINO_TAPS]; /* where a tap's depths begin in it */
	size_t panel;		 /* floats of a panel of all depth blocks */
	size_t cols;		 /* output channels in a block, a multiple of nr */
	size_t block;		 /* tiles in a block, a multiple of mr */
	size_t first, end;	 /* by filters: the tiles at hand */
	float *u, *v, *m;	 /* filters, inputs, products: shared or each thread's */
	float *w;		 /* by filters: each thread's weights as they are packed */
	size_t u_stride, v_stride, m_stride, w_stride; /* from one thread to the next */
};

static size_t round_up(size_t n, size_t to)
{
	return et_ceil_div(n, to) * to;
}

static size_t depth_of(const struct job *j, size_t d)
{
	return et_min(j->depth, (size_t)j->g->c - d * j->depth);
}

/* ---- the three transforms -------------------------------------------------------------------- */

struct et_wino_tile et_wino_pick(const struct et_wino_grid *g, size_t t)
{
	size_t tw = (size_t)g->tw, plane = (size_t)g->th * tw, c = (size_t)g->c;
	int y = (int)(t % plane / tw) * g->step - g->ph, x = (int)(t % tw) * g->step - g->pw;
	struct et_wino_tile to = {.x = g->x, .row = (size_t)g->w * c, .pixel = c};

	if (t >= (size_t)g->n * plane)
		return to;
	to.i0 = y < 0 ? -y : 0;
	to.j0 = x < 0 ? -x : 0;
	to.i1 = g->h - y < g->side ? g->h - y : g->side;
	to.j1 = g->w - x < g->side ? g->w - x : g->side;
	if (to.i0 < to.i1 && to.j0 < to.j1)
		to.x += (t / plane * (size_t)g->h + (size_t)(y + to.i0)) * to.row +
			(size_t)(x + to.j0) * c;
	else
		to.i1 = to.j1 = 0;
	return to;
}

/* Tiles whose panel is depth-major: by rows of a few channels, then packed. */
static void pack_tiles(const struct job *j, const struct et_wino_tile *tile, size_t d, float *v)
{
	const struct et_kern *k = j->x->k;
	const struct et_prologue *pro = j->g->pro;
	size_t mr = (size_t)k->mr, at[ET_WINO_TAPS], len = depth_of(j, d);
	float rows[ET_WINO_TAPS * ET_MR_MAX * PIECE];
	const float *ptr[ET_MR_MAX];

	for (int t = 0; t < j->taps; t++)
		at[t] = (size_t)t * mr * PIECE;
	for (size_t ch = 0; ch < len; ch += PIECE) {
		size_t from = d * j->depth + ch, n = et_min(PIECE, len - ch);
		for (size_t i = 0; i < mr; i++) {
			struct et_wino_tile one = tile[i];
			one.x += from;
			k->wino_input(j->g->m, n, &one,
				      pro && pro->scale ? pro->scale + from : NULL,
				      pro && pro->shift ? pro->shift + from : NULL,
				      pro ? pro->act : ET_ACT_NONE, rows + i * PIECE, at);
		}
		for (int t = 0; t < j->taps; t++) {
			for (size_t i = 0; i < mr; i++)
				ptr[i] = rows + at[t] + i * PIECE;
			k->pack_r(v + j->at[t], ch, n, ptr);
		}
	}
}

/* Transforms the tiles of one panel. */
static void input_panel(const struct job *j, size_t panel, float *v)
{
	const struct et_kern *k = j->x->k;
	const struct et_prologue *pro = j->g->pro;
	const struct et_wino_rows *g = j->g;
	size_t mr = (size_t)k->mr;
	struct et_wino_tile tile[ET_MR_MAX];
	struct et_wino_grid grid = {.x = g->src,
				    .n = g->n,
				    .h = g->h,
				    .w = g->w,
				    .c = g->c,
				    .side = j->n,
				    .step = g->m,
				    .ph = g->ph,
				    .pw = g->pw,
				    .th = j->th,
				    .tw = j->tw};

	for (size_t i = 0; i < mr; i++)
		tile[i] = et_wino_pick(&grid, panel * mr + i);
	for (size_t d = 0; d < j->depths; d++, v += j->area) {
		size_t from = d * j->depth;
		if (k->r_depth != 1) {
			pack_tiles(j, tile, d, v);
			continue;
		}
		for (size_t i = 0; i < mr; i++) {
			struct et_wino_tile one = tile[i];
			one.x += from;
			k->wino_input(j->g->m, depth_of(j, d), &one,
				      pro && pro->scale ? pro->scale + from : NULL,
				      pro && pro->shift ? pro->shift + from : NULL,
				      pro ? pro->act : ET_ACT_NONE, v + i * (size_t)k->r_row,
				      j->at);
		}
	}
}

/*
 * Weights of nr outputs from k0 on, depths from..from+n, n <= CHUNK: those of tap t as [depth][nr]
 * at w + t*ws.
 */
static void pack_filters(const struct job *j, size_t k0, size_t from, size_t n, float *w, size_t ws)
{
	const struct et_wino_rows *g = j->g;
	const struct et_kern *k = j->x->k;
	size_t nr = (size_t)k->nr, c = (size_t)g->c, kn = (size_t)g->k;
	size_t width = et_min(nr, kn - k0);

	for (size_t t = 0; t < 9; t++)
		if (g->back)
			k->pack_b(w + t * ws, n, g->weights + (from * 9 + 8 - t) * kn + k0, 9 * kn,
				  width);
		else
			k->pack_bt(w + t * ws, n, g->weights + (k0 * 9 + t) * c + from, 9 * c,
				   width);
}

/* Tile t's results for the output channels k0..k0+kn, from products that are ld floats apart. */
static void output_tile(const struct job *j, size_t t, size_t k0, size_t kn, const float *m,
			size_t ld)
{
	const struct et_wino_rows *g = j->g;
	const struct et_epilogue *e = g->epi;
	size_t plane = (size_t)j->th * (size_t)j->tw, k = (size_t)g->k;
	int y = (int)(t % plane / (size_t)j->tw) * g->m, x = (int)(t % (size_t)j->tw) * g->m;
	size_t at = ((t / plane * (size_t)g->p + (size_t)y) * (size_t)g->q + (size_t)x) * k + k0;
	struct et_wino_tile to = {.row = (size_t)g->q * k, .pixel = k};

	to.i1 = g->p - y < g->m ? g->p - y : g->m;
	to.j1 = g->q - x < g->m ? g->q - x : g->m;
	j->x->k->wino_output(g->m, kn, m, ld, &to, g->y + at, e && e->scale ? e->scale + k0 : NULL,
			     e && e->shift ? e->shift + k0 : NULL,
			     e && e->residual ? e->residual + at : NULL, e ? e->act : ET_ACT_NONE);
}

/* ---- products -------------------------------------------------------------------------------- */

/* Products of some taps of panels of tiles with panels of filters, of one depth block. */
struct product {
	int t0, t1;
	const float *v; /* this depth block's part of the first panel of tiles */
	size_t panels;
	const float *u; /* tap t0 of the first panel of filters */
	size_t u_tap, u_panel, cols;
	size_t len;
	float *m;
	size_t m_tap;
	bool acc;
};

static void multiply(const struct job *j, const struct product *p)
{
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, vl = (size_t)k->vl, ld = j->cols;

	for (int t = p->t0; t < p->t1; t++) {
		const float *u = p->u + (size_t)(t - p->t0) * p->u_tap;
		float *m = p->m + (size_t)t * p->m_tap;
		for (size_t c = 0; c < p->cols; c += nr, u += p->u_panel, m += nr) {
			int vectors = (int)et_ceil_div(et_min(nr, p->cols - c), vl);
			for (size_t i = 0; i < p->panels; i++)
				k->gemm_rv(p->len, p->v + i * j->panel + j->at[t], u,
					   m + i * mr * ld, ld, p->acc, vectors);
		}
	}
}

/* Floats from a tap's products to the next: not a power of two, which caches map to few lines. */
static size_t product_tap(const struct job *j, size_t tiles)
{
	return tiles * j->cols + 16;
}

/* Floats from a tap's packed weights to the next, when whole panels of them are packed. */
static size_t weight_tap(const struct job *j)
{
	return j->depth * (size_t)j->x->k->nr + 16;
}

/* ---- by tiles -------------------------------------------------------------------------------- */

/* Where the filters of output panel kp and depth block d begin. */
static size_t filters_at(const struct job *j, size_t kp, size_t d)
{
	size_t taps = (size_t)j->taps, nr = (size_t)j->x->k->nr;
	return (kp * (size_t)j->g->c + d * j->depth) * taps * nr;
}

/* A unit is CHUNK depths of an output panel. */
static void filter_units(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_kern *k = j->x->k;
	size_t nr = (size_t)k->nr, c = (size_t)j->g->c, chunks = et_ceil_div(c, CHUNK);
	size_t ws = CHUNK * nr;
	float w[9 * CHUNK * ET_NR_MAX];
	(void)thread;

	for (size_t i = begin; i < end; i++) {
		size_t kp = i / chunks, from = i % chunks * CHUNK, d = from / j->depth;
		size_t n = et_min(CHUNK, c - from), tap = depth_of(j, d) * nr;
		float *u = j->u + filters_at(j, kp, d) + (from - d * j->depth) * nr;

		pack_filters(j, kp * nr, from, n, w, ws);
		for (int r = 0; r < j->n; r++)
			k->wino_filter(j->g->m, r, n * nr, w, ws, u + (size_t)(r * j->n) * tap,
				       tap);
	}
}

static void tile_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	size_t mr = (size_t)j->x->k->mr, nr = (size_t)j->x->k->nr, kn = (size_t)j->g->k;
	float *v = j->v + (size_t)thread * j->v_stride, *m = j->m + (size_t)thread * j->m_stride;

	for (size_t t0 = begin; t0 < end; t0 += j->block) {
		size_t t1 = et_min(end, t0 + j->block), panels = et_ceil_div(t1 - t0, mr);
		for (size_t i = 0; i < panels; i++)
			input_panel(j, t0 / mr + i, v + i * j->panel);
		for (size_t k0 = 0; k0 < kn; k0 += j->cols) {
			size_t cols = et_min(j->cols, kn - k0);
			for (size_t d = 0; d < j->depths; d++) {
				struct product p = {
					.t1 = j->taps,
					.v = v + d * j->area,
					.panels = panels,
					.u = j->u + filters_at(j, k0 / nr, d),
					.u_tap = depth_of(j, d) * nr,
					.u_panel = filters_at(j, 1, 0),
					.cols = cols,
					.len = depth_of(j, d),
					.m = m,
					.m_tap = product_tap(j, j->block),
					.acc = d > 0,
				};
				multiply(j, &p);
			}
			for (size_t t = t0; t < t1; t++)
				output_tile(j, t, k0, cols, m + (t - t0) * j->cols,
					    product_tap(j, j->block));
		}
	}
}

/* ---- by filters ------------------------------------------------------------------------------ */

static void input_panels(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	size_t first = j->first / (size_t)j->x->k->mr;
	(void)thread;

	for (size_t i = begin; i < end; i++)
		input_panel(j, first + i, j->v + i * j->panel);
}

static void filter_blocks(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	size_t mr = (size_t)j->x->k->mr, nr = (size_t)j->x->k->nr;
	float *u = j->u + (size_t)thread * j->u_stride, *m = j->m + (size_t)thread * j->m_stride;
	float *w = j->w + (size_t)thread * j->w_stride;
	size_t ws = weight_tap(j), w_panel = 9 * ws;
	size_t panels = et_ceil_div(j->end - j->first, mr), m_tap = product_tap(j, j->block);

	for (size_t k0 = begin; k0 < end; k0 += j->cols) {
		size_t cols = et_min(j->cols, end - k0);
		for (size_t d = 0; d < j->depths; d++) {
			size_t len = depth_of(j, d), u_tap = len * nr;
			for (size_t c = 0; c < cols; c += nr)
				for (size_t p = 0; p < len; p += CHUNK)
					pack_filters(j, k0 + c, d * j->depth + p,
						     et_min(CHUNK, len - p),
						     w + c / nr * w_panel + p * nr, ws);
			for (int r = 0; r < j->n; r++) {
				struct product p = {
					.t0 = r * j->n,
					.t1 = (r + 1) * j->n,
					.v = j->v + d * j->area,
					.panels = panels,
					.u = u,
					.u_tap = u_tap,
					.u_panel = (size_t)j->n * u_tap,
					.cols = cols,
					.len = len,
					.m = m,
					.m_tap = m_tap,
					.acc = d > 0,
				};
				for (size_t c = 0; c < cols; c += nr)
					j->x->k->wino_filter(j->g->m, r, len * nr,
							     w + c / nr * w_panel, ws,
							     u + c / nr * p.u_panel, u_tap);
				multiply(j, &p);
			}
		}
		for (size_t t = j->first; t < j->end; t++)
			output_tile(j, t, k0, cols, m + (t - j->first) * j->cols, m_tap);
	}
}

/* ---- both ------------------------------------------------------------------------------------ */

static void lay_out(struct job *j)
{
	const struct et_wino_rows *g = j->g;
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, c = (size_t)g->c, taps;

	j->n = g->m + 2;
	j->taps = j->n * j->n;
	taps = (size_t)j->taps;
	j->th = (g->p + g->m - 1) / g->m;
	j->tw = (g->q + g->m - 1) / g->m;
	j->tiles = (size_t)g->n * (size_t)j->th * (size_t)j->tw;
	j->depths = et_ceil_div(c, (size_t)k->kc);
	j->depth = j->depths > 1 ? round_up(et_ceil_div(c, j->depths), CHUNK) : c;
	j->slot = round_up(j->depth, (size_t)k->vl);

	/* As many taps as fit lie side by side in the rows of a panel. */
	size_t together = ET_KC_MAX / j->slot, group = mr * ET_KC_MAX;
	for (size_t t = 0; t < taps; t++)
		j->at[t] = t / together * group + t % together * j->slot * (size_t)k->r_depth;
	j->area = et_ceil_div(taps, together) * group;
	j->panel = j->depths * j->area;
}

/*
 * Blocks as equal as panels allow, of at most `fit` tiles. Returns the room to make for one: for
 * the longest that this or a smaller batch has.
 */
static size_t share_out(struct job *j, size_t fit)
{
	size_t mr = (size_t)j->x->k->mr, blocks = et_ceil_div(j->tiles, fit);

	j->block = round_up(et_ceil_div(j->tiles, blocks), mr);
	return et_min(fit, round_up(j->tiles, mr));
}

/* !run: only the scratch. */
static void by_tiles(struct job *j, struct et_arena *work, bool run)
{
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, taps = (size_t)j->taps;
	size_t kn = (size_t)j->g->k, c = (size_t)j->g->c, threads = (size_t)j->x->threads;

	j->cols = et_min(round_up(64, nr), round_up(kn, nr));
	size_t fit = et_max(1, et_wino_cache(k) * 3 / 4 / (taps * (c + j->cols)) / mr) * mr;
	size_t room = share_out(j, fit);
	j->v_stride = room / mr * j->panel;
	j->m_stride = taps * product_tap(j, room);
	j->u = et_arena_alloc(work, round_up(kn, nr) * c * taps, sizeof(float));
	j->v = et_arena_alloc(work, threads * j->v_stride, sizeof(float));
	j->m = et_arena_alloc(work, threads * j->m_stride, sizeof(float));
	if (!run || et_measuring(work) || !j->m)
		return;
	et_parallel(j->x, et_ceil_div(kn, nr) * et_ceil_div(c, CHUNK), 1, filter_units, j);
	et_parallel_in(j->x, ET_TEAM_PIECES, j->tiles, j->block, tile_blocks, j);
}

static void by_filters(struct job *j, struct et_arena *work, bool run)
{
	const struct et_kern *k = j->x->k;
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, taps = (size_t)j->taps;
	size_t kn = (size_t)j->g->k, threads = (size_t)j->x->threads;

	/* Packed weights and a row of taps of them stay in cache. */
	size_t cols = et_wino_cache(k) / ((size_t)(9 + j->n) * j->depth) / nr * nr;
	j->cols = et_min(et_max(2 * nr, et_min(cols, round_up(64, nr))), round_up(kn, nr));
	size_t fit = et_max(1, SPAN_FLOATS / j->panel) * mr;
	size_t room = share_out(j, fit);
	j->u_stride = (size_t)j->n * j->depth * j->cols;
	j->m_stride = taps * product_tap(j, room);
	j->w_stride = j->cols / nr * 9 * weight_tap(j);
	j->u = et_arena_alloc(work, threads * j->u_stride, sizeof(float));
	j->w = et_arena_alloc(work, threads * j->w_stride, sizeof(float));
	j->v = et_arena_alloc(work, room / mr * j->panel, sizeof(float));
	j->m = et_arena_alloc(work, threads * j->m_stride, sizeof(float));
	if (!run || et_measuring(work) || !j->m)
		return;
	for (j->first = 0; j->first < j->tiles; j->first = j->end) {
		j->end = et_min(j->tiles, j->first + j->block);
		et_parallel(j->x, et_ceil_div(j->end - j->first, mr), 1, input_panels, j);
		et_parallel_in(j->x, ET_TEAM_PIECES, kn, j->cols, filter_blocks, j);
	}
}

/* Filters so small that they stay in cache whatever goes by. */
static bool small_filters(const struct job *j)
{
	return (double)j->taps * j->g->c * j->g->k < 2 * (double)et_wino_cache(j->x->k);
}

/*
 * The order that takes less through the caches: the filters once for each block of tiles, or the
 * inputs once for each block of filters, which takes half as long again for every value, measured
 * on one machine: they come from other threads. Fewer images never go from filters to tiles.
 */
static enum et_wino_order order_of(const struct job *j)
{
	double cache = (double)et_wino_cache(j->x->k), taps = j->taps;
	double u = taps * j->g->c * j->g->k, v = taps * j->g->c * (double)j->tiles;
	double block = cache / (taps * (j->g->c + 64)), mr = j->x->k->mr;

	if (small_filters(j))
		return ET_WINO_BY_TILES;
	return u * (2 + (double)j->tiles / (block < mr ? mr : block)) <=
			       1.5 * v * (1 + j->g->k / 64.0)
		       ? ET_WINO_BY_TILES
		       : ET_WINO_BY_FILTERS;
}

void et_wino_rows(const struct et_ctx *x, const struct et_wino_rows *g, struct et_arena *work)
{
	struct job j = {.x = x, .g = g};
	size_t mark = et_arena_mark(work);

	lay_out(&j);
	if ((g->order ? g->order : order_of(&j)) == ET_WINO_BY_FILTERS) {
		by_filters(&j, work, true);
	} else {
		/* A smaller batch may go by filters, and its scratch must not exceed this one's. */
		if (!g->order && !small_filters(&j))
			by_filters(&j, work, false);
		et_arena_release(work, mark);
		by_tiles(&j, work, true);
	}
	et_arena_release(work, mark);
}

int et_wino_side(const struct et_conv *g)
{
	if (g->kh != 3 || g->kw != 3 || g->sh != 1 || g->sw != 1 || g->dh != 1 || g->dw != 1 ||
	    g->groups != 1 || g->ph > 2 || g->pw > 2)
		return 0;
	if (g->c < 32 || g->k < 32)
		return 0;
	/* Half of the products spared, and not all of it spent on the filters of a few pixels. */
	long tiles = (long)((g->p + 3) / 4) * ((g->q + 3) / 4), pixels = (long)g->p * g->q;
	return pixels >= 16 && 36 * tiles * 2 <= 9 * pixels ? 4 : 0;
}
