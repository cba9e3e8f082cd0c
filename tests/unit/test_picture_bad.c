/* Files that are not right: cut off, corrupt, hostile, or no pictures at all. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include "picture_bytes.h"
#include "picture_gold.h"
#include "scratch.h"
#include "test_picture.h"

/* Decoding fails so, naming the file and the word; the buffer stays good to free. */
static void refused(const char *path, int code, const char *word)
{
	for (int c = 1; c <= 3; c += 2) {
		struct et_picture p = {0};
		struct et_err err = {0};
		int rc = et_picture_decode(path, c, 0, 0, &p, &err);
		ck_assert_msg(rc == code && err.code == code, "%d instead of %d: %s", rc, code,
			      err.text);
		ck_assert_msg(!strncmp(err.text, path, strlen(path)) && strstr(err.text, word) &&
				      !strchr(err.text, '\n'),
			      "'%s' lacks '%s' or the name", err.text, word);
		et_picture_free(&p);
	}
}

static void probe_refused(const char *path, int code, const char *word)
{
	struct et_picture_info info;
	struct et_err err = {0};
	ck_assert_int_eq(et_picture_probe(path, &info, &err), code);
	ck_assert_msg(!strncmp(err.text, path, strlen(path)) && strstr(err.text, word),
		      "'%s' lacks '%s' or the name", err.text, word);
}

static bool probes(const char *path)
{
	struct et_picture_info info;
	return et_picture_probe(path, &info, NULL) == 0;
}

static void refused_bytes(const struct bytes *f, size_t n, const char *word)
{
	refused(scratch_put("bad", f->b, n), ET_EDATA, word);
}

/* ---- no pictures ----------------------------------------------------------------------------- */

START_TEST(no_picture)
{
	static const struct {
		const char *text;
		size_t n;
		const char *word;
	} files[] = {{"", 0, "empty"},		{"GIF89a..", 8, "GIF"},
		     {"BM......", 8, "BMP"},	{"hello", 5, "PNG and JPEG"},
		     {"\x89PNG\r\n", 6, "PNG"}, {"\xff\xd8", 2, "JPEG"}};
	for (size_t i = 0; i < ET_COUNT(files); i++) {
		const char *path = scratch_put("file", files[i].text, files[i].n);
		refused(path, ET_EDATA, files[i].word);
		probe_refused(path, ET_EDATA, files[i].word);
	}
	refused(scratch_path("missing.png"), ET_ENOINPUT, "");
	probe_refused(scratch_path("missing.png"), ET_ENOINPUT, "");
	refused(scratch_path(""), ET_EDATA, "directory");
}
END_TEST

/* ---- cut off --------------------------------------------------------------------------------- */

static const char *const whole[] = {"grey.png", "interlaced-small.png", "palette4.png",
				    "420.jpg",	"progressive.jpg",	"cmyk.jpg"};

/* After every byte; every third in the larger ones. */
START_TEST(cut_off)
{
	struct bytes *f = bytes_load(whole[_i]);
	for (size_t n = 0; n<f->n; n += f->n> 1000 && n > 700 && n + 20 < f->n ? 3 : 1)
		refused_bytes(f, n, "");
	free(f);
}
END_TEST

/* Asking for the size does not look at the pixels, so what is missing there goes unseen. */
START_TEST(header_only)
{
	struct bytes *f = bytes_load("rgb.png");
	const char *path = scratch_put("half", f->b, f->n / 2);
	ck_assert(probes(path));
	refused(path, ET_EDATA, "end");
	free(f);
	f = bytes_load("progressive.jpg");
	path = scratch_put("half", f->b, f->n / 2);
	ck_assert(probes(path));
	refused(path, ET_EDATA, "end");
	free(f);
}
END_TEST

/* ---- corrupt --------------------------------------------------------------------------------- */

/* Every byte of this file has a checksum over it or is fixed. */
START_TEST(flipped_bits)
{
	struct bytes *f = bytes_load("grey.png");
	for (size_t i = 0; i < f->n; i++) {
		f->b[i] ^= (uint8_t)(1u << i % 8);
		refused_bytes(f, f->n, "");
		f->b[i] ^= (uint8_t)(1u << i % 8);
	}
	free(f);
}
END_TEST

START_TEST(png_pixels)
{
	struct bytes *f = calloc(1, sizeof(*f));
	const uint8_t rows[] = {0, 10, 20, 0, 30, 40};
	bytes_png_head(f, 2, 2, 8, 0);
	bytes_png_pixels(f, rows, sizeof(rows));
	struct et_picture p = {0};
	ck_assert_int_eq(et_picture_decode(scratch_put("ok", f->b, f->n), 1, 0, 0, &p, NULL), 0);
	ck_assert_mem_eq(p.px, ((uint8_t[]){10, 20, 30, 40}), 4);
	et_picture_free(&p);

	bytes_png_head(f, 2, 2, 8, 0);
	bytes_png_pixels(f, rows, 3);
	refused_bytes(f, f->n, "bad PNG");
	bytes_png_head(f, 2, 2, 8, 0);
	bytes_png_pixels(f, (uint8_t[]){9, 10, 20, 9, 30, 40}, 6); /* no such filter */
	refused_bytes(f, f->n, "bad PNG");
	bytes_png_head(f, 2, 2, 8, 0);
	bytes_png_chunk(f, "IDAT", "not deflate", 11);
	bytes_png_chunk(f, "IEND", NULL, 0);
	refused_bytes(f, f->n, "bad PNG");
	bytes_png_head(f, 2, 2, 8, 3);
	bytes_png_pixels(f, rows, sizeof(rows)); /* without a palette */
	refused_bytes(f, f->n, "bad PNG");
	free(f);
}
END_TEST

/* libjpeg goes on with grey pixels after these: not here. */
START_TEST(jpeg_pixels)
{
	static const uint8_t end[] = {0xff, 0xd9};
	static const char *const names[] = {"420.jpg", "grey.jpg", "progressive.jpg"};
	for (size_t i = 0; i < ET_COUNT(names); i++) {
		struct bytes *f = bytes_load(names[i]);
		size_t scan = bytes_find(f, 0, 0xff, 0xda), middle = scan + (f->n - scan) / 2;
		uint8_t kept[2] = {f->b[middle], f->b[middle + 1]};
		memcpy(f->b + middle, end, 2);
		refused_bytes(f, f->n, "bad JPEG");
		refused_bytes(f, middle + 2, "bad JPEG");
		f->b[middle + 1] = 0xd3; /* a restart that nobody announced */
		refused_bytes(f, f->n, "bad JPEG");
		memcpy(f->b + middle, kept, 2);
		/* A hundred bytes too many; some cameras leave a few. */
		f->n -= 2;
		for (int k = 0; k < 100; k++) {
			bytes_put(f, "\0", 1);
			bytes_put(f, end, 2);
			if (k == 3 || k == 99) {
				const char *path = scratch_put("padded", f->b, f->n);
				struct et_picture p = {0};
				int rc = et_picture_decode(path, 3, 0, 0, &p, NULL);
				ck_assert_int_eq(rc, k == 3 ? 0 : ET_EDATA);
				et_picture_free(&p);
			}
			f->n -= 2;
		}
		free(f);
	}
}
END_TEST

/* Warnings that change no pixel are none. */
START_TEST(jfif_version)
{
	struct bytes *f = bytes_load("420.jpg");
	f->b[11] = 9;
	struct et_picture p = {0};
	ck_assert_int_eq(et_picture_decode(scratch_put("jfif", f->b, f->n), 3, 0, 0, &p, NULL), 0);
	et_picture_free(&p);
	free(f);
}
END_TEST

/* ---- hostile --------------------------------------------------------------------------------- */

START_TEST(hostile_png)
{
	static const struct {
		uint32_t w, h;
		int depth, colour;
		const char *word;
	} heads[] = {{100000, 100000, 8, 2, "100000 x 100000"},
		     {65500, 65500, 8, 2, "65500 x 65500"},
		     {0, 5, 8, 2, "0 x 5"},
		     {5, 0, 8, 2, "5 x 0"},
		     {0xffffffff, 1, 1, 0, "4294967295 x 1"},
		     /* Within the limits, but a file so short cannot hold so much. */
		     {13000, 13000, 16, 6, "13000 x 13000"},
		     {2, 2, 3, 2, "IHDR"},
		     {2, 2, 8, 7, "IHDR"},
		     {2, 2, 16, 3, "IHDR"}};
	struct bytes *f = calloc(1, sizeof(*f));
	for (size_t i = 0; i < ET_COUNT(heads); i++) {
		bytes_png_head(f, heads[i].w, heads[i].h, heads[i].depth, heads[i].colour);
		bytes_png_pixels(f, "\0\1\2\0\1\2", 6);
		refused_bytes(f, f->n, heads[i].word);
		probe_refused(scratch_path("bad"), ET_EDATA, heads[i].word);
	}
	bytes_png_head(f, 2, 2, 8, 0);
	bytes_put32(f, 0x7fffffff); /* a chunk longer than the file */
	bytes_put(f, "tEXt....", 8);
	refused_bytes(f, f->n, "bad PNG");
	/* Harmless: one that nobody looks at, however long. */
	bytes_png_head(f, 2, 2, 8, 0);
	uint8_t *text = calloc(1, 200000);
	bytes_png_chunk(f, "eXIf", text, 200000);
	bytes_png_pixels(f, "\0\1\2\0\1\2", 6);
	free(text);
	ck_assert(probes(scratch_put("long", f->b, f->n)));
	struct et_picture p = {0};
	ck_assert_int_eq(et_picture_decode(scratch_path("long"), 1, 0, 0, &p, NULL), 0);
	et_picture_free(&p);
	free(f);
}
END_TEST

START_TEST(hostile_jpeg)
{
	static const struct {
		uint8_t size[4]; /* height, width */
		const char *word;
	} heads[] = {{{0xff, 0xdc, 0xff, 0xdc}, "65500 x 65500"},
		     {{0xff, 0xff, 0, 1}, "65500"},
		     {{0, 0, 0, 9}, ""},
		     {{0, 9, 0, 0}, ""},
		     {{0x4e, 0x20, 0x4e, 0x20}, "20000 x 20000"}};
	struct bytes *f = bytes_load("420.jpg");
	size_t sof = bytes_find(f, 0, 0xff, 0xc0);
	for (size_t i = 0; i < ET_COUNT(heads); i++) {
		memcpy(f->b + sof + 5, heads[i].size, 4);
		refused_bytes(f, f->n, heads[i].word);
		probe_refused(scratch_path("bad"), ET_EDATA, heads[i].word);
	}
	free(f);
}
END_TEST

/* 16 x 16 grey pixels in a scan of averages and one of all the rest; that one often. */
static void put_scans(struct bytes *f, int scans)
{
	static const jpeg_scan_info script[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	unsigned char *out = NULL;
	unsigned long n = 0;
	uint8_t row[16] = {0, 255, 9};
	JSAMPROW rows[1] = {row};
	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &out, &n);
	c.image_width = c.image_height = 16;
	c.input_components = 1;
	c.in_color_space = JCS_GRAYSCALE;
	jpeg_set_defaults(&c);
	c.scan_info = script;
	c.num_scans = 2;
	jpeg_start_compress(&c, TRUE);
	for (int y = 0; y < 16; y++)
		jpeg_write_scanlines(&c, rows, 1);
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	f->n = 0;
	bytes_put(f, out, n - 2);
	free(out);
	size_t scan = bytes_find(f, bytes_find(f, 0, 0xff, 0xda) + 2, 0xff, 0xda), end = f->n;
	for (int i = 2; i < scans; i++)
		bytes_put(f, f->b + scan, end - scan);
	bytes_put(f, "\xff\xd9", 2);
}

/* Each goes over the whole picture: a small file of thousands of them would take minutes. */
START_TEST(many_scans)
{
	struct bytes *f = calloc(1, sizeof(*f));
	struct et_picture p = {0};
	put_scans(f, 50);
	ck_assert_int_eq(et_picture_decode(scratch_put("scans", f->b, f->n), 1, 0, 0, &p, NULL), 0);
	ck_assert_int_eq(p.h, 16);
	et_picture_free(&p);
	put_scans(f, 1000);
	refused_bytes(f, f->n, "scans");
	free(f);
}
END_TEST

/* ---- silence --------------------------------------------------------------------------------- */

/* Neither library writes to the terminal, whatever the file. */
START_TEST(silence)
{
	const char *log = scratch_path("log");
	int saved[2] = {dup(1), dup(2)}, fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	struct et_picture p = {0};
	int good = 0, bad = 0;
	fflush(stdout);
	dup2(fd, 1);
	dup2(fd, 2);
	for (size_t i = 0; i < ET_COUNT(whole); i++) {
		struct bytes *f = bytes_load(whole[i]);
		for (size_t k = 0; k < f->n; k += 7) {
			f->b[k] ^= 0x55;
			const char *path = scratch_put("bad", f->b, f->n);
			if (et_picture_decode(path, 3, 0, 0, &p, NULL))
				bad++;
			else
				good++;
			f->b[k] ^= 0x55;
		}
		free(f);
	}
	if (et_picture_decode(gold_path("chunks.png"), 3, 0, 0, &p, NULL) == 0)
		good++;
	fflush(stdout);
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	close(saved[0]);
	close(saved[1]);
	off_t written = lseek(fd, 0, SEEK_END);
	close(fd);
	et_picture_free(&p);
	ck_assert_int_eq(written, 0);
	ck_assert_int_gt(bad, 300);
	ck_assert_int_gt(good, 300);
}
END_TEST

TCase *tcase_picture_bad(void)
{
	TCase *tc = tcase_create("bad pictures");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, scratch_open, scratch_close);
	tcase_add_test(tc, no_picture);
	tcase_add_loop_test(tc, cut_off, 0, ET_COUNT(whole));
	tcase_add_test(tc, header_only);
	tcase_add_test(tc, flipped_bits);
	tcase_add_test(tc, png_pixels);
	tcase_add_test(tc, jpeg_pixels);
	tcase_add_test(tc, jfif_version);
	tcase_add_test(tc, hostile_png);
	tcase_add_test(tc, hostile_jpeg);
	tcase_add_test(tc, many_scans);
	tcase_add_test(tc, silence);
	return tc;
}
