/* Element by element: activations, sums, products. */

static void add(size_t n, const float *a, const float *b, float *y)
{
	size_t i = 0;
	for (; i + VL <= n; i += VL)
		vf_store(y + i, vf_load(a + i) + vf_load(b + i));
	for (; i < n; i++)
		y[i] = a[i] + b[i];
}

static void mul(size_t n, const float *a, const float *b, float *y)
{
	size_t i = 0;
	for (; i + VL <= n; i += VL)
		vf_store(y + i, vf_load(a + i) * vf_load(b + i));
	for (; i < n; i++)
		y[i] = a[i] * b[i];
}

static void axpy(size_t n, float alpha, const float *x, float *y)
{
	vf va = vf_set1(alpha);
	size_t i = 0;
	for (; i + VL <= n; i += VL)
		vf_store(y + i, va * vf_load(x + i) + vf_load(y + i));
	for (; i < n; i++)
		y[i] = alpha * x[i] + y[i];
}

static void scale(size_t n, float alpha, const float *x, float *y)
{
	vf va = vf_set1(alpha);
	size_t i = 0;
	for (; i + VL <= n; i += VL)
		vf_store(y + i, va * vf_load(x + i));
	for (; i < n; i++)
		y[i] = alpha * x[i];
}

/* !(x <= 0): true for NaN, so that a NaN reaches the gradient. */
static void act(size_t n, const float *x, float *y, uint32_t *bits, enum et_act kind)
{
	const vf zero = {0}, six = vf_set1(6);
	size_t i = 0;

	for (; i + 32 <= n; i += 32) {
		uint32_t word = 0;
		for (int j = 0; j < 32; j += VL) {
			vf v = vf_load(x + i + j);
			vi pass = ~(v <= zero);
			if (kind == ET_ACT_RELU6)
				pass &= ~(v >= six);
			word |= vi_bits(pass) << j;
			vf_store(y + i + j, act_vf(v, kind));
		}
		if (bits)
			bits[i / 32] = word;
	}
	if (i < n) {
		uint32_t word = 0;
		for (size_t j = 0; i + j < n; j++) {
			float v = x[i + j];
			bool pass = !(v <= 0) && !(kind == ET_ACT_RELU6 && v >= 6);
			word |= (uint32_t)pass << j;
			y[i + j] = act_f(v, kind);
		}
		if (bits)
			bits[i / 32] = word;
	}
}

static void mask(size_t n, const uint32_t *bits, const float *dy, float *dx)
{
	size_t i = 0;
	for (; i + 32 <= n; i += 32) {
		uint32_t word = bits[i / 32];
		for (int j = 0; j < 32; j += VL) {
			vi keep = vi_from_bits(word >> j);
			vf_store(dx + i + j, (vf)((vi)vf_load(dy + i + j) & keep));
		}
	}
	for (; i < n; i++)
		dx[i] = bits[i / 32] >> (i % 32) & 1 ? dy[i] : 0;
}

ET_INLINE vf clip06(vf v)
{
	return vf_min_nan(vf_max_nan(v, (vf){0}), vf_set1(6));
}

static void hardswish(size_t n, const float *x, float *y)
{
	size_t i = 0;
	for (; i + VL <= n; i += VL) {
		vf v = vf_load(x + i);
		vf_store(y + i, v * clip06(v + 3.0f) * (1.0f / 6));
	}
	for (; i < n; i++) {
		float t = x[i] + 3;
		t = t < 0 ? 0 : t > 6 ? 6 : t;
		y[i] = x[i] * t * (1.0f / 6);
	}
}

/* dy * (0 for x < -3; x/3 + 1/2; 1 for x > 3), PyTorch's choice at the corners. */
static void hardswish_bwd(size_t n, const float *x, const float *dy, float *dx)
{
	size_t i = 0;
	for (; i + VL <= n; i += VL) {
		vf v = vf_load(x + i), d = vf_load(dy + i);
		vf t = d * (v * (1.0f / 3) + 0.5f);
		t = vf_sel(v < vf_set1(-3), (vf){0}, t);
		vf_store(dx + i, vf_sel(v > vf_set1(3), d, t));
	}
	for (; i < n; i++) {
		float v = x[i], d = dy[i];
		dx[i] = v < -3 ? 0 : v > 3 ? d : d * (v * (1.0f / 3) + 0.5f);
	}
}
