/* Picture files: which kind a file is, its buffers, and pixels between grey and RGB. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/priv.h"

/* ---- reading --------------------------------------------------------------------------------- */

bool et_source_fill(struct et_source *s)
{
	if (s->at < s->have)
		return true;
	ssize_t got;
	do
		got = read(s->fd, s->buf, sizeof(s->buf));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		s->failed = errno;
	s->at = 0;
	s->have = got > 0 ? (size_t)got : 0;
	return s->have > 0;
}

bool et_source_read(struct et_source *s, void *to, size_t n)
{
	unsigned char *p = to;
	while (n) {
		if (!et_source_fill(s))
			return false;
		size_t part = et_min(n, s->have - s->at);
		memcpy(p, s->buf + s->at, part);
		s->at += part;
		p += part;
		n -= part;
	}
	return true;
}

void et_source_skip(struct et_source *s, uint64_t n)
{
	while (n && et_source_fill(s)) {
		size_t part = s->have - s->at;
		if (n < part)
			part = (size_t)n;
		s->at += part;
		n -= part;
	}
}

int et_source_fail(const struct et_source *s, const char *kind, const char *why, struct et_err *err)
{
	if (s->failed)
		return et_fail(err, ET_EIO, "%s: cannot read: %s", s->path, strerror(s->failed));
	return et_fail(err, ET_EDATA, "%s: bad %s: %s", s->path, kind, why);
}

/* ---- buffers --------------------------------------------------------------------------------- */

void et_picture_free(struct et_picture *p)
{
	free(p->px);
	memset(p, 0, sizeof(*p));
}

size_t et_picture_bytes(int h, int w, int c)
{
	return (size_t)h * (size_t)w * (size_t)c;
}

int et_picture_reserve(struct et_picture *p, int h, int w, int c, size_t extra, struct et_err *err)
{
	size_t need;
	bool fits = et_mul((size_t)h, (size_t)w, &need) && et_mul(need, (size_t)c, &need) &&
		    et_add(need, extra, &need);
	if (fits && need > p->cap) {
		free(p->px);
		p->px = malloc(need);
		p->cap = p->px ? need : 0;
		fits = p->px != NULL;
	}
	if (!fits)
		return et_fail(err, ET_ENOMEM, "out of memory for a picture of %d x %d pixels", w,
			       h);
	p->h = h;
	p->w = w;
	p->c = c;
	return ET_OK;
}

int et_picture_check_size(const char *path, uint64_t h, uint64_t w, struct et_err *err)
{
	if (h == 0 || w == 0)
		return et_fail(err, ET_EDATA, "%s: its header says %ju x %ju pixels", path,
			       (uintmax_t)w, (uintmax_t)h);
	if (h > ET_PICTURE_MAX_SIDE || w > ET_PICTURE_MAX_SIDE || h * w > ET_PICTURE_MAX_PIXELS)
		return et_fail(err, ET_EDATA,
			       "%s: its header says %ju x %ju pixels; at most %d on a side and "
			       "%d in all are read",
			       path, (uintmax_t)w, (uintmax_t)h, ET_PICTURE_MAX_SIDE,
			       ET_PICTURE_MAX_PIXELS);
	return ET_OK;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

void et_pixels_grey(const uint8_t *rgb, uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = rgb + 3 * i;
		to[i] = (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16);
	}
}

int et_picture_copy(const uint8_t *px, int h, int w, int from_c, int c, struct et_picture *out,
		    struct et_err *err)
{
	ET_TRY(et_picture_reserve(out, h, w, c, 0, err));
	size_t n = et_picture_bytes(h, w, 1);
	if (from_c == c)
		memcpy(out->px, px, n * (size_t)c);
	else if (c == 1)
		et_pixels_grey(px, out->px, n);
	else
		for (size_t i = 0; i < n; i++)
			memset(out->px + 3 * i, px[i], 3);
	return ET_OK;
}

/* ---- kinds of files -------------------------------------------------------------------------- */

enum kind { KIND_PNG, KIND_JPEG, KIND_OTHER };

/* What a file is that is neither PNG nor JPEG, for the message. */
static const char *other_kind(const unsigned char *b, size_t n)
{
	static const struct {
		const char *name, *magic;
		size_t at, n;
	} known[] = {{"a GIF", "GIF8", 0, 4},	     {"a BMP", "BM", 0, 2},
		     {"a WebP", "WEBP", 8, 4},	     {"a TIFF", "II*\0", 0, 4},
		     {"a TIFF", "MM\0*", 0, 4},	     {"an AVIF", "ftypavif", 4, 8},
		     {"a HEIF", "ftyp", 4, 4},	     {"a JPEG XL", "\xff\x0a", 0, 2},
		     {"a JPEG 2000", "jP  ", 4, 4},  {"an HTML page", "<!DOCTYPE", 0, 9},
		     {"an HTML page", "<html", 0, 5}};
	for (size_t i = 0; i < ET_COUNT(known); i++)
		if (n >= known[i].at + known[i].n &&
		    !memcmp(b + known[i].at, known[i].magic, known[i].n))
			return known[i].name;
	if (n >= 2 && b[0] == 'P' && b[1] >= '1' && b[1] <= '7')
		return "a PNM";
	return NULL;
}

/* Opens and looks at the first bytes, which stay in the buffer. */
static int source_open(struct et_source *s, const char *path, enum kind *kind, struct et_err *err)
{
	s->path = path;
	s->at = s->have = 0;
	s->failed = 0;
	ET_TRY(et_file_open(path, &s->fd, &s->size, err));
	/* A regular file gives a whole first buffer, unless it is shorter. */
	et_source_fill(s);
	const unsigned char *b = s->buf;
	if (s->have >= 8 && !memcmp(b, "\x89PNG\r\n\x1a\n", 8))
		*kind = KIND_PNG;
	else if (s->have >= 3 && !memcmp(b, "\xff\xd8\xff", 3))
		*kind = KIND_JPEG;
	else
		*kind = KIND_OTHER;
	if (*kind != KIND_OTHER)
		return ET_OK;
	const char *other = other_kind(b, s->have);
	int rc;
	if (s->failed)
		rc = et_source_fail(s, "", "", err);
	else if (!s->have)
		rc = et_fail(err, ET_EDATA, "%s: an empty file, not a picture", path);
	else
		rc = et_fail(err, ET_EDATA, "%s: %s%s; PNG and JPEG are read", path,
			     other ? other : "neither a PNG nor a JPEG", other ? " file" : "");
	close(s->fd);
	return rc;
}

int et_picture_header(const char *path, struct et_header *head, struct et_err *err)
{
	struct et_source s;
	enum kind kind;
	memset(head, 0, sizeof(*head));
	ET_TRY(source_open(&s, path, &kind, err));
	int rc = kind == KIND_PNG ? et_png_header(&s, head, err) : et_jpeg_header(&s, head, err);
	close(s.fd);
	return rc;
}

static int mask_open(struct et_source *s, const char *path, struct et_err *err)
{
	enum kind kind;
	ET_TRY(source_open(s, path, &kind, err));
	if (kind == KIND_PNG)
		return ET_OK;
	close(s->fd);
	return et_fail(err, ET_EDATA,
		       "%s: expected a mask, a PNG; found a JPEG, whose losses change classes",
		       path);
}

int et_mask_header(const char *path, struct et_header *head, struct et_err *err)
{
	struct et_source s;
	memset(head, 0, sizeof(*head));
	ET_TRY(mask_open(&s, path, err));
	int rc = et_png_mask_header(&s, head, err);
	close(s.fd);
	return rc;
}

int et_mask_decode(const char *path, struct et_picture *out, struct et_err *err)
{
	struct et_source s;
	ET_TRY(mask_open(&s, path, err));
	int rc = et_png_mask_decode(&s, out, err);
	close(s.fd);
	if (rc == ET_ENOMEM)
		et_err_prefix(err, "%s", path);
	return rc;
}

int et_picture_probe(const char *path, struct et_picture_info *info, struct et_err *err)
{
	struct et_header head;
	ET_TRY(et_picture_header(path, &head, err));
	info->h = head.h;
	info->w = head.w;
	info->kind = head.jpeg ? "jpeg" : "png";
	info->bytes = head.work + et_header_extent(&head, 3, 0, 0, &head.h, &head.w);
	return ET_OK;
}

int et_picture_decode(const char *path, int c, int want_h, int want_w, struct et_picture *out,
		      struct et_err *err)
{
	struct et_source s;
	enum kind kind;
	if (c != 1 && c != 3)
		return et_fail(err, ET_EINTERNAL, "%s: %d channels asked for", path, c);
	ET_TRY(source_open(&s, path, &kind, err));
	int rc = kind == KIND_PNG ? et_png_decode(&s, c, out, err)
				  : et_jpeg_decode(&s, c, want_h, want_w, out, err);
	close(s.fd);
	if (rc == ET_ENOMEM)
		et_err_prefix(err, "%s", path);
	return rc;
}

int et_header_reduction(const struct et_header *head, int want_h, int want_w)
{
	int s = 1;
	if (!head->jpeg || want_h <= 0 || want_w <= 0)
		return s;
	while (s < 8 && head->h / (4 * s) >= want_h && head->w / (4 * s) >= want_w)
		s *= 2;
	return s;
}

size_t et_header_extent(const struct et_header *head, int c, int want_h, int want_w, int *h, int *w)
{
	int s = et_header_reduction(head, want_h, want_w);
	*h = (head->h + s - 1) / s;
	*w = (head->w + s - 1) / s;
	if (c == 1 && head->needs_rgb)
		return et_picture_bytes(*h, *w, 3);
	return et_picture_bytes(*h, *w, c) + (c == 1 ? ET_GREY_SLACK(*w) : 0);
}
