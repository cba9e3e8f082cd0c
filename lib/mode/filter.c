/*
 * Gradient filtering (Yang, Li, Marculescu, CVPR 2023): dy is replaced by its mean over patches of
 * R x R, and backward works on the grid of patches.
 *
 *   saved  xs = sum of x over (R*s) x (R*s) patches
 *   state  ws = sum of w over its taps; taps are kept along an axis whose dilation is at least R
 *          g  = mean of dy over R x R patches, divided by the stride's area
 *   dx = ws' g, copied to every pixel of a patch;  dw = g' xs, the same for every tap
 */
#include <math.h>

#include "mode/techniques.h"

enum { KEY_R, KEY_SCALE };
enum { UNBIASED, PAPER };

#define R_MAX 255

/* One layer's geometry on the grid. */
struct geometry {
	struct et_grid out, in; /* patches of dy and of x */
	struct et_conv dx, dw;	/* convolutions of the same channels from the grid to the grid */
	bool keep_h, keep_w;	/* taps kept */
	float area;		/* of the stride; 1 with the paper's scale */
};

/*
 * A dilated axis whose taps lie at least a patch apart keeps them, as a dilated kernel on the grid.
 * Not so taps side by side, even with patches of 1: they are added up, as in the published code.
 */
static bool keep_taps(int taps, int dilation, int r)
{
	return taps > 1 && dilation > 1 && dilation >= r;
}

static struct geometry geometry(const struct et_layer *l, const double *opt)
{
	const struct et_conv *g = &l->g;
	int r = (int)opt[KEY_R], gh = (g->p + r - 1) / r, gw = (g->q + r - 1) / r;
	struct geometry f = {.keep_h = keep_taps(g->kh, g->dh, r),
			     .keep_w = keep_taps(g->kw, g->dw, r),
			     .area = opt[KEY_SCALE] == PAPER ? 1 : (float)(g->sh * g->sw)};

	f.out = et_grid_make(g->p, g->q, r, r, gh, gw);
	f.in = et_grid_make(g->h, g->w, r * g->sh, r * g->sw, gh, gw);
	f.dw = (struct et_conv){.h = gh,
				.w = gw,
				.c = g->c,
				.k = g->k,
				.kh = 1,
				.kw = 1,
				.sh = 1,
				.sw = 1,
				.dh = 1,
				.dw = 1,
				.groups = g->groups,
				.p = gh,
				.q = gw};
	f.dx = f.dw;
	if (f.keep_h) {
		f.dx.kh = g->kh;
		f.dx.dh = g->dh / r;
		f.dx.ph = f.dx.dh * (g->kh - 1) / 2;
	}
	if (f.keep_w) {
		f.dx.kw = g->kw;
		f.dx.dw = g->dw / r;
		f.dx.pw = f.dx.dw * (g->kw - 1) / 2;
	}
	return f;
}

/* Without taps to add up, ws is w itself. */
static bool sums_taps(const struct et_conv *g, const struct geometry *f)
{
	return (g->kh > 1 && !f->keep_h) || (g->kw > 1 && !f->keep_w);
}

static size_t patches(const struct geometry *f, int n)
{
	return (size_t)n * (size_t)f->out.gh * (size_t)f->out.gw;
}

static int accepts(const struct et_layer *l, const double *opt, struct et_err *err)
{
	(void)opt;
	return l->linear ? et_fail(err, ET_EUSAGE,
				   "filter works on convolutions, %s is a linear layer", l->name)
			 : ET_OK;
}

static void plan(const struct et_layer *l, const double *opt, int n, struct et_need *need)
{
	struct geometry f = geometry(l, opt);

	need->saved = patches(&f, n) * (size_t)l->g.c * sizeof(float);
	need->state =
		l->wants_dx && sums_taps(&l->g, &f) ? et_conv_weights(&f.dx) * sizeof(float) : 0;
	need->dx = et_conv_mac(&f.dx);
	need->dw = et_conv_mac(&f.dw);
}

static void grids(const struct et_layer *l, const double *opt, struct et_grid *out,
		  struct et_grid *in)
{
	struct geometry f = geometry(l, opt);
	*out = f.out;
	*in = f.in;
}

static void prepare(const struct et_call *c, const float *w)
{
	struct geometry f = geometry(c->layer, c->opt);

	if (c->state && !et_measuring(c->work))
		et_conv_tap_sum(c->x, &c->layer->g, f.keep_h, f.keep_w, w, c->state);
}

static void save(const struct et_call *c, const float *x, void *saved)
{
	struct geometry f = geometry(c->layer, c->opt);

	if (!et_measuring(c->work))
		et_patch_pool(c->x, &f.in, c->n, c->layer->g.c, x, 1, saved);
}

/* g in scratch, unless dy is that already. NULL when it only counts. */
static const float *means(const struct et_call *c, const struct et_backward *b,
			  const struct geometry *f)
{
	size_t count = patches(f, c->n) * (size_t)c->layer->g.k;
	float *g;

	if (b->in_patches && f->area == 1)
		return b->dy;
	g = et_arena_alloc(c->work, count, sizeof(float));
	if (et_measuring(c->work))
		return NULL;
	if (b->in_patches)
		et_scale(c->x, count, 1 / f->area, b->dy, g);
	else
		et_patch_pool(c->x, &f->out, c->n, c->layer->g.k, b->dy, 0, g);
	if (!b->in_patches && f->area != 1)
		et_scale(c->x, count, 1 / f->area, g, g);
	return g;
}

static void backward(const struct et_call *c, const struct et_backward *b)
{
	struct geometry f = geometry(c->layer, c->opt);
	size_t mark = et_arena_mark(c->work);
	bool run = !et_measuring(c->work);
	const float *g = means(c, b, &f), *ws = c->state ? c->state : b->w;
	float *dxp = b->dx;

	if (b->dw || !run)
		et_conv_weight(c->x, &f.dw, c->n, b->saved, NULL, g, b->dw, c->work);
	if (!b->out_patches)
		dxp = et_arena_alloc(c->work, patches(&f, c->n) * (size_t)c->layer->g.c,
				     sizeof(float));
	if (b->dx || !run)
		et_conv_data(c->x, &f.dx, c->n, g, ws, dxp, c->work);
	if (b->dx && run && !b->out_patches)
		et_patch_spread(c->x, &f.in, c->n, c->layer->g.c, dxp, b->dx);
	et_arena_release(c->work, mark);
}

const struct et_mode et_mode_filter = {
	.name = "filter",
	.help = "gradient filtering: backward on the means of R x R patches",
	.reference = "Yang, Li, Marculescu: Efficient On-device Training via Gradient Filtering, "
		     "CVPR 2023",
	.axis = ET_AXIS_BACKWARD,
	.key = {{.name = "R",
		 .help = "side of a patch",
		 .min = 1,
		 .max = R_MAX,
		 .integer = true,
		 .initial = NAN},
		{.name = "scale",
		 .help = "with a stride: divide by its area, or as the paper's code does not",
		 .choices = "unbiased|paper",
		 .initial = UNBIASED}},
	.flat_dw = true,
	.accepts = accepts,
	.plan = plan,
	.grids = grids,
	.prepare = prepare,
	.save = save,
	.backward = backward,
};
