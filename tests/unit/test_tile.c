/*
 * The GEMM micro-kernels, their packing and the store of a finished row, of
 * every instruction set, against plain loops in double.
 */
#include <string.h>

#include "num.h"

static const struct et_kern *kern(int i)
{
	return et_kern_at((size_t)i);
}

/* ---- packing --------------------------------------------------------------------------------- */

START_TEST(pack_k_b)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(20, 0);
	const struct {
		void (*pack)(float *, size_t, const float *, size_t, size_t);
		int width;
	} t[] = {{k->pack_k, k->mr}, {k->pack_b, k->nr}};

	for (size_t v = 0; v < ET_COUNT(t); v++)
		for (size_t cols = 1; cols <= (size_t)t[v].width; cols++)
			for (size_t depth = 1; depth < 8; depth += 3) {
				size_t width = (size_t)t[v].width, ld = cols + depth % 2 * 5;
				float *src = num_normal(&r, (depth - 1) * ld + cols);
				float *dst = num_floats(depth * width);
				num_label("%s, pack_%c, cols %zu, depth %zu", k->name, "kb"[v],
					  cols, depth);
				t[v].pack(dst, depth, src, ld, cols);
				for (size_t i = 0; i < depth * width; i++) {
					size_t p = i / width, j = i % width;
					ck_assert(dst[i] == (j < cols ? src[p * ld + j] : 0));
				}
				num_check_guards();
			}
}
END_TEST

START_TEST(pack_bt)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(21, 0);
	const size_t nr = (size_t)k->nr, depths[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33};

	for (size_t cols = 1; cols <= nr; cols++)
		for (size_t d = 0; d < ET_COUNT(depths); d++) {
			size_t depth = depths[d], ld = depth + cols % 3;
			float *src = num_normal(&r, (cols - 1) * ld + depth);
			float *dst = num_floats(depth * nr);
			num_label("%s, pack_bt, cols %zu, depth %zu", k->name, cols, depth);
			k->pack_bt(dst, depth, src, ld, cols);
			for (size_t i = 0; i < depth * nr; i++) {
				size_t p = i / nr, j = i % nr;
				ck_assert(dst[i] == (j < cols ? src[j * ld + p] : 0));
			}
			num_check_guards();
		}
}
END_TEST

START_TEST(pack_rows)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(22, 0);
	const size_t depth = 5;

	for (size_t cols = 0; cols < 70; cols++) {
		size_t ld = cols + 3, off = cols % 4;
		float *dst = num_floats(depth * ld);
		const float *rows[5];
		for (size_t p = 0; p < depth; p++)
			rows[p] = p == 1 || p == 4 ? NULL : num_normal(&r, off + cols);
		num_label("%s, pack_rows, cols %zu", k->name, cols);
		k->pack_rows(dst, ld, depth, rows, off, cols);
		for (size_t i = 0; i < depth * ld; i++) {
			size_t p = i / ld, j = i % ld;
			if (j < cols)
				ck_assert(dst[i] == (rows[p] ? rows[p][off + j] : 0));
			else
				ck_assert(isnan(dst[i])); /* untouched */
		}
		num_check_guards();
	}
}
END_TEST

/* What affine writes of a row. */
static float *written_out(const struct et_kern *k, const struct et_prologue *pro, size_t n,
			  const float *x)
{
	float *y = num_floats(n);
	k->affine(1, n, x, pro, y);
	return y;
}

static struct et_prologue random_prologue(struct et_rng *r, size_t n, int act)
{
	struct et_prologue pro = {.act = (enum et_act)act};
	float *scale = num_normal(r, n);
	for (size_t i = 0; i < n; i++)
		scale[i] *= 4; /* so that 6 is passed */
	pro.scale = scale;
	pro.shift = num_normal(r, n);
	return pro;
}

/* Through a prologue: the bits of the row written out, zeros where there is none. */
START_TEST(pack_rp)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(27, 0);
	const size_t mr = (size_t)k->mr, size = mr * ET_KC_MAX;

	for (size_t len = 1; len < 40; len++)
		for (int act = ET_ACT_NONE; act <= ET_ACT_RELU6; act++) {
			struct et_prologue pro = random_prologue(&r, len, act);
			const float *rows[ET_MR_MAX], *plain[ET_MR_MAX];
			float *got = num_floats(size), *want = num_floats(size);
			size_t k0 = len % 5;
			for (size_t i = 0; i < mr; i++) {
				rows[i] = num_int(&r, 0, 3) ? num_normal(&r, len) : NULL;
				plain[i] = rows[i] ? written_out(k, &pro, len, rows[i]) : NULL;
			}
			num_label("%s, pack_rp, len %zu, act %d", k->name, len, act);
			k->pack_rp(got, k0, len, rows, &pro);
			k->pack_r(want, k0, len, plain);
			num_check_bits("panel", got, want, size * sizeof(float));
			num_check_guards();
		}
}
END_TEST

START_TEST(pack_rows_p)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(28, 0);
	enum { DEPTH = 4 };

	for (size_t cols = 1; cols < 70; cols++) {
		size_t ld = cols + 3, off = cols % 4, n = off + cols;
		struct et_prologue pro = random_prologue(&r, n, (int)(cols % 3));
		float *got = num_floats(DEPTH * ld), *want = num_floats(DEPTH * ld);
		const float *rows[DEPTH], *plain[DEPTH];
		for (size_t p = 0; p < DEPTH; p++) {
			rows[p] = p == 1 ? NULL : num_normal(&r, n);
			plain[p] = rows[p] ? written_out(k, &pro, n, rows[p]) : NULL;
		}
		num_label("%s, pack_rows_p, cols %zu", k->name, cols);
		k->pack_rows_p(got, ld, DEPTH, rows, off, cols, &pro);
		k->pack_rows(want, ld, DEPTH, plain, off, cols);
		num_check_bits("panel", got, want, DEPTH * ld * sizeof(float));
		num_check_guards();
	}
}
END_TEST

/* ---- micro-kernels --------------------------------------------------------------------------- */

struct tile {
	const struct et_kern *k;
	size_t depth, ldc;
	float *a; /* [depth][mr] */
	float *b; /* [depth][nr] */
	float *c, *before;
	bool acc;
};

static struct tile tile_new(const struct et_kern *k, struct et_rng *r, size_t depth)
{
	size_t mr = (size_t)k->mr, nr = (size_t)k->nr, ldc = nr + depth % 4;
	size_t n = (mr - 1) * ldc + nr;
	float *a = num_normal(r, depth * mr);
	for (size_t p = 0; p < depth && depth > 10; p++) /* a row of zeros */
		a[p * mr + 2] = 0;
	return (struct tile){.k = k,
			     .depth = depth,
			     .ldc = ldc,
			     .a = a,
			     .b = num_normal(r, depth * nr),
			     .c = num_floats(n),
			     .before = num_normal(r, n)};
}

/* What lies between the rows of C must stay as it was. */
static void tile_check(const char *what, const struct tile *t)
{
	size_t mr = (size_t)t->k->mr, nr = (size_t)t->k->nr, n = (mr - 1) * t->ldc + nr;
	struct ref want = num_ref(n);

	for (size_t i = 0; i < n; i++) {
		size_t row = i / t->ldc, col = i % t->ldc;
		if (col >= nr || t->acc)
			want.v[i] = (double)t->before[i];
		want.mag[i] = col < nr ? fabs(want.v[i]) : 0;
		for (size_t p = 0; p < t->depth && col < nr; p++)
			ref_term(&want, i, (double)t->a[p * mr + row] * (double)t->b[p * nr + col]);
	}
	num_label("%s, depth %zu, acc %d", t->k->name, t->depth, t->acc);
	num_check(what, t->c, &want, 4);
	num_check_guards();
}

static void tile_start(struct tile *t, bool acc)
{
	size_t n = ((size_t)t->k->mr - 1) * t->ldc + (size_t)t->k->nr;
	t->acc = acc;
	memcpy(t->c, t->before, n * sizeof(float));
	for (size_t i = 0; i < n; i++) /* overwriting must not read */
		if (!acc && i % t->ldc < (size_t)t->k->nr)
			t->c[i] = NAN;
}

START_TEST(gemm_k)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(23, 0);
	for (size_t depth = 1; depth <= 300; depth += depth < 20 ? 1 : 23) {
		struct tile t = tile_new(k, &r, depth);
		for (int acc = 0; acc < 2; acc++) {
			tile_start(&t, acc);
			k->gemm_k(depth, t.a, t.b, t.c, t.ldc, acc);
			tile_check("gemm_k", &t);
		}
	}
}
END_TEST

/* Rows packed in pieces of any length, as segments of channels are. */
static float *packed_rows(const struct tile *t, struct et_rng *r)
{
	size_t mr = (size_t)t->k->mr;
	float *dst = num_floats(mr * ET_KC_MAX);
	const float *rows[ET_MR_MAX];

	for (size_t k0 = 0; k0 < t->depth;) {
		size_t len = et_min((size_t)num_int(r, 1, 40), t->depth - k0);
		for (size_t i = 0; i < mr; i++) {
			float *row = num_floats(len), sum = 0;
			for (size_t p = 0; p < len; p++) {
				row[p] = t->a[(k0 + p) * mr + i];
				sum += fabsf(row[p]);
			}
			rows[i] = sum > 0 ? row : NULL;
		}
		t->k->pack_r(dst, k0, len, rows);
		k0 += len;
	}
	return dst;
}

START_TEST(gemm_r)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(24, 0);
	for (size_t depth = 1; depth <= (size_t)k->kc; depth += depth < 20 ? 1 : 59) {
		struct tile t = tile_new(k, &r, depth);
		float *a = packed_rows(&t, &r);
		for (int acc = 0; acc < 2; acc++) {
			tile_start(&t, acc);
			k->gemm_r(depth, a, t.b, t.c, t.ldc, acc);
			tile_check("gemm_r", &t);
		}
	}
}
END_TEST

/* A narrow tile has the bits of the whole one in its columns and leaves the others alone. */
static void check_narrow(struct tile *t, const float *packed, bool row_order, int vectors)
{
	const struct et_kern *k = t->k;
	size_t n = ((size_t)k->mr - 1) * t->ldc + (size_t)k->nr, width = (size_t)(vectors * k->vl);
	float *whole = num_floats(n);

	memcpy(whole, t->before, n * sizeof(float));
	memcpy(t->c, t->before, n * sizeof(float));
	if (row_order) {
		k->gemm_r(t->depth, packed, t->b, whole, t->ldc, t->acc);
		k->gemm_rv(t->depth, packed, t->b, t->c, t->ldc, t->acc, vectors);
	} else {
		k->gemm_k(t->depth, packed, t->b, whole, t->ldc, t->acc);
		k->gemm_kv(t->depth, packed, t->b, t->c, t->ldc, t->acc, vectors);
	}
	for (size_t i = 0; i < n; i++) {
		float want = i % t->ldc < width ? whole[i] : t->before[i];
		ck_assert_mem_eq(&t->c[i], &want, sizeof(float));
	}
	num_check_guards();
}

START_TEST(narrow_tiles)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(25, 0);
	for (size_t depth = 1; depth <= (size_t)k->kc; depth += depth < 8 ? 1 : 83)
		for (int vectors = 1; vectors <= k->nr / k->vl; vectors++)
			for (int acc = 0; acc < 2; acc++) {
				struct tile t = tile_new(k, &r, depth);
				t.acc = acc;
				check_narrow(&t, t.a, false, vectors);
				check_narrow(&t, packed_rows(&t, &r), true, vectors);
			}
}
END_TEST

/* Depths that are further apart than a tile has rows: the bits of gemm_kv. */
START_TEST(gemm_dv)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(30, 0);
	const size_t mr = (size_t)k->mr, nr = (size_t)k->nr;

	for (size_t depth = 1; depth <= (size_t)k->kc; depth += depth < 8 ? 1 : 83)
		for (int vectors = 1; vectors <= k->nr / k->vl; vectors++)
			for (int acc = 0; acc < 2; acc++) {
				struct tile t = tile_new(k, &r, depth);
				size_t n = (mr - 1) * t.ldc + nr, lda = mr + depth % 5;
				float *want = num_floats(n), *packed = num_floats(depth * mr);
				float *a = num_normal(&r, (depth - 1) * lda + mr);
				k->pack_k(packed, depth, a, lda, mr);
				memcpy(want, t.before, n * sizeof(float));
				memcpy(t.c, t.before, n * sizeof(float));
				k->gemm_kv(depth, packed, t.b, want, t.ldc, acc, vectors);
				k->gemm_dv(depth, a, lda, t.b, t.c, t.ldc, acc, vectors);
				num_label("%s, gemm_dv, depth %zu, %d vectors", k->name, depth,
					  vectors);
				num_check_bits("C", t.c, want, n * sizeof(float));
				num_check_guards();
			}
}
END_TEST

/* Rows where they lie, in stretches of any length: the bits of the same rows packed. */
static void check_in_place(struct tile *t, struct et_rng *r, int vectors)
{
	const struct et_kern *k = t->k;
	size_t mr = (size_t)k->mr, n = (mr - 1) * t->ldc + (size_t)k->nr, stretches = 0;
	size_t lda = (size_t)num_int(r, 1, 60);
	struct et_stretch s[40];
	float *packed = num_floats(mr * ET_KC_MAX), *want = num_floats(n);

	for (size_t k0 = 0; k0 < t->depth; stretches++) {
		size_t most = t->depth - k0, len = et_min((size_t)num_int(r, 1, 40), most);
		const float *rows[ET_MR_MAX];
		if (stretches + 1 == ET_COUNT(s))
			len = most;
		float *a = num_normal(r, (mr - 1) * lda + len);
		s[stretches] = (struct et_stretch){a, len, a};
		for (size_t i = 0; i < mr; i++)
			rows[i] = s[stretches].a + i * lda;
		k->pack_r(packed, k0, len, rows);
		k0 += len;
	}
	memcpy(want, t->before, n * sizeof(float));
	memcpy(t->c, t->before, n * sizeof(float));
	k->gemm_rv(t->depth, packed, t->b, want, t->ldc, t->acc, vectors);
	k->gemm_s(stretches, s, lda, t->b, t->c, t->ldc, t->acc, vectors);
	num_label("%s, gemm_s, depth %zu, %d vectors", k->name, t->depth, vectors);
	num_check_bits("C", t->c, want, n * sizeof(float));
	num_check_guards();
}

START_TEST(gemm_s)
{
	const struct et_kern *k = kern(_i);
	struct et_rng r = num_rng(29, 0);
	for (size_t depth = 1; k->gemm_s && depth <= (size_t)k->kc; depth += depth < 20 ? 1 : 59)
		for (int vectors = 1; vectors <= k->nr / k->vl; vectors++)
			for (int acc = 0; acc < 2; acc++) {
				struct tile t = tile_new(k, &r, depth);
				t.acc = acc;
				check_in_place(&t, &r, vectors);
			}
}
END_TEST

/* ---- store ----------------------------------------------------------------------------------- */

static void check_store(const struct et_kern *k, struct et_rng *r, size_t n, unsigned which,
			enum et_act act)
{
	const enum ref_act acts[] = {REF_NONE, REF_RELU, REF_RELU6};
	float *t = num_normal(r, n), *y = num_normal(r, n);
	float *scale = which & 2 ? num_normal(r, n) : NULL;
	float *shift = which & 4 ? num_normal(r, n) : NULL;
	float *res = which & 8 ? num_normal(r, n) : NULL;
	struct ref want = num_ref(n);
	bool acc = which & 1;

	for (size_t i = 0; i < n; i++) {
		t[i] *= 4; /* so that 6 is passed */
		if (i % 5 == 4)
			t[i] = NAN;
		ref_term(&want, i, (double)t[i]);
		if (acc)
			ref_term(&want, i, (double)y[i]);
		else
			y[i] = NAN;
	}
	ref_epilogue(1, (int)n, 1, scale ? num_double(scale, n) : NULL,
		     shift ? num_double(shift, n) : NULL, res ? num_double(res, n) : NULL,
		     acts[act], &want);
	num_label("%s, store n %zu, operands %u, act %d", k->name, n, which, (int)act);
	k->store(n, t, y, acc, scale, shift, res, act);
	num_check("y", y, &want, 2);
	if (!acc) {
		k->store(n, t, t, false, scale, shift, res, act);
		num_check_bits("in place", t, y, n * sizeof(float));
	}
	num_check_guards();
}

START_TEST(store)
{
	struct et_rng r = num_rng(25, 0);
	for (size_t n = 0; n < 52; n++)
		for (unsigned which = 0; which < 16; which++)
			for (int act = ET_ACT_NONE; act <= ET_ACT_RELU6; act++)
				check_store(kern(_i), &r, n, which, (enum et_act)act);
}
END_TEST

Suite *suite_tile(void);
Suite *suite_tile(void)
{
	Suite *s = suite_create("tile");
	TCase *tc = num_tcase("kernels");
	int isas = 0;

	while (et_kern_at((size_t)isas))
		isas++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, pack_k_b, 0, isas);
	tcase_add_loop_test(tc, pack_bt, 0, isas);
	tcase_add_loop_test(tc, pack_rows, 0, isas);
	tcase_add_loop_test(tc, pack_rp, 0, isas);
	tcase_add_loop_test(tc, pack_rows_p, 0, isas);
	tcase_add_loop_test(tc, gemm_k, 0, isas);
	tcase_add_loop_test(tc, gemm_r, 0, isas);
	tcase_add_loop_test(tc, narrow_tiles, 0, isas);
	tcase_add_loop_test(tc, gemm_dv, 0, isas);
	tcase_add_loop_test(tc, gemm_s, 0, isas);
	tcase_add_loop_test(tc, store, 0, isas);
	return s;
}
