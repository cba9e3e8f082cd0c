/*
 * Signs of weights with other magnitudes, and gradients rounded at random to zero or a threshold:
 * what sign-symmetric gradient modes need. A NaN stays one in all of them.
 */

/* The magnitude of a with the sign bit of s. */
ET_INLINE vf vf_signed(vf a, vf s)
{
	return (vf)(((vi)a & 0x7fffffff) | ((vi)s & (int32_t)0x80000000u));
}

static double abs_sum(size_t n, const float *x)
{
	return total_of(n, x, false);
}

static void uniform(size_t n, const uint32_t *number, float bound, float *y)
{
	size_t i = 0;
	for (; i + VL <= n; i += VL) {
		vu u;
		memcpy(&u, number + i, sizeof(u));
		vf t = __builtin_convertvector((vi)(u >> 8), vf);
		vf_store(y + i, (t * 0x1p-23f - 1.0f) * bound);
	}
	for (; i < n; i++)
		y[i] = ((float)(number[i] >> 8) * 0x1p-23f - 1.0f) * bound;
}

/* Comparisons are false for NaN: like 0, it stands for itself. */
static void sign(size_t n, float by, const float *m, const float *w, float *b)
{
	size_t i = 0;
	for (; i + VL <= n; i += VL) {
		vf v = vf_load(w + i), size = m ? vf_load(m + i) * by : vf_set1(by);
		vf_store(b + i, vf_sel((v > 0.0f) | (v < 0.0f), vf_signed(size, v), v));
	}
	for (; i < n; i++) {
		float size = __builtin_fabsf(m ? m[i] * by : by);
		b[i] = w[i] > 0 ? size : w[i] < 0 ? -size : w[i];
	}
}

/*
 * Counters through a hash of 32 bits, triple32 (C. Wellons), with the key's words mixed in at two
 * places. A tenth of Philox's work, and good enough for thresholds: no key's numbers may depend on
 * their neighbours or on another random key's.
 */
#define NOISE(v, k1)                                      \
	do {                                              \
		v = (v ^ v >> 17) * 0xed5ad4bbu;          \
		v = ((v ^ v >> 11) + (k1)) * 0xac4c1b51u; \
		v = (v ^ v >> 15) * 0x31848babu;          \
		v = (v ^ v >> 14) >> 8 | 1u;              \
	} while (0)

static void noise(size_t n, const uint32_t key[2], uint32_t first, float *u)
{
	size_t i = 0;
	vu lane;

	for (int l = 0; l < VL; l++)
		lane[l] = (uint32_t)l;
	for (; i + VL <= n; i += VL) {
		vu v = lane + (key[0] + first + (uint32_t)i);
		NOISE(v, key[1]);
		vf_store(u + i, __builtin_convertvector((vi)v, vf) * 0x1p-24f);
	}
	for (; i < n; i++) {
		uint32_t v = key[0] + first + (uint32_t)i;
		NOISE(v, key[1]);
		u[i] = (float)v * 0x1p-24f;
	}
}
#undef NOISE

static void prune(size_t n, const float *u, float tau, float *x)
{
	const vf limit = vf_set1(tau);
	size_t i = 0;

	for (; i + VL <= n; i += VL) {
		vf v = vf_load(x + i), size = vf_abs(v);
		vi up = vf_load(u + i) * tau < size;
		vf rounded = (vf)((vi)vf_signed(limit, v) & up);
		vf_store(x + i, vf_sel(size < limit, rounded, v));
	}
	for (; i < n; i++) {
		float size = __builtin_fabsf(x[i]);
		if (size < tau)
			x[i] = !(u[i] * tau < size) ? 0 : x[i] < 0 ? -tau : tau;
	}
}
