/* Writing PNG by libpng, a row at a time, as files that are whole or not there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "data/priv.h"

struct png_out {
	struct et_writer w;
	char text[128]; /* libpng's last error */
};

static void on_error(png_structp png, png_const_charp message)
{
	struct png_out *o = png_get_error_ptr(png);
	snprintf(o->text, sizeof(o->text), "%s", message);
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

/* What fails is remembered by the writer and reported by its commit. */
static void on_write(png_structp png, png_bytep data, size_t n)
{
	struct png_out *o = png_get_io_ptr(png);
	et_writer_put(&o->w, data, n);
}

static void on_flush(png_structp png)
{
	(void)png;
}

static void write_all(png_structp png, png_infop info, struct png_out *o, const struct et_png *p,
		      uint8_t *row)
{
	png_set_write_fn(png, o, on_write, on_flush);
	png_set_IHDR(png, info, (png_uint_32)p->w, (png_uint_32)p->h, 8,
		     p->palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
		     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (p->palette) {
		png_color colours[256];
		for (int i = 0; i < 256; i++)
			colours[i] =
				(png_color){p->palette[i][0], p->palette[i][1], p->palette[i][2]};
		png_set_PLTE(png, info, colours, 256);
	}
	png_write_info(png, info);
	for (int y = 0; y < p->h && !o->w.failed; y++) {
		p->row(p->arg, y, row);
		png_write_row(png, row);
	}
	if (!o->w.failed)
		png_write_end(png, info);
}

/* The frame that libpng jumps back to. */
static int guarded(png_structp png, png_infop info, struct png_out *o, const struct et_png *p,
		   uint8_t *row, struct et_err *err)
{
	if (setjmp(png_jmpbuf(png)))
		return et_fail(err, ET_EINTERNAL, "%s: libpng: %s", o->w.path, o->text);
	write_all(png, info, o, p, row);
	return ET_OK;
}

static int run(struct png_out *o, const struct et_png *p, struct et_err *err)
{
	uint8_t *row = malloc(et_picture_bytes(1, p->w, p->palette ? 1 : 3));
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, o, on_error, on_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	int rc = row && info ? guarded(png, info, o, p, row, err)
			     : et_fail(err, ET_ENOMEM, "%s: out of memory for libpng", o->w.path);
	png_destroy_write_struct(&png, &info);
	free(row);
	return rc;
}

int et_png_write(const char *path, const struct et_png *p, struct et_err *err)
{
	/* The writer's buffer is too much for some stacks. */
	struct png_out *o = et_calloc(1, sizeof(*o));
	if (!o)
		return et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	int rc = et_writer_open(&o->w, path, err);
	if (!rc) {
		rc = run(o, p, err);
		if (rc)
			et_writer_abort(&o->w);
		else
			rc = et_writer_commit(&o->w, err);
	}
	free(o);
	return rc;
}
