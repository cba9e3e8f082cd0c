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

/*
 * Rows that are not padding, in their order, with the weights they meet and, of the second output
 * row, those before. Rows until `both` are met by the first output row alone, from `last` on by the
 * second.
 */
struct dw_list {
	int n, both, last;
	const float *x[DW_ROWS_MAX + 1], *w[DW_ROWS_MAX + 1];
};

/* Of a forward or (with dy's rows) a dx with taps w; pair: two output rows. */
ET_INLINE void dw_list_rows(struct dw_list *l, const struct et_dw *g, bool pair,
			    const float *const *x, const float *w)
{
	l->n = l->both = 0;
	for (int r = 0; r < g->kh; r++)
		if (x[r]) {
			l->x[l->n] = x[r];
			l->w[l->n++] = w + r * g->kw * g->ws;
			l->both += pair && r == 0;
		}
	l->last = l->n;
	if (pair && x[g->kh]) {
		l->x[l->n] = x[g->kh];
		l->w[l->n++] = w + g->kh * g->kw * g->ws;
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
 * first, with that at w2 in the second. x: where pixel 0 of the block is or would be.
 */
ET_INLINE void dw_meet(const int kw, const int sw, const int px, const bool edge, const bool first,
		       const bool second, int lo, int hi, const float *x, ptrdiff_t xs,
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
		if (edge && (u < lo || u >= hi))
			continue;
		vf v = vf_load(x + u * xs);
		if (u < px * sw)
			vf_soon_read(x + (u + reach) * xs); /* by the block to the right */
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

/* The pixels of one output row to memory; at: of the first one, in y and the residual. */
ET_INLINE void dw_finish(const int px, const bool edge, int m, const struct et_dw_end *e, size_t ch,
			 size_t at, vf *acc, float *y, size_t ys)
{
	if (e->scale) {
		vf scale = vf_load(e->scale + ch),
		   shift = e->shift ? vf_load(e->shift + ch) : (vf){0};
		DW_UNROLL
		for (int j = 0; j < px; j++)
			acc[j] = e->shift ? acc[j] * scale + shift : acc[j] * scale;
	}
	if (e->res) {
		DW_UNROLL
		for (int j = 0; j < px; j++)
			if (!edge || j < m)
				acc[j] += vf_load(e->res + at + (size_t)j * ys);
	}
	if (e->act != ET_ACT_NONE) {
		DW_UNROLL
		for (int j = 0; j < px; j++)
			acc[j] = act_vf(acc[j], e->act);
	}
	DW_UNROLL
	for (int j = 0; j < px; j++)
		if (!edge || j < m) {
			vf_store(y + at + (size_t)j * ys, acc[j]);
			vf_soon_write(y + at + (size_t)(j + px) * ys);
		}
}

/* One block of one output row, or (pair) of two, of the strip c0..c1. */
ET_INLINE void dw_forward_block(const int kw, const int sw, const int px, const bool edge,
				const bool pair, const struct et_dw *g, const struct dw_block *b,
				int j0, const struct dw_list *l, const struct et_dw_end *end,
				float *y, size_t yrow, size_t c0, size_t c1)
{
	/* Copies: what is stored could be anything that a pointer leads to. */
	const struct et_dw_end e = *end;
	const ptrdiff_t xs = (ptrdiff_t)g->xs, ws = g->ws, row = kw * ws, at = b->at * xs;
	const size_t ys = g->ys, c = (size_t)g->c, out = (size_t)j0 * ys;
	const int lo = b->lo, hi = b->hi, m = b->m, n = l->n, both = l->both, last = l->last;

	for (size_t ch0 = c0; ch0 < c1; ch0 += VL) {
		size_t ch = ch0 + VL <= c ? ch0 : c - VL;
		const ptrdiff_t off = at + (ptrdiff_t)ch;
		vf acc[8], acc2[8];
		vf from = e.shift && !e.scale ? vf_load(e.shift + ch) : (vf){0};
		DW_UNROLL
		for (int j = 0; j < px; j++)
			acc[j] = acc2[j] = from;
		int i = 0;
		for (; pair && i < both; i++)
			dw_meet(kw, sw, px, edge, true, false, lo, hi, l->x[i] + off, xs,
				l->w[i] + ch, NULL, ws, acc, acc2);
		for (; i < last; i++)
			dw_meet(kw, sw, px, edge, true, pair, lo, hi, l->x[i] + off, xs,
				l->w[i] + ch, l->w[i] + ch - row, ws, acc, acc2);
		for (; pair && i < n; i++)
			dw_meet(kw, sw, px, edge, false, true, lo, hi, l->x[i] + off, xs, NULL,
				l->w[i] + ch - row, ws, acc, acc2);
		dw_finish(px, edge, m, &e, ch, out + ch, acc, y, ys);
		if (pair)
			dw_finish(px, edge, m, &e, ch, out + yrow + ch, acc2, y, ys);
	}
}

ET_INLINE void dw_forward_rows(const int kw, const int sw, const int px, const bool pair,
			       const struct et_dw *g, const float *const *xr, const float *w,
			       const struct et_dw_end *e, float *y, size_t yrow)
{
	const int reach = (px - 1) * sw + kw;
	const size_t c = (size_t)g->c, strip = dw_strip(g);
	struct dw_list l;

	dw_list_rows(&l, g, pair, xr, w);
	for (size_t c0 = 0; c0 < c; c0 += strip) {
		size_t c1 = c0 + strip < c ? c0 + strip : c;
		for (int j = 0; j < g->q; j += px) {
			struct dw_block b = dw_block(g, j, px, sw, kw);
			if (b.lo == 0 && b.hi == reach)
				dw_forward_block(kw, sw, px, false, pair, g, &b, j, &l, e, y, yrow,
						 c0, c1);
			else
				dw_forward_block(kw, sw, px, true, pair, g, &b, j, &l, e, y, yrow,
						 c0, c1);
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
