/*
 * The GEMM micro-kernels. MR and NR come from the unit. The tile lives in
 * registers: MR * NR/VL accumulators, NR/VL loads of B and MR broadcasts of A for each depth p.
 */
#define NV (NR / VL)

/*
 * Asks for the lines of C before the sums whose results go there: what is not in a near cache
 * arrives meanwhile.
 */
#define PREFETCH_TILE(NW)                                                 \
	ET_UNROLL(16)                                                     \
	for (int i = 0; i < MR; i++) {                                    \
		__builtin_prefetch(c + i * ldc, 1);                       \
		if (NW * VL > 16)                                         \
			__builtin_prefetch(c + i * ldc + NW * VL - 1, 1); \
	}

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

/*
 * Depths of A side by side in a panel, or lda floats apart: then those of the next block, k further
 * on, are asked for meanwhile.
 */
#define PACKED
#define APART size_t lda,

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

#define GEMM(name, NW, LDA_ARG, LDA, AHEAD)                                                      \
	static void name(size_t k, const float *a, LDA_ARG const float *b, float *c, size_t ldc, \
			 bool add)                                                               \
	{                                                                                        \
		vf acc[MR][NW] = {{{0}}};                                                        \
		for (size_t p = 0; p < k; p++, a += LDA, b += NR) {                              \
			AHEAD;                                                                   \
			vf bv[NW];                                                               \
			ET_UNROLL(4)                                                             \
			for (int j = 0; j < NW; j++)                                             \
				bv[j] = vf_load(b + j * VL);                                     \
			ET_UNROLL(4)                                                             \
			for (int i = 0; i < MR; i += 4) {                                        \
				vf av = vf_load(a + i);                                          \
				ET_UNROLL(4)                                                     \
				for (int j = 0; j < NW; j++) {                                   \
					acc[i + 0][j] += LANE(av, 0) * bv[j];                    \
					acc[i + 1][j] += LANE(av, 1) * bv[j];                    \
					acc[i + 2][j] += LANE(av, 2) * bv[j];                    \
					acc[i + 3][j] += LANE(av, 3) * bv[j];                    \
				}                                                                \
			}                                                                        \
		}                                                                                \
		STORE_TILE(NW)                                                                   \
	}

GEMM(gemm_k, NV, PACKED, MR, (void)0)
GEMM(gemm_k1, 1, PACKED, MR, (void)0)
GEMM(gemm_d, NV, APART, lda, __builtin_prefetch(a + k * lda))
GEMM(gemm_d1, 1, APART, lda, __builtin_prefetch(a + k * lda))
#if NV > 2
GEMM(gemm_k2, 2, PACKED, MR, (void)0)
GEMM(gemm_d2, 2, APART, lda, __builtin_prefetch(a + k * lda))
#endif
#undef GEMM

/* Depth-major here too: the lanes of one A vector are four rows. */
#define GEMM_R	gemm_k
#define GEMM_RV gemm_kv
#define GEMM_S	NULL
#else
#if VL == 8
#define DEPTHS ET_UNROLL(4)
#else
#define DEPTHS
#endif
#define GEMM(name, NW, LDA_ARG, A, AHEAD)                                                        \
	static void name(size_t k, const float *a, LDA_ARG const float *b, float *c, size_t ldc, \
			 bool add)                                                               \
	{                                                                                        \
		vf acc[MR][NW] = {{{0}}};                                                        \
		PREFETCH_TILE(NW)                                                                \
		DEPTHS                                                                           \
		for (size_t p = 0; p < k; p++, b += NR) {                                        \
			AHEAD;                                                                   \
			vf bv[NW];                                                               \
			ET_UNROLL(4)                                                             \
			for (int j = 0; j < NW; j++)                                             \
				bv[j] = vf_load(b + j * VL);                                     \
			ET_UNROLL(16)                                                            \
			for (int i = 0; i < MR; i++) {                                           \
				vf av = vf_set1(A);                                              \
				ET_UNROLL(4)                                                     \
				for (int j = 0; j < NW; j++)                                     \
					acc[i][j] += av * bv[j];                                 \
			}                                                                        \
		}                                                                                \
		STORE_TILE(NW)                                                                   \
	}

GEMM(gemm_k, NV, PACKED, a[p * MR + i], (void)0)
GEMM(gemm_k1, 1, PACKED, a[p * MR + i], (void)0)
GEMM(gemm_d, NV, APART, a[p * lda + i], __builtin_prefetch(a + (p + k) * lda))
GEMM(gemm_d1, 1, APART, a[p * lda + i], __builtin_prefetch(a + (p + k) * lda))
/* Rows a compile-time stride apart: one base register, and packing is plain copying. */
GEMM(gemm_r, NV, PACKED, a[(size_t)i * ET_KC_MAX + p], (void)0)
GEMM(gemm_r1, 1, PACKED, a[(size_t)i * ET_KC_MAX + p], (void)0)
#undef GEMM
#define GEMM_R	gemm_r
#define GEMM_RV gemm_rv
#define GEMM_S	gemm_s

/*
 * Rows where they lie. Every third row has a pointer; the others are one and two strides from it:
 * few enough registers for all rows of the tile.
 */
#define GEMM(name, NW)                                                                            \
	static void name(size_t segments, const struct et_stretch *s, size_t lda, const float *b, \
			 float *c, size_t ldc, bool add)                                          \
	{                                                                                         \
		vf acc[MR][NW] = {{{0}}};                                                         \
		PREFETCH_TILE(NW)                                                                 \
		for (; segments; segments--, s++) {                                               \
			const float *a[(MR + 2) / 3];                                             \
			ET_UNROLL(8)                                                              \
			for (int i = 0; i < (MR + 2) / 3; i++)                                    \
				a[i] = s->a + 3 * (size_t)i * lda;                                \
			for (size_t p = 0; p < s->len; p++, b += NR) {                            \
				__builtin_prefetch(s->next + p * 16);                             \
				vf bv[NW];                                                        \
				ET_UNROLL(4)                                                      \
				for (int j = 0; j < NW; j++)                                      \
					bv[j] = vf_load(b + j * VL);                              \
				ET_UNROLL(16)                                                     \
				for (int i = 0; i < MR; i++) {                                    \
					vf av = vf_set1(a[i / 3][(size_t)(i % 3) * lda]);         \
					ET_UNROLL(4)                                              \
					for (int j = 0; j < NW; j++)                              \
						acc[i][j] += av * bv[j];                          \
				}                                                                 \
				ET_UNROLL(8)                                                      \
				for (int i = 0; i < (MR + 2) / 3; i++)                            \
					a[i]++;                                                   \
			}                                                                         \
		}                                                                                 \
		STORE_TILE(NW)                                                                    \
	}

GEMM(gemm_s2, NV)
GEMM(gemm_s1, 1)
#undef GEMM

static void gemm_s(size_t segments, const struct et_stretch *s, size_t lda, const float *b,
		   float *c, size_t ldc, bool add, int vectors)
{
	if (vectors == 1)
		gemm_s1(segments, s, lda, b, c, ldc, add);
	else
		gemm_s2(segments, s, lda, b, c, ldc, add);
}

static void gemm_rv(size_t k, const float *a, const float *b, float *c, size_t ldc, bool add,
		    int vectors)
{
	if (vectors == 1)
		gemm_r1(k, a, b, c, ldc, add);
	else
		gemm_r(k, a, b, c, ldc, add);
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

static void gemm_dv(size_t k, const float *a, size_t lda, const float *b, float *c, size_t ldc,
		    bool add, int vectors)
{
	if (vectors == 1)
		gemm_d1(k, a, lda, b, c, ldc, add);
#if NV > 2
	else if (vectors == 2)
		gemm_d2(k, a, lda, b, c, ldc, add);
#endif
	else
		gemm_d(k, a, lda, b, c, ldc, add);
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
