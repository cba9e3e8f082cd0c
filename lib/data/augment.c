/* Augmentation: the words of --augment, and what each does to a picture. torchvision's meanings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/priv.h"

/* ---- words ----------------------------------------------------------------------------------- */

#define CROP_MAX   1024
#define CUTOUT_MAX 4096

static int need_number(const char *word, const char *value, double min, double max, bool integer,
		       double *v, struct et_err *err)
{
	if (!value || !et_parse_f64(value, v) || !(*v >= min && *v <= max) ||
	    (integer && *v != floor(*v)))
		return et_fail(err, ET_EUSAGE,
			       "augment: %s%s%s: expected %s from %g to %g after a colon", word,
			       value ? ":" : "", value ? value : "",
			       integer ? "a whole number" : "a number", min, max);
	return ET_OK;
}

static int set_flip(struct et_augment *a, const char *value, struct et_err *err)
{
	if (value)
		return et_fail(err, ET_EUSAGE, "augment: flip:%s: flip takes no value", value);
	a->flip = true;
	return ET_OK;
}

static int set_crop(struct et_augment *a, const char *value, struct et_err *err)
{
	double v;
	ET_TRY(need_number("crop", value, 1, CROP_MAX, true, &v, err));
	a->crop = (int)v;
	return ET_OK;
}

/* "MIN-MAX" within these limits into *min and *max. */
static bool parse_range(const char *value, double least, double most, double *min, double *max)
{
	char low[32];
	const char *dash = strchr(value, '-');
	return dash && snprintf(low, sizeof(low), "%.*s", (int)(dash - value), value) < 32 &&
	       et_parse_f64(low, min) && et_parse_f64(dash + 1, max) && *min >= least &&
	       *max <= most && *min <= *max;
}

/* The value of word:MIN-MAX, a range of `what`; without one, the usual. */
static int need_range(const char *word, const char *what, const char *value, const char *usual,
		      double least, double most, float *min, float *max, struct et_err *err)
{
	double from, to;
	if (!value)
		value = usual;
	if (!parse_range(value, least, most, &from, &to))
		return et_fail(err, ET_EUSAGE,
			       "augment: %s:%s: expected a range of %s within %g-%g after the "
			       "colon, such as %s:%s",
			       word, value, what, least, most, word, usual);
	*min = (float)from;
	*max = (float)to;
	return ET_OK;
}

/* torchvision's */
static int set_rrc(struct et_augment *a, const char *value, struct et_err *err)
{
	return need_range("rrc", "areas", value, "0.08-1", 0.001, 1, &a->rrc_min, &a->rrc_max, err);
}

/* torchvision's and mmsegmentation's */
static int set_scale(struct et_augment *a, const char *value, struct et_err *err)
{
	return need_range("scale", "factors", value, "0.5-2", 0.1, 10, &a->scale_min, &a->scale_max,
			  err);
}

static int set_jitter(struct et_augment *a, const char *value, struct et_err *err)
{
	double v;
	ET_TRY(need_number("jitter", value, 0.001, 1, false, &v, err));
	a->jitter = (float)v;
	return ET_OK;
}

static int set_cutout(struct et_augment *a, const char *value, struct et_err *err)
{
	double v;
	ET_TRY(need_number("cutout", value, 1, CUTOUT_MAX, true, &v, err));
	a->cutout = (int)v;
	return ET_OK;
}

static const char *const words[] = {"flip", "crop", "rrc", "scale", "jitter", "cutout", "none"};
static int (*const setters[])(struct et_augment *, const char *, struct et_err *) = {
	set_flip, set_crop, set_rrc, set_scale, set_jitter, set_cutout};

static int set_word(struct et_augment *a, char *word, unsigned *seen, struct et_err *err)
{
	char *value = strchr(word, ':');
	if (value)
		*value++ = '\0';
	size_t i = 0;
	while (i < ET_COUNT(setters) && strcmp(word, words[i]) != 0)
		i++;
	if (i == ET_COUNT(setters)) {
		if (strcmp(word, "none") == 0)
			return et_fail(err, ET_EUSAGE, "augment: none stands alone");
		const char *near = et_nearest(word, words, ET_COUNT(words));
		return et_fail(err, ET_EUSAGE,
			       "augment: unknown word '%s'%s%s%s; known are flip, crop:N, "
			       "rrc:MIN-MAX, scale:MIN-MAX, jitter:J, cutout:N, none",
			       word, near ? " (did you mean '" : "", near ? near : "",
			       near ? "'?)" : "");
	}
	if (*seen & 1u << i)
		return et_fail(err, ET_EUSAGE, "augment: %s is given twice", word);
	*seen |= 1u << i;
	return setters[i](a, value, err);
}

int et_augment_parse(const char *text, struct et_augment *a, struct et_err *err)
{
	char copy[256];
	unsigned seen = 0;
	memset(a, 0, sizeof(*a));
	if (!*text || strcmp(text, "none") == 0)
		return ET_OK;
	size_t n = strlen(text);
	if (n >= sizeof(copy))
		return et_fail(err, ET_EUSAGE, "augment: a text of %zu characters, at most %zu", n,
			       sizeof(copy) - 1);
	memcpy(copy, text, n + 1);
	for (char *word = copy, *next; word; word = next) {
		next = strchr(word, ',');
		if (next)
			*next++ = '\0';
		word += strspn(word, " ");
		for (size_t k = strlen(word); k && word[k - 1] == ' ';)
			word[--k] = '\0';
		ET_TRY(set_word(a, word, &seen, err));
	}
	if (a->rrc_max > 0 && a->scale_max > 0)
		return et_fail(err, ET_EUSAGE,
			       "augment: rrc and scale exclude each other: both say how large the "
			       "picture becomes");
	return ET_OK;
}

/* ---- boxes ----------------------------------------------------------------------------------- */

static double between(struct et_rng *r, double low, double high)
{
	return low + (high - low) * (double)et_rng_unit(r);
}

struct et_box et_augment_rrc(const struct et_augment *a, struct et_rng *r, int h, int w)
{
	const double narrow = 3.0 / 4, wide = 4.0 / 3;
	for (int i = 0; i < 10; i++) {
		double area = (double)h * w * between(r, (double)a->rrc_min, (double)a->rrc_max);
		double aspect = exp(between(r, log(narrow), log(wide)));
		double bw = rint(sqrt(area * aspect)), bh = rint(sqrt(area / aspect));
		if (bw >= 1 && bw <= w && bh >= 1 && bh <= h) {
			struct et_box b = {.h = (int)bh, .w = (int)bw};
			b.y = (int)et_rng_below(r, (uint32_t)(h - b.h + 1));
			b.x = (int)et_rng_below(r, (uint32_t)(w - b.w + 1));
			return b;
		}
	}
	/* The centre, of an aspect ratio as near as allowed. A ribbon of one pixel keeps that one.
	 */
	struct et_box b = {.h = h, .w = w};
	if (w < narrow * h)
		b.h = (int)fmax(rint(w / narrow), 1);
	else if (w > wide * h)
		b.w = (int)fmax(rint(h * wide), 1);
	b.y = (h - b.h) / 2;
	b.x = (w - b.w) / 2;
	return b;
}

int et_picture_place(const struct et_picture *src, int dy, int dx, int h, int w,
		     struct et_picture *dst, struct et_err *err)
{
	ET_TRY(et_picture_reserve(dst, h, w, src->c, 0, err));
	size_t row = et_picture_bytes(1, w, src->c), src_row = et_picture_bytes(1, src->w, src->c);
	/* Columns [from, to) of dst come from src. */
	int from = dx > 0 ? dx : 0, to = src->w + dx < w ? src->w + dx : w;
	for (int y = 0; y < h; y++) {
		uint8_t *out = dst->px + (size_t)y * row;
		if (y - dy < 0 || y - dy >= src->h || from >= to) {
			memset(out, 0, row);
			continue;
		}
		const uint8_t *in = src->px + (size_t)(y - dy) * src_row;
		size_t left = et_picture_bytes(1, from, src->c),
		       right = et_picture_bytes(1, to, src->c);
		memset(out, 0, left);
		memcpy(out + left, in + et_picture_bytes(1, from - dx, src->c), right - left);
		memset(out + right, 0, row - right);
	}
	return ET_OK;
}

/* ---- colours --------------------------------------------------------------------------------- */

/* PIL's blend: from + factor * (to - from), cut to 0..255, fraction dropped. */
static inline uint8_t blend(int from, int to, float factor)
{
	float v = (float)from + factor * (float)(to - from);
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

static void blend_constant(struct et_picture *p, int from, float factor)
{
	uint8_t table[256];
	for (int i = 0; i < 256; i++)
		table[i] = blend(from, i, factor);
	size_t n = et_picture_bytes(p->h, p->w, p->c);
	for (size_t i = 0; i < n; i++)
		p->px[i] = table[p->px[i]];
}

static int mean_grey(const struct et_picture *p)
{
	uint64_t sum = 0;
	size_t n = et_picture_bytes(p->h, p->w, 1);
	for (size_t i = 0; i < n; i++) {
		uint8_t grey = p->px[i];
		if (p->c == 3)
			et_pixels_grey(p->px + 3 * i, &grey, 1);
		sum += grey;
	}
	return (int)((double)sum / (double)n + 0.5);
}

void et_picture_adjust(struct et_picture *p, enum et_adjust what, float factor)
{
	if (what == ET_BRIGHTNESS)
		blend_constant(p, 0, factor);
	else if (what == ET_CONTRAST)
		blend_constant(p, mean_grey(p), factor);
	else if (p->c == 3)
		for (size_t i = 0, n = et_picture_bytes(p->h, p->w, 1); i < n; i++) {
			uint8_t grey, *px = p->px + 3 * i;
			et_pixels_grey(px, &grey, 1);
			for (int ch = 0; ch < 3; ch++)
				px[ch] = blend(grey, px[ch], factor);
		}
}

void et_augment_jitter(const struct et_augment *a, struct et_rng *r, struct et_picture *p)
{
	enum et_adjust order[ET_ADJUSTS] = {ET_BRIGHTNESS, ET_CONTRAST, ET_SATURATION};
	float factor[ET_ADJUSTS];
	for (uint32_t i = ET_ADJUSTS - 1; i > 0; i--) {
		uint32_t k = et_rng_below(r, i + 1);
		enum et_adjust t = order[i];
		order[i] = order[k];
		order[k] = t;
	}
	for (int i = 0; i < ET_ADJUSTS; i++)
		factor[i] = (float)between(r, 1 - (double)a->jitter, 1 + (double)a->jitter);
	for (int i = 0; i < ET_ADJUSTS; i++)
		et_picture_adjust(p, order[i], factor[order[i]]);
}
