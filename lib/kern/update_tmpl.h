/* Optimizer updates and norms. x * 0 is 0 for every finite x and NaN for the rest: summing it costs
 * nothing beside the memory traffic and tells at once that a weight was lost. */

ET_INLINE vf vf_abs(vf v)
{
	return (vf)((vi)v & 0x7fffffff);
}

/* The sum of x*x, or of |x|: in float over blocks that fit, joined in double. */
ET_INLINE double total_of(size_t n, const float *x, bool squares)
{
	double total = 0;
	while (n) {
		size_t m = n < 4096 ? n : 4096, i = 0;
		vf s[4] = {{0}};
		float tail = 0;
		for (; i + 4 * VL <= m; i += 4 * VL)
			for (int u = 0; u < 4; u++) {
				vf v = vf_load(x + i + u * VL);
				if (squares)
					s[u] += v * v;
				else
					s[u] += vf_abs(v);
			}
		for (; i < m; i++)
			tail += squares ? x[i] * x[i] : __builtin_fabsf(x[i]);
		total += (double)vf_sum((s[0] + s[1]) + (s[2] + s[3])) + (double)tail;
		x += m;
		n -= m;
	}
	return total;
}

static double sumsq(size_t n, const float *x)
{
	return total_of(n, x, true);
}

static bool sgd(size_t n, float *w, const float *g, float *v, float lr, float mu, float wd,
		float gscale)
{
	vf bad = {0};
	float tail = 0;
	size_t i = 0;

	for (; i + VL <= n; i += VL) {
		vf ww = vf_load(w + i);
		vf gg = vf_load(g + i) * gscale + ww * wd;
		if (v) {
			gg = vf_load(v + i) * mu + gg;
			vf_store(v + i, gg);
		}
		ww = ww - gg * lr;
		bad += ww * 0.0f;
		vf_store(w + i, ww);
	}
	for (; i < n; i++) {
		float gg = g[i] * gscale + w[i] * wd;
		if (v) {
			gg = v[i] * mu + gg;
			v[i] = gg;
		}
		w[i] = w[i] - gg * lr;
		tail += w[i] * 0.0f;
	}
	return vf_sum(bad) + tail == 0;
}

static bool adam(size_t n, float *w, const float *g, float *m, float *v, float gscale, float l2,
		 float decay, float b1, float b2, float step, float vscale, float eps)
{
	vf bad = {0};
	float tail = 0;
	size_t i = 0;

	for (; i + VL <= n; i += VL) {
		vf ww = vf_load(w + i);
		vf gg = vf_load(g + i) * gscale + ww * l2;
		vf mm = vf_load(m + i) * b1 + gg * (1 - b1);
		vf vv = vf_load(v + i) * b2 + gg * gg * (1 - b2);
		vf_store(m + i, mm);
		vf_store(v + i, vv);
		ww = ww * decay - mm / (vf_sqrt(vv) * vscale + eps) * step;
		bad += ww * 0.0f;
		vf_store(w + i, ww);
	}
	for (; i < n; i++) {
		float gg = g[i] * gscale + w[i] * l2;
		m[i] = m[i] * b1 + gg * (1 - b1);
		v[i] = v[i] * b2 + gg * gg * (1 - b2);
		w[i] = w[i] * decay - m[i] / (__builtin_sqrtf(v[i]) * vscale + eps) * step;
		tail += w[i] * 0.0f;
	}
	return vf_sum(bad) + tail == 0;
}
