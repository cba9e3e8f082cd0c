/*
 * Our GEMM against OpenBLAS, in turns on the same threads, beside what the processor can do at
 * most. Not part of `make check`: it judges nothing but that both compute the same numbers.
 *
 *     peers-gemm [ROUNDS [WORD...]]        words choose works by their beginning
 *
 * Works are large squares and the convolutions of ResNet-18 and MobileNetV2, 8 pictures of 224x224:
 * forward (y = x w), data (dx = dy w^T) and weights (dw = dy^T x), each the product of an M x K and
 * a K x N matrix. OpenBLAS and "matrix" get the im2col matrix ready made; "picture" is the same
 * product gathered from the picture by our GEMM, as training does it. GFLOP/s are medians of the
 * rounds; shares are of what as many threads reach on registers alone (ET_ISA as for the program;
 * OPENBLAS_CORETYPE chooses OpenBLAS' kernels).
 */
#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ours.h"
#include "peak.h"

enum { MAX_ROUNDS = 101, BATCH = 8 };
enum side { BLAS, MATRIX, PICTURE, SIDES };

#define CONV(called, c_, k_, h_, kernel, stride) \
	{                                        \
		.name = (called),                \
		.g = {.c = (c_),                 \
		      .k = (k_),                 \
		      .h = (h_),                 \
		      .w = (h_),                 \
		      .kh = (kernel),            \
		      .kw = (kernel),            \
		      .sh = (stride),            \
		      .sw = (stride),            \
		      .ph = (kernel) / 2,        \
		      .pw = (kernel) / 2,        \
		      .dh = 1,                   \
		      .dw = 1,                   \
		      .groups = 1 }              \
	}
#define SQUARE(n)                             \
	{                                     \
		.name = "square", .side = (n) \
	}

static const struct work {
	const char *name;
	struct et_conv g; /* c = 0: none, a square */
	size_t side;
} works[] = {
	SQUARE(1024),
	SQUARE(2048),
	CONV("resnet conv1", 3, 64, 224, 7, 2),
	CONV("resnet layer1", 64, 64, 56, 3, 1),
	CONV("resnet layer2.0", 64, 128, 56, 3, 2),
	CONV("resnet layer2", 128, 128, 28, 3, 1),
	CONV("resnet layer2 1x1", 64, 128, 56, 1, 2),
	CONV("resnet layer3.0", 128, 256, 28, 3, 2),
	CONV("resnet layer3", 256, 256, 14, 3, 1),
	CONV("resnet layer3 1x1", 128, 256, 28, 1, 2),
	CONV("resnet layer4.0", 256, 512, 14, 3, 2),
	CONV("resnet layer4", 512, 512, 7, 3, 1),
	CONV("resnet layer4 1x1", 256, 512, 14, 1, 2),
	CONV("mobile conv0", 3, 32, 224, 3, 2),
	CONV("mobile 1 project", 32, 16, 112, 1, 1),
	CONV("mobile 2 expand", 16, 96, 112, 1, 1),
	CONV("mobile 2 project", 96, 24, 56, 1, 1),
	CONV("mobile 3 expand", 24, 144, 56, 1, 1),
	CONV("mobile 3 project", 144, 24, 56, 1, 1),
	CONV("mobile 4 project", 144, 32, 28, 1, 1),
	CONV("mobile 5 expand", 32, 192, 28, 1, 1),
	CONV("mobile 5 project", 192, 32, 28, 1, 1),
	CONV("mobile 7 project", 192, 64, 14, 1, 1),
	CONV("mobile 8 expand", 64, 384, 14, 1, 1),
	CONV("mobile 8 project", 384, 64, 14, 1, 1),
	CONV("mobile 11 project", 384, 96, 14, 1, 1),
	CONV("mobile 12 expand", 96, 576, 14, 1, 1),
	CONV("mobile 12 project", 576, 96, 14, 1, 1),
	CONV("mobile 14 project", 576, 160, 7, 1, 1),
	CONV("mobile 15 expand", 160, 960, 7, 1, 1),
	CONV("mobile 15 project", 960, 160, 7, 1, 1),
	CONV("mobile 17 project", 960, 320, 7, 1, 1),
	CONV("mobile 18", 320, 1280, 7, 1, 1),
};

static const char *const pass_names[] = {"forward", "data", "weights"};

/* One product: C[m,n] = A B, or for weights C[m,n] += A^T B with A [k,m]. */
struct product {
	struct et_ctx ctx;
	enum pass pass;
	size_t m, n, k;
	float *a, *b, *c, *pixels; /* b: [n,k] for forward, else [k,n] */
	struct et_gather picture;
	int16_t ty[49], tx[49];
	size_t tb[49];
	struct et_arena work;
	int repeat; /* products a measurement */
	double seconds[SIDES][MAX_ROUNDS], peak[MAX_ROUNDS];
	int round;
};

/* ---- the three sides ------------------------------------------------------------------------- */

static void run_blas(const struct product *p)
{
	int m = (int)p->m, n = (int)p->n, k = (int)p->k;

	if (p->pass == PASS_FORWARD)
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, p->a, k, p->b, k,
			    0, p->c, n);
	else if (p->pass == PASS_DATA)
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, p->a, k, p->b, n,
			    0, p->c, n);
	else
		cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1, p->a, m, p->b, n,
			    1, p->c, n);
}

static const int16_t no_offset[1];

static struct et_gather matrix(const float *src, size_t rows, size_t cols)
{
	return (struct et_gather){.src = src,
				  .n = (int)rows,
				  .h = 1,
				  .w = 1,
				  .c = (int)cols,
				  .cn = (int)cols,
				  .gh = 1,
				  .gw = 1,
				  .sh = 1,
				  .sw = 1,
				  .taps = 1,
				  .y = no_offset,
				  .x = no_offset};
}

static void run_ours(const struct product *p, bool picture, struct et_arena *work)
{
	if (p->pass == PASS_WEIGHTS) {
		struct et_gemm_sum s = {.a = picture ? p->picture : matrix(p->b, p->k, p->n),
					.d = p->a,
					.ldd = p->m,
					.rows = (int)p->m,
					.c = p->c,
					.ldc = p->n};
		et_gemm_sum(&p->ctx, &s, work);
		return;
	}
	struct et_gemm_rows r = {.a = picture ? p->picture : matrix(p->a, p->m, p->k),
				 .b = p->b,
				 .ldb = p->pass == PASS_FORWARD ? p->k : p->n,
				 .bt = p->pass == PASS_FORWARD,
				 .c = p->c,
				 .ldc = p->n,
				 .cols = (int)p->n};
	et_gemm_rows(&p->ctx, &r, work);
}

/* ---- making a product ------------------------------------------------------------------------ */

static float *noise(size_t n, uint32_t stream)
{
	struct et_rng r = et_rng_open(1, ET_STREAM_TEST, stream, 0);
	float *x = peers_memory(n);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)et_rng_below(&r, 2048) / 1024 - 1;
	return x;
}

/* The im2col matrix of a picture. */
static void write_out(const struct et_gather *a, float *out)
{
	for (int img = 0; img < a->n; img++)
		for (int i = 0; i < a->gh; i++)
			for (int j = 0; j < a->gw; j++)
				for (int t = 0; t < a->taps; t++, out += a->cn) {
					int y = i * a->sh + a->y[t], x = j * a->sw + a->x[t];
					if (y < 0 || y >= a->h || x < 0 || x >= a->w)
						memset(out, 0, (size_t)a->cn * sizeof(float));
					else
						memcpy(out,
						       a->src + ((img * a->h + y) * a->w + x) *
									(size_t)a->c,
						       (size_t)a->cn * sizeof(float));
				}
}

static void set_sizes(struct product *p, const struct work *w, const struct et_conv *g)
{
	size_t taps = (size_t)g->kh * (size_t)g->kw;

	if (!g->c)
		p->m = p->n = p->k = w->side;
	else if (p->pass == PASS_FORWARD) {
		p->m = (size_t)(BATCH * g->p * g->q);
		p->n = (size_t)g->k;
		p->k = taps * (size_t)g->c;
	} else if (p->pass == PASS_DATA) {
		p->m = (size_t)(BATCH * g->h * g->w);
		p->n = (size_t)g->c;
		p->k = taps * (size_t)g->k;
	} else {
		p->m = (size_t)g->k;
		p->n = taps * (size_t)g->c;
		p->k = (size_t)(BATCH * g->p * g->q);
	}
}

static void set_picture(struct product *p, const struct et_conv *g)
{
	bool data = p->pass == PASS_DATA;

	for (int t = 0; t < g->kh * g->kw; t++) {
		p->ty[t] = (int16_t)(t / g->kw - g->ph);
		p->tx[t] = (int16_t)(t % g->kw - g->pw);
	}
	p->picture = (struct et_gather){.n = BATCH,
					.h = data ? g->p : g->h,
					.w = data ? g->q : g->w,
					.c = data ? g->k : g->c,
					.cn = data ? g->k : g->c,
					.gh = data ? g->h : g->p,
					.gw = data ? g->w : g->q,
					.sh = g->sh,
					.sw = g->sw,
					.taps = g->kh * g->kw,
					.y = p->ty,
					.x = p->tx};
	p->pixels = noise((size_t)(BATCH * p->picture.h * p->picture.w * p->picture.c), 3);
	p->picture.src = p->pixels;
}

static void product_open(struct product *p, const struct work *w, enum pass pass,
			 const struct et_ctx *ctx)
{
	struct et_conv g = w->g;
	struct et_arena plan = et_arena_measure();
	struct et_err err;

	memset(p, 0, sizeof(*p));
	p->ctx = *ctx;
	p->pass = pass;
	if (g.c && et_conv_shape(&g, &err) < 0)
		exit(70);
	set_sizes(p, w, &g);
	p->a = noise(p->m * p->k, 1);
	p->b = noise(p->k * p->n, 2);
	p->c = peers_memory(p->m * p->n);
	if (g.c) {
		set_picture(p, &g);
		write_out(&p->picture, pass == PASS_WEIGHTS ? p->b : p->a);
		run_ours(p, true, &plan);
	}
	run_ours(p, false, &plan);
	if (et_arena_open(&p->work, plan.peak, &err) < 0)
		exit(71);
	p->repeat = 1 + (int)(2e8 / (2.0 * (double)p->m * (double)p->n * (double)p->k));
}

static void product_close(struct product *p)
{
	float *all[] = {p->a, p->b, p->c, p->pixels};
	for (size_t i = 0; i < ET_COUNT(all); i++)
		free(all[i]);
	et_arena_close(&p->work);
}

/* ---- time ------------------------------------------------------------------------------------ */

struct turn {
	struct product *p;
	enum side side;
};

static void run(struct product *p, enum side side)
{
	if (side == BLAS)
		run_blas(p);
	else
		run_ours(p, side == PICTURE, &p->work);
}

static void measure(void *arg)
{
	const struct turn *t = arg;
	struct product *p = t->p;

	run(p, t->side);
	double from = et_now();
	for (int i = 0; i < p->repeat; i++)
		run(p, t->side);
	p->seconds[t->side][p->round] = (et_now() - from) / p->repeat;
}

static int ascending(const void *a, const void *b)
{
	double x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), ascending);
	return v[n / 2];
}

/* Each side's GFLOP/s, 0 where there is no such side; returns those on registers alone. */
static double measure_all(struct product *p, int rounds, double gflops[SIDES])
{
	/* OpenBLAS' threads look around for work for some 25 ms. */
	const struct timespec settle = {.tv_nsec = p->ctx.threads > 1 ? 30000000 : 0};
	int sides = p->pixels ? SIDES : PICTURE;

	for (p->round = 0; p->round < rounds; p->round++) {
		p->peak[p->round] = peak_gflops(p->ctx.k->name, p->ctx.threads);
		for (int i = 0; i < sides; i++) {
			struct turn t = {p, (enum side)((p->round + i) % sides)};
			if (t.side == BLAS) {
				measure(&t);
				nanosleep(&settle, NULL);
			} else {
				et_team_run(&p->ctx, measure, &t);
			}
		}
	}
	for (int i = 0; i < SIDES; i++) {
		double flop = 2.0 * (double)p->m * (double)p->n * (double)p->k;
		gflops[i] = i < sides ? flop / median(p->seconds[i], rounds) * 1e-9 : 0;
	}
	return median(p->peak, rounds);
}

/* ---- the same numbers? ----------------------------------------------------------------------- */

static bool agree(struct product *p, const char *name)
{
	size_t n = p->m * p->n;
	float *want = peers_memory(n);
	double most = 0, squares = 0;

	memset(p->c, 0, n * sizeof(float));
	run(p, BLAS);
	memcpy(want, p->c, n * sizeof(float));
	for (size_t i = 0; i < n; i++)
		squares += (double)want[i] * (double)want[i];
	for (int side = MATRIX; side < (p->pixels ? SIDES : PICTURE); side++) {
		memset(p->c, 0, n * sizeof(float));
		run(p, (enum side)side);
		for (size_t i = 0; i < n; i++)
			most = fmax(most, fabs((double)want[i] - (double)p->c[i]));
	}
	free(want);
	most /= sqrt(squares / (double)n);
	if (most > 1e-4)
		fprintf(stderr, "peers-gemm: %s %s differs from OpenBLAS' by %.2g of its size\n",
			name, pass_names[p->pass], most);
	return most <= 1e-4;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void print_cell(double v, double scale, const char *format, const char *none)
{
	if (v > 0)
		printf(format, v * scale);
	else
		printf("%s", none);
}

static bool compare(const struct work *w, enum pass pass, const struct et_ctx *ctx, int rounds)
{
	static struct product p;
	double one = 0;

	product_open(&p, w, pass, ctx);
	bool same = agree(&p, w->name);
	printf("%-18s %-7s %6zu %4zu %5zu", w->name, pass_names[pass], p.m, p.n, p.k);
	for (int threads = 1; threads <= ctx->threads; threads = threads * 2) {
		double v[SIDES];
		p.ctx.threads = threads;
		openblas_set_num_threads(threads);
		double peak = measure_all(&p, rounds, v);
		double best = v[PICTURE] > 0 ? v[PICTURE] : v[MATRIX];
		print_cell(peak, 1, " | %6.1f", "");
		print_cell(v[BLAS], 1, " %6.1f", "");
		print_cell(v[MATRIX], 1, " %6.1f", "");
		print_cell(v[PICTURE], 1, " %6.1f", "      -");
		print_cell(v[BLAS], 100 / peak, " %5.0f", "");
		print_cell(best, 100 / peak, " %5.0f", "");
		if (threads > 1)
			printf(" %5.2f", best / one);
		else
			one = best;
	}
	putchar('\n');
	fflush(stdout);
	product_close(&p);
	return same;
}

static bool chosen(const char *name, int n, char *const *words)
{
	for (int i = 0; i < n; i++)
		if (!strncmp(name, words[i], strlen(words[i])))
			return true;
	return n == 0;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 9, all = omp_get_max_threads();
	/* As many as a core, and one pair: more threads say little more. */
	struct et_ctx ctx = {.k = et_kern_select(getenv("ET_ISA")), .threads = all > 1 ? 2 : 1};
	bool same = true;

	if (rounds < 1 || rounds > MAX_ROUNDS || !ctx.k) {
		fprintf(stderr,
			"usage: peers-gemm [ROUNDS [WORD...]], 1 to %d rounds; ET_ISA: %s\n",
			MAX_ROUNDS, et_kern_names());
		return 64;
	}
	printf("%s; ours: %s\n", openblas_get_config(), ctx.k->name);
	printf("%-18s %-7s %6s %4s %5s", "GFLOP/s", "", "M", "N", "K");
	for (int i = 1; i <= ctx.threads; i++)
		printf(" | %d: %3s %6s %6s %6s %5s %5s%s", i, "FMA", "BLAS", "matrix", "pictur",
		       "BLAS%", "ours%", i > 1 ? "  x1" : "");
	putchar('\n');
	for (size_t i = 0; i < ET_COUNT(works); i++)
		for (int pass = 0; pass < (works[i].g.c ? PASSES : 1); pass++) {
			if (!chosen(works[i].name, argc - 2, argv + et_min((size_t)argc, 2)))
				continue;
			if (pass == PASS_DATA && (works[i].g.sh > 1 || works[i].g.c == 3))
				continue; /* several products, or none */
			same &= compare(&works[i], (enum pass)pass, &ctx, rounds);
		}
	return same ? 0 : 70;
}
