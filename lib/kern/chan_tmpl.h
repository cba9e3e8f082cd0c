/*
 * Per-channel work on rows of c contiguous values: batch norm and bias sums. Loops run over channel
 * blocks outside and rows inside, so that sums stay in registers and the order of summation is that
 * of the rows. Callers give blocks of rows that fit in cache.
 */

static void affine(size_t rows, size_t c, const float *x, const float *sc, const float *sh,
		   float *y)
{
	for (size_t r = 0; r < rows; r++, x += c, y += c) {
		size_t j = 0;
		for (; j + VL <= c; j += VL)
			vf_store(y + j, vf_load(x + j) * vf_load(sc + j) + vf_load(sh + j));
		for (; j < c; j++)
			y[j] = x[j] * sc[j] + sh[j];
	}
}

static void affine_act(size_t rows, size_t c, const float *x, size_t xs, const float *sc,
		       const float *sh, enum et_act act, float *y, size_t ys)
{
	for (size_t r = 0; r < rows; r++, x += xs, y += ys) {
		size_t j = 0;
		for (; j + VL <= c; j += VL)
			vf_store(y + j,
				 act_vf(vf_load(x + j) * vf_load(sc + j) + vf_load(sh + j), act));
		for (; j < c; j++)
			y[j] = act_f(x[j] * sc[j] + sh[j], act);
	}
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

static void col_sqdev(size_t rows, size_t c, const float *x, const float *mean, float *sum)
{
	size_t j = 0;
	for (; j + VL <= c; j += VL) {
		vf s = {0}, m = vf_load(mean + j);
		for (size_t r = 0; r < rows; r++) {
			vf d = vf_load(x + r * c + j) - m;
			s += d * d;
		}
		vf_store(sum + j, s);
	}
	for (; j < c; j++) {
		float s = 0;
		for (size_t r = 0; r < rows; r++) {
			float d = x[r * c + j] - mean[j];
			s += d * d;
		}
		sum[j] = s;
	}
}

static void col_bn_bwd(size_t rows, size_t c, const float *x, const float *dy, const float *mean,
		       float *s1, float *s2)
{
	size_t j = 0;
	for (; j + VL <= c; j += VL) {
		vf a = {0}, b = {0}, m = vf_load(mean + j);
		for (size_t r = 0; r < rows; r++) {
			vf d = vf_load(dy + r * c + j);
			a += d;
			b += d * (vf_load(x + r * c + j) - m);
		}
		vf_store(s1 + j, a);
		vf_store(s2 + j, b);
	}
	for (; j < c; j++) {
		float a = 0, b = 0;
		for (size_t r = 0; r < rows; r++) {
			float d = dy[r * c + j];
			a += d;
			b += d * (x[r * c + j] - mean[j]);
		}
		s1[j] = a;
		s2[j] = b;
	}
}

static void bn_dx(size_t rows, size_t c, const float *x, const float *dy, const float *a,
		  const float *b, const float *d, float *dx)
{
	for (size_t r = 0; r < rows; r++, x += c, dy += c, dx += c) {
		size_t j = 0;
		for (; j + VL <= c; j += VL)
			vf_store(dx + j, vf_load(a + j) * vf_load(dy + j) +
						 vf_load(b + j) * vf_load(x + j) + vf_load(d + j));
		for (; j < c; j++)
			dx[j] = a[j] * dy[j] + b[j] * x[j] + d[j];
	}
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
