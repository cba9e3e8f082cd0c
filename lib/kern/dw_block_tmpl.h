/*
 * Depthwise convolution for kernels of 3, 5 and 7 columns and strides 1 and 2 along the row: blocks
 * of output pixels x one vector of channels in registers, all taps of a row unrolled. What is
 * constant comes as `const int` arguments of inlined functions.
 *
 * Order of the loops: strips of channels so narrow that their weights stay in the first cache, then
 * blocks along the row, then vectors: all of a block's pixels lie side by side in memory and are
 * read in one go, whereas walking along the row for each vector would use a piece of every cache
 * line at a time. Channels beyond the last full vector are done with their left neighbours in a
 * vector that ends where they end; what it does again comes out the same.
 */
#define DW_KW_MAX   7
#define DW_ROWS_MAX 64 /* tap rows, and one more of a second output row */

/* Two output rows at once where accumulators and the weights of two tap rows fit in registers. */
#if VL == 16 || defined(__aarch64__)
#define DW_PAIRS(kw) 1
#else
#define DW_PAIRS(kw) ((kw) == 3)
#endif

#define DW_UNROLL ET_UNROLL(32)

/* A block: pixels `at`.. of the input rows, those of them that exist: lo <= u < hi. */
struct dw_block {
	int at, lo, hi;
	int m; /* output pixels */
};

/* Rows that are not padding, in their order, and which they are. */
struct dw_list {
	int n;
	int row[DW_ROWS_MAX + 1];
	const float *x[DW_ROWS_MAX + 1];
};

ET_INLINE void dw_list_rows(struct dw_list *l, const float *const *x, int n)
{
	l->n = 0;
	for (int r = 0; r < n; r++)
		if (x[r]) {
			l->row[l->n] = r;
			l->x[l->n++] = x[r];
		}
}

/* Channels in a strip: some 12 KB of weights. */
ET_INLINE size_t dw_strip(const struct et_dw *g)
{
	size_t fit = 3072 / (size_t)(g->kh * g->kw) / 16 * 16;
	return fit < 64 ? 64 : fit;
}

ET_INLINE struct dw_block dw_block(const struct et_dw *g, int j, int px, int sw, int reach)
{
	struct dw_block b = {.at = j * sw - g->pw, .m = g->q - j < px ? g->q - j : px};
	int have = (b.m - 1) * sw + reach;
	b.lo = b.at < 0 ? -b.at : 0;
	b.hi = g->w - b.at < have ? g->w - b.at : have;
	return b;
}

/* ---- forward --------------------------------------------------------------------------------- */

/*
 * One input row into the accumulators of the output rows that meet it: with the tap row at w in the
 * first, with that at w2 in the second.
 */
ET_INLINE void dw_meet(const int kw, const int sw, const int px, const bool edge, const bool first,
		       const bool second, const struct dw_block *b, const float *x, size_t xs,
		       const float *w, const float *w2, ptrdiff_t ws, vf *acc, vf *acc2)
{
	const int reach = (px - 1) * sw + kw;
	vf k[DW_KW_MAX], k2[DW_KW_MAX];

	DW_UNROLL
	for (int t = 0; t < kw; t++) {
		if (first)
			k[t] = vf_load(w + t * ws);
		if (second)
			k2[t] = vf_load(w2 + t * ws);
	}
	DW_UNROLL
	for (int u = 0; u < reach; u++) {
		if (edge && (u < b->lo || u >= b->hi))
			continue;
		vf v = vf_load(x + (ptrdiff_t)(b->at + u) * (ptrdiff_t)xs);
		DW_UNROLL
		for (int j = 0; j < px; j++) {
			int t = u - j * sw;
			if (t < 0 || t >= kw)
				continue;
			if (first)
				acc[j] += v * k[t];
			if (second)
				acc2[j] += v * k2[t];
		}
	}
}

/* The pixels of one output row to memory. */
ET_INLINE void dw_finish(const int px, const bool edge, int m, const struct et_dw_end *e, size_t ch,
			 size_t at, vf *acc, float *y, size_t ys)
{
	vf scale = e->scale ? vf_load(e->scale + ch) : (vf){0},
	   shift = e->shift ? vf_load(e->shift + ch) : (vf){0};

	DW_UNROLL
	for (int j = 0; j < px; j++) {
		if (edge && j >= m)
			break;
		vf v = acc[j];
		if (e->scale) {
			v *= scale;
			if (e->shift)
				v += shift;
		}
		if (e->res)
			v += vf_load(e->res + at + (size_t)j * ys);
		vf_store(y + at + (size_t)j * ys, act_vf(v, e->act));
	}
}

/* One block of one output row, or (pair) of two, of the strip c0..c1. */
ET_INLINE void dw_forward_block(const int kw, const int sw, const int px, const bool edge,
				const bool pair, const struct et_dw *g, const struct dw_block *b,
				int j0, const struct dw_list *l, const float *w,
				const struct et_dw_end *e, float *y, size_t yrow, size_t c0,
				size_t c1)
{
	const ptrdiff_t row = (ptrdiff_t)g->kw * g->ws;

	for (size_t at = c0; at < c1; at += VL) {
		size_t ch = at + VL <= (size_t)g->c ? at : (size_t)g->c - VL;
		vf acc[8], acc2[8];
		vf from = e->shift && !e->scale ? vf_load(e->shift + ch) : (vf){0};
		DW_UNROLL
		for (int j = 0; j < px; j++)
			acc[j] = acc2[j] = from;
		int i = 0;
		if (pair && i < l->n && l->row[i] == 0) {
			dw_meet(kw, sw, px, edge, true, false, b, l->x[i] + ch, g->xs, w + ch, NULL,
				g->ws, acc, acc2);
			i++;
		}
		for (; i < l->n && l->row[i] < g->kh; i++) {
			const float *k = w + l->row[i] * row + ch;
			dw_meet(kw, sw, px, edge, true, pair, b, l->x[i] + ch, g->xs, k,
				pair ? k - row : NULL, g->ws, acc, acc2);
		}
		if (pair && i < l->n)
			dw_meet(kw, sw, px, edge, false, true, b, l->x[i] + ch, g->xs, NULL,
				w + (g->kh - 1) * row + ch, g->ws, acc, acc2);
		size_t out = (size_t)j0 * g->ys + ch;
		dw_finish(px, edge, b->m, e, ch, out, acc, y, g->ys);
		if (pair)
			dw_finish(px, edge, b->m, e, ch, out + yrow, acc2, y, g->ys);
	}
}

ET_INLINE void dw_forward_rows(const int kw, const int sw, const int px, const bool pair,
			       const struct et_dw *g, const float *const *xr, const float *w,
			       const struct et_dw_end *e, float *y, size_t yrow)
{
	const int reach = (px - 1) * sw + kw;
	const size_t c = (size_t)g->c, strip = dw_strip(g);
	struct dw_list l;

	dw_list_rows(&l, xr, g->kh + pair);
	for (size_t c0 = 0; c0 < c; c0 += strip) {
		size_t c1 = c0 + strip < c ? c0 + strip : c;
		for (int j = 0; j < g->q; j += px) {
			struct dw_block b = dw_block(g, j, px, sw, kw);
			if (b.lo == 0 && b.hi == reach)
				dw_forward_block(kw, sw, px, false, pair, g, &b, j, &l, w, e, y,
						 yrow, c0, c1);
			else
				dw_forward_block(kw, sw, px, true, pair, g, &b, j, &l, w, e, y,
						 yrow, c0, c1);
		}
	}
}

#define DW_FORWARD(kw, sw)                                                                      \
	static void dw_forward_##kw##_##sw(const struct et_dw *g, const float *const *xr,       \
					   const float *w, const struct et_dw_end *e, float *y) \
	{                                                                                       \
		dw_forward_rows(kw, sw, 4, false, g, xr, w, e, y, 0);                           \
	}
#define DW_FORWARD_PAIR(kw)                                                                   \
	static void dw_forward_pair_##kw(const struct et_dw *g, const float *const *xr,       \
					 const float *w, const struct et_dw_end *e, float *y, \
					 size_t yrow)                                         \
	{                                                                                     \
		dw_forward_rows(kw, 1, 4, true, g, xr, w, e, y, yrow);                        \
	}
DW_FORWARD(3, 1)
DW_FORWARD(3, 2)
DW_FORWARD(5, 1)
DW_FORWARD(5, 2)
DW_FORWARD(7, 1)
DW_FORWARD(7, 2)
DW_FORWARD_PAIR(3)
#if DW_PAIRS(7)
DW_FORWARD_PAIR(5)
DW_FORWARD_PAIR(7)
#endif
