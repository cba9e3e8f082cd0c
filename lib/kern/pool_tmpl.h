/*
 * Pooling and resizing, vectorised over channels.
 *
 * Where channels fill a vector, the last one is moved back to end with them: a few are computed
 * twice, to the same result. With fewer channels than lanes a vector reaches into the next pixels
 * of its row: what it writes there is overwritten by their own turn, and the pixels at the end of
 * the row, where it would leave the row, are done one by one.
 */

/* What is written is asked for so many floats before. */
#define POOL_AHEAD 1024
/* Windows that a pixel can be in: it is another tap of each. */
#define MEETS 255

/* Where the vector after the one at ch begins; c after the last. c >= VL. */
ET_INLINE size_t next_vec(size_t ch, size_t c)
{
	if (ch + VL >= c)
		return c;
	return ch + 2 * VL <= c ? ch + VL : c - VL;
}

/* One window: taps b0..b1 of each row, x[a] + at being channel 0 of tap 0. */
struct max_window {
	const struct et_dw_row *g;
	int kh, b0, b1, first; /* first: the tap that an all -Inf window names */
	const float *const *xr;
	ptrdiff_t at;
};

/* b0 and b1 are the window's, constants where it has all its kw taps. */
ET_INLINE void max_vec(const struct max_window *m, const int kw, const int b0, const int b1,
		       size_t ch, float *y, uint8_t *index)
{
	const size_t c = (size_t)m->g->c;
	vf best = vf_set1(-__builtin_inff());
	vi tap = (vi){0} + m->first, row = (vi){0} + b0;

	for (int a = 0; a < m->kh; a++, row += kw) {
		if (!m->xr[a])
			continue;
		const float *x = m->xr[a] + m->at + (ptrdiff_t)ch;
		vi at = row;
		ET_UNROLL(4)
		for (int b = b0; b < b1; b++, at += 1) {
			vf v = vf_load(x + (size_t)b * c);
			vi up = (v > best) | (v != v);
			best = vf_sel(up, v, best);
			tap = (vi)vf_sel(up, (vf)at, (vf)tap);
		}
	}
	vf_store(y + ch, best);
	if (index)
		vi_store_bytes(index + ch, tap);
}

/* All channels. */
ET_INLINE void max_vecs(const struct max_window *m, const int kw, const int b0, const int b1,
			float *y, uint8_t *index)
{
	const size_t c = (size_t)m->g->c;
	for (size_t ch = 0; ch < c; ch = c < VL ? c : next_vec(ch, c))
		max_vec(m, kw, b0, b1, ch, y, index);
}

ET_INLINE void max_one(const struct max_window *m, size_t ch, float *y, uint8_t *index)
{
	float best = -__builtin_inff();
	int tap = m->first;

	for (int a = 0; a < m->kh; a++)
		for (int b = m->b0; m->xr[a] && b < m->b1; b++) {
			float v = m->xr[a][m->at + (ptrdiff_t)((size_t)b * (size_t)m->g->c + ch)];
			if (v > best || v != v) {
				best = v;
				tap = a * m->g->kw + b;
			}
		}
	y[ch] = best;
	if (index)
		index[ch] = (uint8_t)tap;
}

ET_INLINE void max_row(const struct et_dw_row *g, int kh, const float *const *xr, float *y,
		       uint8_t *index)
{
	const size_t c = (size_t)g->c, in = (size_t)g->w * c, out = (size_t)g->q * c;
	struct max_window m = {.g = g, .kh = kh, .xr = xr};
	int top = 0;

	while (top < kh - 1 && !xr[top])
		top++;
	for (int j = 0; j < g->q; j++, y += c) {
		int first = j * g->sw - g->pw;
		m.b0 = first < 0 ? -first : 0;
		m.b1 = g->w - first < g->kw ? g->w - first : g->kw;
		m.at = first * (ptrdiff_t)c;
		m.first = top * g->kw + m.b0;
		bool fits = c >= VL || ((size_t)(first + m.b1 - 1) * c + VL <= in &&
					(size_t)j * c + VL <= out);
		if (!fits)
			for (size_t ch = 0; ch < c; ch++)
				max_one(&m, ch, y, index);
		else if (g->kw == 3 && m.b1 - m.b0 == 3)
			max_vecs(&m, 3, 0, 3, y, index);
		else if (g->kw == 2 && m.b1 - m.b0 == 2)
			max_vecs(&m, 2, 0, 2, y, index);
		else
			max_vecs(&m, g->kw, m.b0, m.b1, y, index);
		if (index)
			index += c;
	}
}

static void max_forward(const struct et_dw_row *g, int kh, const float *const *xr, float *y,
			uint8_t *index)
{
	if (index)
		max_row(g, kh, xr, y, index);
	else
		max_row(g, kh, xr, y, NULL);
}

/* The windows that a pixel is in: their dy and index, and the tap that the pixel is of theirs. */
struct max_meet {
	int n;
	const float *dy[MEETS];
	const uint8_t *index[MEETS];
	int tap[MEETS];
};

/* The sum of dy over n = m->n windows, where their index names the pixel. */
ET_INLINE void max_gather(const struct max_meet *m, const int n, size_t c, float *dx)
{
	for (size_t ch = 0; ch < c; ch = c < VL ? c : next_vec(ch, c)) {
		vf s = {0};
		for (int i = 0; i < n; i++) {
			vi hit = vi_load_bytes(m->index[i] + ch) == m->tap[i];
			s += (vf)((vi)vf_load(m->dy[i] + ch) & hit);
		}
		vf_store(dx + ch, s);
		vf_soon_write(dx + ch + POOL_AHEAD);
	}
}

ET_INLINE float max_gather_one(const struct max_meet *m, size_t ch)
{
	float s = 0;
	for (int i = 0; i < m->n; i++)
		s += m->index[i][ch] == m->tap[i] ? m->dy[i][ch] : 0;
	return s;
}

static void max_backward(const struct et_dw_row *g, int kh, const float *const *dyr,
			 const uint8_t *const *ixr, float *dx)
{
	const size_t c = (size_t)g->c, in = (size_t)g->w * c, out = (size_t)g->q * c;
	struct max_meet m;

	for (int i = 0; i < g->w; i++, dx += c) {
		/* Windows j0..j1 cover pixel i; window j meets it with tap b0 - (j - j0)*sw. */
		int t = i + g->pw, j1 = t / g->sw, j0 = t < g->kw ? 0 : (t - g->kw) / g->sw + 1;
		int b0 = t - j0 * g->sw;
		if (j1 >= g->q)
			j1 = g->q - 1;
		m.n = 0;
		for (int a = kh - 1; a >= 0; a--)
			for (int j = j0; dyr[a] && j <= j1; j++) {
				m.dy[m.n] = dyr[a] + (size_t)j * c;
				m.index[m.n] = ixr[a] + (size_t)j * c;
				m.tap[m.n++] = a * g->kw + b0 - (j - j0) * g->sw;
			}
		bool fits = c >= VL || ((size_t)(j1 < j0 ? 0 : j1) * c + VL <= out &&
					(size_t)i * c + VL <= in);
		if (!fits)
			for (size_t ch = 0; ch < c; ch++)
				dx[ch] = max_gather_one(&m, ch);
		else if (m.n == 1)
			max_gather(&m, 1, c, dx);
		else if (m.n == 2)
			max_gather(&m, 2, c, dx);
		else if (m.n == 4)
			max_gather(&m, 4, c, dx);
		else
			max_gather(&m, m.n, c, dx);
	}
}

/* u vectors of a window's weighted sum, at the channels that x and y point to. */
ET_INLINE void window_vecs(const struct et_window *g, const float *x, float *y, const int u,
			   bool weighted, bool acc)
{
	vf s[4] = {{0}};

	for (int a = 0; a < g->rows; a++) {
		const float *p = x + (size_t)a * g->row;
		vf t[4] = {{0}};
		for (int b = 0; b < g->cols; b++, p += g->pixel)
			for (int i = 0; i < u; i++) {
				vf v = vf_load(p + i * VL);
				t[i] += weighted ? v * g->wcol[b] : v;
			}
		for (int i = 0; i < u; i++)
			s[i] += weighted ? t[i] * g->wrow[a] : t[i];
	}
	for (int i = 0; i < u; i++) {
		if (g->count != 1)
			s[i] /= vf_set1(g->count);
		vf_store(y + i * VL, acc ? vf_load(y + i * VL) + s[i] : s[i]);
		vf_soon_write(y + i * VL + POOL_AHEAD);
	}
}

ET_INLINE void window_as(const struct et_window *g, size_t c, const float *x, float *y,
			 bool weighted, bool acc)
{
	size_t ch = 0;

	for (; ch + 4 * VL <= c; ch += 4 * VL)
		window_vecs(g, x + ch, y + ch, 4, weighted, acc);
	for (; ch + VL <= c; ch += VL)
		window_vecs(g, x + ch, y + ch, 1, weighted, acc);
	/* Adding twice is not adding once. */
	if (ch < c && ch && !acc) {
		window_vecs(g, x + c - VL, y + c - VL, 1, weighted, acc);
		return;
	}
	for (; ch < c; ch++) {
		float s = 0;
		for (int a = 0; a < g->rows; a++) {
			float t = 0;
			for (int b = 0; b < g->cols; b++) {
				float v = x[(size_t)a * g->row + (size_t)b * g->pixel + ch];
				t += weighted ? v * g->wcol[b] : v;
			}
			s += weighted ? t * g->wrow[a] : t;
		}
		s /= g->count;
		y[ch] = acc ? y[ch] + s : s;
	}
}

static void window(const struct et_window *g, size_t c, const float *x, bool acc, float *y)
{
	if (g->wcol && acc)
		window_as(g, c, x, y, true, true);
	else if (g->wcol)
		window_as(g, c, x, y, true, false);
	else if (acc)
		window_as(g, c, x, y, false, true);
	else
		window_as(g, c, x, y, false, false);
}

/* Channels outside, pixels inside: neighbours share a vertical mean, which stays in a register. */
static void lerp_row(size_t n, const int *lo, const float *part, int w, size_t c, const float *x0,
		     const float *x1, float down, float *y)
{
	const float up = 1 - down;
	size_t ch = 0;

	for (; c >= VL && ch < c; ch = next_vec(ch, c)) {
		vf a = {0}, b = {0};
		for (size_t j = 0; j < n; j++) {
			if (j == 0 || lo[j] != lo[j - 1]) {
				size_t l = (size_t)lo[j] * c + ch, r = lo[j] + 1 < w ? l + c : l;
				a = vf_load(x0 + l) * up + vf_load(x1 + l) * down;
				b = vf_load(x0 + r) * up + vf_load(x1 + r) * down;
			}
			vf_store(y + j * c + ch, a * (1 - part[j]) + b * part[j]);
		}
	}
	for (; ch < c; ch++) {
		float a = 0, b = 0;
		for (size_t j = 0; j < n; j++) {
			if (j == 0 || lo[j] != lo[j - 1]) {
				size_t l = (size_t)lo[j] * c + ch, r = lo[j] + 1 < w ? l + c : l;
				a = x0[l] * up + x1[l] * down;
				b = x0[r] * up + x1[r] * down;
			}
			y[j * c + ch] = a * (1 - part[j]) + b * part[j];
		}
	}
}
