/*
 * Geometry: which part of a picture is seen, resized to what, and where it comes to lie. Drawn
 * apart from pixels, so that a picture and its mask are moved alike.
 */
#include <math.h>
#include <string.h>

#include "data/priv.h"

/* What the whole picture is resized to, and where the crop begins in that. */
struct geometry {
	int64_t h, w, top, left;
};

/* Python's round() of half an integer: to even. */
static int64_t half(int64_t d)
{
	return d / 2 + (d % 2 && d / 2 % 2);
}

/*
 * torchvision: Resize(int(size / crop_pct)) makes the other side int(size * long / short), and
 * CenterCrop begins at int(round((side - size) / 2)). In a target that is not square the side that
 * needs the larger scale takes the part of the shorter one.
 */
static struct geometry centre_crop(const struct et_prep *prep, int h, int w)
{
	int64_t sh = (int64_t)(prep->height / prep->crop_pct),
		sw = (int64_t)(prep->width / prep->crop_pct);
	struct geometry g;
	if (sw * h >= sh * w)
		g = (struct geometry){.w = sw, .h = sw * h / w};
	else
		g = (struct geometry){.h = sh, .w = sh * w / h};
	g.top = half(g.h - prep->height);
	g.left = half(g.w - prep->width);
	return g;
}

/* A side resized to `all`, of which at most `most` are kept: from where, drawn anew. */
static int64_t draw_from(struct et_rng *r, int64_t all, int most)
{
	int64_t room = all - most < UINT32_MAX ? all - most : UINT32_MAX - 1;
	return room > 0 ? (int64_t)et_rng_below(r, (uint32_t)room + 1) : 0;
}

/* All of the picture, made larger or smaller than the resize rule says, and a crop of that. */
static struct geometry draw_scale(const struct et_prep *prep, const struct et_augment *a,
				  struct et_rng *r, int h, int w)
{
	struct geometry g = {.h = prep->height, .w = prep->width};
	if (prep->resize == ET_RESIZE_CROP)
		g = centre_crop(prep, h, w);
	double low = (double)a->scale_min, high = (double)a->scale_max;
	double factor = low + (high - low) * (double)et_rng_unit(r);
	g.h = (int64_t)fmax(rint((double)g.h * factor), 1);
	g.w = (int64_t)fmax(rint((double)g.w * factor), 1);
	g.top = draw_from(r, g.h, prep->height);
	g.left = draw_from(r, g.w, prep->width);
	return g;
}

/* Resized, then cropped: the filter sees the whole picture. */
static void take_part(struct et_moves *m, const struct et_prep *prep, struct geometry g, int h,
		      int w)
{
	double sx = (double)w / (double)g.w, sy = (double)h / (double)g.h;
	m->all_h = g.h;
	m->all_w = g.w;
	m->top = g.top;
	m->left = g.left;
	m->h = g.h < prep->height ? (int)g.h : prep->height;
	m->w = g.w < prep->width ? (int)g.w : prep->width;
	m->x0 = (double)g.left * sx;
	m->y0 = (double)g.top * sy;
	m->bw = m->w * sx;
	m->bh = m->h * sy;
}

void et_moves_draw(struct et_moves *m, const struct et_prep *prep, const struct et_augment *a,
		   struct et_rng *r, int h, int w)
{
	*m = (struct et_moves){.view = {.h = h, .w = w},
			       .h = prep->height,
			       .w = prep->width,
			       .all_h = prep->height,
			       .all_w = prep->width};
	if (a->rrc_max > 0)
		/* Cropped, then resized: the filter sees nothing outside of the box. */
		m->view = et_augment_rrc(a, r, h, w);
	m->bw = m->view.w;
	m->bh = m->view.h;
	if (a->scale_max > 0)
		take_part(m, prep, draw_scale(prep, a, r, h, w), h, w);
	else if (!(a->rrc_max > 0) && prep->resize == ET_RESIZE_CROP)
		take_part(m, prep, centre_crop(prep, h, w), h, w);
	if (a->crop > 0) {
		m->dy = a->crop - (int)et_rng_below(r, 2 * (uint32_t)a->crop + 1);
		m->dx = a->crop - (int)et_rng_below(r, 2 * (uint32_t)a->crop + 1);
	}
	m->flip = a->flip && et_rng_unit(r) < 0.5f;
}

struct et_seen et_prep_seen(const struct et_prep *prep, int h, int w)
{
	static const struct et_augment off;
	struct et_moves m;
	et_moves_draw(&m, prep, &off, NULL, h, w);
	return (struct et_seen){m.x0, m.y0, m.bw, m.bh};
}

/* ---- masks ----------------------------------------------------------------------------------- */

#define FAR 1000000

/*
 * PIL's NEAREST: the inputs that n outputs from number `from` on are copied from, when the part
 * [begin, begin + length) of `in` inputs is resized to `all` outputs. Steps are added up, as there.
 */
static void nearest(int32_t *to, int in, double begin, double length, int64_t all, int64_t from,
		    int n)
{
	double first = floor(begin), step = length / (double)all;
	double at = begin - first + 0.5 * step;
	/* So far into a ribbon nobody else has been. */
	if (from > FAR) {
		at += (double)(from - FAR) * step;
		from = FAR;
	}
	for (int64_t i = 0; i < from; i++)
		at += step;
	for (int i = 0; i < n; i++, at += step) {
		double k = first + floor(at);
		to[i] = k < in ? (int32_t)k : in - 1;
	}
}

size_t et_labels_scratch_bytes(const struct et_prep *prep)
{
	return ((size_t)prep->height + (size_t)prep->width) * sizeof(int32_t);
}

int et_prep_labels(const struct et_prep *prep, const struct et_augment *augment, uint64_t seed,
		   uint64_t epoch, uint32_t sample, int h, int w, const struct et_picture *mask,
		   int32_t ignore, struct et_picture *scratch, int32_t *label, struct et_err *err)
{
	static const struct et_augment off;
	struct et_rng r = et_rng_open(seed, ET_STREAM_AUGMENT, epoch, sample);
	struct et_moves m;
	ET_TRY(et_prep_check(prep, err));
	ET_TRY(et_picture_reserve(scratch, 0, 0, 1, et_labels_scratch_bytes(prep), err));
	et_moves_draw(&m, prep, augment ? augment : &off, &r, h, w);
	/* A JPEG may have been decoded at a part of the size that its mask has. */
	double sy = (double)mask->h / h, sx = (double)mask->w / w;
	int32_t *row = (int32_t *)(void *)scratch->px, *column = row + prep->height;
	nearest(row, mask->h, m.view.y * sy, m.view.h * sy, m.all_h, m.top, m.h);
	nearest(column, mask->w, m.view.x * sx, m.view.w * sx, m.all_w, m.left, m.w);
	for (int y = 0; y < prep->height; y++) {
		int from = y - m.dy;
		bool outside = from < 0 || from >= m.h;
		const uint8_t *px = mask->px + (outside ? 0 : (size_t)row[from] * (size_t)mask->w);
		for (int x = 0; x < prep->width; x++) {
			int k = (m.flip ? prep->width - 1 - x : x) - m.dx;
			int v = outside || k < 0 || k >= m.w ? ET_MASK_IGNORE : px[column[k]];
			*label++ = v == ET_MASK_IGNORE ? ignore : v;
		}
	}
	return ET_OK;
}
