/*
 * Winograd's transforms for 3x3 kernels with stride 1: F(2x2) and F(4x4), a vector of channels at a
 * time. Each is a pass over the columns of a tile and one over the rows of what that gives; the
 * tile between lies in registers and, where there are too few, on the stack.
 *
 * F(4x4) interpolates at 0, +-a, +-b and infinity with a = 2/3, b = 3/2: of the points tried, those
 * with the smallest error (0.46 of that of 0, +-1, +-2 in norm, a quarter in the largest element),
 * and since a*b = 1 a product is saved. F(2x2) has 0, +-1 and infinity, which is exact for
 * integers.
 */
#define W_A  (2.0f / 3)
#define W_B  1.5f
#define W_A2 (4.0f / 9)
#define W_B2 2.25f
#define W_S  (97.0f / 36)   /* a^2 + b^2 */
#define W_NA (-81.0f / 130) /* 1 / (2a^2 (a^2 - b^2)) */
#define W_NB (16.0f / 130)  /* 1 / (2b^2 (b^2 - a^2)) */

/* B^T: n values of an input to n. */
ET_INLINE void line_in(int m, const vf *x, vf *y)
{
	if (m == 2) {
		y[0] = x[0] - x[2];
		y[1] = x[1] + x[2];
		y[2] = x[2] - x[1];
		y[3] = x[3] - x[1];
		return;
	}
	vf ea = x[4] - W_B2 * x[2], oa = x[3] - W_B2 * x[1];
	vf eb = x[4] - W_A2 * x[2], ob = x[3] - W_A2 * x[1];
	y[0] = x[0] + x[4] - W_S * x[2];
	y[1] = ea + W_A * oa;
	y[2] = ea - W_A * oa;
	y[3] = eb + W_B * ob;
	y[4] = eb - W_B * ob;
	y[5] = x[1] + x[5] - W_S * x[3];
}

/* A^T: n products to m results. */
ET_INLINE void line_out(int m, const vf *x, vf *y)
{
	vf s = x[1] + x[2], d = x[1] - x[2];
	if (m == 2) {
		y[0] = x[0] + s;
		y[1] = d + x[3];
		return;
	}
	vf s2 = x[3] + x[4], d2 = x[3] - x[4];
	y[0] = x[0] + s + s2;
	y[1] = W_A * d + W_B * d2;
	y[2] = W_A2 * s + W_B2 * s2;
	y[3] = (W_A * W_A2) * d + (W_B * W_B2) * d2 + x[5];
}

/* A: its transpose, m to n. */
ET_INLINE void line_out_t(int m, const vf *x, vf *y)
{
	y[0] = x[0];
	if (m == 2) {
		y[1] = x[0] + x[1];
		y[2] = x[0] - x[1];
		y[3] = x[1];
		return;
	}
	vf ea = x[0] + W_A2 * x[2], oa = x[1] + W_A2 * x[3];
	vf eb = x[0] + W_B2 * x[2], ob = x[1] + W_B2 * x[3];
	y[1] = ea + W_A * oa;
	y[2] = ea - W_A * oa;
	y[3] = eb + W_B * ob;
	y[4] = eb - W_B * ob;
	y[5] = x[3];
}

/* G: 3 weights to n. */
ET_INLINE void line_filter(int m, const vf *x, vf *y)
{
	const float na = m == 2 ? 0.5f : W_NA, a = m == 2 ? 1 : W_A, a2 = m == 2 ? 1 : W_A2;
	vf e = na * x[0] + (na * a2) * x[2], o = (na * a) * x[1];
	y[0] = x[0];
	y[1] = e + o;
	y[2] = e - o;
	if (m == 2) {
		y[3] = x[2];
		return;
	}
	e = W_NB * x[0] + (W_NB * W_B2) * x[2];
	o = (W_NB * W_B) * x[1];
	y[3] = e + o;
	y[4] = e - o;
	y[5] = x[2];
}

/* G^T: its transpose, n to 3. */
ET_INLINE void line_filter_t(int m, const vf *x, vf *y)
{
	vf s = x[1] + x[2], d = x[1] - x[2];
	if (m == 2) {
		y[0] = x[0] + 0.5f * s;
		y[1] = 0.5f * d;
		y[2] = 0.5f * s + x[3];
		return;
	}
	vf s2 = x[3] + x[4], d2 = x[3] - x[4];
	y[0] = x[0] + W_NA * s + W_NB * s2;
	y[1] = (W_NA * W_A) * d + (W_NB * W_B) * d2;
	y[2] = (W_NA * W_A2) * s + (W_NB * W_B2) * s2 + x[5];
}

/* t[i][j] = column j of NI values x(i, j), i < NI, taken to NO by a line. */
#define W_COLUMNS(line, m, NI, NO, x)          \
	vf t[NO][NI];                          \
	ET_UNROLL(8)                           \
	for (int j = 0; j < (NI); j++) {       \
		vf in[NI], out[NO];            \
		ET_UNROLL(8)                   \
		for (int i = 0; i < (NI); i++) \
			in[i] = (x);           \
		line(m, in, out);              \
		ET_UNROLL(8)                   \
		for (int i = 0; i < (NO); i++) \
			t[i][j] = out[i];      \
	}

/* An input tile of n x n pixels that are all there. */
#define W_INPUT(name, line, m, NI, NO)                                                         \
	static void name(const float *x, size_t row, size_t pixel, float *v, const size_t *at) \
	{                                                                                      \
		W_COLUMNS(line, m, NI, NO, vf_load(x + (size_t)i * row + (size_t)j * pixel))   \
		ET_UNROLL(8)                                                                   \
		for (int i = 0; i < (NO); i++) {                                               \
			vf out[NO];                                                            \
			line(m, t[i], out);                                                    \
			ET_UNROLL(8)                                                           \
			for (int j = 0; j < (NO); j++)                                         \
				vf_store(v + at[i * (NO) + j], out[j]);                        \
		}                                                                              \
	}

W_INPUT(input_2, line_in, 2, 4, 4)
W_INPUT(input_4, line_in, 4, 6, 6)
W_INPUT(output_t_2, line_out_t, 2, 2, 4)
W_INPUT(output_t_4, line_out_t, 4, 4, 6)

/* The tile's pixels of n channels side by side, with zeros where there are none. */
static void gather_tile(int side, const struct et_wino_tile *t, size_t ch, size_t n,
			const float *scale, const float *shift, enum et_act act, float *to)
{
	vf sc = vf_set1(1), sh = {0};

	if (scale)
		sc = n < VL ? vf_load_part(scale + ch, n) : vf_load(scale + ch);
	if (shift)
		sh = n < VL ? vf_load_part(shift + ch, n) : vf_load(shift + ch);
	for (int i = 0; i < side; i++) {
		for (int j = 0; j < side; j++, to += VL) {
			vf v = {0};
			if (i >= t->i0 && i < t->i1 && j >= t->j0 && j < t->j1) {
				const float *p = t->x + (size_t)(i - t->i0) * t->row +
						 (size_t)(j - t->j0) * t->pixel + ch;
				v = n < VL ? vf_load_part(p, n) : vf_load(p);
				if (scale || shift)
					v = v * sc + sh;
				v = act_vf(v, act);
			}
			vf_store(to, v);
		}
	}
}

static void wino_tile(int side, size_t c, const struct et_wino_tile *t, const float *scale,
		      const float *shift, enum et_act act, float *v, const size_t *at,
		      void (*whole)(const float *x, size_t row, size_t pixel, float *v,
				    const size_t *at))
{
	bool plain = !scale && !shift && act == ET_ACT_NONE && t->i0 == 0 && t->j0 == 0 &&
		     t->i1 == side && t->j1 == side;
	float pixels[6 * 6 * VL];

	for (size_t ch = 0; ch < c; ch += VL) {
		if (plain && ch + VL <= c) {
			whole(t->x + ch, t->row, t->pixel, v + ch, at);
			continue;
		}
		gather_tile(side, t, ch, c - ch, scale, shift, act, pixels);
		whole(pixels, (size_t)side * VL, VL, v + ch, at);
	}
}

static void wino_input(int m, size_t c, const struct et_wino_tile *t, const float *scale,
		       const float *shift, enum et_act act, float *v, const size_t *at)
{
	wino_tile(m + 2, c, t, scale, shift, act, v, at, m == 2 ? input_2 : input_4);
}

static void wino_output_t(int m, size_t c, const struct et_wino_tile *t, float *z, const size_t *at)
{
	wino_tile(m, c, t, NULL, NULL, ET_ACT_NONE, z, at, m == 2 ? output_t_2 : output_t_4);
}

#define W_OUTPUT(name, M, N)                                                                       \
	static void name(size_t n, const float *v, size_t tap, const struct et_wino_tile *to,      \
			 float *y, const float *scale, const float *shift, const float *res,       \
			 enum et_act act)                                                          \
	{                                                                                          \
		vf sc = vf_set1(1), sh = {0};                                                      \
		W_COLUMNS(line_out, M, N, M, vf_load(v + (size_t)(i * (N) + j) * tap))             \
		if (scale)                                                                         \
			sc = n < VL ? vf_load_part(scale, n) : vf_load(scale);                     \
		if (shift)                                                                         \
			sh = n < VL ? vf_load_part(shift, n) : vf_load(shift);                     \
		ET_UNROLL(8)                                                                       \
		for (int i = 0; i < (M); i++) {                                                    \
			vf out[M];                                                                 \
			line_out(M, t[i], out);                                                    \
			if (i >= to->i1)                                                           \
				break;                                                             \
			ET_UNROLL(8)                                                               \
			for (int j = 0; j < (M); j++) {                                            \
				size_t p = (size_t)i * to->row + (size_t)j * to->pixel;            \
				if (j >= to->j1)                                                   \
					break;                                                     \
				vf o = out[j];                                                     \
				if (scale)                                                         \
					o *= sc;                                                   \
				if (shift)                                                         \
					o += sh;                                                   \
				if (res)                                                           \
					o += n < VL ? vf_load_part(res + p, n) : vf_load(res + p); \
				o = act_vf(o, act);                                                \
				if (n < VL)                                                        \
					vf_store_part(y + p, o, n);                                \
				else                                                               \
					vf_store(y + p, o);                                        \
			}                                                                          \
		}                                                                                  \
	}

W_OUTPUT(output_2, 2, 4)
W_OUTPUT(output_4, 4, 6)

static void wino_output(int m, size_t k, const float *v, size_t tap, const struct et_wino_tile *to,
			float *y, const float *scale, const float *shift, const float *res,
			enum et_act act)
{
	for (size_t ch = 0; ch < k; ch += VL) {
		const float *sc = scale ? scale + ch : NULL, *sh = shift ? shift + ch : NULL;
		const float *r = res ? res + ch : NULL;
		if (m == 2)
			output_2(k - ch, v + ch, tap, to, y + ch, sc, sh, r, act);
		else
			output_4(k - ch, v + ch, tap, to, y + ch, sc, sh, r, act);
	}
}

/* One row of G w G^T: G's row times the weights' columns, then G. */
#define W_FILTER(name, m, N)                                                             \
	static void name(const float *gr, size_t n, const float *w, size_t ws, float *u, \
			 size_t us)                                                      \
	{                                                                                \
		for (size_t p = 0; p < n; p += VL) {                                     \
			vf in[3], out[N];                                                \
			ET_UNROLL(4)                                                     \
			for (int b = 0; b < 3; b++)                                      \
				in[b] = gr[0] * vf_load(w + (size_t)b * ws + p) +        \
					gr[1] * vf_load(w + (size_t)(3 + b) * ws + p) +  \
					gr[2] * vf_load(w + (size_t)(6 + b) * ws + p);   \
			line_filter(m, in, out);                                         \
			ET_UNROLL(8)                                                     \
			for (int j = 0; j < (N); j++)                                    \
				vf_store(u + (size_t)j * us + p, out[j]);                \
		}                                                                        \
	}

W_FILTER(filter_2, 2, 4)
W_FILTER(filter_4, 4, 6)

static void wino_filter(int m, int row, size_t n, const float *w, size_t ws, float *u, size_t us)
{
	static const float g2[4][3] = {
		{1, 0, 0}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0, 0, 1}};
	static const float g4[6][3] = {{1, 0, 0},
				       {W_NA, W_NA * W_A, W_NA * W_A2},
				       {W_NA, -W_NA * W_A, W_NA * W_A2},
				       {W_NB, W_NB * W_B, W_NB * W_B2},
				       {W_NB, -W_NB * W_B, W_NB * W_B2},
				       {0, 0, 1}};
	if (m == 2)
		filter_2(g2[row], n, w, ws, u, us);
	else
		filter_4(g4[row], n, w, ws, u, us);
}

#define W_FILTER_T(name, m, N)                                                             \
	static void name(size_t n, const float *u, size_t us, float *w, size_t ws)         \
	{                                                                                  \
		W_COLUMNS(line_filter_t, m, N, 3, vf_load(u + (size_t)(i * (N) + j) * us)) \
		ET_UNROLL(4)                                                               \
		for (int i = 0; i < 3; i++) {                                              \
			vf out[3];                                                         \
			line_filter_t(m, t[i], out);                                       \
			ET_UNROLL(4)                                                       \
			for (int j = 0; j < 3; j++) {                                      \
				float *p = w + (size_t)(i * 3 + j) * ws;                   \
				if (n < VL)                                                \
					vf_store_part(p, vf_load_part(p, n) + out[j], n);  \
				else                                                       \
					vf_store(p, vf_load(p) + out[j]);                  \
			}                                                                  \
		}                                                                          \
	}

W_FILTER_T(filter_t_2, 2, 4)
W_FILTER_T(filter_t_4, 4, 6)

static void wino_filter_t(int m, size_t n, const float *u, size_t us, float *w, size_t ws)
{
	for (size_t p = 0; p < n; p += VL)
		if (m == 2)
			filter_t_2(n - p, u + p, us, w + p, ws);
		else
			filter_t_4(n - p, u + p, us, w + p, ws);
}

/* ---- c[i*ldc + j] (+)= sum over p of a[p*lda + i] * b[p*ldb + j]: tiles are the depth ----------
 */

#if VL == 4
#define W_SUM_STEP                                            \
	ET_UNROLL(4)                                          \
	for (int i = 0; i < MR; i += 4) {                     \
		vf av = vf_load(a + i);                       \
		ET_UNROLL(4)                                  \
		for (int j = 0; j < NV; j++) {                \
			acc[i + 0][j] += LANE(av, 0) * bv[j]; \
			acc[i + 1][j] += LANE(av, 1) * bv[j]; \
			acc[i + 2][j] += LANE(av, 2) * bv[j]; \
			acc[i + 3][j] += LANE(av, 3) * bv[j]; \
		}                                             \
	}
#else
#define W_SUM_STEP                               \
	ET_UNROLL(16)                            \
	for (int i = 0; i < MR; i++) {           \
		vf av = vf_set1(a[i]);           \
		ET_UNROLL(4)                     \
		for (int j = 0; j < NV; j++)     \
			acc[i][j] += av * bv[j]; \
	}
#endif

static void wino_sum(size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
		     size_t ldc, bool add)
{
	vf acc[MR][NV] = {{{0}}};
	for (size_t p = 0; p < k; p++, a += lda, b += ldb) {
		vf bv[NV];
		ET_UNROLL(4)
		for (int j = 0; j < NV; j++)
			bv[j] = vf_load(b + j * VL);
		W_SUM_STEP
	}
	STORE_TILE(NV)
}
