/*
 * Depthwise convolution, vectorised over channels, a row or two of output at a time. Common kernels
 * go to the blocks of dw_block_tmpl.h and dw_back_tmpl.h; here are the general ones, one pixel and
 * one vector at a time, for any kernel, stride and dilation.
 */

/* One vector, or the n < VL channels that are left. */
ET_INLINE vf dw_load(const float *p, size_t n)
{
	return n >= VL ? vf_load(p) : vf_load_part(p, n);
}

ET_INLINE void dw_store(float *p, vf v, size_t n)
{
	if (n >= VL)
		vf_store(p, v);
	else
		vf_store_part(p, v, n);
}

/* First and one-past-last tap b of output pixel j that falls inside an input row of w pixels. */
ET_INLINE void tap_range(const struct et_dw *g, int j, int *b0, int *b1)
{
	int at = j * g->sw - g->pw;
	int lo = at >= 0 ? 0 : (-at + g->dw - 1) / g->dw;
	int hi = at >= g->w ? 0 : (g->w - 1 - at) / g->dw + 1;
	*b0 = lo < g->kw ? lo : g->kw;
	*b1 = hi < g->kw ? hi : g->kw;
}

static void dw_forward_any(const struct et_dw *g, const float *const *xr, const float *w,
			   const struct et_dw_end *e, float *y)
{
	for (int j = 0; j < g->q; j++) {
		int b0, b1;
		tap_range(g, j, &b0, &b1);
		for (size_t ch = 0; ch < (size_t)g->c; ch += VL) {
			size_t n = (size_t)g->c - ch, at = (size_t)j * g->ys + ch;
			vf s = e->shift && !e->scale ? dw_load(e->shift + ch, n) : (vf){0};
			for (int a = 0; a < g->kh; a++) {
				if (!xr[a])
					continue;
				for (int b = b0; b < b1; b++) {
					ptrdiff_t i = j * g->sw - g->pw + b * g->dw;
					s += dw_load(xr[a] + i * (ptrdiff_t)g->xs + ch, n) *
					     dw_load(w + (a * g->kw + b) * g->ws + ch, n);
				}
			}
			if (e->scale) {
				s *= dw_load(e->scale + ch, n);
				if (e->shift)
					s += dw_load(e->shift + ch, n);
			}
			if (e->res)
				s += dw_load(e->res + at, n);
			dw_store(y + at, act_vf(s, e->act), n);
		}
	}
}

static void dw_forward(const struct et_dw *g, int rows, const float *const *xr, const float *w,
		       const struct et_dw_end *end, float *y, size_t yrow)
{
	int kind = g->c >= VL && g->dw == 1 && g->sw <= 2 ? g->kw * 2 + g->sw : 0;

	if (rows == 2 && kind == 3 * 2 + 1) {
		dw_forward_pair_3(g, xr, w, end, y, yrow);
		return;
	}
#if DW_PAIRS(7)
	if (rows == 2 && kind == 5 * 2 + 1) {
		dw_forward_pair_5(g, xr, w, end, y, yrow);
		return;
	}
	if (rows == 2 && kind == 7 * 2 + 1) {
		dw_forward_pair_7(g, xr, w, end, y, yrow);
		return;
	}
#endif
	for (int r = 0; r < rows; r++) {
		struct et_dw_end e = *end;
		if (e.res)
			e.res += (size_t)r * yrow;
		switch (kind) {
		case 3 * 2 + 1:
			dw_forward_3_1(g, xr + r, w, &e, y + (size_t)r * yrow);
			break;
		case 3 * 2 + 2:
			dw_forward_3_2(g, xr + r, w, &e, y + (size_t)r * yrow);
			break;
		case 5 * 2 + 1:
			dw_forward_5_1(g, xr + r, w, &e, y + (size_t)r * yrow);
			break;
		case 5 * 2 + 2:
			dw_forward_5_2(g, xr + r, w, &e, y + (size_t)r * yrow);
			break;
		case 7 * 2 + 1:
			dw_forward_7_1(g, xr + r, w, &e, y + (size_t)r * yrow);
			break;
		case 7 * 2 + 2:
			dw_forward_7_2(g, xr + r, w, &e, y + (size_t)r * yrow);
			break;
		default:
			dw_forward_any(g, xr + r, w, &e, y + (size_t)r * yrow);
		}
	}
}

static void dw_data_any(const struct et_dw *g, const float *const *dyr, const float *w, float *dx)
{
	for (int i = 0; i < g->w; i++)
		for (size_t ch = 0; ch < (size_t)g->c; ch += VL) {
			size_t n = (size_t)g->c - ch;
			vf s = {0};
			for (int b = 0; b < g->kw; b++) {
				int t = i + g->pw - b * g->dw, j = t / g->sw;
				if (t < 0 || t % g->sw || j >= g->q)
					continue;
				for (int a = 0; a < g->kh; a++)
					if (dyr[a])
						s += dw_load(dyr[a] + (size_t)j * g->ys + ch, n) *
						     dw_load(w + (a * g->kw + b) * g->ws + ch, n);
			}
			dw_store(dx + (size_t)i * g->xs + ch, s, n);
		}
}

static void dw_data(const struct et_dw *g, const float *const *dyr, const float *w, float *dx)
{
	int kind = g->c >= VL && g->dw == 1 && g->sw == 2 ? g->kw : 0;

	if (kind == 3)
		dw_data_3(g, dyr, w, dx);
	else if (kind == 5)
		dw_data_5(g, dyr, w, dx);
	else if (kind == 7)
		dw_data_7(g, dyr, w, dx);
	else
		dw_data_any(g, dyr, w, dx);
}

static void dw_weight_any(const struct et_dw *g, const float *const *xr, const float *dy, float *dw)
{
	for (int a = 0; a < g->kh; a++) {
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
			for (size_t ch = 0; ch < (size_t)g->c; ch += VL) {
				size_t n = (size_t)g->c - ch;
				/* A vector's last channels are the last, as in the blocks. */
				float *out =
					dw + (a * g->kw + b) * g->ws + ch + (n < VL ? VL - n : 0);
				vf s = {0};
				for (int j = j0; j < j1; j++)
					s += dw_load(xr[a] + (size_t)(j * g->sw + off) * g->xs + ch,
						     n) *
					     dw_load(dy + (size_t)j * g->ys + ch, n);
				dw_store(out, dw_load(out, n) + s, n);
			}
		}
	}
}

static void dw_weight(const struct et_dw *g, const float *const *xr, const float *dy, float *dw)
{
	int kind = g->c >= VL && g->dw == 1 && g->sw <= 2 ? g->kw * 2 + g->sw : 0;

	switch (kind) {
	case 3 * 2 + 1:
		dw_weight_3_1(g, xr, dy, dw);
		break;
	case 3 * 2 + 2:
		dw_weight_3_2(g, xr, dy, dw);
		break;
	case 5 * 2 + 1:
		dw_weight_5_1(g, xr, dy, dw);
		break;
	case 5 * 2 + 2:
		dw_weight_5_2(g, xr, dy, dw);
		break;
	case 7 * 2 + 1:
		dw_weight_7_1(g, xr, dy, dw);
		break;
	case 7 * 2 + 2:
		dw_weight_7_2(g, xr, dy, dw);
		break;
	default:
		dw_weight_any(g, xr, dy, dw);
	}
}
