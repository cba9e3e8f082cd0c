/*
 * Per-channel work on rows of c contiguous values: batch norm and bias sums. Loops run over channel
 * blocks outside and rows inside, so that sums stay in registers and the order of summation is that
 * of the rows. Callers give blocks of rows that fit in cache.
 */

ET_INLINE void affine_rows(size_t rows, size_t c, const float *x, size_t xs, const float *sc,
			   const float *sh, enum et_act act, float *y, size_t ys)
{
	for (size_t r = 0; r < rows; r++, x += xs, y += ys) {
		size_t j = 0;
		for (; j + VL <= c; j += VL) {
			vf v = vf_load(x + j) * vf_load(sc + j) + vf_load(sh + j);
			vf_store(y + j, act_vf(v, act));
		}
		for (; j < c; j++)
			y[j] = act_f(x[j] * sc[j] + sh[j], act);
	}
}

static void affine_act(size_t rows, size_t c, const float *x, size_t xs, const float *sc,
		       const float *sh, enum et_act act, float *y, size_t ys)
{
	if (act == ET_ACT_RELU6)
		affine_rows(rows, c, x, xs, sc, sh, ET_ACT_RELU6, y, ys);
	else if (act == ET_ACT_RELU)
		affine_rows(rows, c, x, xs, sc, sh, ET_ACT_RELU, y, ys);
	else
		affine_rows(rows, c, x, xs, sc, sh, ET_ACT_NONE, y, ys);
}

static void affine(size_t rows, size_t c, const float *x, const struct et_prologue *p, float *y)
{
	affine_act(rows, c, x, c, p->scale, p->shift, p->act, y, c);
}

static void row_sum(size_t rows, size_t ld, size_t c, const float *x, float *sum)
{
	size_t j = 0;
	for (; j + 4 * VL <= c; j += 4 * VL) {
		vf s[4] = {{0}};
		for (size_t r = 0; r < rows; r++)
			for (int u = 0; u < 4; u++)
				s[u] += vf_load(x + r * ld + j + u * VL);
		for (int u = 0; u < 4; u++)
			vf_store(sum + j + u * VL, s[u]);
	}
	for (; j + VL <= c; j += VL) {
		vf s = {0};
		for (size_t r = 0; r < rows; r++)
			s += vf_load(x + r * ld + j);
		vf_store(sum + j, s);
	}
	for (; j < c; j++) {
		float s = 0;
		for (size_t r = 0; r < rows; r++)
			s += x[r * ld + j];
		sum[j] = s;
	}
}

static void col_sum(size_t rows, size_t c, const float *x, float *sum)
{
	row_sum(rows, c, c, x, sum);
}

/* Rows summed apart before they join the sum: its rounding grows with the longer of both counts. */
#define STRIP 32

/*
 * total[i] = sums of u vectors of channels: of x, or, squared, of x's squares about `mean`; the
 * last vector has len lanes.
 */
ET_INLINE void strip_sums(size_t rows, size_t ld, const float *x, const vf *mean, bool squared,
			  size_t u, size_t len, vf *total)
{
	for (size_t r = 0; r < rows;) {
		size_t end = rows - r < STRIP ? rows : r + STRIP;
		vf s[4] = {{0}};
		for (; r < end; r++)
			ET_UNROLL(4)
		for (size_t i = 0; i < u; i++) {
			vf v = load_upto(x + r * ld + i * VL, len);
			if (squared)
				v = (v - mean[i]) * (v - mean[i]);
			s[i] += v;
		}
		ET_UNROLL(4)
		for (size_t i = 0; i < u; i++)
			total[i] += s[i];
	}
}

/* The mean of u vectors of channels, then squares about it while the rows are near. */
ET_INLINE void moments_of(size_t rows, size_t ld, const float *x, float *mean, float *sq, size_t u,
			  size_t len)
{
	const vf part = vf_set1(1.0f / (float)rows);
	vf m[4] = {{0}}, s[4] = {{0}};

	strip_sums(rows, ld, x, m, false, u, len, m);
	ET_UNROLL(4)
	for (size_t i = 0; i < u; i++)
		m[i] *= part;
	strip_sums(rows, ld, x, m, true, u, len, s);
	ET_UNROLL(4)
	for (size_t i = 0; i < u; i++) {
		store_upto(mean + i * VL, m[i], len);
		store_upto(sq + i * VL, s[i], len);
	}
}
#undef STRIP

static void col_moments(size_t rows, size_t ld, size_t c, const float *x, float *mean, float *sq)
{
	size_t j = 0;
	for (; j + 4 * VL <= c; j += 4 * VL)
		moments_of(rows, ld, x + j, mean + j, sq + j, 4, VL);
	for (; j + VL <= c; j += VL)
		moments_of(rows, ld, x + j, mean + j, sq + j, 1, VL);
	if (j < c)
		moments_of(rows, ld, x + j, mean + j, sq + j, 1, c - j);
}

/* dy where the activation after batch norm lets it pass, 0 elsewhere; NaN passes, as in act. */
ET_INLINE vf passed(vf dy, vf x, vf sc, vf sh, enum et_act act)
{
	if (act == ET_ACT_NONE)
		return dy;
	vf v = x * sc + sh;
	vi stop = v <= (vf){0};
	if (act == ET_ACT_RELU6)
		stop |= v >= vf_set1(6);
	return (vf)((vi)dy & ~stop);
}

ET_INLINE float passed_f(float dy, float x, float sc, float sh, enum et_act act)
{
	float v = x * sc + sh;
	bool stop = act != ET_ACT_NONE && (v <= 0 || (act == ET_ACT_RELU6 && v >= 6));
	return stop ? 0 : dy;
}

/* Vectors side by side in a row: whole cache lines, and sums enough to hide the latency of adds. */
#define COLS 2

ET_INLINE void bn_sums(size_t rows, size_t ld, size_t j, int cols, const float *x, const float *dy,
		       const float *mean, const float *sc, const float *sh, enum et_act act,
		       float *s1, float *s2)
{
	vf a[COLS] = {{0}}, b[COLS] = {{0}}, m[COLS], g[COLS] = {{0}}, h[COLS] = {{0}};

	for (int u = 0; u < cols; u++) {
		m[u] = vf_load(mean + j + u * VL);
		if (act != ET_ACT_NONE) {
			g[u] = vf_load(sc + j + u * VL);
			h[u] = vf_load(sh + j + u * VL);
		}
	}
	for (size_t r = 0; r < rows; r++)
		for (int u = 0; u < cols; u++) {
			vf v = vf_load(x + r * ld + j + u * VL);
			vf d = passed(vf_load(dy + r * ld + j + u * VL), v, g[u], h[u], act);
			a[u] += d;
			b[u] += d * (v - m[u]);
		}
	for (int u = 0; u < cols; u++) {
		vf_store(s1 + j + u * VL, a[u]);
		vf_store(s2 + j + u * VL, b[u]);
	}
}

ET_INLINE void bn_sums_act(size_t rows, size_t c, size_t ld, const float *x, const float *dy,
			   const float *mean, const float *sc, const float *sh, enum et_act act,
			   float *s1, float *s2)
{
	size_t j = 0;
	for (; j + COLS * VL <= c; j += COLS * VL)
		bn_sums(rows, ld, j, COLS, x, dy, mean, sc, sh, act, s1, s2);
	for (; j + VL <= c; j += VL)
		bn_sums(rows, ld, j, 1, x, dy, mean, sc, sh, act, s1, s2);
	for (; j < c; j++) {
		float a = 0, b = 0, g = sc ? sc[j] : 0, h = sh ? sh[j] : 0;
		for (size_t r = 0; r < rows; r++) {
			float v = x[r * ld + j], d = passed_f(dy[r * ld + j], v, g, h, act);
			a += d;
			b += d * (v - mean[j]);
		}
		s1[j] = a;
		s2[j] = b;
	}
}
#undef COLS

static void col_bn_bwd(size_t rows, size_t c, size_t ld, const float *x, const float *dy,
		       const float *mean, const struct et_prologue *p, float *s1, float *s2)
{
	if (!p || p->act == ET_ACT_NONE)
		bn_sums_act(rows, c, ld, x, dy, mean, NULL, NULL, ET_ACT_NONE, s1, s2);
	else if (p->act == ET_ACT_RELU6)
		bn_sums_act(rows, c, ld, x, dy, mean, p->scale, p->shift, ET_ACT_RELU6, s1, s2);
	else
		bn_sums_act(rows, c, ld, x, dy, mean, p->scale, p->shift, ET_ACT_RELU, s1, s2);
}

ET_INLINE void bn_dx_act(size_t rows, size_t c, size_t ld, const float *x, const float *dy,
			 const float *a, const float *b, const float *d, const float *sc,
			 const float *sh, enum et_act act, float *dx, size_t to)
{
	for (size_t r = 0; r < rows; r++, x += ld, dy += ld, dx += to) {
		size_t j = 0;
		for (; j + VL <= c; j += VL) {
			vf v = vf_load(x + j), g = vf_load(dy + j);
			if (act != ET_ACT_NONE)
				g = passed(g, v, vf_load(sc + j), vf_load(sh + j), act);
			vf_store(dx + j, vf_load(a + j) * g + vf_load(b + j) * v + vf_load(d + j));
		}
		for (; j < c; j++) {
			float g = act == ET_ACT_NONE ? dy[j]
						     : passed_f(dy[j], x[j], sc[j], sh[j], act);
			dx[j] = a[j] * g + b[j] * x[j] + d[j];
		}
	}
}

static void bn_dx(size_t rows, size_t c, size_t ld, const float *x, const float *dy, const float *a,
		  const float *b, const float *d, const struct et_prologue *p, float *dx, size_t to)
{
	if (!p || p->act == ET_ACT_NONE)
		bn_dx_act(rows, c, ld, x, dy, a, b, d, NULL, NULL, ET_ACT_NONE, dx, to);
	else if (p->act == ET_ACT_RELU6)
		bn_dx_act(rows, c, ld, x, dy, a, b, d, p->scale, p->shift, ET_ACT_RELU6, dx, to);
	else
		bn_dx_act(rows, c, ld, x, dy, a, b, d, p->scale, p->shift, ET_ACT_RELU, dx, to);
}

static void row_mul(size_t rows, size_t c, size_t ld, const float *x, const float *s, float *y)
{
	for (size_t r = 0; r < rows; r++, x += ld, y += ld) {
		size_t j = 0;
		for (; j + VL <= c; j += VL)
			vf_store(y + j, vf_load(x + j) * vf_load(s + j));
		for (; j < c; j++)
			y[j] = x[j] * s[j];
	}
}

static void col_dot(size_t rows, size_t c, size_t ld, const float *x, const float *y, float *sum)
{
	size_t j = 0;
	for (; j + VL <= c; j += VL) {
		vf s = {0};
		for (size_t r = 0; r < rows; r++)
			s += vf_load(x + r * ld + j) * vf_load(y + r * ld + j);
		vf_store(sum + j, s);
	}
	for (; j < c; j++) {
		float s = 0;
		for (size_t r = 0; r < rows; r++)
			s += x[r * ld + j] * y[r * ld + j];
		sum[j] = s;
	}
}
