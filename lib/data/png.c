/* PNG by libpng. Its errors longjmp; what lives across that is in struct png_job, not in locals. */
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "data/priv.h"

/* The most one chunk other than the pixels may take; only PLTE and tRNS are kept. */
#define CHUNK_MAX 65536

struct png_job {
	struct et_source *source;
	struct et_err *err;
	png_structp png;
	png_infop info;
	char text[128]; /* libpng's last error */
};

static void on_error(png_structp png, png_const_charp message)
{
	struct png_job *j = png_get_error_ptr(png);
	snprintf(j->text, sizeof(j->text), "%s", message);
	png_longjmp(png, 1);
}

/* Warnings are about chunks that are not looked at. */
static void on_warning(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
	struct png_job *j = png_get_io_ptr(png);
	if (!et_source_read(j->source, to, n))
		png_error(png, "the file ends too early");
}

/* ---- header ---------------------------------------------------------------------------------- */

struct ihdr {
	uint32_t w, h;
	int depth, colour;
	bool interlaced;
};

static uint32_t be32(const unsigned char *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/*
 * Looks at signature, IHDR and its CRC in the source's buffer, ahead of libpng: the size is judged
 * before anything is allocated.
 */
static int read_ihdr(const struct et_source *s, struct ihdr *h, struct et_err *err)
{
	const unsigned char *b = s->buf;
	if (s->have < 33)
		return et_source_fail(s, "PNG", "the file ends in its header", err);
	if (be32(b + 8) != 13 || memcmp(b + 12, "IHDR", 4) != 0)
		return et_source_fail(s, "PNG", "it does not begin with an IHDR chunk", err);
	*h = (struct ihdr){.w = be32(b + 16),
			   .h = be32(b + 20),
			   .depth = b[24],
			   .colour = b[25],
			   .interlaced = b[28] != 0};
	return et_picture_check_size(s->path, h->h, h->w, err);
}

static size_t bits_per_pixel(const struct ihdr *h)
{
	static const uint8_t samples[7] = {1, 0, 3, 1, 2, 0, 4};
	return (size_t)h->depth * (h->colour < 7 ? samples[h->colour] : 0);
}

/*
 * Deflate makes at most 1032 bytes of one, so a small file with a large header is refused without
 * reserving memory for its pixels.
 */
static int check_length(const struct et_source *s, const struct ihdr *h, struct et_err *err)
{
	uint64_t raw = (uint64_t)h->h * (((uint64_t)h->w * bits_per_pixel(h) + 7) / 8);
	if (raw / 1032 > s->size)
		return et_fail(err, ET_EDATA,
			       "%s: bad PNG: %u x %u pixels cannot be in a file of %ju bytes",
			       s->path, h->w, h->h, (uintmax_t)s->size);
	return ET_OK;
}

/* Everything up to the pixels. Longjmps on errors. */
static void read_info(struct png_job *j)
{
	png_set_read_fn(j->png, j, on_read);
	png_set_user_limits(j->png, ET_PICTURE_MAX_SIDE, ET_PICTURE_MAX_SIDE);
	png_set_chunk_malloc_max(j->png, CHUNK_MAX);
	/* All chunks but IHDR, PLTE, tRNS, IDAT and IEND. */
	png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
	png_read_info(j->png, j->info);
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* In place of a number of channels: the numbers as they are in a grey or palette PNG. */
#define INDICES 0

static void set_conversions(png_structp png, const struct ihdr *h, int c)
{
	if (c == INDICES) {
		if (h->depth < 8)
			png_set_packing(png);
		return;
	}
	if (h->depth == 16)
		png_set_strip_16(png);
	if (h->colour == PNG_COLOR_TYPE_PALETTE)
		png_set_palette_to_rgb(png);
	else if (h->colour == PNG_COLOR_TYPE_GRAY && h->depth < 8)
		png_set_expand_gray_1_2_4_to_8(png);
	/* A palette with tRNS gets alpha, too. */
	png_set_strip_alpha(png);
	if (c == 3 && !(h->colour & PNG_COLOR_MASK_COLOR))
		png_set_gray_to_rgb(png);
}

static int read_pixels(struct png_job *j, const struct ihdr *h, int c, struct et_picture *out)
{
	read_info(j);
	set_conversions(j->png, h, c);
	int passes = png_set_interlace_handling(j->png);
	png_read_update_info(j->png, j->info);
	int rows = (int)h->h, w = (int)h->w, from = png_get_channels(j->png, j->info);
	if (c == INDICES)
		c = 1;
	if ((from != c && from != 3) || png_get_bit_depth(j->png, j->info) != 8)
		return et_fail(j->err, ET_EINTERNAL, "%s: PNG comes out as %d channels",
			       j->source->path, from);
	/*
	 * Grey from colour is made in place, row by row; with several passes over the rows only
	 * when all are there.
	 */
	bool whole = from != c && passes > 1;
	ET_TRY(et_picture_reserve(out, rows, w, whole ? from : c,
				  from != c && !whole ? ET_GREY_SLACK(w) : 0, j->err));
	out->c = c;
	size_t stride = et_picture_bytes(1, w, whole ? from : c);
	for (int pass = 0; pass < passes; pass++) {
		for (int y = 0; y < rows; y++) {
			uint8_t *row = out->px + (size_t)y * stride;
			png_read_row(j->png, row, NULL);
			if (from != c && !whole)
				et_pixels_grey(row, row, (size_t)w);
		}
	}
	if (whole)
		et_pixels_grey(out->px, out->px, et_picture_bytes(rows, w, 1));
	/* To IEND: a file cut off after its last row is cut off all the same. */
	png_read_end(j->png, NULL);
	return ET_OK;
}

/* With out NULL the chunks before the pixels only. The frame that libpng jumps back to. */
static int guarded(struct png_job *j, const struct ihdr *h, int c, struct et_picture *out)
{
	if (setjmp(png_jmpbuf(j->png)))
		return et_source_fail(j->source, "PNG", j->text, j->err);
	if (out)
		return read_pixels(j, h, c, out);
	read_info(j);
	return ET_OK;
}

static int run(struct et_source *s, const struct ihdr *h, int c, struct et_picture *out,
	       struct et_err *err)
{
	struct png_job j = {.source = s, .err = err};
	j.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning);
	j.info = j.png ? png_create_info_struct(j.png) : NULL;
	int rc = j.info ? guarded(&j, h, c, out)
			: et_fail(err, ET_ENOMEM, "%s: out of memory for libpng", s->path);
	png_destroy_read_struct(&j.png, &j.info, NULL);
	return rc;
}

/* What a PNG holds that is no mask; NULL: it is one. */
static const char *no_mask(const struct ihdr *h)
{
	if (h->colour & PNG_COLOR_MASK_ALPHA)
		return h->colour & PNG_COLOR_MASK_COLOR ? "RGBA" : "grey and alpha";
	if (h->colour == PNG_COLOR_TYPE_RGB)
		return "RGB";
	return h->depth == 16 ? "16-bit" : NULL;
}

static int check_mask(const struct et_source *s, const struct ihdr *h, struct et_err *err)
{
	const char *found = no_mask(h);
	return found ? et_fail(err, ET_EDATA,
			       "%s: expected a mask, a grey or palette PNG whose 8-bit values are "
			       "classes; found %s pixels",
			       s->path, found)
		     : ET_OK;
}

/* Two rows of up to 8 bytes a pixel, deflate's window and libpng's own structures. */
static size_t decoder_bytes(size_t w)
{
	return 2 * (8 * w + 128) + 80 * 1024;
}

int et_png_mask_header(struct et_source *s, struct et_header *head, struct et_err *err)
{
	struct ihdr h;
	ET_TRY(read_ihdr(s, &h, err));
	ET_TRY(check_length(s, &h, err));
	ET_TRY(check_mask(s, &h, err));
	ET_TRY(run(s, &h, INDICES, NULL, err));
	*head = (struct et_header){
		.h = (int)h.h, .w = (int)h.w, .work = decoder_bytes((size_t)h.w)};
	return ET_OK;
}

int et_png_mask_decode(struct et_source *s, struct et_picture *out, struct et_err *err)
{
	struct ihdr h;
	ET_TRY(read_ihdr(s, &h, err));
	ET_TRY(check_length(s, &h, err));
	ET_TRY(check_mask(s, &h, err));
	return run(s, &h, INDICES, out, err);
}

int et_png_header(struct et_source *s, struct et_header *head, struct et_err *err)
{
	struct ihdr h;
	ET_TRY(read_ihdr(s, &h, err));
	ET_TRY(check_length(s, &h, err));
	ET_TRY(run(s, &h, 3, NULL, err));
	head->h = (int)h.h;
	head->w = (int)h.w;
	head->jpeg = false;
	head->needs_rgb = h.interlaced && h.colour & PNG_COLOR_MASK_COLOR;
	head->work = decoder_bytes((size_t)h.w);
	return ET_OK;
}

int et_png_decode(struct et_source *s, int c, struct et_picture *out, struct et_err *err)
{
	struct ihdr h;
	ET_TRY(read_ihdr(s, &h, err));
	ET_TRY(check_length(s, &h, err));
	return run(s, &h, c, out, err);
}
