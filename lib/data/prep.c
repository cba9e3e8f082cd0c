/* From a decoded picture to the network's input. */
#include <math.h>
#include <string.h>

#include "data/priv.h"

int et_prep_check(const struct et_prep *prep, struct et_err *err)
{
	if ((prep->channels != 1 && prep->channels != 3) || prep->height < 1 || prep->width < 1 ||
	    prep->height > ET_PICTURE_MAX_SIDE || prep->width > ET_PICTURE_MAX_SIDE)
		return et_fail(err, ET_EDATA,
			       "input: expected 1 or 3 channels and sides from 1 to %d, found %d "
			       "channels, %d x %d",
			       ET_PICTURE_MAX_SIDE, prep->channels, prep->width, prep->height);
	if (!(prep->crop_pct > 0 && prep->crop_pct <= 1))
		return et_fail(err, ET_EDATA, "input: crop_pct: expected (0,1], found %g",
			       prep->crop_pct);
	for (int ch = 0; ch < prep->channels; ch++)
		if (!isfinite(prep->mean[ch]) || !isfinite(prep->std[ch]) || !(prep->std[ch] > 0))
			return et_fail(err, ET_EDATA,
				       "input: channel %d: expected a finite mean and a std above "
				       "0, found mean %g, std %g",
				       ch, (double)prep->mean[ch], (double)prep->std[ch]);
	return ET_OK;
}

/* ---- geometry -------------------------------------------------------------------------------- */

void et_prep_want(const struct et_prep *prep, const struct et_augment *a, int *want_h, int *want_w)
{
	double factor = 1;
	if (a && a->rrc_max > 0)
		/*
		 * The reduced picture keeps twice the wanted sides; the smallest box is to keep
		 * them once, so that no box is enlarged that need not be. 3/4: the aspect ratio.
		 */
		factor = fmax(1, 0.5 / sqrt(0.75 * (double)a->rrc_min));
	else if (prep->resize == ET_RESIZE_CROP)
		factor = 1 / prep->crop_pct;
	if (a && a->scale_max > 1)
		factor *= (double)a->scale_max;
	*want_h = (int)ceil(prep->height * factor);
	*want_w = (int)ceil(prep->width * factor);
}

/* One resize as the moves say; *pic then points to the result, or stays where it is. */
static int reshape(const struct et_moves *m, const struct et_picture **pic, struct et_picture *out,
		   struct et_picture *scratch, struct et_err *err)
{
	const struct et_picture *src = *pic;
	struct et_view view = et_picture_view(src, m->view.y, m->view.x, m->view.h, m->view.w);
	if (src->h == m->h && src->w == m->w && m->bw == m->w && m->bh == m->h)
		return ET_OK;
	ET_TRY(et_view_resize(&view, m->x0, m->y0, m->bw, m->bh, m->h, m->w, out, scratch, err));
	*pic = out;
	return ET_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* (px / 255 - mean) / std, rounded at each step as torchvision does; mirrored with flip. */
static void normalise(const struct et_prep *prep, const struct et_picture *p, bool flip, float *dst)
{
	float table[3][256];
	for (int ch = 0; ch < p->c; ch++)
		for (int i = 0; i < 256; i++)
			table[ch][i] = ((float)i / 255.0f - prep->mean[ch]) / prep->std[ch];
	const uint8_t *row = p->px;
	size_t w = (size_t)p->w, c = (size_t)p->c;
	for (int y = 0; y < p->h; y++, row += w * c) {
		for (size_t x = 0; x < w; x++, dst += c) {
			const uint8_t *px = row + (flip ? w - 1 - x : x) * c;
			dst[0] = table[0][px[0]];
			if (c == 3) {
				dst[1] = table[1][px[1]];
				dst[2] = table[2][px[2]];
			}
		}
	}
}

/* A square around a pixel drawn anywhere, so that part of it may be outside. */
static void cut_out(const struct et_prep *prep, int side, struct et_rng *r, float *dst)
{
	int y0 = (int)et_rng_below(r, (uint32_t)prep->height) - side / 2;
	int x0 = (int)et_rng_below(r, (uint32_t)prep->width) - side / 2;
	int y1 = y0 + side < prep->height ? y0 + side : prep->height;
	int x1 = x0 + side < prep->width ? x0 + side : prep->width;
	x0 = x0 < 0 ? 0 : x0;
	size_t c = (size_t)prep->channels, row = (size_t)prep->width * c;
	for (int y = y0 < 0 ? 0 : y0; y < y1; y++)
		memset(dst + (size_t)y * row + (size_t)x0 * c, 0,
		       (size_t)(x1 - x0) * c * sizeof(*dst));
}

/* ---- all of it ------------------------------------------------------------------------------- */

/*
 * The picture goes from src to tmp[0] and tmp[1] in turn, as few times as can be; tmp[2] is the
 * scratch of the resize.
 */
int et_prep_run(const struct et_prep *prep, const struct et_augment *augment, uint64_t seed,
		uint64_t epoch, uint32_t sample, const struct et_picture *src,
		struct et_picture tmp[3], float *dst, struct et_err *err)
{
	static const struct et_augment off;
	const struct et_augment *a = augment ? augment : &off;
	const struct et_picture *pic = src;
	struct et_rng r = et_rng_open(seed, ET_STREAM_AUGMENT, epoch, sample);
	struct et_moves m;

	ET_TRY(et_prep_check(prep, err));
	if (src->c != prep->channels) {
		ET_TRY(et_picture_copy(src->px, src->h, src->w, src->c, prep->channels, &tmp[0],
				       err));
		pic = &tmp[0];
	}
	/* No draw after these depends on which way round the pixels are. */
	et_moves_draw(&m, prep, a, &r, pic->h, pic->w);
	ET_TRY(reshape(&m, &pic, &tmp[1], &tmp[2], err));
	/* tmp[0] is free now, unless there was nothing to resize. */
	struct et_picture *spare = pic == &tmp[0] ? &tmp[1] : &tmp[0];
	if (a->crop > 0 || m.h < prep->height || m.w < prep->width) {
		ET_TRY(et_picture_place(pic, m.dy, m.dx, prep->height, prep->width, spare, err));
		pic = spare;
	}
	if (a->jitter > 0) {
		if (pic == src) {
			ET_TRY(et_picture_copy(src->px, src->h, src->w, src->c, src->c, spare,
					       err));
			pic = spare;
		}
		et_augment_jitter(a, &r, pic == &tmp[1] ? &tmp[1] : &tmp[0]);
	}
	normalise(prep, pic, m.flip, dst);
	if (a->cutout > 0)
		cut_out(prep, a->cutout, &r, dst);
	return ET_OK;
}
