/*
 * Activations and elementwise operators: at the corners, against PyTorch, and against the oracle at
 * sizes that one thread's piece divides and does not.
 */
#include <string.h>

#include "gold.h"

enum elem {
	RELU,
	RELU6,
	HARDSWISH,
	SIGMOID,
	MASK,
	HARDSWISH_BACK,
	SIGMOID_BACK,
	ADD,
	COPY,
	SCALE,
	ELEMS
};
static const char *const names[] = {"relu",	  "relu6",    "hardswish", "sigmoid", "mask",
				    "hardswish'", "sigmoid'", "add",	   "copy",    "scale"};

/* One elementwise operator: y = f(a, b), bits read or written. */
struct job {
	enum elem op;
	size_t n;
	float *a, *b, *y;
	uint32_t *bits;
	struct ref want;
};

static const enum ref_act acts[] = {REF_RELU, REF_RELU6, REF_HARDSWISH, REF_SIGMOID};

static bool bit(const uint32_t *bits, size_t i)
{
	return bits[i / 32] >> (i % 32) & 1;
}

static void run_elem(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct job *t = arg;
	if (et_measuring(work))
		return; /* these take no scratch */
	switch (t->op) {
	case RELU:
	case RELU6:
		et_act_forward(x, t->op == RELU ? ET_ACT_RELU : ET_ACT_RELU6, t->n, t->a, t->y,
			       t->bits);
		break;
	case HARDSWISH:
		et_hardswish_forward(x, t->n, t->a, t->y);
		break;
	case SIGMOID:
		et_sigmoid_forward(x, t->n, t->a, t->y);
		break;
	case MASK:
		et_mask(x, t->n, t->bits, t->a, t->y);
		break;
	case HARDSWISH_BACK:
		et_hardswish_backward(x, t->n, t->a, t->b, t->y);
		break;
	case SIGMOID_BACK:
		et_sigmoid_backward(x, t->n, t->a, t->b, t->y);
		break;
	case ADD:
		et_add_forward(x, t->n, t->a, t->b, t->y);
		break;
	case COPY:
		et_copy(x, t->n, t->a, t->y);
		break;
	default:
		et_scale(x, t->n, -2.5f, t->a, t->y);
	}
}

/* y and its rounding scale from what is in a, b and bits. */
static void expect_elem(struct job *t)
{
	t->want = num_ref(t->n);
	for (size_t i = 0; i < t->n; i++) {
		double a = (double)t->a[i], b = t->b ? (double)t->b[i] : 0;
		switch (t->op) {
		case RELU:
		case RELU6:
			t->want.v[i] = ref_act(acts[t->op], a); /* exactly */
			break;
		case HARDSWISH:
		case SIGMOID:
			ref_term(&t->want, i, ref_act(acts[t->op], a));
			t->want.mag[i] += t->op == HARDSWISH ? fabs(a) : 0;
			break;
		case MASK:
			t->want.v[i] = bit(t->bits, i) ? a : 0;
			break;
		case HARDSWISH_BACK:
			ref_term(&t->want, i, b * ref_act_slope(REF_HARDSWISH, a));
			t->want.mag[i] += fabs(b) * (fabs(a) + 1);
			break;
		case SIGMOID_BACK:
			ref_term(&t->want, i, b * a * (1 - a));
			break;
		case ADD:
			ref_term(&t->want, i, a);
			ref_term(&t->want, i, b);
			break;
		case COPY:
			t->want.v[i] = a;
			break;
		default:
			ref_term(&t->want, i, -2.5 * a);
		}
	}
}

static void check_elem(void *arg)
{
	const struct job *t = arg;
	num_check(names[t->op], t->y, &t->want, 3);
	for (size_t i = 0; i < t->n && t->op <= RELU6 && t->bits; i++) {
		double a = (double)t->a[i];
		bool pass = isnan(a) || ref_act_slope(acts[t->op], a) > 0;
		ck_assert_msg(bit(t->bits, i) == pass, "%s: bit %zu of %g", num_label_text(), i, a);
	}
}

static void elem_run(struct job *t)
{
	expect_elem(t);
	bool writes = t->op <= RELU6 && t->bits;
	const struct num_out out[] = {{t->y, t->n * sizeof(float), NULL},
				      {t->bits, et_bit_words(t->n) * sizeof(uint32_t), NULL}};
	num_run(run_elem, check_elem, t, out, writes ? 2 : 1);
}

static struct job elem_new(enum elem op, struct et_rng *r, size_t n)
{
	struct job t = {.op = op, .n = n, .a = num_normal(r, n), .y = num_floats(n)};
	for (size_t i = 0; i < n; i++)
		t.a[i] = op == SIGMOID_BACK ? et_rng_unit(r) : t.a[i] * 4;
	if (op == HARDSWISH_BACK || op == SIGMOID_BACK || op == ADD)
		t.b = num_normal(r, n);
	if (op <= RELU6 || op == MASK)
		t.bits = num_guarded(et_bit_words(n) * sizeof(uint32_t));
	for (size_t i = 0; op == MASK && i < et_bit_words(n); i++)
		t.bits[i] = et_rng_u32(r);
	return t;
}

static const size_t sizes[] = {1, 2, 31, 32, 33, 100, 8191, 8192, 8193, 16400, 3 * 8192 + 5, 50000};

START_TEST(elementwise)
{
	for (size_t s = 0; s < ET_COUNT(sizes); s++) {
		struct et_rng r = num_rng(50, (uint32_t)(_i * 100) + (uint32_t)s);
		struct job t = elem_new((enum elem)_i, &r, sizes[s]);
		num_label("%s of %zu", names[_i], t.n);
		elem_run(&t);
		if (t.op <= RELU6) { /* inference keeps no bits */
			t.bits = NULL;
			elem_run(&t);
		}
	}
}
END_TEST

/* Outputs may be inputs, the second one too. */
START_TEST(elem_in_place)
{
	const size_t n = 9000;
	struct et_rng r = num_rng(51, (uint32_t)_i);
	struct job t = elem_new((enum elem)_i, &r, n);
	expect_elem(&t);
	for (int which = 0; which < (t.b ? 2 : 1); which++) {
		struct job u = t;
		u.y = which ? t.b : t.a;
		float *before = num_alloc(n, sizeof(float));
		memcpy(before, u.y, n * sizeof(float));
		if (u.op <= RELU6)
			u.bits = NULL; /* check_elem() would look for them in a */
		num_label("%s, y is %c", names[_i], "ab"[which]);
		num_run(run_elem, check_elem, &u, &(struct num_out){u.y, n * sizeof(float), before},
			1);
		memcpy(u.y, before, n * sizeof(float));
	}
}
END_TEST

/* NaN in, NaN out, and its gradient passes; 0, 6 and the infinities are on the right side. */
START_TEST(corners)
{
	const float x[] = {NAN, 0, -0.0f, 6, 5.9999995f, INFINITY, -INFINITY, -1, 3, -3};
	const float relu[] = {NAN, 0, 0, 6, 5.9999995f, INFINITY, 0, 0, 3, 0};
	const unsigned relu_bits = 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8;
	const unsigned relu6_bits = 1 | 1 << 4 | 1 << 8;
	for (int op = RELU; op <= SIGMOID_BACK; op++) {
		struct job t = {.op = (enum elem)op,
				.n = 10,
				.a = num_floats(10),
				.b = num_floats(10),
				.y = num_floats(10),
				.bits = num_guarded(sizeof(uint32_t))};
		memcpy(t.a, x, sizeof(x));
		for (int i = 0; i < 10; i++)
			t.b[i] = 1;
		t.bits[0] = relu_bits;
		struct et_ctx ctx = {.k = et_kern_at(0), .threads = 1};
		unsigned char byte;
		struct et_arena work = {.base = &byte}; /* not measuring */
		run_elem(&t, &ctx, &work);
		ck_assert_msg(isnan(t.y[0]), "%s hides NaN", names[op]);
		for (int i = 1; i < 10 && op <= RELU6; i++)
			ck_assert(t.y[i] == (op == RELU6 && relu[i] > 6 ? 6 : relu[i]));
		if (op <= RELU6)
			ck_assert_uint_eq(t.bits[0] & 0x3ff, op == RELU ? relu_bits : relu6_bits);
		if (op == SIGMOID)
			ck_assert(t.y[1] == 0.5f && t.y[5] == 1 && t.y[6] == 0);
		if (op == HARDSWISH)
			ck_assert(t.y[1] == 0 && t.y[3] == 6 && t.y[8] == 3 && t.y[9] == 0);
	}
}
END_TEST

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void gold_act(const struct gold_case *c)
{
	size_t n = (size_t)gold_int(c, "n");
	int act = 0;
	while (strcmp(c->name, names[act]))
		act++;
	struct job t = {.op = (enum elem)act, .n = n, .a = gold_f32(c, "x", n), .y = num_floats(n)};
	struct job back = {.n = n, .b = gold_f32(c, "dy", n), .y = num_floats(n)};
	const float *y = gold_f32(c, "y", n), *dx = gold_f32(c, "dx", n);

	if (act <= RELU6)
		t.bits = num_guarded(et_bit_words(n) * sizeof(uint32_t));
	elem_run(&t);
	num_check_ref("oracle's y", &t.want, y, 1);
	/* the gradient from what the library keeps: bits, x or y */
	back.op = act <= RELU6 ? MASK : act == HARDSWISH ? HARDSWISH_BACK : SIGMOID_BACK;
	back.a = act <= RELU6 ? back.b : act == HARDSWISH ? t.a : t.y;
	back.bits = t.bits;
	elem_run(&back);
	for (size_t i = 0; i < n; i++) {
		double slope = ref_act_slope(acts[act], (double)t.a[i]);
		struct ref one = num_ref(1);
		ref_term(&one, 0, slope * (double)back.b[i]);
		num_check_ref("oracle's dx", &one, dx + i, 1);
	}
	/* Where y is 1 but for an eps, 1 - y has no more digits than that. */
	for (size_t i = 0; i < n && act == SIGMOID; i++)
		back.want.mag[i] += fabs((double)back.b[i]);
	num_check_ref("dx", &back.want, dx, 3);
}

START_TEST(gold)
{
	gold_each("act", names[_i], 1, gold_act);
}
END_TEST

/* ---- products -------------------------------------------------------------------------------- */

struct product {
	int n, c;
	size_t hw;
	bool gate;
	float *a, *b, *dy, *y, *da, *db;
	struct ref want_y, want_da, want_db;
};

static void run_mul(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct product *t = arg;
	if (!et_measuring(work))
		et_mul_forward(x, t->n, t->hw, t->c, t->gate, t->a, t->b, t->y);
}

static void run_mul_back(void *arg, const struct et_ctx *x, struct et_arena *work)
{
	const struct product *t = arg;
	if (!et_measuring(work))
		et_mul_backward(x, t->n, t->hw, t->c, t->gate, t->a, t->b, t->dy, t->da, t->db);
}

static void check_mul(void *arg)
{
	const struct product *t = arg;
	num_check("y", t->y, &t->want_y, 1);
}

static void check_mul_back(void *arg)
{
	const struct product *t = arg;
	if (t->da)
		num_check("da", t->da, &t->want_da, 1);
	if (t->db)
		num_check("db", t->db, &t->want_db, 4);
}

static void mul_run(struct product *t)
{
	size_t n = (size_t)t->n * t->hw * (size_t)t->c, nb = t->gate ? (size_t)(t->n * t->c) : n;
	size_t pixels = t->gate ? 1 : t->hw;
	const double *a = num_nchw(t->n, t->hw, t->c, t->a);
	const double *b = num_nchw(t->n, pixels, t->c, t->b);
	struct ref y = num_ref(n), da = num_ref(n), db = num_ref(nb);

	ref_mul_forward(t->n, t->c, (int)t->hw, t->gate, a, b, &y);
	ref_mul_backward(t->n, t->c, (int)t->hw, t->gate, a, b, num_nchw(t->n, t->hw, t->c, t->dy),
			 &da, &db);
	t->want_y = num_nhwc(t->n, t->hw, t->c, &y);
	t->want_da = num_nhwc(t->n, t->hw, t->c, &da);
	t->want_db = num_nhwc(t->n, pixels, t->c, &db);

	t->y = num_floats(n);
	num_run(run_mul, check_mul, t, &(struct num_out){t->y, n * sizeof(float), NULL}, 1);
	for (unsigned which = 1; which < 4; which++) {
		struct num_out out[2];
		size_t outs = 0;
		t->da = which & 1 ? num_floats(n) : NULL;
		t->db = which & 2 ? num_floats(nb) : NULL;
		if (t->da)
			out[outs++] = (struct num_out){t->da, n * sizeof(float), NULL};
		if (t->db)
			out[outs++] = (struct num_out){t->db, nb * sizeof(float), NULL};
		num_run(run_mul_back, check_mul_back, t, out, outs);
	}
}

START_TEST(mul)
{
	const struct {
		int n;
		size_t hw;
		int c;
	} t[] = {{1, 1, 1}, {2, 5, 3}, {3, 49, 17}, {2, 300, 64}, {1, 1000, 33}, {3, 7, 200}};
	for (int gate = 0; gate < 2; gate++) {
		struct et_rng r = num_rng(52, (uint32_t)(2 * _i + gate));
		struct product p = {.n = t[_i].n, .c = t[_i].c, .hw = t[_i].hw, .gate = gate};
		size_t n = (size_t)p.n * p.hw * (size_t)p.c;
		p.a = num_normal(&r, n);
		p.b = num_normal(&r, gate ? (size_t)(p.n * p.c) : n);
		p.dy = num_normal(&r, n);
		num_label("mul n %d, hw %zu, c %d, gate %d", p.n, p.hw, p.c, gate);
		mul_run(&p);
		if (n > 1)
			p.a[n / 2] = p.dy[n - 1] = NAN;
		num_label("mul with NaN, gate %d", gate);
		mul_run(&p);
	}
}
END_TEST

static void gold_mul(const struct gold_case *c)
{
	struct product t = {
		.n = gold_int(c, "n"), .c = gold_int(c, "c"), .gate = gold_int(c, "gate")};
	t.hw = (size_t)(gold_int(c, "h") * gold_int(c, "w"));
	t.a = gold_nhwc(c, "a", t.n, t.hw, t.c);
	t.b = gold_nhwc(c, "b", t.n, t.gate ? 1 : t.hw, t.c);
	t.dy = gold_nhwc(c, "dy", t.n, t.hw, t.c);
	mul_run(&t);
	num_check_ref("oracle's y", &t.want_y, gold_nhwc(c, "y", t.n, t.hw, t.c), 1);
	num_check_ref("oracle's da", &t.want_da, gold_nhwc(c, "da", t.n, t.hw, t.c), 1);
	num_check_ref("oracle's db", &t.want_db, gold_nhwc(c, "db", t.n, t.gate ? 1 : t.hw, t.c),
		      1);
}

START_TEST(mul_gold)
{
	gold_each("act", "mul", 2, gold_mul);
}
END_TEST

Suite *suite_act(void);
Suite *suite_act(void)
{
	Suite *s = suite_create("act");
	TCase *tc = num_tcase("elementwise");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, corners);
	tcase_add_loop_test(tc, gold, RELU, SIGMOID + 1);
	tcase_add_loop_test(tc, elementwise, 0, ELEMS);
	tcase_add_loop_test(tc, elem_in_place, 0, ELEMS);
	tcase_add_test(tc, mul_gold);
	tcase_add_loop_test(tc, mul, 0, 6);
	return s;
}
