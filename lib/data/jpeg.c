/* JPEG by libjpeg(-turbo). Its errors longjmp; what lives across that is in struct jpeg_job. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "data/priv.h"

/* Encoders write some ten scans; a file of thousands of empty ones costs minutes. */
#define SCANS_MAX 200
/* Webcams pad the entropy-coded data before the end marker by a few bytes. */
#define PADDING_MAX 64

struct jpeg_job {
	struct jpeg_decompress_struct d;
	struct jpeg_error_mgr errors;
	struct jpeg_source_mgr reader;
	struct jpeg_progress_mgr progress;
	struct et_source *source;
	struct et_err *err;
	jmp_buf jump;
	char text[JMSG_LENGTH_MAX];
};

static struct jpeg_job *job_of(j_common_ptr d)
{
	return d->client_data;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void give_up(j_common_ptr d)
{
	struct jpeg_job *j = job_of(d);
	j->errors.format_message(d, j->text);
	longjmp(j->jump, 1);
}

/*
 * libjpeg only warns of missing and corrupt data, and makes up grey pixels: here that is an error.
 * Not so what leaves the pixels as they are, and what cameras do all the time.
 */
static void on_message(j_common_ptr d, int level)
{
	if (level >= 0)
		return;
	const struct jpeg_error_mgr *e = d->err;
	switch (e->msg_code) {
	case JWRN_ADOBE_XFORM:
	case JWRN_JFIF_MAJOR:
	case JWRN_NOT_SEQUENTIAL:
		return;
	case JWRN_EXTRANEOUS_DATA:
		if (e->msg_parm.i[0] <= PADDING_MAX && e->msg_parm.i[1] == JPEG_EOI)
			return;
		break;
	default:
		break;
	}
	give_up(d);
}

static void no_output(j_common_ptr d)
{
	(void)d;
}

static void on_progress(j_common_ptr d)
{
	struct jpeg_job *j = job_of(d);
	if (j->d.input_scan_number <= SCANS_MAX)
		return;
	snprintf(j->text, sizeof(j->text), "more than %d scans", SCANS_MAX);
	longjmp(j->jump, 1);
}

/* ---- input ----------------------------------------------------------------------------------- */

static void nothing(j_decompress_ptr d)
{
	(void)d;
}

static boolean on_fill(j_decompress_ptr d)
{
	struct et_source *s = job_of((j_common_ptr)d)->source;
	s->at = s->have;
	if (!et_source_fill(s))
		ERREXIT(d, JERR_INPUT_EOF);
	d->src->next_input_byte = s->buf;
	d->src->bytes_in_buffer = s->have;
	s->at = s->have;
	return TRUE;
}

static void on_skip(j_decompress_ptr d, long n)
{
	struct et_source *s = job_of((j_common_ptr)d)->source;
	if (n <= 0)
		return;
	if ((unsigned long)n > d->src->bytes_in_buffer) {
		et_source_skip(s, (unsigned long)n - d->src->bytes_in_buffer);
		d->src->next_input_byte = s->buf + s->at;
		d->src->bytes_in_buffer = s->have - s->at;
		s->at = s->have;
		return;
	}
	d->src->next_input_byte += n;
	d->src->bytes_in_buffer -= (size_t)n;
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* Up to the first scan. Longjmps on errors. */
static int read_header(struct jpeg_job *j, struct et_header *head)
{
	struct et_source *s = j->source;
	jpeg_create_decompress(&j->d);
	j->d.client_data = j;
	j->reader = (struct jpeg_source_mgr){.next_input_byte = s->buf + s->at,
					     .bytes_in_buffer = s->have - s->at,
					     .init_source = nothing,
					     .fill_input_buffer = on_fill,
					     .skip_input_data = on_skip,
					     .resync_to_restart = jpeg_resync_to_restart,
					     .term_source = nothing};
	s->at = s->have;
	j->d.src = &j->reader;
	j->progress.progress_monitor = on_progress;
	j->d.progress = &j->progress;
	jpeg_read_header(&j->d, TRUE);
	ET_TRY(et_picture_check_size(s->path, j->d.image_height, j->d.image_width, j->err));
	int n = j->d.num_components;
	if (n != 1 && n != 3 && n != 4)
		return et_fail(j->err, ET_EDATA, "%s: bad JPEG: %d components; 1, 3 and 4 are read",
			       s->path, n);
	head->h = (int)j->d.image_height;
	head->w = (int)j->d.image_width;
	head->jpeg = true;
	head->needs_rgb = false;
	/* Rows of samples on their way, and tables. */
	head->work = 96 * (size_t)head->w + 160 * 1024;
	if (jpeg_has_multiple_scans(&j->d)) {
		/* All coefficients are held until the last scan, two bytes each. */
		for (int i = 0; i < n; i++) {
			const jpeg_component_info *comp = &j->d.comp_info[i];
			size_t across = (size_t)comp->width_in_blocks + 4,
			       down = (size_t)comp->height_in_blocks + 4;
			head->work += across * down * DCTSIZE2 * 2;
		}
	}
	return ET_OK;
}

/* Inverted CMYK, as Adobe writes it and everyone expects, to RGB: PIL's arithmetic. */
static void rgb_of_cmyk(const JSAMPLE *cmyk, uint8_t *rgb, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned k = cmyk[4 * i + 3];
		for (int ch = 0; ch < 3; ch++) {
			unsigned t = (255u - cmyk[4 * i + (size_t)ch]) * k + 128;
			rgb[3 * i + (size_t)ch] = (uint8_t)(k - ((t + (t >> 8)) >> 8));
		}
	}
}

static int read_pixels(struct jpeg_job *j, int c, int want_h, int want_w, struct et_picture *out)
{
	struct et_header head;
	ET_TRY(read_header(j, &head));
	struct jpeg_decompress_struct *d = &j->d;
	bool grey = d->num_components == 1, cmyk = d->num_components == 4;
	d->out_color_space = cmyk ? JCS_CMYK : grey && c == 1 ? JCS_GRAYSCALE : JCS_RGB;
	d->scale_num = 1;
	d->scale_denom = (unsigned)et_header_reduction(&head, want_h, want_w);
	jpeg_start_decompress(d);
	size_t w = d->output_width, stride = w * (size_t)c;
	bool to_grey = c == 1 && !grey;
	ET_TRY(et_picture_reserve(out, (int)d->output_height, (int)w, c,
				  to_grey ? ET_GREY_SLACK(w) : 0, j->err));
	JSAMPROW ink = cmyk ? d->mem->alloc_large((j_common_ptr)d, JPOOL_IMAGE, 4 * w) : NULL;
	while (d->output_scanline < d->output_height) {
		uint8_t *row = out->px + d->output_scanline * stride;
		jpeg_read_scanlines(d, ink ? &ink : &row, 1);
		if (ink)
			rgb_of_cmyk(ink, row, w);
		if (to_grey)
			et_pixels_grey(row, row, w);
	}
	/* To the end marker: what is missing there is missing. */
	jpeg_finish_decompress(d);
	return ET_OK;
}

/* With out NULL the header only. The frame that libjpeg jumps back to. */
static int guarded(struct jpeg_job *j, struct et_header *head, int c, int want_h, int want_w,
		   struct et_picture *out)
{
	if (setjmp(j->jump)) {
		bool memory = j->errors.msg_code == JERR_OUT_OF_MEMORY;
		return memory ? et_fail(j->err, ET_ENOMEM, "out of memory for libjpeg")
			      : et_source_fail(j->source, "JPEG", j->text, j->err);
	}
	return out ? read_pixels(j, c, want_h, want_w, out) : read_header(j, head);
}

static int run(struct et_source *s, struct et_header *head, int c, int want_h, int want_w,
	       struct et_picture *out, struct et_err *err)
{
	struct jpeg_job j;
	/* Until it is created, destroying it does nothing. */
	memset(&j.d, 0, sizeof(j.d));
	j.source = s;
	j.err = err;
	j.d.err = jpeg_std_error(&j.errors);
	j.errors.error_exit = give_up;
	j.errors.emit_message = on_message;
	j.errors.output_message = no_output;
	j.d.client_data = &j;
	int rc = guarded(&j, head, c, want_h, want_w, out);
	jpeg_destroy_decompress(&j.d);
	return rc;
}

int et_jpeg_header(struct et_source *s, struct et_header *head, struct et_err *err)
{
	return run(s, head, 0, 0, 0, NULL, err);
}

int et_jpeg_decode(struct et_source *s, int c, int want_h, int want_w, struct et_picture *out,
		   struct et_err *err)
{
	return run(s, NULL, c, want_h, want_w, out, err);
}
