/*
 * Masks of pictures in their own size: logits are interpolated between the pixels of the network,
 * row by row, and the largest is taken.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/masks.h"

#define VOID	   255
#define SIDE_MAX   65500 /* of a picture */
#define PNG_BYTES  (1u << 20)
#define NAME_BYTES 4096

/* What a pixel of the picture reads along one side: lo, and hi with weight part; or it is unseen.
 */
struct tap {
	int lo, hi;
	float part;
	bool seen;
};

struct et_masks {
	const struct et_session *s;
	char *dir;
	bool wants_overlay;
	struct et_shape net; /* of the logits */
	uint8_t palette[256][3];
	char *mask, *overlay; /* names of the last */
	/* Of the picture at work. */
	const float *logits;
	int h, w;
	struct et_seen box;
	uint8_t *best;	 /* [p,q] the largest logit's class */
	struct tap *col; /* [w] */
	size_t cap_col;
	uint8_t *row;	 /* [w] a row of the mask */
	uint64_t *count; /* [classes] pixels; NULL where nobody counts */
	uint64_t *counts;
	struct et_picture picture;
};

/* ---- names ----------------------------------------------------------------------------------- */

/* "dir/NAME" and what follows, of a picture .../NAME.ending. */
static char *name_in(const char *dir, const char *picture, const char *ending)
{
	const char *slash = strrchr(picture, '/'), *name = slash ? slash + 1 : picture;
	const char *dot = strrchr(name, '.');
	int n = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
	const char *between = *dir && dir[strlen(dir) - 1] == '/' ? "" : "/";

	return et_asprintf("%s%s%.*s%s", dir, between, n, name, ending);
}

struct output {
	char *file;
	size_t picture;
};

static int by_file(const void *a, const void *b)
{
	const struct output *x = a, *y = b;
	return strcmp(x->file, y->file);
}

static const char *item(const struct et_session *s, size_t i, char name[NAME_BYTES])
{
	return et_dataset_item_name(s->ds, s->val, i, name, NAME_BYTES);
}

static int check_outputs(const struct et_session *s, const char *dir, bool overlay,
			 struct output *all, struct et_err *err)
{
	size_t n = 0, pictures = et_dataset_count(s->ds, s->val);
	char a[NAME_BYTES], b[NAME_BYTES];

	for (size_t i = 0; i < pictures; i++)
		for (int k = 0; k <= overlay; k++) {
			char *file = name_in(dir, item(s, i, a), k ? "-overlay.png" : ".png");
			if (!file)
				return et_fail(err, ET_ENOMEM, "out of memory");
			all[n++] = (struct output){file, i};
		}
	if (n > 1)
		qsort(all, n, sizeof(*all), by_file);
	for (size_t i = 1; i < n; i++)
		if (strcmp(all[i - 1].file, all[i].file) == 0)
			return et_fail(
				err, ET_EUSAGE,
				"%s would be written for %.300s and for %.300s: predict them "
				"into different directories",
				all[i].file, item(s, all[i - 1].picture, a),
				item(s, all[i].picture, b));
	return ET_OK;
}

/* A picture must not be lost, be it one that is predicted or its neighbour. */
static int check_directory(const struct et_session *s, const char *dir, struct et_err *err)
{
	size_t pictures = et_dataset_count(s->ds, s->val);
	char name[NAME_BYTES];

	for (size_t i = 0; i < pictures; i++) {
		item(s, i, name);
		char *slash = strrchr(name, '/');
		if (slash)
			*(slash == name ? slash + 1 : slash) = 0;
		if (et_path_same(slash ? name : ".", dir))
			return et_fail(err, ET_EUSAGE,
				       "--out %s: there are pictures, which masks could overwrite: "
				       "name another directory",
				       dir);
	}
	return ET_OK;
}

static int check_names(const struct et_session *s, const char *dir, bool overlay,
		       struct et_err *err)
{
	size_t n = et_dataset_count(s->ds, s->val) * 2;
	struct output *all = et_calloc(n + 1, sizeof(*all));

	if (!all)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = check_outputs(s, dir, overlay, all, err);
	for (size_t i = 0; i < n; i++)
		free(all[i].file);
	free(all);
	return status ? status : check_directory(s, dir, err);
}

/* ---- opening --------------------------------------------------------------------------------- */

void et_voc_palette(uint8_t palette[256][3])
{
	for (int i = 0; i < 256; i++)
		for (int bit = 0; bit < 8; bit++)
			for (int c = 0; c < 3; c++)
				if (bit * 3 + c < 8 && i >> (bit * 3 + c) & 1)
					palette[i][c] |= (uint8_t)(128 >> bit);
}

int et_masks_open(struct et_masks **out, const struct et_session *s, const char *dir, bool overlay,
		  struct et_err *err)
{
	struct et_masks *m;

	*out = NULL;
	if (s->spec.classes > VOID)
		return et_fail(err, ET_EDATA,
			       "%s has %d classes: masks hold at most %d, and %d is for what was "
			       "not seen",
			       s->spec.path, s->spec.classes, VOID, VOID);
	ET_TRY(check_names(s, dir, overlay, err));
	ET_TRY(et_dir_make(dir, err));
	*out = m = et_calloc(1, sizeof(*m));
	if (!m)
		return et_fail(err, ET_ENOMEM, "out of memory");
	m->s = s;
	m->wants_overlay = overlay;
	m->net = s->spec.layers[s->spec.n - 1].out;
	et_voc_palette(m->palette);
	m->dir = et_strdup(dir);
	m->best = et_calloc((size_t)m->net.h * (size_t)m->net.w, 1);
	m->counts = et_calloc((size_t)s->spec.classes, sizeof(*m->counts));
	if (m->dir && m->best && m->counts)
		return ET_OK;
	return et_fail(err, ET_ENOMEM, "out of memory");
}

void et_masks_close(struct et_masks *m)
{
	if (!m)
		return;
	et_picture_free(&m->picture);
	free(m->dir);
	free(m->mask);
	free(m->overlay);
	free(m->best);
	free(m->col);
	free(m->row);
	free(m->counts);
	free(m);
}

uint64_t et_masks_bytes(const struct et_session *s, bool overlay)
{
	struct et_shape net = s->spec.layers[s->spec.n - 1].out;
	uint64_t bytes = sizeof(struct et_masks) + (uint64_t)net.h * (uint64_t)net.w +
			 SIDE_MAX * (sizeof(struct tap) + 1 + 3) + PNG_BYTES;

	return bytes + (overlay ? et_dataset_decode_bytes(s->ds) : 0);
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* Pixel i of a side of which [begin, begin + length) was shown to n pixels of the network. */
static struct tap tap_of(int i, double begin, double length, int n)
{
	double centre = i + 0.5 - begin, at = centre * n / length - 0.5;
	struct tap t = {.seen = centre >= 0 && centre < length};

	at = at < 0 ? 0 : at > n - 1 ? n - 1 : at;
	t.lo = (int)at;
	t.hi = t.lo + 1 < n ? t.lo + 1 : t.lo;
	t.part = (float)(at - t.lo);
	return t;
}

static int largest(const float *v, int n)
{
	int best = 0;
	for (int k = 1; k < n; k++)
		best = v[k] > v[best] ? k : best;
	return best;
}

static const float *logits_at(const struct et_masks *m, int p, int q)
{
	return m->logits + ((size_t)p * (size_t)m->net.w + (size_t)q) * (size_t)m->net.c;
}

/* The class whose interpolated logit is the largest. */
static int between(const struct et_masks *m, const struct tap *v, const struct tap *u)
{
	const float *a = logits_at(m, v->lo, u->lo), *b = logits_at(m, v->lo, u->hi),
		    *c = logits_at(m, v->hi, u->lo), *d = logits_at(m, v->hi, u->hi);
	float most = -INFINITY;
	int best = 0;

	for (int k = 0; k < m->net.c; k++) {
		float above = a[k] + u->part * (b[k] - a[k]);
		float below = c[k] + u->part * (d[k] - c[k]);
		float logit = above + v->part * (below - above);
		if (logit > most) {
			most = logit;
			best = k;
		}
	}
	return best;
}

/* Where all four corners agree, so does what lies between them. */
static void mask_row(void *arg, int y, uint8_t *px)
{
	struct et_masks *m = arg;
	struct tap v = tap_of(y, m->box.y, m->box.h, m->net.h);
	const uint8_t *top = m->best + (size_t)v.lo * (size_t)m->net.w;
	const uint8_t *low = m->best + (size_t)v.hi * (size_t)m->net.w;

	for (int x = 0; x < m->w; x++) {
		const struct tap *u = &m->col[x];
		int k = top[u->lo];
		px[x] = VOID;
		if (!v.seen || !u->seen)
			continue;
		if (top[u->hi] != k || low[u->lo] != k || low[u->hi] != k)
			k = between(m, &v, u);
		px[x] = (uint8_t)k;
		if (m->count)
			m->count[k]++;
	}
}

/* Half the picture, half the class's colour; what was not seen stays as it is. */
static void overlay_row(void *arg, int y, uint8_t *px)
{
	struct et_masks *m = arg;
	const uint8_t *from = m->picture.px + (size_t)y * (size_t)m->w * 3;

	mask_row(m, y, m->row);
	for (int x = 0; x < m->w; x++, px += 3, from += 3)
		for (int c = 0; c < 3; c++)
			px[c] = m->row[x] == VOID
					? from[c]
					: (uint8_t)((from[c] + m->palette[m->row[x]][c] + 1) / 2);
}

/* ---- one picture ----------------------------------------------------------------------------- */

static int begin(struct et_masks *m, const char *picture, const float *logits, struct et_err *err)
{
	struct et_picture_info info;

	ET_TRY(et_picture_probe(picture, &info, err));
	m->logits = logits;
	m->h = info.h;
	m->w = info.w;
	m->box = et_prep_seen(&m->s->prep, m->h, m->w);
	if ((size_t)m->w > m->cap_col) {
		free(m->col);
		free(m->row);
		m->cap_col = 0;
		m->col = et_calloc((size_t)m->w, sizeof(*m->col));
		m->row = et_calloc((size_t)m->w, 1);
		if (!m->col || !m->row)
			return et_fail(err, ET_ENOMEM, "out of memory");
		m->cap_col = (size_t)m->w;
	}
	for (int x = 0; x < m->w; x++)
		m->col[x] = tap_of(x, m->box.x, m->box.w, m->net.w);
	for (int p = 0; p < m->net.h; p++)
		for (int q = 0; q < m->net.w; q++)
			m->best[(size_t)p * (size_t)m->net.w + (size_t)q] =
				(uint8_t)largest(logits_at(m, p, q), m->net.c);
	free(m->mask);
	free(m->overlay);
	m->mask = name_in(m->dir, picture, ".png");
	m->overlay = m->wants_overlay ? name_in(m->dir, picture, "-overlay.png") : NULL;
	if (!m->mask || (m->wants_overlay && !m->overlay))
		return et_fail(err, ET_ENOMEM, "out of memory");
	return ET_OK;
}

static int write_overlay(struct et_masks *m, const char *picture, struct et_err *err)
{
	const struct et_png png = {.h = m->h, .w = m->w, .row = overlay_row, .arg = m};

	ET_TRY(et_picture_decode(picture, 3, 0, 0, &m->picture, err));
	if (m->picture.h != m->h || m->picture.w != m->w)
		return et_fail(err, ET_EDATA, "%s: changed while it was used", picture);
	return et_png_write(m->overlay, &png, err);
}

int et_masks_write(struct et_masks *m, const char *picture, const float *logits, double *share,
		   const char **mask, const char **overlay, struct et_err *err)
{
	uint64_t seen = 0;
	size_t classes = (size_t)m->s->spec.classes;

	ET_TRY(begin(m, picture, logits, err));
	const struct et_png png = {.h = m->h,
				   .w = m->w,
				   .palette = (const uint8_t(*)[3])m->palette,
				   .row = mask_row,
				   .arg = m};
	memset(m->counts, 0, classes * sizeof(*m->counts));
	m->count = m->counts;
	int status = et_png_write(m->mask, &png, err);
	m->count = NULL;
	ET_TRY(status);
	if (m->overlay)
		ET_TRY(write_overlay(m, picture, err));
	for (size_t k = 0; k < classes; k++)
		seen += m->counts[k];
	for (size_t k = 0; k < classes; k++)
		share[k] = seen ? (double)m->counts[k] / (double)seen : 0;
	*mask = m->mask;
	*overlay = m->overlay;
	return ET_OK;
}
