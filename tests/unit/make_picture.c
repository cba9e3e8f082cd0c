#include <check.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>

#include "make_picture.h"

uint8_t make_pixel(int y, int x, int ch, unsigned seed)
{
	return (uint8_t)((unsigned)(7 * y + 3 * x + 50 * ch) + 31 * seed);
}

static uint8_t *pixels(int h, int w, unsigned seed)
{
	uint8_t *px = malloc((size_t)h * (size_t)w * 3), *p = px;
	ck_assert_ptr_nonnull(px);
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			for (int ch = 0; ch < 3; ch++)
				*p++ = make_pixel(y, x, ch, seed);
	return px;
}

const char *make_parents(const char *path)
{
	char *copy = strdup(path);
	for (char *slash = copy; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		mkdir(copy, 0777);
		*slash = '/';
	}
	free(copy);
	return path;
}

const char *make_png(const char *path, int h, int w, unsigned seed)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
			   .width = (unsigned)w,
			   .height = (unsigned)h,
			   .format = PNG_FORMAT_RGB};
	uint8_t *px = pixels(h, w, seed);
	ck_assert(png_image_write_to_file(&image, make_parents(path), 0, px, 0, NULL));
	free(px);
	return path;
}

const char *make_mask(const char *path, enum make_mask kind, int bits, int h, int w,
		      const uint8_t *value)
{
	static const int colour[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_PALETTE,
				     PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
				     PNG_COLOR_TYPE_RGB,  PNG_COLOR_TYPE_RGB_ALPHA};
	static const int channels[] = {1, 1, 1, 2, 3, 4};
	png_color palette[256];
	FILE *f = fopen(make_parents(path), "wb");
	ck_assert_ptr_nonnull(f);
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	png_init_io(png, f);
	png_set_IHDR(png, info, (unsigned)w, (unsigned)h, kind == MASK_GREY16 ? 16 : bits,
		     colour[kind], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		     PNG_FILTER_TYPE_DEFAULT);
	for (int i = 0; i < 256; i++)
		palette[i] = (png_color){(uint8_t)(255 - i), (uint8_t)(7 * i), (uint8_t)(90 + i)};
	if (kind == MASK_PALETTE)
		png_set_PLTE(png, info, palette, 1 << bits);
	png_write_info(png, info);
	png_set_packing(png);
	int bytes = kind == MASK_GREY16 ? 2 : channels[kind];
	uint8_t *row = calloc((size_t)w, (size_t)bytes);
	ck_assert_ptr_nonnull(row);
	for (int y = 0; y < h; y++) {
		for (int x = 0; x < w; x++)
			row[x * bytes] = value[y * w + x];
		png_write_row(png, row);
	}
	png_write_end(png, NULL);
	png_destroy_write_struct(&png, &info);
	free(row);
	fclose(f);
	return path;
}

const char *make_jpeg(const char *path, int h, int w, unsigned seed)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	uint8_t *px = pixels(h, w, seed);
	FILE *f = fopen(make_parents(path), "wb");
	ck_assert_ptr_nonnull(f);
	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_stdio_dest(&c, f);
	c.image_height = (unsigned)h;
	c.image_width = (unsigned)w;
	c.input_components = 3;
	c.in_color_space = JCS_RGB;
	jpeg_set_defaults(&c);
	jpeg_start_compress(&c, TRUE);
	while (c.next_scanline < c.image_height) {
		JSAMPROW row = px + (size_t)c.next_scanline * (size_t)w * 3;
		jpeg_write_scanlines(&c, &row, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	fclose(f);
	free(px);
	return path;
}

uint8_t *make_read(const char *path, size_t *n)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fstat(fileno(f), &st), 0);
	*n = (size_t)st.st_size;
	uint8_t *bytes = malloc(*n + 1);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_uint_eq(fread(bytes, 1, *n, f), *n);
	fclose(f);
	return bytes;
}

void make_shorter(const char *path, size_t n)
{
	ck_assert_int_eq(truncate(path, (off_t)n), 0);
}
