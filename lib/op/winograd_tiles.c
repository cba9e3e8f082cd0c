/* Tiles of pictures to and from Winograd's domain, and weights packed for theirs. */
#include "op/winograd_job.h"

/* Channels that pass through pack_r at a time, where panels are not plain rows. */
#define PIECE 16

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
static void pack_tiles(const struct et_wino_job *j, const struct et_wino_tile *tile, size_t d,
		       float *v)
{
	const struct et_kern *k = j->x->k;
	const struct et_prologue *pro = j->g->pro;
	size_t mr = (size_t)k->mr, at[ET_WINO_TAPS], len = et_wino_depth(j, d);
	float rows[ET_WINO_TAPS * ET_MR_MAX * PIECE];
	const float *ptr[ET_MR_MAX];

	for (int t = 0; t < j->taps; t++)
		at[t] = (size_t)t * mr * PIECE;
	for (size_t ch = 0; ch < len; ch += PIECE) {
		size_t from = d * j->depth + ch, n = et_min(PIECE, len - ch);
		for (size_t i = 0; i < mr; i++) {
			struct et_wino_tile one = tile[i];
			one.x += from;
			k->wino_input(j->g->s.m, n, &one,
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
void et_wino_input_panel(const struct et_wino_job *j, size_t panel, float *v)
{
	const struct et_kern *k = j->x->k;
	const struct et_prologue *pro = j->g->pro;
	const struct et_wino_rows *g = j->g;
	size_t mr = (size_t)k->mr;
	struct et_wino_tile tile[ET_MR_MAX];
	struct et_wino_grid grid = {.x = g->src,
				    .n = g->s.n,
				    .h = g->s.h,
				    .w = g->s.w,
				    .c = g->s.c,
				    .side = j->n,
				    .step = g->s.m,
				    .ph = g->s.ph,
				    .pw = g->s.pw,
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
			k->wino_input(j->g->s.m, et_wino_depth(j, d), &one,
				      pro && pro->scale ? pro->scale + from : NULL,
				      pro && pro->shift ? pro->shift + from : NULL,
				      pro ? pro->act : ET_ACT_NONE, v + i * (size_t)k->r_row,
				      j->at);
		}
	}
}

void et_wino_pack_filters(const struct et_wino_job *j, size_t k0, size_t from, size_t n, float *w,
			  size_t ws)
{
	const struct et_wino_rows *g = j->g;
	const struct et_kern *k = j->x->k;
	size_t nr = (size_t)k->nr, c = (size_t)g->s.c, kn = (size_t)g->s.k;
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
void et_wino_output_tile(const struct et_wino_job *j, size_t t, size_t k0, size_t kn,
			 const float *m, size_t ld)
{
	const struct et_wino_rows *g = j->g;
	const struct et_epilogue *e = g->epi;
	size_t plane = (size_t)j->th * (size_t)j->tw, k = (size_t)g->s.k;
	int y = (int)(t % plane / (size_t)j->tw) * g->s.m, x = (int)(t % (size_t)j->tw) * g->s.m;
	size_t at =
		((t / plane * (size_t)g->s.p + (size_t)y) * (size_t)g->s.q + (size_t)x) * k + k0;
	struct et_wino_tile to = {.row = (size_t)g->s.q * k, .pixel = k};

	to.i1 = g->s.p - y < g->s.m ? g->s.p - y : g->s.m;
	to.j1 = g->s.q - x < g->s.m ? g->s.q - x : g->s.m;
	j->x->k->wino_output(g->s.m, kn, m, ld, &to, g->y + at,
			     e && e->scale ? e->scale + k0 : NULL,
			     e && e->shift ? e->shift + k0 : NULL,
			     e && e->residual ? e->residual + at : NULL, e ? e->act : ET_ACT_NONE);
}
