/*
 * The weight gradient of a depthwise convolution, alone or with dx in the same walk over dy, and
 * then also with what batch norm on either side has to do with the gradients. Fixed groups of
 * output rows, each in strips of channels, have their own sums, which are joined in the order of
 * the groups: the same bits for any number of threads.
 */
#include <string.h>

#include "op/depthwise.h"
#include "op/norm_sums.h"

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
	const struct et_conv_pair *p; /* dx may be NULL */
	size_t images;
	struct cut cut;
	float *sums; /* [group][strip][tap][width] */
	/* By thread: input rows through a prologue, rows of dy through batch norm, sums for the
	 * other batch norm. */
	float *rings, *through, *part;
	struct et_norm_blocks norm; /* a block for each group */
};

static float *sums_of(const struct job *j, size_t group, size_t strip)
{
	return j->sums +
	       (group * (size_t)j->cut.strips + strip) * j->cut.taps * (size_t)j->cut.width;
}

/* ---- rows of dy ------------------------------------------------------------------------------ */

/* A piece of the work: a strip of a group. */
struct piece {
	const struct job *j;
	size_t group;
	struct et_dw_source in;
	struct et_dw_grad dy;
	float *through;
	size_t img; /* whose rows are there */
	int next;   /* the first row that is not */
};

/* Rows of dy that two output rows' share of dx meets, and those in between. */
static int through_rows(const struct et_conv *g)
{
	return (g->kh - 1) * g->dh / g->sh + 2;
}

static size_t through_floats(const struct et_conv *g, int width)
{
	return et_ceil_div((size_t)through_rows(g) * (size_t)g->q * (size_t)width, 16) * 16;
}

static struct et_prologue from(const struct et_prologue *p, int c0)
{
	return (struct et_prologue){p->scale + c0, p->shift + c0, p->act};
}

/* Makes row p of an image what batch norm makes of it, and those before it that dx needs with it.
 */
static void through_norm(struct piece *t, size_t img, int p)
{
	const struct job *j = t->j;
	const struct et_conv *g = j->g;
	const struct et_bn_grad *bn = j->p->through;
	const int c0 = t->in.c0, reach = p * g->sh - (g->kh - 1) * g->dh;
	const size_t row = (size_t)g->q * (size_t)g->c;
	struct et_prologue after;

	if (bn->after)
		after = from(bn->after, c0);
	if (img != t->img) {
		t->img = img;
		t->next = 0;
	}
	if (reach > 0 && t->next < reach / g->sh)
		t->next = reach / g->sh;
	for (; t->next <= p; t->next++) {
		size_t at = (img * (size_t)g->p + (size_t)t->next) * row + (size_t)c0;
		j->x->k->bn_dx(
			(size_t)g->q, (size_t)t->in.c, (size_t)g->c, bn->in + at, j->p->dy + at,
			bn->a + c0, bn->b + c0, bn->d + c0, bn->after ? &after : NULL,
			t->through + (size_t)(t->next % t->dy.count) * t->dy.row, t->dy.pixel);
	}
}

/* Sees to it that row p of dy is there, as the products take it. */
static void ready_dy(struct piece *t, size_t img, int p)
{
	const struct et_conv *g = t->j->g;

	if (t->j->p->through)
		through_norm(t, img, p);
	else
		t->dy = et_dw_grad(g,
				   t->j->p->dy + img * (size_t)g->p * (size_t)g->q * (size_t)g->c,
				   t->in.c0);
}

/* ---- dx -------------------------------------------------------------------------------------- */

/*
 * Each row of x belongs to one output row, for dx: the last of those that its taps can come from,
 * or the last one there is. Where those of output row p end:
 */
static int end_of(const struct et_conv *g, int p)
{
	int to = (p + 1) * g->sh - g->ph;
	return p == g->p - 1 || to > g->h ? g->h : to < 0 ? 0 : to;
}

/* Adds dx of some rows, that begin at `at`, to the sums of batch norm before the convolution. */
static void add_sums(const struct piece *t, size_t at, size_t pixels, float *part)
{
	const struct job *j = t->j;
	const struct et_bn_sums *bn = j->p->sums;
	const size_t c0 = (size_t)t->in.c0, c = (size_t)t->in.c,
		     to = t->group * (size_t)j->g->c + c0;
	struct et_prologue after;

	if (bn->after)
		after = from(bn->after, t->in.c0);
	j->x->k->col_bn_bwd(pixels, c, (size_t)j->g->c, j->p->in + at, j->p->dx + at, bn->mean + c0,
			    bn->after ? &after : NULL, part, part + c);
	j->x->k->add(c, j->norm.s1 + to, part, j->norm.s1 + to);
	j->x->k->add(c, j->norm.s2 + to, part + c, j->norm.s2 + to);
}

/* dx of the rows of x that belong to output rows p..p+count-1 of an image. */
static void data_of(const struct piece *t, size_t img, int p, int count, float *part)
{
	const struct job *j = t->j;
	const struct et_conv *g = j->g;
	const size_t row = (size_t)g->w * (size_t)g->c, image = img * (size_t)g->h * row;
	int i0 = p ? end_of(g, p - 1) : 0, i1 = end_of(g, p + count - 1);

	et_dw_data_rows(j->x->k, g, t->in.c0, t->in.c, &t->dy, j->p->w, j->p->dx + image, i0, i1);
	if (j->p->sums && i0 < i1)
		add_sums(t, image + (size_t)i0 * row + (size_t)t->in.c0,
			 (size_t)(i1 - i0) * (size_t)g->w, part);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* Output rows r..stop-1 of all images: dw into sums, dx when it is wanted. */
static void walk(struct piece *t, size_t r, size_t stop, float *sums, float *part)
{
	const struct job *j = t->j;
	const struct et_conv *g = j->g;
	const size_t height = (size_t)g->p, image = (size_t)g->h * (size_t)g->w * (size_t)g->c;
	struct et_dw d = {.c = t->in.c,
			  .q = g->q,
			  .w = g->w,
			  .kh = g->kh,
			  .kw = g->kw,
			  .sw = g->sw,
			  .pw = g->pw,
			  .dw = g->dw,
			  .xs = et_dw_pixel(&t->in),
			  .ws = j->cut.width};
	const float *rows[ET_DW_ROWS];

	while (r < stop) {
		size_t img = r / height;
		int p = (int)(r % height), count = 0;
		/* Two rows of dx come in one go where they meet the same rows of dy. */
		do {
			et_dw_rows(&t->in, j->p->in + img * image, p + count, 1, rows);
			ready_dy(t, img, p + count);
			d.ys = t->dy.pixel;
			j->x->k->dw_weight(&d, rows, et_dw_grad_row(&t->dy, p + count), sums);
			count++;
			r++;
		} while (j->p->dx && et_dw_pairs(g) && count < 2 && r < stop && p + count < g->p);
		if (j->p->dx)
			data_of(t, img, p, count, part);
	}
}

static void pieces(void *arg, size_t begin, size_t end, int thread)
{
	const struct job *j = arg;
	const struct et_conv *g = j->g;
	const struct cut *cut = &j->cut;
	const size_t width = (size_t)cut->width, who = (size_t)thread;
	float *part = j->part + who * 2 * width;

	for (size_t i = begin; i < end; i++) {
		size_t strip = i % (size_t)cut->strips, group = i / (size_t)cut->strips;
		size_t r = group * cut->rows,
		       stop = et_min(r + cut->rows, j->images * (size_t)g->p);
		int c0 = (int)strip * cut->width, left = g->c - c0;
		float *sums = sums_of(j, group, strip);
		struct piece t = {.j = j, .group = group, .img = SIZE_MAX};

		t.in = (struct et_dw_source){.k = j->x->k,
					     .g = g,
					     .pro = j->p->pro,
					     .c0 = c0,
					     .c = left < cut->width ? left : cut->width};
		t.in.ring = j->rings + who * et_dw_ring(g, j->p->pro, width);
		if (j->p->through) {
			t.through = j->through + who * through_floats(g, cut->width);
			t.dy = (struct et_dw_grad){t.through, through_rows(g),
						   (size_t)g->q * (size_t)t.in.c, (size_t)t.in.c};
		}
		if (j->p->sums) {
			size_t at = group * (size_t)g->c + (size_t)c0;
			memset(j->norm.s1 + at, 0, (size_t)t.in.c * sizeof(float));
			memset(j->norm.s2 + at, 0, (size_t)t.in.c * sizeof(float));
		}
		memset(sums, 0, cut->taps * width * sizeof(float));
		walk(&t, r, stop, sums, part);
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
			float *dw = j->p->dw + tap * c + c0;
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

static void run(const struct et_ctx *x, const struct et_conv *g, int n,
		const struct et_conv_pair *p, struct et_arena *work)
{
	size_t mark = et_arena_mark(work), threads = (size_t)x->threads;
	struct job j = {.x = x, .g = g, .p = p, .images = (size_t)n, .cut = cut_of(g, n)};
	size_t strips = (size_t)j.cut.strips, width = (size_t)j.cut.width;

	j.sums = et_arena_alloc(work, j.cut.room * strips * j.cut.taps * width, sizeof(float));
	j.rings = et_arena_alloc(work, threads * et_dw_ring(g, p->pro, width), sizeof(float));
	if (p->through)
		j.through = et_arena_alloc(work, threads * through_floats(g, j.cut.width),
					   sizeof(float));
	if (p->sums) {
		j.part = et_arena_alloc(work, threads * 2 * width, sizeof(float));
		j.norm = et_norm_open(x, p->sums, j.cut.room, (size_t)g->c, work);
	}
	if (!et_measuring(work)) {
		et_parallel(x, j.cut.groups * strips, 1, pieces, &j);
		et_parallel(x, j.cut.taps, et_row_grain((size_t)g->c * j.cut.groups), join_taps,
			    &j);
		if (p->sums)
			et_norm_join(&j.norm, j.cut.groups);
	}
	et_arena_release(work, mark);
}

void et_depthwise_weight(const struct et_ctx *x, const struct et_conv *g, int n, const float *in,
			 const struct et_prologue *pro, const float *dy, float *dw,
			 struct et_arena *work)
{
	const struct et_conv_pair p = {.in = in, .pro = pro, .dy = dy, .dw = dw};
	run(x, g, n, &p, work);
}

/* Beyond what caches keep from one walk to the next. */
bool et_depthwise_walks(const struct et_conv *g, int n)
{
	return (size_t)n * (size_t)g->p * (size_t)g->q * (size_t)g->c >= 1u << 18;
}

void et_depthwise_both(const struct et_ctx *x, const struct et_conv *g, int n,
		       const struct et_conv_pair *pair, struct et_arena *work)
{
	run(x, g, n, pair, work);
}
