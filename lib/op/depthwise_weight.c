/*
 * The weight gradient of a depthwise convolution, alone or with dx in the same walk over dy. Fixed
 * groups of output rows, each in strips of channels, have their own sums, which are joined in the
 * order of the groups: the same bits for any number of threads.
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
	const float *w; /* for dx */
	float *dx;	/* or NULL */
};

static float *sums_of(const struct job *j, size_t group, size_t strip)
{
	return j->sums +
	       (group * (size_t)j->cut.strips + strip) * j->cut.taps * (size_t)j->cut.width;
}

/*
 * Each row of x belongs to one output row, for dx: the last of those that its taps can come from,
 * or the last one there is. Where those of output row p end:
 */
static int end_of(const struct et_conv *g, int p)
{
	int to = (p + 1) * g->sh - g->ph;
	return p == g->p - 1 || to > g->h ? g->h : to < 0 ? 0 : to;
}

/* dx of the rows of x that output rows p..p+count-1 of an image, all of it at dy and dx, are for.
 */
static void data_of(const struct job *j, const struct et_dw_source *s, size_t img, int p, int count)
{
	const struct et_conv *g = j->g;
	const size_t in = (size_t)g->h * (size_t)g->w * (size_t)g->c,
		     out = (size_t)g->p * (size_t)g->q * (size_t)g->c;

	et_dw_data_rows(j->x->k, g, s->c0, s->c, j->dy + img * out, j->w, j->dx + img * in,
			p ? end_of(g, p - 1) : 0, end_of(g, p + count - 1));
}

/* Output rows r..stop-1 of all images, the source's channels: dw into sums, dx when it is wanted.
 */
static void walk(const struct job *j, struct et_dw_source *s, size_t r, size_t stop, float *sums)
{
	const struct et_conv *g = j->g;
	const size_t height = (size_t)g->p, width = (size_t)g->q * (size_t)g->c,
		     image = (size_t)g->h * (size_t)g->w * (size_t)g->c;
	const struct et_dw d = {.c = s->c,
				.q = g->q,
				.w = g->w,
				.kh = g->kh,
				.kw = g->kw,
				.sw = g->sw,
				.pw = g->pw,
				.dw = g->dw,
				.xs = et_dw_pixel(s),
				.ys = (size_t)g->c,
				.ws = j->cut.width};
	const float *rows[ET_DW_ROWS];

	while (r < stop) {
		size_t img = r / height;
		int p = (int)(r % height), count = 0;
		/* Two rows of dx come in one go where they meet the same rows of dy. */
		do {
			et_dw_rows(s, j->in + img * image, p + count, 1, rows);
			j->x->k->dw_weight(&d, rows, j->dy + r++ * width + s->c0, sums);
			count++;
		} while (j->dx && et_dw_pairs(g) && count < 2 && r < stop && p + count < g->p);
		if (j->dx)
			data_of(j, s, img, p, count);
	}
}

static void pieces(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct cut *cut = &j->cut;

	for (size_t i = begin; i < end; i++) {
		size_t strip = i % (size_t)cut->strips, group = i / (size_t)cut->strips;
		size_t r = group * cut->rows;
		int c0 = (int)strip * cut->width, left = j->g->c - c0;
		struct et_dw_source s = {
			.k = j->x->k,
			.g = j->g,
			.pro = j->pro,
			.c0 = c0,
			.c = left < cut->width ? left : cut->width,
			.ring = j->rings +
				(size_t)thread * et_dw_ring(j->g, j->pro, (size_t)cut->width)};
		float *sums = sums_of(j, group, strip);
		memset(sums, 0, cut->taps * (size_t)cut->width * sizeof(float));
		walk(j, &s, r, et_min(r + cut->rows, j->images * (size_t)j->g->p), sums);
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

static void run(struct job *j, int n, struct et_arena *work)
{
	size_t mark = et_arena_mark(work);

	j->images = (size_t)n;
	j->cut = cut_of(j->g, n);
	size_t strips = (size_t)j->cut.strips, width = (size_t)j->cut.width;

	j->sums = et_arena_alloc(work, j->cut.room * strips * j->cut.taps * width, sizeof(float));
	j->rings = et_arena_alloc(work, (size_t)j->x->threads * et_dw_ring(j->g, j->pro, width),
				  sizeof(float));
	if (!et_measuring(work)) {
		et_parallel(j->x, j->cut.groups * strips, 1, pieces, j);
		et_parallel(j->x, j->cut.taps, et_row_grain((size_t)j->g->c * j->cut.groups),
			    join_taps, j);
	}
	et_arena_release(work, mark);
}

void et_depthwise_weight(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			 const struct et_prologue *pro, const float *dy, float *dw,
			 struct et_arena *work)
{
	struct job j = {.x = x, .g = g, .in = in, .dy = dy, .pro = pro, .dw = dw};
	run(&j, n, work);
}

/* Beyond what caches keep from one walk to the next. */
bool et_depthwise_walks(const struct et_conv *g, int n)
{
	return (size_t)n * (size_t)g->p * (size_t)g->q * (size_t)g->c >= 1u << 18;
}

void et_depthwise_both(const struct et_ctx *x, const struct et_conv *g, int n,
		       const struct et_conv_pair *pair, struct et_arena *work)
{
	struct job j = {.x = x,
			.g = g,
			.in = pair->in,
			.dy = pair->dy,
			.pro = pair->pro,
			.w = pair->w,
			.dx = pair->dx,
			.dw = pair->dw};
	run(&j, n, work);
}
