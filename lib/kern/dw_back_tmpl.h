/*
 * Gradients of depthwise convolutions in blocks, as in dw_block_tmpl.h. dx with stride 1 is a
 * forward with mirrored taps and has no kernel of its own.
 */

/* ---- dx with stride 2 ------------------------------------------------------------------------ */

/*
 * Input pixel i meets tap t when i + pw - t is even: pixels i = 2m - pw the even taps, their right
 * neighbours the odd ones. Pair m meets dy[m - half..m] with half = kw/2: a block is px pairs.
 */
ET_INLINE void dw_data_meet(const int kw, const int px, const bool edge, int lo, int hi,
			    const float *dy, ptrdiff_t ys, const float *w, ptrdiff_t ws, vf *even,
			    vf *odd)
{
	const int half = kw / 2;
	vf k[DW_KW_MAX];

	DW_UNROLL
	for (int t = 0; t < kw; t++)
		k[t] = vf_load(w + t * ws);
	DW_UNROLL
	for (int u = 0; u < px + half; u++) {
		if (edge && (u < lo || u >= hi))
			continue;
		vf v = vf_load(dy + u * ys);
		if (u < px)
			vf_soon_read(dy + (u + px + half) * ys); /* by the block to the right */
		DW_UNROLL
		for (int j = 0; j < px; j++) {
			int t = 2 * (half - u + j);
			if (t >= 0 && t < kw)
				even[j] += v * k[t];
			if (t >= 0 && t + 1 < kw)
				odd[j] += v * k[t + 1];
		}
	}
}

ET_INLINE void dw_data_block(const int kw, const int px, const bool edge, const struct et_dw *g,
			     int m, const struct dw_list *l, float *dx, size_t c0, size_t c1)
{
	const ptrdiff_t at = m - kw / 2, xs = (ptrdiff_t)g->xs, ys = (ptrdiff_t)g->ys, ws = g->ws;
	const int lo = at < 0 ? (int)-at : 0, hi = g->q - (int)at, i0 = 2 * m - g->pw, w = g->w;
	const size_t c = (size_t)g->c;
	const int n = l->n;

	for (size_t ch0 = c0; ch0 < c1; ch0 += VL) {
		size_t ch = ch0 + VL <= c ? ch0 : c - VL;
		const ptrdiff_t off = at * ys + (ptrdiff_t)ch;
		float *out = dx + i0 * xs + (ptrdiff_t)ch;
		vf even[4], odd[4];
		DW_UNROLL
		for (int j = 0; j < px; j++)
			even[j] = odd[j] = (vf){0};
		for (int i = 0; i < n; i++)
			dw_data_meet(kw, px, edge, lo, hi, l->x[i] + off, ys, l->w[i] + ch, ws,
				     even, odd);
		DW_UNROLL
		for (int j = 0; j < px; j++) {
			int i = i0 + 2 * j;
			if (!edge || (i >= 0 && i < w))
				vf_store(out + 2 * j * xs, even[j]);
			if (!edge || (i + 1 >= 0 && i + 1 < w))
				vf_store(out + (2 * j + 1) * xs, odd[j]);
			vf_soon_write(out + 2 * (j + px) * xs);
			vf_soon_write(out + (2 * (j + px) + 1) * xs);
		}
	}
}

ET_INLINE void dw_data_rows(const int kw, const struct et_dw *g, const float *const *dyr,
			    const float *w, float *dx)
{
	enum { PX = 4 };
	const size_t c = (size_t)g->c, strip = dw_strip(g);
	const int half = kw / 2;
	struct dw_list l;

	dw_list_rows(&l, g, false, dyr, w);
	for (size_t c0 = 0; c0 < c; c0 += strip) {
		size_t c1 = c0 + strip < c ? c0 + strip : c;
		for (int m = (g->pw - (g->pw & 1)) / 2; 2 * m - g->pw < g->w; m += PX) {
			bool inside = m >= half && m + PX <= g->q && 2 * m >= g->pw &&
				      2 * (m + PX) - g->pw <= g->w;
			if (inside)
				dw_data_block(kw, PX, false, g, m, &l, dx, c0, c1);
			else
				dw_data_block(kw, PX, true, g, m, &l, dx, c0, c1);
		}
	}
}

#define DW_DATA(kw)                                                                              \
	static void dw_data_##kw(const struct et_dw *g, const float *const *dyr, const float *w, \
				 float *dx)                                                      \
	{                                                                                        \
		dw_data_rows(kw, g, dyr, w, dx);                                                 \
	}
DW_DATA(3)
DW_DATA(5)
DW_DATA(7)

/* ---- dw -------------------------------------------------------------------------------------- */

/*
 * Pixels of a block, and tap rows whose sums are in registers at a time: as many as there is room
 * for, in AArch64's case for the addresses, too.
 */
#if VL == 16
#define DW_PX(kw) 8
#define DW_TR(kw) ((kw) == 3 ? 3 : (kw) == 5 ? 2 : 1)
#elif defined(__aarch64__)
#define DW_PX(kw) 8
#define DW_TR(kw) 1
#else
#define DW_PX(kw) 4
#define DW_TR(kw) ((kw) == 3 ? 3 : 1)
#endif

/*
 * tr tap rows, from the i-th of the list on, against the px pixels of dy in d; off: of the block's
 * pixel 0 in an input row.
 */
ET_INLINE void dw_weight_taps(const int kw, const int sw, const int px, const int tr,
			      const bool edge, int lo, int hi, const struct dw_list *l,
			      float *const *sums, int i, ptrdiff_t off, ptrdiff_t xs, size_t slot,
			      ptrdiff_t ws, const vf *d)
{
	const int reach = (px - 1) * sw + kw;
	vf acc[3][DW_KW_MAX];
	const float *x[3];
	float *s[3];

	DW_UNROLL
	for (int r = 0; r < tr; r++) {
		x[r] = l->x[i + r] + off;
		s[r] = sums[i + r] + slot;
		DW_UNROLL
		for (int t = 0; t < kw; t++)
			acc[r][t] = vf_load(s[r] + t * ws);
	}
	DW_UNROLL
	for (int u = 0; u < reach; u++) {
		if (edge && (u < lo || u >= hi))
			continue;
		DW_UNROLL
		for (int r = 0; r < tr; r++) {
			vf v = vf_load(x[r] + u * xs);
			/* Rows before the last are in the cache; with stride 2 it only costs. */
			if (sw == 1 && r == tr - 1 && u < px)
				vf_soon_read(x[r] + (u + reach) * xs);
			DW_UNROLL
			for (int j = 0; j < px; j++) {
				int t = u - j * sw;
				if (t >= 0 && t < kw)
					acc[r][t] += v * d[j];
			}
		}
	}
	DW_UNROLL
	for (int r = 0; r < tr; r++)
		DW_UNROLL
	for (int t = 0; t < kw; t++)
		vf_store(s[r] + t * ws, acc[r][t]);
}

ET_INLINE void dw_weight_block(const int kw, const int sw, const int px, const bool edge,
			       const struct et_dw *g, const struct dw_block *b, int j0,
			       const struct dw_list *l, float *const *sums, const float *dy,
			       size_t c0, size_t c1)
{
	const ptrdiff_t xs = (ptrdiff_t)g->xs, ws = g->ws, at = b->at * xs;
	const size_t ys = g->ys, c = (size_t)g->c;
	const int lo = b->lo, hi = b->hi, n = l->n;

	dy += (size_t)j0 * ys;
	for (size_t slot = c0; slot < c1; slot += VL) {
		size_t ch = slot + VL <= c ? slot : c - VL;
		ptrdiff_t off = at + (ptrdiff_t)ch;
		vf d[8];
		int i = 0;
		DW_UNROLL
		for (int j = 0; j < px; j++) {
			d[j] = vf_load(dy + (size_t)j * ys + ch);
			if (sw == 1)
				vf_soon_read(dy + (size_t)(j + px) * ys + ch);
		}
		for (; i + DW_TR(kw) <= n; i += DW_TR(kw))
			dw_weight_taps(kw, sw, px, DW_TR(kw), edge, lo, hi, l, sums, i, off, xs,
				       slot, ws, d);
		for (; DW_TR(kw) > 1 && i < n; i++)
			dw_weight_taps(kw, sw, px, 1, edge, lo, hi, l, sums, i, off, xs, slot, ws,
				       d);
	}
}

/*
 * Blocks at the row's ends have as many pixels as there are: a pixel that is not there must not
 * even count as 0, which times an infinite x would be NaN.
 */
ET_INLINE void dw_weight_rows(const int kw, const int sw, const struct et_dw *g,
			      const float *const *xr, const float *dy, float *dw)
{
	const size_t c = (size_t)g->c, strip = dw_strip(g);
	struct dw_list l;
	float *sums[DW_ROWS_MAX];

	dw_list_rows(&l, g, false, xr, dw);
	for (int i = 0; i < l.n; i++)
		sums[i] = dw + (l.w[i] - dw);
	for (size_t c0 = 0; c0 < c; c0 += strip) {
		size_t c1 = c0 + strip < c ? c0 + strip : c;
		for (int j = 0; j < g->q;) {
			struct dw_block b = dw_block(g, j, DW_PX(kw), sw, kw);
			if (b.lo == 0 && b.m == DW_PX(kw) && b.hi == (DW_PX(kw) - 1) * sw + kw) {
				dw_weight_block(kw, sw, DW_PX(kw), false, g, &b, j, &l, sums, dy,
						c0, c1);
				j += b.m;
				continue;
			}
			b = dw_block(g, j, 4, sw, kw);
			if (b.m == 4)
				dw_weight_block(kw, sw, 4, true, g, &b, j, &l, sums, dy, c0, c1);
			else if (b.m == 3)
				dw_weight_block(kw, sw, 3, true, g, &b, j, &l, sums, dy, c0, c1);
			else if (b.m == 2)
				dw_weight_block(kw, sw, 2, true, g, &b, j, &l, sums, dy, c0, c1);
			else
				dw_weight_block(kw, sw, 1, true, g, &b, j, &l, sums, dy, c0, c1);
			j += b.m;
		}
	}
}

#define DW_WEIGHT(kw, sw)                                                                \
	static void dw_weight_##kw##_##sw(const struct et_dw *g, const float *const *xr, \
					  const float *dy, float *dw)                    \
	{                                                                                \
		dw_weight_rows(kw, sw, g, xr, dy, dw);                                   \
	}
DW_WEIGHT(3, 1)
DW_WEIGHT(3, 2)
DW_WEIGHT(5, 1)
DW_WEIGHT(5, 2)
DW_WEIGHT(7, 1)
DW_WEIGHT(7, 2)
