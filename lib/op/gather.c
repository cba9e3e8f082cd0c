/* Packing of gathered (implicit im2col) rows into the panels of the micro-kernel. */
#include <string.h>

#include "op/gather.h"

/* Segments narrower than this are merged along a kernel row, where its taps are neighbours in
 * memory. */
#define MERGE_BELOW 32
#define MERGE_MAX   128

struct et_gather et_gather_matrix(const float *src, size_t rows, int of, int from, int count)
{
	static const int16_t zero;
	return (struct et_gather){.src = src,
				  .n = (int)rows,
				  .h = 1,
				  .w = 1,
				  .c = of,
				  .c0 = from,
				  .cn = count,
				  .gh = 1,
				  .gw = 1,
				  .sh = 1,
				  .sw = 1,
				  .taps = 1,
				  .y = &zero,
				  .x = &zero};
}

void et_cursor_open(struct et_cursor *k, const struct et_gather *a, size_t m)
{
	size_t plane = (size_t)a->gh * (size_t)a->gw;
	size_t img = m / plane, at = m % plane;

	k->j = (int)(at % (size_t)a->gw);
	k->i = (int)(at / (size_t)a->gw);
	k->img = a->src + img * (size_t)a->h * (size_t)a->w * (size_t)a->c;
}

void et_cursor_next(struct et_cursor *k, const struct et_gather *a)
{
	if (++k->j < a->gw)
		return;
	k->j = 0;
	if (++k->i < a->gh)
		return;
	k->i = 0;
	k->img += (size_t)a->h * (size_t)a->w * (size_t)a->c;
}

/* The pixel that tap t of a row meets, or NULL in the padding. */
static inline const float *pixel(const struct et_gather *a, const struct et_cursor *k, int t)
{
	int y = k->i * a->sh + a->y[t], x = k->j * a->sw + a->x[t];

	if ((unsigned)y >= (unsigned)a->h || (unsigned)x >= (unsigned)a->w)
		return NULL;
	return k->img + ((size_t)y * (size_t)a->w + (size_t)x) * (size_t)a->c + a->c0;
}

/* How many taps from t on lie one after the other in memory, t included. */
static int neighbours(const struct et_gather *a, int t)
{
	int r = 1;

	if (a->cn == a->c)
		while (t + r < a->taps && a->y[t + r] == a->y[t] && a->x[t + r] == a->x[t] + r)
			r++;
	return r;
}

/* The same, of those to be merged. */
static int run_length(const struct et_gather *a, int t)
{
	if (a->cn >= MERGE_BELOW || a->pro)
		return 1;
	return (int)et_min((size_t)neighbours(a, t), et_max(MERGE_MAX / (size_t)a->cn, 1));
}

/* A prologue whose first channel is ch of those used. */
static struct et_prologue prologue_at(const struct et_gather *a, size_t ch)
{
	size_t at = (size_t)a->c0 + ch;
	return (struct et_prologue){a->pro->scale + at, a->pro->shift + at, a->pro->act};
}

void et_gather_rows(const struct et_kern *k, const struct et_gather *a, size_t m, size_t rows,
		    size_t k0, size_t kb, float *dst)
{
	struct et_cursor at[ET_MR_MAX];
	float edge[ET_MR_MAX][MERGE_MAX];
	const float *ptr[ET_MR_MAX];
	size_t cn = (size_t)a->cn;

	for (size_t i = 0; i < rows; i++) {
		if (i == 0)
			et_cursor_open(&at[0], a, m);
		else {
			at[i] = at[i - 1];
			et_cursor_next(&at[i], a);
		}
	}
	for (size_t i = rows; i < (size_t)k->mr; i++)
		ptr[i] = NULL;

	for (size_t done = 0; done < kb;) {
		int t = (int)((k0 + done) / cn);
		size_t ch = (k0 + done) % cn;
		int run = run_length(a, t);
		size_t len = et_min((size_t)run * cn - ch, kb - done);

		for (size_t i = 0; i < rows; i++) {
			const float *p = pixel(a, &at[i], t);
			if (run == 1) {
				ptr[i] = p ? p + ch : NULL;
			} else if (p && pixel(a, &at[i], t + run - 1)) {
				ptr[i] = p + ch;
			} else {
				for (int r = 0; r < run; r++) {
					const float *q = pixel(a, &at[i], t + r);
					for (size_t c = 0; c < cn; c++)
						edge[i][(size_t)r * cn + c] = q ? q[c] : 0;
				}
				ptr[i] = edge[i] + ch;
			}
		}
		if (a->pro) {
			struct et_prologue pro = prologue_at(a, ch);
			k->pack_rp(dst, done, len, ptr, &pro);
		} else {
			k->pack_r(dst, done, len, ptr);
		}
		done += len;
	}
}

/* Are all rows one after the other in memory, images included? */
static bool in_a_row(const struct et_gather *a)
{
	return a->taps == 1 && a->sh == 1 && a->sw == 1 && a->gh == a->h && a->gw == a->w &&
	       a->y[0] == 0 && a->x[0] == 0;
}

size_t et_gather_in_place(const struct et_gather *a, size_t m, size_t rows, size_t k0, size_t kb,
			  struct et_stretch at[ET_STRETCHES], size_t *lda)
{
	size_t cn = (size_t)a->cn, c = (size_t)a->c, n = 0;
	struct et_cursor first, last;

	*lda = (size_t)a->sw * c;
	if (a->pro || *lda % 1024 == 0) /* such rows evict each other from the cache */
		return 0;
	if (in_a_row(a)) {
		const float *p = a->src + m * c + (size_t)a->c0 + k0;
		at[0] = (struct et_stretch){p, kb, p + rows * c};
		return 1;
	}
	et_cursor_open(&first, a, m);
	if (first.j + (int)rows > a->gw)
		return 0;
	last = first;
	last.j += (int)rows - 1;
	int t = (int)(k0 / cn);
	size_t ch = k0 % cn;
	for (size_t done = 0; done < kb;) {
		int run = neighbours(a, t);
		size_t len = et_min((size_t)run * cn - ch, kb - done);
		const float *p = pixel(a, &first, t);
		if (!p || !pixel(a, &last, t) ||
		    (run > 1 && (!pixel(a, &first, t + run - 1) || !pixel(a, &last, t + run - 1))))
			return 0;
		if (n && at[n - 1].a + at[n - 1].len == p + ch) {
			at[n - 1].len += len;
		} else {
			if (n == ET_STRETCHES)
				return 0;
			at[n++] = (struct et_stretch){p + ch, len, p + ch + rows * *lda};
		}
		done += len;
		t += run;
		ch = 0;
	}
	return n;
}

/* Rows of the grid as depths: where their first tap would be with no offset. */
struct depths {
	size_t n;
	int y[ET_KC_MAX], x[ET_KC_MAX];
	ptrdiff_t at[ET_KC_MAX]; /* floats from src */
};

static void depths_open(struct depths *d, const struct et_gather *a, size_t m, size_t n)
{
	struct et_cursor k;

	et_cursor_open(&k, a, m);
	d->n = n;
	for (size_t p = 0; p < n; p++, et_cursor_next(&k, a)) {
		d->y[p] = k.i * a->sh;
		d->x[p] = k.j * a->sw;
		d->at[p] = k.img - a->src +
			   ((ptrdiff_t)d->y[p] * a->w + d->x[p]) * (ptrdiff_t)a->c + a->c0;
	}
}

/* Where each depth's taps t .. t+run are; NULL where some of them are padding. */
static void depths_of(const struct depths *d, const struct et_gather *a, int t, int run,
		      const float **ptr)
{
	const int dy = a->y[t], dx = a->x[t];
	const unsigned h = (unsigned)a->h, w = (unsigned)a->w;
	const ptrdiff_t off = ((ptrdiff_t)dy * a->w + dx) * (ptrdiff_t)a->c;

	for (size_t p = 0; p < d->n; p++) {
		bool in = (unsigned)(d->y[p] + dy) < h && (unsigned)(d->x[p] + dx) < w &&
			  (unsigned)(d->x[p] + dx + run - 1) < w;
		ptr[p] = in ? a->src + (d->at[p] + off) : NULL;
	}
}

/*
 * Depths whose taps t .. t+run are partly padding: values ch .. ch+len of those merged taps, one by
 * one, where pack_rows has put zeros.
 */
static void pack_edges(const struct et_gather *a, const struct depths *d, const float *const *ptr,
		       int t, size_t ch, size_t len, float *dst, size_t ld)
{
	const size_t cn = (size_t)a->cn;

	for (size_t p = 0; p < d->n; p++) {
		if (ptr[p] || (unsigned)(d->y[p] + a->y[t]) >= (unsigned)a->h)
			continue;
		for (size_t i = ch; i < ch + len; i++) {
			int x = d->x[p] + a->x[t] + (int)(i / cn);
			if ((unsigned)x < (unsigned)a->w)
				dst[p * ld + i - ch] =
					a->src[d->at[p] +
					       ((ptrdiff_t)a->y[t] * a->w + a->x[t]) * a->c +
					       (ptrdiff_t)i];
		}
	}
}

void et_gather_columns(const struct et_kern *k, const struct et_gather *a, size_t m, size_t kb,
		       size_t col, size_t cols, float *dst)
{
	const float *ptr[ET_KC_MAX];
	struct depths d;
	size_t cn = (size_t)a->cn, nr = (size_t)k->nr;
	size_t padded = et_ceil_div(cols, nr) * nr;
	struct et_prologue pro = a->pro ? prologue_at(a, 0) : (struct et_prologue){0};

	depths_open(&d, a, m, kb);
	for (size_t done = 0; done < cols;) {
		int t = (int)((col + done) / cn), run = run_length(a, t);
		size_t ch = (col + done) % cn, end = et_min(done + (size_t)run * cn - ch, cols);

		depths_of(&d, a, t, run, ptr);
		while (done < end) { /* one panel's part of these taps */
			size_t in = done % nr, len = et_min(nr - in, end - done);
			float *to = dst + (done / nr) * nr * kb + in;
			if (a->pro)
				k->pack_rows_p(to, nr, kb, ptr, ch, len, &pro);
			else
				k->pack_rows(to, nr, kb, ptr, ch, len);
			if (run > 1)
				pack_edges(a, &d, ptr, t, ch, len, to, nr);
			done += len;
			ch += len;
		}
	}
	if (padded > cols) {
		float *panel = dst + (cols / nr) * nr * kb;
		for (size_t p = 0; p < kb; p++)
			memset(panel + p * nr + cols % nr, 0, (padded - cols) * sizeof(float));
	}
}
