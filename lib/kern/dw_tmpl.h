/* Depthwise convolution, vectorised over channels, one output row at a time. */

/* First and one-past-last tap b of output pixel j that falls inside an input row of w pixels. */
ET_INLINE void tap_range(const struct et_dw_row *g, int j, int *b0, int *b1)
{
	int at = j * g->sw - g->pw;
	int lo = at >= 0 ? 0 : (-at + g->dw - 1) / g->dw;
	int hi = at >= g->w ? 0 : (g->w - 1 - at) / g->dw + 1;
	*b0 = lo < g->kw ? lo : g->kw;
	*b1 = hi < g->kw ? hi : g->kw;
}

static void dw_forward(const struct et_dw_row *g, int kh, const float *const *xr, const float *w,
		       const float *bias, float *y)
{
	const size_t c = (size_t)g->c;

	for (int j = 0; j < g->q; j++, y += c) {
		int b0, b1;
		tap_range(g, j, &b0, &b1);
		ptrdiff_t at = (ptrdiff_t)j * g->sw - g->pw;
		size_t ch = 0;
		for (; ch + VL <= c; ch += VL) {
			vf s = bias ? vf_load(bias + ch) : (vf){0};
			for (int a = 0; a < kh; a++) {
				if (!xr[a])
					continue;
				for (int b = b0; b < b1; b++)
					s += vf_load(xr[a] + (size_t)(at + b * g->dw) * c + ch) *
					     vf_load(w + (size_t)(a * g->kw + b) * c + ch);
			}
			vf_store(y + ch, s);
		}
		for (; ch < c; ch++) {
			float s = bias ? bias[ch] : 0;
			for (int a = 0; a < kh; a++)
				for (int b = b0; xr[a] && b < b1; b++)
					s += xr[a][(size_t)(at + b * g->dw) * c + ch] *
					     w[(size_t)(a * g->kw + b) * c + ch];
			y[ch] = s;
		}
	}
}

static void dw_data(const struct et_dw_row *g, int kh, const float *const *dyr, const float *w,
		    float *dx)
{
	const size_t c = (size_t)g->c;

	for (int i = 0; i < g->w; i++, dx += c) {
		size_t ch = 0;
		for (; ch + VL <= c; ch += VL) {
			vf s = {0};
			for (int b = 0; b < g->kw; b++) {
				int t = i + g->pw - b * g->dw, j = t / g->sw;
				if (t < 0 || t % g->sw || j >= g->q)
					continue;
				for (int a = 0; a < kh; a++)
					if (dyr[a])
						s += vf_load(dyr[a] + (size_t)j * c + ch) *
						     vf_load(w + (size_t)(a * g->kw + b) * c + ch);
			}
			vf_store(dx + ch, s);
		}
		for (; ch < c; ch++) {
			float s = 0;
			for (int b = 0; b < g->kw; b++) {
				int t = i + g->pw - b * g->dw, j = t / g->sw;
				if (t < 0 || t % g->sw || j >= g->q)
					continue;
				for (int a = 0; a < kh; a++)
					if (dyr[a])
						s += dyr[a][(size_t)j * c + ch] *
						     w[(size_t)(a * g->kw + b) * c + ch];
			}
			dx[ch] = s;
		}
	}
}

static void dw_weight(const struct et_dw_row *g, int kh, const float *const *xr, const float *dy,
		      float *dw, int c0, int c1)
{
	const size_t c = (size_t)g->c;

	for (int a = 0; a < kh; a++) {
		if (!xr[a])
			continue;
		for (int b = 0; b < g->kw; b++) {
			/* Output pixels whose tap b is inside the row: 0 <= j*sw - pw + b*dw < w.
			 */
			int off = b * g->dw - g->pw;
			int j0 = off >= 0 ? 0 : (-off + g->sw - 1) / g->sw;
			int j1 = off >= g->w ? 0 : (g->w - 1 - off) / g->sw + 1;
			if (j1 > g->q)
				j1 = g->q;
			float *out = dw + (size_t)(a * g->kw + b) * c;
			size_t ch = (size_t)c0;
			for (; ch + VL <= (size_t)c1; ch += VL) {
				vf s = {0};
				for (int j = j0; j < j1; j++)
					s += vf_load(xr[a] + (size_t)(j * g->sw + off) * c + ch) *
					     vf_load(dy + (size_t)j * c + ch);
				vf_store(out + ch, vf_load(out + ch) + s);
			}
			for (; ch < (size_t)c1; ch++) {
				float s = 0;
				for (int j = j0; j < j1; j++)
					s += xr[a][(size_t)(j * g->sw + off) * c + ch] *
					     dy[(size_t)j * c + ch];
				out[ch] += s;
			}
		}
	}
}
