/* Dropout, flatten and the copies of concatenation: what must come out exactly. */
#include <string.h>

#include "gold.h"

/* ---- dropout --------------------------------------------------------------------------------- */

struct dropout {
	float p;
	uint64_t seed, step;
	uint32_t layer;
	size_t first, n;
	const float *in;
	float *y;
	uint32_t *bits;
};

static bool bit(const uint32_t *bits, size_t i)
{
	return bits[i / 32] >> (i % 32) & 1;
}

static void run_dropout(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct dropout *d = arg;
	if (!et_measuring(work))
		et_dropout_forward(x, d->p, d->seed, d->step, d->layer, d->first, d->n, d->in, d->y,
				   d->bits);
}

/* Element i of the batch is kept when the i-th number of (seed, step, layer) is at least p. */
static void check_dropout(void *arg)
{
	const struct dropout *d = arg;
	struct et_rng r = et_rng_open(d->seed, ET_STREAM_DROPOUT, d->step, d->layer);
	struct ref want = num_ref(d->n);

	for (size_t i = 0; i < d->first; i++)
		et_rng_unit(&r);
	for (size_t i = 0; i < d->n; i++) {
		bool keep = et_rng_unit(&r) >= d->p;
		ck_assert_msg(bit(d->bits, i) == keep, "%s: element %zu", num_label_text(), i);
		ref_term(&want, i, keep ? (double)d->in[i] / (1 - (double)d->p) : 0);
	}
	num_check("y", d->y, &want, 2);
}

static struct dropout dropout_new(struct et_rng *r, float p, size_t first, size_t n)
{
	return (struct dropout){.p = p,
				.seed = 7,
				.step = 3,
				.layer = 2,
				.first = first,
				.n = n,
				.in = num_normal(r, n),
				.y = num_floats(n),
				.bits = num_guarded(et_bit_words(n) * sizeof(uint32_t))};
}

static void dropout_run(struct dropout *d)
{
	num_label("dropout %g of %zu from %zu", (double)d->p, d->n, d->first);
	num_run(run_dropout, check_dropout, d,
		(struct num_out[]){{d->y, d->n * sizeof(float), NULL},
				   {d->bits, et_bit_words(d->n) * sizeof(uint32_t), NULL}},
		2);
}

START_TEST(dropout)
{
	const float p[] = {0, 0.2f, 0.5f, 0.9f};
	const size_t n[] = {1, 31, 32, 33, 100, 8192, 20000};
	const size_t first[] = {0, 1, 2, 3, 4, 37, 8190};
	struct et_rng r = num_rng(60, 0);
	for (size_t i = 0; i < ET_COUNT(n); i++)
		for (size_t f = 0; f < ET_COUNT(first); f++) {
			struct dropout d =
				dropout_new(&r, p[(i + f) % ET_COUNT(p)], first[f], n[i]);
			dropout_run(&d);
		}
}
END_TEST

static struct dropout dropped(struct dropout d, size_t *kept)
{
	struct et_ctx x = {.k = et_kern_at(0), .threads = 2};
	et_dropout_forward(&x, d.p, d.seed, d.step, d.layer, d.first, d.n, d.in, d.y, d.bits);
	*kept = 0;
	for (size_t i = 0; i < d.n; i++)
		*kept += bit(d.bits, i);
	return d;
}

/* Another seed, step or layer draws other numbers; about 1 - p of them are kept. */
START_TEST(dropout_streams)
{
	const size_t n = 10000;
	struct et_rng r = num_rng(61, 0);
	uint32_t first[313];
	for (int which = 0; which < 4; which++) {
		struct dropout d = dropout_new(&r, 0.3f, 0, n);
		size_t kept, same = 0;
		d.seed += which == 1;
		d.step += which == 2;
		d.layer += which == 3;
		dropped(d, &kept);
		ck_assert_uint_ge(kept, 6770); /* 7000 and five deviations of 46 */
		ck_assert_uint_le(kept, 7230);
		if (!which)
			memcpy(first, d.bits, sizeof(first));
		for (size_t i = 0; i < n; i++)
			same += bit(first, i) == bit(d.bits, i);
		ck_assert(which == 0 ? same == n : same < 6100); /* 5800 when independent */
	}
}
END_TEST

START_TEST(dropout_nan)
{
	struct et_rng r = num_rng(62, 0);
	struct dropout d = dropout_new(&r, 0.5f, 0, 40);
	float *in = num_floats(40); /* NaN */
	size_t kept;
	d.in = in;
	dropped(d, &kept);
	for (int i = 0; i < 40; i++)
		ck_assert(isnan(d.y[i]));
	/* in place, bits not wanted */
	struct et_ctx x = {.k = et_kern_at(0), .threads = 1};
	for (int i = 0; i < 40; i++)
		in[i] = 1;
	et_dropout_forward(&x, d.p, d.seed, d.step, d.layer, 0, 40, in, in, NULL);
	for (size_t i = 0; i < 40; i++)
		ck_assert(in[i] == (bit(d.bits, i) ? 2 : 0));
}
END_TEST

/* ---- flatten --------------------------------------------------------------------------------- */

struct flat {
	int n, c;
	size_t hw;
	const float *in;
	float *out, *want;
	bool back;
};

static void run_flat(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct flat *t = arg;
	if (et_measuring(work))
		return;
	if (t->back)
		et_unflatten(x, t->n, t->hw, t->c, t->in, t->out);
	else
		et_flatten(x, t->n, t->hw, t->c, t->in, t->out);
}

static void check_flat(void *arg)
{
	const struct flat *t = arg;
	num_check_bits("values", t->out, t->want,
		       (size_t)t->n * t->hw * (size_t)t->c * sizeof(float));
}

/* x[n,hw,c] to y[n, c*hw], and dy back to dx, which is the inverse. */
static void flat_run(int n, size_t hw, int c, float *x, float *y)
{
	size_t count = (size_t)n * hw * (size_t)c;
	struct flat t = {n, c, hw, x, num_floats(count), y, false};
	const struct num_out out = {t.out, count * sizeof(float), NULL};
	num_run(run_flat, check_flat, &t, &out, 1);
	t.in = y;
	t.want = x;
	t.back = true;
	num_run(run_flat, check_flat, &t, &out, 1);
}

START_TEST(flatten)
{
	const struct {
		int n;
		size_t hw;
		int c;
	} t[] = {{1, 1, 1},   {2, 1, 9},   {3, 9, 1},	 {2, 6, 5},
		 {1, 49, 64}, {2, 15, 17}, {5, 200, 33}, {1, 2500, 3}};
	for (size_t i = 0; i < ET_COUNT(t); i++) {
		struct et_rng r = num_rng(63, (uint32_t)i);
		size_t hw = t[i].hw, c = (size_t)t[i].c, count = (size_t)t[i].n * hw * c;
		float *x = num_normal(&r, count), *y = num_floats(count);
		for (size_t j = 0; j < count; j++) {
			size_t img = j / (hw * c), ch = j / hw % c, p = j % hw;
			y[j] = x[(img * hw + p) * c + ch];
		}
		num_label("flatten n %d, hw %zu, c %d", t[i].n, hw, t[i].c);
		flat_run(t[i].n, hw, t[i].c, x, y);
	}
}
END_TEST

static void gold_flatten(const struct gold_case *c)
{
	int n = gold_int(c, "n"), channels = gold_int(c, "c");
	size_t hw = (size_t)(gold_int(c, "h") * gold_int(c, "w"));
	size_t count = (size_t)n * hw * (size_t)channels;
	flat_run(n, hw, channels, gold_nhwc(c, "x", n, hw, channels), gold_f32(c, "y", count));
	flat_run(n, hw, channels, gold_nhwc(c, "dx", n, hw, channels), gold_f32(c, "dy", count));
}

START_TEST(flatten_gold)
{
	gold_each("act", "flatten", 1, gold_flatten);
}
END_TEST

/* ---- channels -------------------------------------------------------------------------------- */

struct channels {
	size_t rows;
	int sc, s0, dc, d0, m;
	const float *src;
	float *dst, *want;
};

static void run_channels(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct channels *t = arg;
	if (!et_measuring(work))
		et_copy_channels(x, t->rows, t->src, t->sc, t->s0, t->dst, t->dc, t->d0, t->m);
}

static void check_channels(void *arg)
{
	const struct channels *t = arg;
	num_check_bits("channels", t->dst, t->want, t->rows * (size_t)t->dc * sizeof(float));
}

START_TEST(copy_channels)
{
	for (int i = 0; i < 60; i++) {
		struct et_rng r = num_rng(64, (uint32_t)i);
		struct channels t = {.m = num_int(&r, 1, 40)};
		t.rows = i % 10 == 9 ? 5000 : (size_t)num_int(&r, 1, 60);
		t.s0 = num_int(&r, 0, 1) * num_int(&r, 0, 20);
		t.d0 = num_int(&r, 0, 1) * num_int(&r, 0, 20);
		t.sc = t.s0 + t.m + num_int(&r, 0, 1) * num_int(&r, 0, 20);
		t.dc = t.d0 + t.m + num_int(&r, 0, 1) * num_int(&r, 0, 20);
		size_t bytes = t.rows * (size_t)t.dc * sizeof(float);
		t.src = num_normal(&r, t.rows * (size_t)t.sc);
		float *before = num_normal(&r, t.rows * (size_t)t.dc);
		t.want = num_alloc(bytes, 1);
		memcpy(t.want, before, bytes); /* the other channels stay */
		for (size_t row = 0; row < t.rows; row++)
			for (int ch = 0; ch < t.m; ch++)
				t.want[row * (size_t)t.dc + (size_t)(t.d0 + ch)] =
					t.src[row * (size_t)t.sc + (size_t)(t.s0 + ch)];
		t.dst = num_guarded(bytes);
		num_label("%zu rows, %d channels from %d of %d to %d of %d", t.rows, t.m, t.s0,
			  t.sc, t.d0, t.dc);
		num_run(run_channels, check_channels, &t, &(struct num_out){t.dst, bytes, before},
			1);
	}
}
END_TEST

Suite *suite_layout(void);
Suite *suite_layout(void)
{
	Suite *s = suite_create("layout");
	TCase *tc = num_tcase("exact");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, dropout);
	tcase_add_test(tc, dropout_streams);
	tcase_add_test(tc, dropout_nan);
	tcase_add_test(tc, flatten);
	tcase_add_test(tc, flatten_gold);
	tcase_add_test(tc, copy_channels);
	return s;
}
