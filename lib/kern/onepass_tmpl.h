/*
 * Backward and SGD of a linear layer in one pass over its weights. R rows and NW vectors of them
 * stay in registers while the images go by: each gives to the sums of dx what its dy makes of the
 * old weights, and to the gradient what its dy makes of x.
 */

ET_INLINE vf one_pass_block(const struct et_one_pass *p, size_t m, size_t j, int r, int nw)
{
	vf w[4][2], g[4][2] = {{{0}}}, bad = {0};
	const float *dy = p->dy + m * p->n;

	for (int i = 0; i < r; i++)
		for (int u = 0; u < nw; u++)
			w[i][u] = vf_load(p->w + (m + (size_t)i) * p->ld + j + (size_t)u * VL);
	for (size_t b = 0; b < p->n; b++) {
		const float *x = p->x + b * p->cols + j;
		float *dx = p->dx + b * p->cols + j;
		for (int u = 0; u < nw; u++) {
			vf xv = vf_load(x + u * VL), sum = vf_load(dx + u * VL);
			for (int i = 0; i < r; i++) {
				vf d = vf_set1(dy[(size_t)i * p->n + b]);
				g[i][u] += d * xv;
				sum += d * w[i][u];
			}
			vf_store(dx + u * VL, sum);
		}
	}
	for (int i = 0; i < r; i++)
		for (int u = 0; u < nw; u++) {
			size_t at = (m + (size_t)i) * p->ld + j + (size_t)u * VL;
			/* As the gradient's array would have it: added to zero. */
			vf gg = (g[i][u] + (vf){0}) * p->gscale + w[i][u] * p->weight_decay;
			if (p->v) {
				gg = vf_load(p->v + at) * p->momentum + gg;
				vf_store(p->v + at, gg);
			}
			vf ww = w[i][u] - gg * p->lr;
			bad += ww * 0.0f;
			vf_store(p->w + at, ww);
		}
	return bad;
}

ET_INLINE vf one_pass_rows(const struct et_one_pass *p, size_t m, int r)
{
	vf bad = {0};
	size_t j = 0;

	for (; j + 2 * VL <= p->cols; j += 2 * VL)
		bad += one_pass_block(p, m, j, r, 2);
	for (; j < p->cols; j += VL)
		bad += one_pass_block(p, m, j, r, 1);
	return bad;
}

static bool one_pass(const struct et_one_pass *p)
{
	vf bad = {0};
	size_t m = 0;

	for (; m + 4 <= p->rows; m += 4)
		bad += one_pass_rows(p, m, 4);
	for (; m < p->rows; m++)
		bad += one_pass_rows(p, m, 1);
	return vf_sum(bad) == 0;
}
