/*
 * The weight gradient of a depthwise convolution. Fixed groups of output rows, each in strips of
 * channels, have their own sums, which are joined in the order of the groups: the same bits for any
 * number of threads.
 */
#include <string.h>

#include "op/depthwise.h"

/* Groups and strips are functions of the shape alone. */
struct cut {
	size_t rows, groups; /* output rows in a group */
	size_t room;	     /* groups to reserve for: never fewer for more images */
	int width, strips;   /* channels in a strip: whole vectors of any unit */
	size_t taps;
};

static struct cut cut_of(const struct et_conv *g, int n)
{
	const size_t taps = (size_t)g->kh * (size_t)g->kw, all = (size_t)n * (size_t)g->p;
	/* A strip's sums stay in the first cache; a group is large beside its sums. */
	const size_t fit = et_min(et_max(3072 / taps / 16 * 16, 64), 192);
	struct cut t = {.taps = taps};

	t.room = et_max(et_min(all * (size_t)g->q / (6 * taps), 16), 1);
	t.rows = et_ceil_div(all, t.room);
	t.groups = et_ceil_div(all, t.rows);
	t.width = (int)et_dw_even((size_t)g->c, fit);
	t.strips = (int)et_ceil_div((size_t)g->c, (size_t)t.width);
	return t;
}

struct job {
	const struct et_ctx *x;
	const struct et_conv *g;
	size_t images;
	struct cut cut;
	const float *in, *dy;
	const struct et_prologue *pro;
	float *sums; /* [group][strip][tap][width] */
	float *rings, *dw;
};

static float *sums_of(const struct job *j, size_t group, size_t strip)
{
	return j->sums +
	       (group * (size_t)j->cut.strips + strip) * j->cut.taps * (size_t)j->cut.width;
}

static void weight_pieces(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_conv *g = j->g;
	const struct cut *cut = &j->cut;
	const size_t height = (size_t)g->p, width = (size_t)g->q * (size_t)g->c,
		     image = (size_t)g->h * (size_t)g->w * (size_t)g->c;
	const float *rows[ET_DW_ROWS];

	for (size_t i = begin; i < end; i++) {
		size_t strip = i % (size_t)cut->strips, group = i / (size_t)cut->strips;
		size_t r = group * cut->rows,
		       stop = et_min(r + cut->rows, j->images * (size_t)g->p);
		int c0 = (int)strip * cut->width, left = g->c - c0;
		struct et_dw_source s = {.k = j->x->k,
					 .g = g,
					 .pro = j->pro,
					 .c0 = c0,
					 .c = left < cut->width ? left : cut->width,
					 .ring = j->rings +
						 (size_t)thread *
							 et_dw_ring(g, j->pro, (size_t)cut->width)};
		struct et_dw d = {.c = s.c,
				  .q = g->q,
				  .w = g->w,
				  .kh = g->kh,
				  .kw = g->kw,
				  .sw = g->sw,
				  .pw = g->pw,
				  .dw = g->dw,
				  .xs = et_dw_pixel(&s),
				  .ys = (size_t)g->c,
				  .ws = cut->width};
		float *sums = sums_of(j, group, strip);
		memset(sums, 0, cut->taps * (size_t)cut->width * sizeof(float));
		for (; r < stop; r++) {
			et_dw_rows(&s, j->in + r / height * image, (int)(r % height), 1, rows);
			j->x->k->dw_weight(&d, rows, j->dy + r * width + c0, sums);
		}
	}
}

/* dw of some taps: the sums of all groups, one after the other. */
static void join_taps(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const size_t c = (size_t)j->g->c, vl = (size_t)j->x->k->vl;
	(void)thread;

	for (size_t tap = begin; tap < end; tap++)
		for (size_t strip = 0; strip < (size_t)j->cut.strips; strip++) {
			size_t c0 = strip * (size_t)j->cut.width,
			       n = et_min(c - c0, (size_t)j->cut.width), whole = n / vl * vl;
			float *dw = j->dw + tap * c + c0;
			for (size_t group = 0; group < j->cut.groups; group++) {
				const float *s =
					sums_of(j, group, strip) + tap * (size_t)j->cut.width;
				j->x->k->add(whole, dw, s, dw);
				/* Where dw_weight leaves the channels of a vector's part. */
				if (n > whole)
					j->x->k->add(n - whole, dw + whole,
						     s + vl * (n / vl + 1) - (n - whole),
						     dw + whole);
			}
		}
}

void et_depthwise_weight(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			 const struct et_prologue *pro, const float *dy, float *dw,
			 struct et_arena *work)
{
	size_t mark = et_arena_mark(work);
	struct job j = {.x = x,
			.g = g,
			.images = (size_t)n,
			.cut = cut_of(g, n),
			.in = in,
			.dy = dy,
			.pro = pro,
			.dw = dw};
	size_t strips = (size_t)j.cut.strips;

	j.sums = et_arena_alloc(work, j.cut.room * strips * j.cut.taps * (size_t)j.cut.width,
				sizeof(float));
	j.rings = et_arena_alloc(work, (size_t)x->threads * et_dw_ring(g, pro, (size_t)j.cut.width),
				 sizeof(float));
	if (!et_measuring(work)) {
		et_parallel(x, j.cut.groups * strips, 1, weight_pieces, &j);
		et_parallel(x, j.cut.taps, et_row_grain((size_t)g->c * j.cut.groups), join_taps,
			    &j);
	}
	et_arena_release(work, mark);
}
