/*
 * The GEMM micro-kernels and their packing. MR and NR come from the unit. The tile lives in
 * registers: MR * NR/VL accumulators, NR/VL loads of B and MR broadcasts of A for each depth p.
 */
#define NV (NR / VL)

/* The tile of NW vectors a row to memory; unrolled, so that the accumulators stay registers. */
#define STORE_TILE(NW)                                                                             \
	if (add) {                                                                                 \
		ET_UNROLL(16)                                                                      \
		for (int i = 0; i < MR; i++)                                                       \
			ET_UNROLL(4)                                                               \
		for (int j = 0; j < NW; j++)                                                       \
			vf_store(c + i * ldc + j * VL, vf_load(c + i * ldc + j * VL) + acc[i][j]); \
	} else {                                                                                   \
		ET_UNROLL(16)                                                                      \
		for (int i = 0; i < MR; i++)                                                       \
			ET_UNROLL(4)                                                               \
		for (int j = 0; j < NW; j++)                                                       \
			vf_store(c + i * ldc + j * VL, acc[i][j]);                                 \
	}

#if VL == 4
/*
 * On AArch64 A is loaded as vectors and each lane multiplied from there: gcc folds the shuffle into
 * `fmla v.4s, v.4s, v.s[i]`, which scalar broadcasts never become.
 */
#if defined(__clang__)
#define LANE(v, l) __builtin_shufflevector(v, v, l, l, l, l)
#else
#define LANE(v, l) __builtin_shuffle(v, (vi){l, l, l, l})
#endif

#define GEMM(name, NW)                                                                             \
	static void name(size_t k, const float *a, const float *b, float *c, size_t ldc, bool add) \
	{                                                                                          \
		vf acc[MR][NW] = {{{0}}};                                                          \
		for (size_t p = 0; p < k; p++, a += MR, b += NR) {                                 \
			vf bv[NW];                                                                 \
			ET_UNROLL(4)                                                               \
			for (int j = 0; j < NW; j++)                                               \
				bv[j] = vf_load(b + j * VL);                                       \
			ET_UNROLL(4)                                                               \
			for (int i = 0; i < MR; i += 4) {                                          \
				vf av = vf_load(a + i);                                            \
				ET_UNROLL(4)                                                       \
				for (int j = 0; j < NW; j++) {                                     \
					acc[i + 0][j] += LANE(av, 0) * bv[j];                      \
					acc[i + 1][j] += LANE(av, 1) * bv[j];                      \
					acc[i + 2][j] += LANE(av, 2) * bv[j];                      \
					acc[i + 3][j] += LANE(av, 3) * bv[j];                      \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
		STORE_TILE(NW)                                                                     \
	}

GEMM(gemm_k, NV)
GEMM(gemm_k1, 1)
#if NV > 2
GEMM(gemm_k2, 2)
#endif
#undef GEMM

/* Depth-major here too: the lanes of one A vector are four rows. */
#define GEMM_R	gemm_k
#define GEMM_RV gemm_kv

static void pack_r(float *dst, size_t k0, size_t len, const float *const *rows)
{
	dst += k0 * MR;
	for (int i = 0; i < MR; i += 4) {
		const float *r0 = rows[i], *r1 = rows[i + 1], *r2 = rows[i + 2], *r3 = rows[i + 3];
		size_t p = 0;
		for (; p + 4 <= len; p += 4) {
			vf v[4] = {vf_load(r0 + p), vf_load(r1 + p), vf_load(r2 + p),
				   vf_load(r3 + p)};
			float *d = dst + p * MR + i;
			vf_transpose(v);
			ET_UNROLL(4)
			for (int l = 0; l < 4; l++)
				vf_store(d + l * MR, v[l]);
		}
		for (; p < len; p++) {
			float *d = dst + p * MR + i;
			d[0] = r0[p];
			d[1] = r1[p];
			d[2] = r2[p];
			d[3] = r3[p];
		}
	}
}
#else
#define GEMM(name, NW, A)                                                                          \
	static void name(size_t k, const float *a, const float *b, float *c, size_t ldc, bool add) \
	{                                                                                          \
		vf acc[MR][NW] = {{{0}}};                                                          \
		for (size_t p = 0; p < k; p++, b += NR) {                                          \
			vf bv[NW];                                                                 \
			ET_UNROLL(4)                                                               \
			for (int j = 0; j < NW; j++)                                               \
				bv[j] = vf_load(b + j * VL);                                       \
			ET_UNROLL(16)                                                              \
			for (int i = 0; i < MR; i++) {                                             \
				vf av = vf_set1(A);                                                \
				ET_UNROLL(4)                                                       \
				for (int j = 0; j < NW; j++)                                       \
					acc[i][j] += av * bv[j];                                   \
			}                                                                          \
		}                                                                                  \
		STORE_TILE(NW)                                                                     \
	}

GEMM(gemm_k, NV, a[p * MR + i])
GEMM(gemm_k1, 1, a[p * MR + i])
/* Rows a compile-time stride apart: one base register, and packing is plain copying. */
GEMM(gemm_r, NV, a[(size_t)i * ET_KC_MAX + p])
GEMM(gemm_r1, 1, a[(size_t)i * ET_KC_MAX + p])
#undef GEMM
#define GEMM_R	gemm_r
#define GEMM_RV gemm_rv

static void gemm_rv(size_t k, const float *a, const float *b, float *c, size_t ldc, bool add,
		    int vectors)
{
	if (vectors == 1)
		gemm_r1(k, a, b, c, ldc, add);
	else
		gemm_r(k, a, b, c, ldc, add);
}

static void pack_r(float *dst, size_t k0, size_t len, const float *const *rows)
{
	for (int i = 0; i < MR; i++) {
		const float *r = rows[i];
		float *d = dst + (size_t)i * ET_KC_MAX + k0;
		size_t p = 0;
		for (; p + VL <= len; p += VL)
			vf_store(d + p, vf_load(r + p));
		for (; p < len; p++)
			d[p] = r[p];
	}
}
#endif

_Static_assert(NV == 2 || NV == 3, "a narrow tile for every number of vectors below NV");

static void gemm_kv(size_t k, const float *a, const float *b, float *c, size_t ldc, bool add,
		    int vectors)
{
	if (vectors == 1)
		gemm_k1(k, a, b, c, ldc, add);
#if NV > 2
	else if (vectors == 2)
		gemm_k2(k, a, b, c, ldc, add);
#endif
	else
		gemm_k(k, a, b, c, ldc, add);
}

static void pack_k(float *dst, size_t k, const float *src, size_t ld, size_t cols)
{
	if (cols == MR) {
		for (size_t p = 0; p < k; p++)
			memcpy(dst + p * MR, src + p * ld, MR * sizeof(float));
		return;
	}
	for (size_t p = 0; p < k; p++) {
		size_t i = 0;
		for (; i < cols; i++)
			dst[p * MR + i] = src[p * ld + i];
		for (; i < MR; i++)
			dst[p * MR + i] = 0;
	}
}

static void pack_b(float *dst, size_t k, const float *src, size_t ld, size_t cols)
{
	if (cols == NR) {
		for (size_t p = 0; p < k; p++)
			ET_UNROLL(4)
		for (int j = 0; j < NV; j++)
			vf_store(dst + p * NR + j * VL, vf_load(src + p * ld + j * VL));
		return;
	}
	for (size_t p = 0; p < k; p++) {
		size_t j = 0;
		for (; j < cols; j++)
			dst[p * NR + j] = src[p * ld + j];
		for (; j < NR; j++)
			dst[p * NR + j] = 0;
	}
}

/* The first len <= VL depths of rows rows <= VL, src ld apart, as columns of dst. */
ET_INLINE void transpose_block(float *dst, size_t len, const float *src, size_t ld, size_t rows)
{
	vf v[VL];
	ET_UNROLL(16)
	for (size_t i = 0; i < VL; i++)
		v[i] = i >= rows   ? (vf){0}
		       : len == VL ? vf_load(src + i * ld)
				   : vf_load_part(src + i * ld, len);
	vf_transpose(v);
	ET_UNROLL(16)
	for (size_t p = 0; p < VL; p++)
		if (p < len)
			vf_store(dst + p * NR, v[p]);
}

static void pack_bt(float *dst, size_t k, const float *src, size_t ld, size_t cols)
{
	for (size_t j = 0; j < NR; j += VL) {
		const float *s = src + j * ld;
		size_t rows = j >= cols ? 0 : cols - j, p = 0;
		if (rows >= VL)
			for (; p + VL <= k; p += VL)
				transpose_block(dst + p * NR + j, VL, s + p, ld, VL);
		else
			for (; p + VL <= k; p += VL)
				transpose_block(dst + p * NR + j, VL, s + p, ld, rows);
		if (p < k)
			transpose_block(dst + p * NR + j, k - p, s + p, ld, rows);
	}
}

static void pack_rows(float *dst, size_t ld, size_t k, const float *const *rows, size_t off,
		      size_t cols)
{
	for (size_t p = 0; p < k; p++, dst += ld) {
		const float *r = rows[p];
		size_t j = 0;
		if (r) {
			r += off;
			for (; j + VL <= cols; j += VL)
				vf_store(dst + j, vf_load(r + j));
			for (; j < cols; j++)
				dst[j] = r[j];
		} else {
			for (; j + VL <= cols; j += VL)
				vf_store(dst + j, (vf){0});
			for (; j < cols; j++)
				dst[j] = 0;
		}
	}
}

ET_INLINE vf act_vf(vf v, enum et_act act)
{
	if (act != ET_ACT_NONE)
		v = vf_max_nan(v, (vf){0});
	if (act == ET_ACT_RELU6)
		v = vf_min_nan(v, vf_set1(6));
	return v;
}

ET_INLINE float act_f(float v, enum et_act act)
{
	if (act != ET_ACT_NONE)
		v = v < 0 ? 0 : v;
	if (act == ET_ACT_RELU6)
		v = v > 6 ? 6 : v;
	return v;
}

static void store(size_t n, const float *t, float *y, bool acc, const float *scale,
		  const float *shift, const float *res, enum et_act act)
{
	size_t j = 0;
	for (; j + VL <= n; j += VL) {
		vf v = vf_load(t + j);
		if (acc)
			v = vf_load(y + j) + v;
		if (scale)
			v *= vf_load(scale + j);
		if (shift)
			v += vf_load(shift + j);
		if (res)
			v += vf_load(res + j);
		vf_store(y + j, act_vf(v, act));
	}
	for (; j < n; j++) {
		float v = t[j];
		if (acc)
			v = y[j] + v;
		if (scale)
			v *= scale[j];
		if (shift)
			v += shift[j];
		if (res)
			v += res[j];
		y[j] = act_f(v, act);
	}
}
#undef NV
