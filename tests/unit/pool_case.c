#include "pool_case.h"

const char *const pool_kinds[] = {"maxpool2d", "avgpool2d", "adaptive_avgpool2d", "nearest",
				  "bilinear"};

static void run_forward(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct pool_case *t = arg;
	const struct et_pool *g = &t->g;
	if (et_measuring(work))
		return; /* these take no scratch */
	switch (t->kind) {
	case POOL_MAX:
		et_maxpool_forward(x, g, t->n, t->x, t->y, t->index);
		break;
	case POOL_AVG:
		et_avgpool_forward(x, g, t->n, t->x, t->y);
		break;
	case POOL_ADAPTIVE:
		et_adaptive_forward(x, t->n, g->h, g->w, g->c, g->p, g->q, t->x, t->y);
		break;
	default:
		et_upsample_forward(
			x, t->kind == POOL_NEAREST ? ET_UPSAMPLE_NEAREST : ET_UPSAMPLE_BILINEAR,
			t->n, g->h, g->w, g->c, g->p, g->q, t->x, t->y);
	}
}

static void run_backward(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct pool_case *t = arg;
	const struct et_pool *g = &t->g;
	if (et_measuring(work))
		return;
	switch (t->kind) {
	case POOL_MAX:
		et_maxpool_backward(x, g, t->n, t->dy, t->tap, t->dx);
		break;
	case POOL_AVG:
		et_avgpool_backward(x, g, t->n, t->dy, t->dx);
		break;
	case POOL_ADAPTIVE:
		et_adaptive_backward(x, t->n, g->h, g->w, g->c, g->p, g->q, t->dy, t->dx);
		break;
	default:
		et_upsample_backward(
			x, t->kind == POOL_NEAREST ? ET_UPSAMPLE_NEAREST : ET_UPSAMPLE_BILINEAR,
			t->n, g->h, g->w, g->c, g->p, g->q, t->dy, t->dx);
	}
}

static void check_forward(void *arg)
{
	const struct pool_case *t = arg;
	if (t->only_nan)
		num_check_nan("y", t->y, &t->want_y);
	else
		num_check("y", t->y, &t->want_y, 4);
	if (t->index)
		num_check_bits("index", t->index, t->tap, t->ny);
}

static void check_backward(void *arg)
{
	const struct pool_case *t = arg;
	if (t->only_nan)
		num_check_nan("dx", t->dx, &t->want_dx);
	else
		num_check("dx", t->dx, &t->want_dx, 4);
}

struct ref_pool pool_oracle(const struct pool_case *t)
{
	const struct et_pool *g = &t->g;
	return (struct ref_pool){.n = t->n,
				 .c = g->c,
				 .h = g->h,
				 .w = g->w,
				 .kh = g->kh,
				 .kw = g->kw,
				 .sh = g->sh,
				 .sw = g->sw,
				 .ph = g->ph,
				 .pw = g->pw,
				 .ceil_mode = g->ceil_mode,
				 .include_pad = g->include_pad,
				 .p = g->p,
				 .q = g->q};
}

/* The oracle's y, its chosen taps and dx. */
static void expect(struct pool_case *t)
{
	const struct et_pool *g = &t->g;
	struct ref_pool o = pool_oracle(t);
	size_t hw = (size_t)(g->h * g->w), pq = (size_t)(g->p * g->q);
	const double *x = num_nchw(t->n, hw, g->c, t->x), *dy = num_nchw(t->n, pq, g->c, t->dy);
	struct ref y = num_ref(t->ny), dx = num_ref(t->nx);
	int nc = t->n * g->c, *index = num_alloc(t->ny, sizeof(int));

	switch (t->kind) {
	case POOL_MAX:
		ref_maxpool_forward(&o, x, &y, index);
		ref_maxpool_backward(&o, dy, index, &dx);
		break;
	case POOL_AVG:
		ref_avgpool_forward(&o, x, &y);
		ref_avgpool_backward(&o, dy, &dx);
		break;
	case POOL_ADAPTIVE:
		ref_adaptive_forward(nc, g->h, g->w, g->p, g->q, x, &y);
		ref_adaptive_backward(nc, g->h, g->w, g->p, g->q, dy, &dx);
		break;
	case POOL_NEAREST:
		ref_nearest_forward(nc, g->h, g->w, g->p, g->q, x, &y);
		ref_nearest_backward(nc, g->h, g->w, g->p, g->q, dy, &dx);
		break;
	default:
		ref_bilinear_forward(nc, g->h, g->w, g->p, g->q, x, &y);
		ref_bilinear_backward(nc, g->h, g->w, g->p, g->q, dy, &dx);
	}
	t->want_y = num_nhwc(t->n, pq, g->c, &y);
	t->want_dx = num_nhwc(t->n, hw, g->c, &dx);
	for (size_t i = 0; i < t->ny; i++) {
		size_t c = (size_t)g->c, img = i / c / pq, at = i / c % pq;
		t->tap[i] = (uint8_t)index[(img * c + i % c) * pq + at];
	}
}

void pool_alloc(struct pool_case *t)
{
	const struct et_pool *g = &t->g;
	t->nx = (size_t)t->n * (size_t)g->h * (size_t)g->w * (size_t)g->c;
	t->ny = (size_t)t->n * (size_t)g->p * (size_t)g->q * (size_t)g->c;
	t->y = num_floats(t->ny);
	t->dx = num_floats(t->nx);
	t->tap = num_guarded(t->ny);
	t->index = t->kind == POOL_MAX ? num_guarded(t->ny) : NULL;
}

void pool_run(struct pool_case *t)
{
	const struct num_out out[] = {{t->y, t->ny * sizeof(float), NULL}, {t->index, t->ny, NULL}};
	expect(t);
	num_run(run_forward, check_forward, t, out, t->kind == POOL_MAX ? 2 : 1);
	num_run(run_backward, check_backward, t,
		&(struct num_out){t->dx, t->nx * sizeof(float), NULL}, 1);
	if (t->kind != POOL_MAX)
		return;
	t->index = NULL; /* inference keeps none */
	num_run(run_forward, check_forward, t, out, 1);
}

void pool_random(struct pool_case *t, struct et_rng *r, bool ties)
{
	struct et_pool *g = &t->g;

	t->n = num_int(r, 1, 3);
	do {
		g->h = num_int(r, 1, 13);
		g->w = num_int(r, 1, 13);
		g->c = num_int(r, 0, 2) ? num_int(r, 1, 20) : num_int(r, 20, 80);
		g->kh = num_int(r, 1, 4);
		g->kw = num_int(r, 1, 4);
		g->sh = num_int(r, 1, 4);
		g->sw = num_int(r, 1, 4);
		g->ph = num_int(r, 0, g->kh / 2);
		g->pw = num_int(r, 0, g->kw / 2);
		g->ceil_mode = num_int(r, 0, 1);
		g->include_pad = num_int(r, 0, 1);
	} while (et_pool_shape(g, NULL) < 0);
	if (t->kind > POOL_AVG) {
		g->p = num_int(r, 1, 16);
		g->q = num_int(r, 0, 5) ? num_int(r, 1, 16) : num_int(r, 60, 150);
	}
	pool_alloc(t);
	t->x = num_normal(r, t->nx);
	t->dy = num_normal(r, t->ny);
	for (size_t i = 0; ties && i < t->nx; i++)
		t->x[i] = rintf(t->x[i]);
}

void pool_label(const struct pool_case *t, int shape)
{
	const struct et_pool *g = &t->g;
	num_label("%s %d: n%d %dx%dx%d to %dx%d, kernel %dx%d, stride %d,%d, padding %d,%d, ceil "
		  "%d, include %d",
		  pool_kinds[t->kind], shape, t->n, g->h, g->w, g->c, g->p, g->q, g->kh, g->kw,
		  g->sh, g->sw, g->ph, g->pw, g->ceil_mode, g->include_pad);
}
