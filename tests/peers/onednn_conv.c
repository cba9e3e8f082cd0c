/*
 * Single convolutions against oneDNN, in the same minute on the same threads: forward, and backward
 * to data and weights. Not part of `make check`: it judges nothing but that both compute the same
 * numbers.
 *
 *     peers-conv [ROUNDS [RECIPE...]]
 *     peers-conv ROUNDS lines             the layers of ResNet-18 and MobileNetV2 alone, a line
 * each
 *
 * A round calls every side once unmeasured, to warm the caches with its own tensors, and once
 * measured; each round begins with another side. Milliseconds are medians over the rounds (and the
 * tenth of the rounds that were fastest: what an undisturbed machine does); ratios are medians of
 * each round's ratio to oneDNN's direct convolution, so that what disturbs a whole round is left
 * out. Ours runs in a team of threads as in a training step, whose start is not measured.
 *
 * A recipe's forward is the exact one and what it saves for backward. Its backward begins with what
 * it prepares from the weights once a step, takes dy and gives dx in full resolution, and gives dw
 * in the form that the optimizer gets.
 */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

enum { MAX_ROUNDS = 1000, MAX_RECIPES = 6, FIRST_OURS = 2, SIDES = FIRST_OURS + 1, BATCH = 4 };

#define K3 .kh = 3, .kw = 3, .sh = 1, .sw = 1, .ph = 1, .pw = 1, .dh = 1, .dw = 1, .groups = 1

static const struct et_conv shapes[] = {
	{.c = 512, .k = 512, .h = 14, .w = 14, K3},
	{.c = 128, .k = 128, .h = 28, .w = 28, K3},
	{.c = 64, .k = 64, .h = 56, .w = 56, K3},
};

/* The layers of ResNet-18 with 3x3 kernels and stride 1, at 224x224 and at 32x32. */
static const struct {
	int batch, c, size;
} resnet[] = {
	{8, 64, 56}, {8, 128, 28}, {8, 256, 14}, {8, 512, 7},
	{32, 64, 8}, {32, 128, 4}, {32, 256, 2},
};

/* Depthwise layers of MobileNetV2 at 224x224 and of MCUNet at 128x128: what differs from K3. */
enum { DEPTHWISE_BATCH = 8 };
static const struct {
	int c, size, kernel, stride;
} depthwise[] = {
	{32, 112, 3, 1}, {96, 112, 3, 2}, {144, 56, 3, 1}, {144, 56, 3, 2}, {192, 28, 3, 1},
	{384, 14, 3, 1}, {576, 14, 3, 2}, {960, 7, 3, 1},  {48, 32, 7, 2},  {160, 8, 7, 1},
	{160, 8, 5, 1},	 {120, 16, 3, 2}, {240, 8, 7, 2},  {384, 4, 5, 1},
};

/*
 * Who computes: oneDNN directly and by its own choice, exact, then recipes; with depthwise layers
 * also one who copies as many bytes as the tensors have that a pass reads and writes.
 */
struct side {
	const char *name;
	struct problem *p;
	struct onednn_conv *peer; /* NULL: ours */
	float *from, *to;	  /* who copies: (nx + ny) / 2 floats */
	struct ours ours;
	double ms[PASSES][MAX_ROUNDS];
	int round;
};

static void run(struct side *s, enum pass pass)
{
	if (s->peer)
		onednn_run(s->peer, pass);
	else if (s->to)
		et_copy(&s->p->ctx, (s->p->nx + s->p->ny) / 2, s->from, s->to);
	else
		ours_run(&s->ours, pass);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void measure(void *arg)
{
	struct side *s = arg;
	for (int pass = 0; pass < PASSES; pass++) {
		run(s, (enum pass)pass);
		double from = et_now();
		run(s, (enum pass)pass);
		s->ms[pass][s->round] = (et_now() - from) * 1e3;
	}
}

static void measure_all(struct side *sides, int n, int rounds)
{
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < n; i++) {
			struct side *s = &sides[(r + i) % n];
			s->round = r;
			if (s->peer)
				measure(s);
			else
				et_team_run(&s->p->ctx, measure, s);
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

/* Consecutive passes, summed in each round. */
struct row {
	const char *name;
	enum pass from, to;
};

static double sum(const struct side *s, const struct row *row, int round)
{
	double ms = 0;
	for (int pass = (int)row->from; pass <= (int)row->to; pass++)
		ms += s->ms[pass][round];
	return ms;
}

static double ratio(const struct side *a, const struct side *b, const struct row *row, int rounds)
{
	static double v[MAX_ROUNDS];
	for (int r = 0; r < rounds; r++)
		v[r] = sum(a, row, r) / sum(b, row, r);
	return quantile(v, rounds, 0.5);
}

static void print_row(const struct row *row, const struct side *sides, int n, int rounds)
{
	static double ms[MAX_ROUNDS];

	printf("  %-8s", row->name);
	for (int i = 0; i < n; i++) {
		if (row->from == row->to && row->from != PASS_FORWARD &&
		    sides[i].ours.hooks.backward) {
			printf("  %24s", "-");
			continue;
		}
		for (int r = 0; r < rounds; r++)
			ms[r] = sum(&sides[i], row, r);
		printf("  %7.3f (%7.3f) %6.3f", quantile(ms, rounds, 0.5),
		       quantile(ms, rounds, 0.1), ratio(&sides[i], &sides[0], row, rounds));
	}
	putchar('\n');
}

static const struct row forward = {"forward", PASS_FORWARD, PASS_FORWARD};
static const struct row backward = {"backward", PASS_DATA, PASS_WEIGHTS};

static void print_table(const struct side *sides, int n, int rounds)
{
	const struct row rows[] = {forward,
				   {"data", PASS_DATA, PASS_DATA},
				   {"weights", PASS_WEIGHTS, PASS_WEIGHTS},
				   backward,
				   {"all", PASS_FORWARD, PASS_WEIGHTS}};
	printf("  %-8s", "");
	for (int i = 0; i < n; i++)
		printf("  %24s", sides[i].name);
	putchar('\n');
	for (size_t i = 0; i < ET_COUNT(rows); i++)
		print_row(&rows[i], sides, n, rounds);
	for (const struct side *s = sides + SIDES; s < sides + n; s++)
		printf("  %s to exact: forward %.3f, backward %.3f; dw is %s\n", s->name,
		       ratio(s, &sides[FIRST_OURS], &forward, rounds),
		       ratio(s, &sides[FIRST_OURS], &backward, rounds),
		       s->ours.flat ? "one value for all taps of a kernel" : "as exact's");
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

static double compare(const struct problem *p, struct onednn_conv *peer, enum pass pass)
{
	const struct et_conv *g = &p->g;
	size_t n = pass == PASS_FORWARD ? p->ny : pass == PASS_DATA ? p->nx : p->nw;
	float *theirs = peers_memory(n), *ours = peers_memory(n);

	onednn_run(peer, pass);
	onednn_result(peer, pass, theirs);
	if (pass == PASS_FORWARD)
		peers_turn(p->n, (size_t)g->p * (size_t)g->q, (size_t)g->k, p->y, ours);
	else if (pass == PASS_DATA)
		peers_turn(p->n, (size_t)g->h * (size_t)g->w, (size_t)g->c, p->dx, ours);
	else
		et_conv_to_torch(g, p->dw, ours);
	double d = difference(theirs, ours, n);
	free(theirs);
	free(ours);
	return d;
}

/* Whether exact and oneDNN's direct convolution are the same within what rounding explains. */
static bool agree(struct side *exact, struct onednn_conv *peer)
{
	const char *const names[] = {"y", "dx", "dw"};
	bool same = true;

	memset(exact->p->dw, 0, exact->p->nw * sizeof(float));
	for (int pass = 0; pass < PASSES; pass++) {
		run(exact, (enum pass)pass);
		double d = compare(exact->p, peer, (enum pass)pass);
		if (d <= 1e-4)
			continue;
		same = false;
		fprintf(stderr, "peers-conv: %s differs from oneDNN's by %.2g of its size\n",
			names[pass], d);
	}
	return same;
}

/* ---- one shape ------------------------------------------------------------------------------- */

static void side_open(struct side *s, const char *name, struct problem *p, struct onednn_conv *peer)
{
	s->name = name;
	s->p = p;
	s->peer = peer;
	if (!peer)
		ours_open(&s->ours, name, p);
}

static bool compare_shape(const struct et_conv *g, const struct et_ctx *ctx, int rounds,
			  char *const *recipes)
{
	static struct side sides[SIDES + MAX_RECIPES];
	struct problem p;
	int n = SIDES;

	memset(sides, 0, sizeof(sides));
	problem_open(&p, g, BATCH, ctx);
	side_open(&sides[0], "oneDNN direct", &p, onednn_open(&p.g, p.n, false, p.x, p.w, p.dy));
	side_open(&sides[1], "oneDNN auto", &p, onednn_open(&p.g, p.n, true, p.x, p.w, p.dy));
	side_open(&sides[FIRST_OURS], "exact", &p, NULL);
	for (; recipes[n - SIDES]; n++)
		side_open(&sides[n], recipes[n - SIDES], &p, NULL);

	printf("%d -> %d, 3x3, %dx%d, batch %d\n", p.g.c, p.g.k, p.g.h, p.g.w, p.n);
	for (int i = 0; i < FIRST_OURS; i++)
		printf("  %s: %s, %s, %s\n", sides[i].name,
		       onednn_name(sides[i].peer, PASS_FORWARD),
		       onednn_name(sides[i].peer, PASS_DATA),
		       onednn_name(sides[i].peer, PASS_WEIGHTS));
	bool same = agree(&sides[FIRST_OURS], sides[0].peer);
	measure_all(sides, n, rounds);
	print_table(sides, n, rounds);
	for (int i = 0; i < n; i++)
		if (sides[i].peer)
			onednn_close(sides[i].peer);
		else
			ours_close(&sides[i].ours);
	problem_close(&p);
	return same;
}

/* ---- a line a shape -------------------------------------------------------------------------- */

/*
 * exact beside oneDNN and beside a third: itself without Winograd's algorithm, or for depthwise
 * layers a copy of the tensors at hand, which tells memory's part in the time.
 */
static bool compare_line(const struct et_conv *g, int batch, const struct et_ctx *ctx, int rounds)
{
	static struct side sides[3];
	static double ms[MAX_ROUNDS];
	const struct row rows[] = {
		forward, {"data", PASS_DATA, PASS_DATA}, {"weights", PASS_WEIGHTS, PASS_WEIGHTS}};
	struct problem p, sum_alone;
	char what[32];

	memset(sides, 0, sizeof(sides));
	problem_open(&p, g, batch, ctx);
	sum_alone = p;
	sum_alone.ctx.direct = true;
	side_open(&sides[0], "oneDNN", &p, onednn_open(&p.g, p.n, false, p.x, p.w, p.dy));
	side_open(&sides[1], "exact", &p, NULL);
	if (g->groups == 1) {
		side_open(&sides[2], "exact", &sum_alone, NULL);
	} else {
		sides[2] = (struct side){.name = "copy", .p = &p};
		sides[2].from = peers_memory((p.nx + p.ny) / 2);
		sides[2].to = peers_memory((p.nx + p.ny) / 2);
	}
	bool same = agree(&sides[1], sides[0].peer);
	measure_all(sides, 3, rounds);
	snprintf(what, sizeof(what), "%d@%d %dx%d/%d", g->c, g->h, g->kh, g->kw, g->sh);
	printf("%-14s", what);
	for (size_t r = 0; r < ET_COUNT(rows); r++) {
		for (int j = 0; j < rounds; j++)
			ms[j] = sum(&sides[1], &rows[r], j);
		printf("   %7.3f %6.3f %6.3f", quantile(ms, rounds, 0.5),
		       ratio(&sides[1], &sides[0], &rows[r], rounds),
		       ratio(&sides[1], &sides[2], &rows[r], rounds));
	}
	printf("  %s\n", onednn_name(sides[0].peer, PASS_FORWARD));
	if (sides[2].to) {
		free(sides[2].from);
		free(sides[2].to);
	} else {
		ours_close(&sides[2].ours);
	}
	onednn_close(sides[0].peer);
	ours_close(&sides[1].ours);
	problem_close(&p);
	return same;
}

static bool compare_resnet(size_t i, const struct et_ctx *ctx, int rounds)
{
	struct et_conv g = {.c = resnet[i].c, .h = resnet[i].size, K3};

	g.k = g.c;
	g.w = g.h;
	return compare_line(&g, resnet[i].batch, ctx, rounds);
}

static bool compare_depthwise(size_t i, const struct et_ctx *ctx, int rounds)
{
	struct et_conv g = {.c = depthwise[i].c, .h = depthwise[i].size, K3};

	g.k = g.groups = g.c;
	g.w = g.h;
	g.kh = g.kw = depthwise[i].kernel;
	g.sh = g.sw = depthwise[i].stride;
	g.ph = g.pw = g.kh / 2;
	return compare_line(&g, DEPTHWISE_BATCH, ctx, rounds);
}

/* Whether oneDNN uses the threads it is given: the fastest of ten forwards with one and with all.
 */
static void say_threads(const struct et_ctx *ctx)
{
	struct problem p;
	double best[2] = {INFINITY, INFINITY};

	problem_open(&p, &shapes[0], BATCH, ctx);
	for (int all = 0; all < 2; all++) {
		omp_set_num_threads(all ? ctx->threads : 1);
		struct onednn_conv *peer = onednn_open(&p.g, p.n, false, p.x, p.w, p.dy);
		for (int i = 0; i < 10; i++) {
			double from = et_now();
			onednn_run(peer, PASS_FORWARD);
			best[all] = fmin(best[all], (et_now() - from) * 1e3);
		}
		onednn_close(peer);
	}
	problem_close(&p);
	printf("oneDNN's threads: forward of the first shape %.2f ms with one, %.2f ms with %d\n",
	       best[0], best[1], ctx->threads);
}

/* What shares the processors lengthens long passes more often than short ones. */
static void say_load(void)
{
	double load;
	if (getloadavg(&load, 1) == 1 && load > 0.5)
		printf("other programs are running (load %.1f): only the fastest tenths compare\n",
		       load);
}

#define HEADINGS "                 forward                  data                     weights\n"

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 40;
	struct et_ctx ctx = {.k = et_kern_select(NULL), .threads = omp_get_max_threads()};
	bool same = true, only_lines = argc == 3 && !strcmp(argv[2], "lines");

	if (rounds < 1 || rounds > MAX_ROUNDS || argc - 2 > MAX_RECIPES) {
		fprintf(stderr, "usage: peers-conv [ROUNDS [RECIPE...]], 1 to %d rounds\n",
			MAX_ROUNDS);
		return 64;
	}
	printf("oneDNN %s; ours: %s, %d threads\n", onednn_version(), ctx.k->name, ctx.threads);
	say_load();
	say_threads(&ctx);
	printf("milliseconds: median (fastest tenth) ratio to the first column\n");
	for (size_t i = 0; !only_lines && i < ET_COUNT(shapes); i++)
		same &= compare_shape(&shapes[i], &ctx, rounds, argv + et_min((size_t)argc, 2));
	printf("ResNet-18, 3x3, batches of 8 at 224x224 and of 32 at 32x32: exact's milliseconds "
	       "(medians), ratio to oneDNN, ratio to itself without Winograd\n" HEADINGS);
	for (size_t i = 0; i < ET_COUNT(resnet); i++)
		same &= compare_resnet(i, &ctx, rounds);
	printf("depthwise, batch %d: exact's milliseconds (medians), ratio to oneDNN, ratio to a "
	       "copy of as many bytes\n" HEADINGS,
	       DEPTHWISE_BATCH);
	for (size_t i = 0; i < ET_COUNT(depthwise); i++)
		same &= compare_depthwise(i, &ctx, rounds);
	return same ? 0 : 70;
}
