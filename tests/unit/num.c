#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "num.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
static const size_t guard = 0;
#else
/* An odd number of floats: what it surrounds is aligned for a float and nothing wider. */
static const size_t guard = sizeof(float) * 65;
#endif

/* A NaN whose bits no computation makes. */
static const uint32_t guard_word = 0xffc0dead;

static struct block {
	struct block *next;
	unsigned char *base;
	size_t bytes; /* between the guards */
	bool guarded;
} * blocks;

static char label[256];

static void free_all(void)
{
	while (blocks) {
		struct block *b = blocks;
		blocks = b->next;
		free(b->base);
		free(b);
	}
	label[0] = 0;
}

TCase *num_tcase(const char *name)
{
	TCase *tc = tcase_create(name);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, NULL, free_all);
	return tc;
}

static struct block *block_new(size_t bytes, size_t around)
{
	struct block *b = calloc(1, sizeof(*b));
	ck_assert_ptr_nonnull(b);
	b->base = malloc(bytes + 2 * around + (bytes + around == 0));
	ck_assert_ptr_nonnull(b->base);
	b->bytes = bytes;
	b->next = blocks;
	blocks = b;
	return b;
}

void *num_alloc(size_t n, size_t size)
{
	struct block *b = block_new(n * size, 0);
	memset(b->base, 0, n * size);
	return b->base;
}

struct ref num_ref(size_t n)
{
	return (struct ref){n, num_alloc(n, sizeof(double)), num_alloc(n, sizeof(double))};
}

void *num_guarded(size_t bytes)
{
	struct block *b = block_new(bytes, guard);
	unsigned char *v = b->base + guard;
	b->guarded = true;
	memset(v, 0xff, bytes);
	for (size_t i = 0; i < guard; i += 4) {
		memcpy(b->base + i, &guard_word, 4);
		memcpy(v + bytes + i, &guard_word, 4);
	}
	return v;
}

float *num_floats(size_t n)
{
	return num_guarded(n * sizeof(float));
}

void num_check_guards(void)
{
	for (const struct block *b = blocks; b; b = b->next)
		for (size_t i = 0; b->guarded && i < guard; i += 4) {
			if (memcmp(b->base + i, &guard_word, 4))
				ck_abort_msg("%s: wrote %zu bytes before a buffer of %zu", label,
					     guard - i, b->bytes);
			if (memcmp(b->base + guard + b->bytes + i, &guard_word, 4))
				ck_abort_msg("%s: wrote %zu bytes behind a buffer of %zu", label, i,
					     b->bytes);
		}
}

float *num_forbidden(void)
{
	static unsigned char *page;
	if (!page) {
		page = mmap(NULL, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ck_assert(page != MAP_FAILED);
	}
	return (float *)(void *)(page + (1 << 15));
}

void *num_at(const struct et_arena *work, const void *p)
{
	return p && et_measuring(work) ? (void *)num_forbidden() : (void *)(uintptr_t)p;
}

struct et_rng num_rng(uint64_t a, uint32_t b)
{
	return et_rng_open(20240229, ET_STREAM_TEST, a, b);
}

int num_int(struct et_rng *r, int lo, int hi)
{
	return lo + (int)et_rng_below(r, (uint32_t)(hi - lo + 1));
}

float *num_normal(struct et_rng *r, size_t n)
{
	float *x = num_floats(n);
	for (size_t i = 0; i < n; i++)
		x[i] = et_rng_normal(r);
	return x;
}

double *num_double(const float *x, size_t n)
{
	double *d = num_alloc(n, sizeof(double));
	for (size_t i = 0; i < n; i++)
		d[i] = x[i];
	return d;
}

double *num_nchw(int n, size_t hw, int c, const float *x)
{
	double *d = num_alloc((size_t)n * hw * (size_t)c, sizeof(double));
	for (size_t i = 0; i < (size_t)n; i++)
		for (size_t ch = 0; ch < (size_t)c; ch++)
			for (size_t p = 0; p < hw; p++)
				d[(i * (size_t)c + ch) * hw + p] = x[(i * hw + p) * (size_t)c + ch];
	return d;
}

struct ref num_nhwc(int n, size_t hw, int c, const struct ref *x)
{
	struct ref y = num_ref(x->n);
	for (size_t i = 0; i < (size_t)n; i++)
		for (size_t ch = 0; ch < (size_t)c; ch++)
			for (size_t p = 0; p < hw; p++) {
				size_t from = (i * (size_t)c + ch) * hw + p;
				size_t to = (i * hw + p) * (size_t)c + ch;
				y.v[to] = x->v[from];
				y.mag[to] = x->mag[from];
			}
	return y;
}

float *num_nhwc_f32(int n, size_t hw, int c, const float *x)
{
	float *y = num_floats((size_t)n * hw * (size_t)c);
	for (size_t i = 0; i < (size_t)n; i++)
		for (size_t ch = 0; ch < (size_t)c; ch++)
			for (size_t p = 0; p < hw; p++)
				y[(i * hw + p) * (size_t)c + ch] = x[(i * (size_t)c + ch) * hw + p];
	return y;
}

void num_label(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(label, sizeof(label), fmt, ap);
	va_end(ap);
}

const char *num_label_text(void)
{
	return label;
}

static bool near(double got, double want, double allowed)
{
	if (isnan(got) || isnan(want))
		return isnan(got) && isnan(want);
	return got == want || fabs(got - want) <= allowed;
}

static void fail_at(const char *what, size_t i, size_t n, double got, double want, double allowed)
{
	ck_abort_msg("%s: %s[%zu] of %zu: %.9g, expected %.9g, off by %.3g where %.3g is allowed",
		     label, what, i, n, got, want, fabs(got - want), allowed);
}

void num_check(const char *what, const float *got, const struct ref *want, double c)
{
	for (size_t i = 0; i < want->n; i++) {
		double allowed = c * FLT_EPSILON * want->mag[i] + FLT_MIN;
		if (!near((double)got[i], want->v[i], allowed))
			fail_at(what, i, want->n, (double)got[i], want->v[i], allowed);
	}
}

void num_check_nan(const char *what, const float *got, const struct ref *want)
{
	for (size_t i = 0; i < want->n; i++)
		if (isnan(want->v[i]) && !isnan(got[i]))
			fail_at(what, i, want->n, (double)got[i], want->v[i], 0);
}

void num_check_ref(const char *what, const struct ref *got, const float *want, double c)
{
	for (size_t i = 0; i < got->n; i++) {
		double allowed = c * FLT_EPSILON * got->mag[i] + FLT_MIN;
		if (!near(got->v[i], (double)want[i], allowed))
			fail_at(what, i, got->n, got->v[i], (double)want[i], allowed);
	}
}

void num_check_hand(const char *what, const double *got, const double *want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!near(got[i], want[i], 1e-12))
			fail_at(what, i, n, got[i], want[i], 1e-12);
}

void num_check_bits(const char *what, const void *got, const void *want, size_t bytes)
{
	const unsigned char *g = got, *w = want;
	for (size_t i = 0; i < bytes; i++)
		if (g[i] != w[i])
			ck_abort_msg("%s: %s differs in byte %zu of %zu", label, what, i, bytes);
}

/* An arena of size bytes whose memory is NaN: nothing may rely on zeros. */
static struct et_arena arena_dirty(size_t size)
{
	struct et_arena a;
	struct et_err err;
	if (et_arena_open(&a, size, &err) < 0)
		ck_abort_msg("%s", err.text);
	/* 128: alignment and AddressSanitizer's red zone. */
	if (size > 128) {
		void *all = et_arena_alloc(&a, size - 128, 1);
		ck_assert_ptr_nonnull(all);
		memset(all, 0xff, size - 128);
		et_arena_release(&a, 0);
	}
	a.peak = 0;
	return a;
}

/* One operator with its outputs, as num_run() was given them. */
struct pass {
	void (*run)(void *arg, const struct et_ctx *x, struct et_arena *work);
	void *arg;
	const struct num_out *out;
	size_t outs;
	struct et_ctx x;
	struct et_arena *work;
};

static void run_pass(void *arg)
{
	const struct pass *p = arg;
	p->run(p->arg, &p->x, p->work);
}

static void run_once(struct pass *p, bool team)
{
	for (size_t i = 0; i < p->outs; i++) {
		const struct num_out *o = &p->out[i];
		if (o->before)
			memcpy(o->v, o->before, o->bytes);
		else
			memset(o->v, 0xff, o->bytes);
	}
	struct et_arena plan = et_arena_measure();
	p->work = &plan;
	run_pass(p);
	ck_assert_msg(!plan.failed && plan.used == 0, "%s: measuring kept scratch", label);

	struct et_arena work = arena_dirty(plan.peak);
	p->work = &work;
	if (team)
		et_team_run(&p->x, run_pass, p);
	else
		run_pass(p);
	ck_assert_msg(!work.failed, "%s: the measured %zu bytes did not suffice", label, plan.peak);
	ck_assert_msg(work.peak == plan.peak, "%s: measured %zu bytes, used %zu", label, plan.peak,
		      work.peak);
	ck_assert_msg(work.used == 0, "%s: scratch not released", label);
	et_arena_close(&work);
	num_check_guards();
}

void num_run(void (*run)(void *, const struct et_ctx *, struct et_arena *), void (*check)(void *),
	     void *arg, const struct num_out *out, size_t outs)
{
	const struct {
		int threads;
		bool team;
	} with[] = {{1, false}, {2, false}, {3, false}, {3, true}};
	struct pass p = {.run = run, .arg = arg, .out = out, .outs = outs};
	char name[sizeof(label)];

	memcpy(name, label, sizeof(name));
	ck_assert_uint_le(outs, 8);
	for (size_t isa = 0; (p.x.k = et_kern_at(isa)); isa++) {
		unsigned char *one[8] = {0};
		for (size_t w = 0; w < ET_COUNT(with); w++) {
			p.x.threads = with[w].threads;
			num_label("%.190s, %s, %d threads%s", name, p.x.k->name, p.x.threads,
				  with[w].team ? " in a team" : "");
			run_once(&p, with[w].team);
			if (w == 0)
				check(arg);
			for (size_t i = 0; i < outs; i++) {
				if (w > 0) {
					num_check_bits("output", out[i].v, one[i], out[i].bytes);
					continue;
				}
				one[i] = num_alloc(out[i].bytes, 1);
				memcpy(one[i], out[i].v, out[i].bytes);
			}
		}
	}
	num_label("%s", name);
}
