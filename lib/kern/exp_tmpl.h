/*
 * The exponential and what rests on it. exp_vf is within 1 ulp of e^x for every float, denormal
 * results included; NaN stays NaN. Tails go through part of a vector, so that a value's result does
 * not depend on where it stands.
 */

/* 32-bit ARM units may reassociate sums, which would undo the two-step reduction below. */
#if defined(__arm__) && defined(__ARM_NEON)
#define OPAQUE(v) __asm__("" : "+w"(v))
#else
#define OPAQUE(v) ((void)0)
#endif

/* 2^n, -126 <= n <= 127. */
ET_INLINE vf pow2_vf(vi n)
{
	return (vf)((vu)(n + 127) << 23);
}

ET_INLINE vf exp_vf(vf x)
{
	/* Past these bounds the result is 0 or Inf all the same; NaN goes to one of them. */
	const vf lo = vf_set1(-104), hi = vf_set1(89);
	vf v = vf_sel(x > lo, x, lo);
	v = vf_sel(v < hi, v, hi);

	/* v = n*ln2 + r, |r| <= ln2/2; n*0.693359375 is exact. Conversion truncates: add half. */
	vf t = v * 1.44269504088896341f;
	vi half = ((vi)t & INT32_MIN) | (vi)vf_set1(0.5f);
	vi n = __builtin_convertvector(t + (vf)half, vi);
	vf nf = __builtin_convertvector(n, vf);
	vf r = v - nf * 0.693359375f;
	OPAQUE(r);
	r = r + nf * 2.12194440054690583e-4f;

	/* Cephes' minimax polynomial for (e^r - 1 - r) / r^2. */
	vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * (r * r) + r;
	OPAQUE(p);
	p = p + 1.0f;

	/* Twice half of n: 2^n alone is no float where the result is denormal or just finite. */
	vi h = n >> 1;
	p = p * pow2_vf(h);
	OPAQUE(p);
	p = p * pow2_vf(n - h);
	return vf_sel(x == x, p, x);
}

/* From e^-|x|, which cannot overflow: small results keep all their digits. */
ET_INLINE vf sigmoid_vf(vf x)
{
	vf e = exp_vf((vf)((vi)x | INT32_MIN));
	return vf_sel(x < (vf){0}, e, vf_set1(1)) / (e + 1.0f);
}

static void sigmoid(size_t n, const float *x, float *y)
{
	size_t i = 0;
	for (; i + VL <= n; i += VL)
		vf_store(y + i, sigmoid_vf(vf_load(x + i)));
	if (i < n)
		vf_store_part(y + i, sigmoid_vf(vf_load_part(x + i, n - i)), n - i);
}

static void sigmoid_bwd(size_t n, const float *y, const float *dy, float *dx)
{
	size_t i = 0;
	for (; i + VL <= n; i += VL) {
		vf s = vf_load(y + i);
		vf_store(dx + i, vf_load(dy + i) * (s * (1.0f - s)));
	}
	for (; i < n; i++)
		dx[i] = dy[i] * (y[i] * (1 - y[i]));
}

ET_INLINE vf max_or_nan(vf best, vf v)
{
	return vf_sel((v > best) | (v != v), v, best);
}

static float row_max(size_t n, const float *x)
{
	float best = x[0];
	size_t i = 0;

	if (n >= VL) {
		vf b = vf_load(x);
		for (i = VL; i + VL <= n; i += VL)
			b = max_or_nan(b, vf_load(x + i));
		b = max_or_nan(b, vf_load(x + n - VL));
		i = n;
		float t[VL];
		vf_store(t, b);
		best = t[0];
		for (int l = 1; l < VL; l++)
			best = t[l] > best || t[l] != t[l] ? t[l] : best;
	}
	for (; i < n; i++)
		best = x[i] > best || x[i] != x[i] ? x[i] : best;
	return best;
}

static float exp_sum(size_t n, const float *x, float top, float *y)
{
	vf s = {0};
	size_t i = 0;

	for (; i + VL <= n; i += VL) {
		vf e = exp_vf(vf_load(x + i) - top);
		s += e;
		if (y)
			vf_store(y + i, e);
	}
	if (i < n) {
		vf e = exp_vf(vf_load_part(x + i, n - i) - top);
		s += vf_first(e, n - i);
		if (y)
			vf_store_part(y + i, e, n - i);
	}
	return vf_sum(s);
}
#undef OPAQUE
