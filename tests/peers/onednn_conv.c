/*
 * Single convolutions against oneDNN, in the same minute on the same threads: forward, and backward
 * to data and weights. Not part of `make check`: it judges nothing but that both compute the same
 * numbers.
 *
 *     peers-conv [ROUNDS]
 *
 * A round calls every side once unmeasured, to warm the caches with its own tensors, and once
 * measured; each round begins with another side. Milliseconds are medians over the rounds (and the
 * tenth of the rounds that were fastest: what an undisturbed machine does); ratios are medians of
 * each round's ratio to oneDNN's direct convolution, so that what disturbs a whole round is left
 * out. Ours runs in a team of threads as in a training step, whose start is not measured.
 */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

enum { MAX_ROUNDS = 1000, MAX_SIDES = 6, BATCH = 4 };

static const struct et_conv shapes[] = {
	{.c = 512, .k = 512, .h = 14, .w = 14},
	{.c = 128, .k = 128, .h = 28, .w = 28},
	{.c = 64, .k = 64, .h = 56, .w = 56},
};

/* What is computed, in both worlds' layouts; results of ours. */
struct problem {
	struct et_conv g;
	size_t nx, nw, ny;
	float *x, *w, *dy;	       /* PyTorch's */
	float *our_x, *our_w, *our_dy; /* NHWC, OHWI */
	float *y, *dx, *dw;
	struct et_ctx ctx;
	struct et_arena work;
};

struct side {
	const char *name;
	void (*run)(struct side *s, enum onednn_pass pass);
	bool ours;
	struct problem *p;
	struct onednn_conv *peer;
	double ms[ONEDNN_PASSES][MAX_ROUNDS];
	int round;
};

static void *memory(size_t n)
{
	void *p = NULL;
	if (posix_memalign(&p, 64, n * sizeof(float) + 64)) {
		fprintf(stderr, "peers-conv: no memory for %zu floats\n", n);
		exit(71);
	}
	memset(p, 0, n * sizeof(float));
	return p;
}

static float *noise(size_t n, uint32_t stream)
{
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, stream, 0);
	float *x = memory(n);
	for (size_t i = 0; i < n; i++)
		x[i] = et_rng_normal(&r);
	return x;
}

/* [n,c,hw] to [n,hw,c]; the other way when c and hw change places. */
static void turn(int n, size_t c, size_t hw, const float *from, float *to)
{
	for (size_t i = 0; i < (size_t)n; i++)
		for (size_t a = 0; a < c; a++)
			for (size_t b = 0; b < hw; b++)
				to[(i * hw + b) * c + a] = from[(i * c + a) * hw + b];
}

static void problem_open(struct problem *p, const struct et_conv *shape, const struct et_ctx *ctx)
{
	struct et_err err;

	memset(p, 0, sizeof(*p));
	p->g = *shape;
	p->g.kh = p->g.kw = 3;
	p->g.sh = p->g.sw = p->g.ph = p->g.pw = p->g.dh = p->g.dw = p->g.groups = 1;
	p->ctx = *ctx;
	struct et_arena plan = et_arena_measure();
	int status = et_conv_shape(&p->g, &err);
	if (status == ET_OK) {
		et_conv_forward(ctx, &p->g, BATCH, NULL, NULL, NULL, NULL, &plan);
		et_conv_data(ctx, &p->g, BATCH, NULL, NULL, NULL, &plan);
		et_conv_weight(ctx, &p->g, BATCH, NULL, NULL, NULL, &plan);
		status = et_arena_open(&p->work, plan.peak, &err);
	}
	if (status < 0) {
		fprintf(stderr, "peers-conv: %s\n", err.text);
		exit(70);
	}
	size_t hw = (size_t)p->g.h * (size_t)p->g.w, pq = (size_t)p->g.p * (size_t)p->g.q;
	size_t c = (size_t)p->g.c, k = (size_t)p->g.k;
	p->nx = BATCH * hw * c;
	p->ny = BATCH * pq * k;
	p->nw = et_conv_weights(&p->g);
	p->x = noise(p->nx, 1);
	p->w = noise(p->nw, 2);
	p->dy = noise(p->ny, 3);
	p->our_x = memory(p->nx);
	p->our_w = memory(p->nw);
	p->our_dy = memory(p->ny);
	turn(BATCH, c, hw, p->x, p->our_x);
	turn(BATCH, k, pq, p->dy, p->our_dy);
	et_conv_from_torch(&p->g, p->w, p->our_w);
	p->y = memory(p->ny);
	p->dx = memory(p->nx);
	p->dw = memory(p->nw);
}

static void problem_close(struct problem *p)
{
	float *all[] = {p->x, p->w, p->dy, p->our_x, p->our_w, p->our_dy, p->y, p->dx, p->dw};
	for (size_t i = 0; i < ET_COUNT(all); i++)
		free(all[i]);
	et_arena_close(&p->work);
}

static void run_peer(struct side *s, enum onednn_pass pass)
{
	onednn_run(s->peer, pass);
}

static void run_exact(struct side *s, enum onednn_pass pass)
{
	struct problem *p = s->p;
	switch (pass) {
	case ONEDNN_FORWARD:
		et_conv_forward(&p->ctx, &p->g, BATCH, p->our_x, p->our_w, NULL, p->y, &p->work);
		break;
	case ONEDNN_DATA:
		et_conv_data(&p->ctx, &p->g, BATCH, p->our_dy, p->our_w, p->dx, &p->work);
		break;
	default:
		et_conv_weight(&p->ctx, &p->g, BATCH, p->our_x, p->our_dy, p->dw, &p->work);
	}
}

/* ---- time ------------------------------------------------------------------------------------ */

static void measure(void *arg)
{
	struct side *s = arg;
	for (int pass = 0; pass < ONEDNN_PASSES; pass++) {
		s->run(s, (enum onednn_pass)pass);
		double from = et_now();
		s->run(s, (enum onednn_pass)pass);
		s->ms[pass][s->round] = (et_now() - from) * 1e3;
	}
}

static void rounds(struct side *sides, int n, int count)
{
	for (int r = 0; r < count; r++)
		for (int i = 0; i < n; i++) {
			struct side *s = &sides[(r + i) % n];
			s->round = r;
			if (s->ours)
				et_team_run(&s->p->ctx, measure, s);
			else
				measure(s);
		}
}

static int ascending(const void *a, const void *b)
{
	double x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static double quantile(const double *v, int n, double part)
{
	static double sorted[MAX_ROUNDS];
	memcpy(sorted, v, (size_t)n * sizeof(*v));
	qsort(sorted, (size_t)n, sizeof(*sorted), ascending);
	return sorted[(int)(part * (n - 1) + 0.5)];
}

/* Passes from..to of a side, summed in each round. */
static const double *sums(const struct side *s, int from, int to, int n, double *out)
{
	for (int r = 0; r < n; r++) {
		out[r] = 0;
		for (int pass = from; pass <= to; pass++)
			out[r] += s->ms[pass][r];
	}
	return out;
}

static void row(const char *name, const struct side *sides, int n, int from, int to, int count)
{
	static double base[MAX_ROUNDS], ms[MAX_ROUNDS], ratio[MAX_ROUNDS];

	printf("  %-10s", name);
	sums(&sides[0], from, to, count, base);
	for (int i = 0; i < n; i++) {
		sums(&sides[i], from, to, count, ms);
		for (int r = 0; r < count; r++)
			ratio[r] = ms[r] / base[r];
		printf("  %8.3f (%7.3f) %6.3f", quantile(ms, count, 0.5), quantile(ms, count, 0.1),
		       quantile(ratio, count, 0.5));
	}
	putchar('\n');
}

/* ---- the same numbers? ----------------------------------------------------------------------- */

/* The largest difference of two tensors, as a part of the root mean square of the first. */
static double difference(const float *a, const float *b, size_t n)
{
	double squares = 0, most = 0;
	for (size_t i = 0; i < n; i++) {
		squares += (double)a[i] * (double)a[i];
		most = fmax(most, fabs((double)a[i] - (double)b[i]));
	}
	return most / sqrt(squares / (double)n);
}

static double compare(const struct problem *p, struct onednn_conv *peer, enum onednn_pass pass)
{
	const struct et_conv *g = &p->g;
	size_t n = pass == ONEDNN_FORWARD ? p->ny : pass == ONEDNN_DATA ? p->nx : p->nw;
	float *theirs = memory(n), *ours = memory(n);

	onednn_run(peer, pass);
	onednn_result(peer, pass, theirs);
	if (pass == ONEDNN_FORWARD)
		turn(BATCH, (size_t)g->p * (size_t)g->q, (size_t)g->k, p->y, ours);
	else if (pass == ONEDNN_DATA)
		turn(BATCH, (size_t)g->h * (size_t)g->w, (size_t)g->c, p->dx, ours);
	else
		et_conv_to_torch(g, p->dw, ours);
	double d = difference(theirs, ours, n);
	free(theirs);
	free(ours);
	return d;
}

/* Whether ours and oneDNN's are the same within what rounding explains; Winograd rounds more. */
static bool agree(struct side *exact, struct onednn_conv *peer, double allowed)
{
	const char *const names[] = {"y", "dx", "dw"};
	bool same = true;

	memset(exact->p->dw, 0, exact->p->nw * sizeof(float));
	for (int pass = 0; pass < ONEDNN_PASSES; pass++) {
		exact->run(exact, (enum onednn_pass)pass);
		double d = compare(exact->p, peer, (enum onednn_pass)pass);
		if (d <= allowed)
			continue;
		same = false;
		fprintf(stderr, "peers-conv: %s differs from oneDNN's by %.2g of its size\n",
			names[pass], d);
	}
	return same;
}

/* ---- one shape ------------------------------------------------------------------------------- */

static bool compare_shape(const struct et_conv *shape, const struct et_ctx *ctx, int count)
{
	static struct side sides[MAX_SIDES];
	static struct problem p;
	int n = 0;

	problem_open(&p, shape, ctx);
	for (int automatic = 0; automatic < 2; automatic++) {
		struct onednn_conv *peer = onednn_open(&p.g, BATCH, automatic, p.x, p.w, p.dy);
		sides[n++] = (struct side){.name = automatic ? "oneDNN auto" : "oneDNN direct",
					   .run = run_peer,
					   .p = &p,
					   .peer = peer};
	}
	sides[n++] = (struct side){.name = "exact", .run = run_exact, .ours = true, .p = &p};

	printf("%d -> %d, 3x3, %dx%d, batch %d\n", p.g.c, p.g.k, p.g.h, p.g.w, BATCH);
	for (int i = 0; i < n; i++)
		if (sides[i].peer)
			printf("  %s: %s, %s, %s\n", sides[i].name,
			       onednn_name(sides[i].peer, ONEDNN_FORWARD),
			       onednn_name(sides[i].peer, ONEDNN_DATA),
			       onednn_name(sides[i].peer, ONEDNN_WEIGHTS));
	bool same = agree(&sides[2], sides[0].peer, 1e-4);
	rounds(sides, n, count);
	printf("  %-10s", "");
	for (int i = 0; i < n; i++)
		printf("  %25s", sides[i].name);
	putchar('\n');
	row("forward", sides, n, ONEDNN_FORWARD, ONEDNN_FORWARD, count);
	row("data", sides, n, ONEDNN_DATA, ONEDNN_DATA, count);
	row("weights", sides, n, ONEDNN_WEIGHTS, ONEDNN_WEIGHTS, count);
	row("backward", sides, n, ONEDNN_DATA, ONEDNN_WEIGHTS, count);
	row("all", sides, n, ONEDNN_FORWARD, ONEDNN_WEIGHTS, count);
	for (int i = 0; i < n; i++)
		if (sides[i].peer)
			onednn_close(sides[i].peer);
	problem_close(&p);
	return same;
}

/* Whether oneDNN uses the threads it is given: the fastest of ten forwards with one and with all.
 */
static void say_threads(const struct et_ctx *ctx)
{
	struct problem p;
	double best[2] = {INFINITY, INFINITY};

	problem_open(&p, &shapes[0], ctx);
	for (int all = 0; all < 2; all++) {
		omp_set_num_threads(all ? ctx->threads : 1);
		struct onednn_conv *peer = onednn_open(&p.g, BATCH, false, p.x, p.w, p.dy);
		for (int i = 0; i < 10; i++) {
			double from = et_now();
			onednn_run(peer, ONEDNN_FORWARD);
			best[all] = fmin(best[all], (et_now() - from) * 1e3);
		}
		onednn_close(peer);
	}
	problem_close(&p);
	printf("oneDNN's threads: forward of the first shape %.2f ms with one, %.2f ms with %d\n",
	       best[0], best[1], ctx->threads);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 40;
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = omp_get_max_threads()};
	bool same = true;

	if (count < 1 || count > MAX_ROUNDS) {
		fprintf(stderr, "usage: peers-conv [ROUNDS], 1 to %d\n", MAX_ROUNDS);
		return 64;
	}
	printf("oneDNN %s; ours: %s, %d threads\n", onednn_version(), ctx.k->name, ctx.threads);
	say_threads(&ctx);
	printf("milliseconds: median (fastest tenth) ratio to the first column\n");
	for (size_t i = 0; i < ET_COUNT(shapes); i++)
		same &= compare_shape(&shapes[i], &ctx, count);
	return same ? 0 : 70;
}
