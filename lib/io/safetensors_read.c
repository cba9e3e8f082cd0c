/* safetensors files: opening, finding and reading tensors. Reads with pread, never maps. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "io/safetensors.h"
#include "io/scan.h"

/* Bytes [at, at + n) of the file, all of them or an error. */
static int read_at(const struct et_st *st, void *dst, uint64_t n, uint64_t at, struct et_err *err)
{
	unsigned char *p = dst;
	while (n > 0) {
		size_t want = n < 1u << 30 ? (size_t)n : 1u << 30;
		ssize_t got = pread(st->fd, p, want, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return et_fail(err, ET_EIO, "%s: cannot read: %s", st->path,
				       strerror(errno));
		if (got == 0)
			return et_fail(err, ET_EIO,
				       "%s: ends at byte %" PRIu64
				       ": it was cut off after it had been opened",
				       st->path, at);
		p += got;
		n -= (uint64_t)got;
		at += (uint64_t)got;
	}
	return ET_OK;
}

/* What a file that is no safetensors file seems to be, to help the user who mistook it. */
static const char *other_format(const unsigned char *head)
{
	if (!memcmp(head, "PK\3\4", 4))
		return "; this looks like a PyTorch checkpoint (a zip file): save it with "
		       "safetensors.torch";
	if (head[0] == 0x80 && head[1] >= 2 && head[1] <= 5)
		return "; this looks like a Python pickle: save it with safetensors.torch";
	if (!memcmp(head, "version ", 8))
		return "; this looks like a git-lfs pointer: the file itself was not downloaded";
	if (!memcmp(head, "<!", 2) || !memcmp(head, "<html", 5))
		return "; this looks like a web page";
	if (!memcmp(head, "\x89HDF", 4))
		return "; this looks like an HDF5 file";
	return "";
}

static int read_header(struct et_st *st, struct et_err *err)
{
	unsigned char head[8];
	if (st->bytes < sizeof(head))
		return et_fail(err, ET_EDATA,
			       "%s: expected a safetensors file, found only %" PRIu64 " bytes",
			       st->path, st->bytes);
	ET_TRY(read_at(st, head, sizeof(head), 0, err));
	uint64_t n = 0;
	for (int i = 7; i >= 0; i--)
		n = n << 8 | head[i];
	if (n > st->bytes - sizeof(head))
		return et_fail(
			err, ET_EDATA,
			"%s: not a safetensors file, or cut off: its header should have %" PRIu64
			" bytes, the file has %" PRIu64 "%s",
			st->path, n, st->bytes, other_format(head));
	if (n > ET_ST_MAX_HEADER)
		return et_fail(err, ET_EDATA,
			       "%s: the header has %" PRIu64 " bytes, more than the limit of %u",
			       st->path, n, ET_ST_MAX_HEADER);
	st->header = malloc((size_t)n + 1);
	if (!st->header)
		return et_fail(err, ET_ENOMEM, "%s: out of memory reading the header", st->path);
	ET_TRY(read_at(st, st->header, n, sizeof(head), err));
	st->data = n + sizeof(head);
	ET_TRY(et_st_parse(st, st->header, (size_t)n, err));
	return et_st_check(st, st->bytes - st->data, err);
}

int et_st_open(struct et_st *st, const char *path, struct et_err *err)
{
	*st = (struct et_st){.fd = -1};
	st->path = et_strdup(path);
	if (!st->path)
		return et_fail(err, ET_ENOMEM, "%s: out of memory", path);
	int rc = et_file_open(path, &st->fd, &st->bytes, err);
	if (rc == ET_OK)
		rc = read_header(st, err);
	if (rc < 0)
		et_st_close(st);
	return rc;
}

void et_st_close(struct et_st *st)
{
	/* A structure of zeros was never opened. */
	if (st->path && st->fd >= 0)
		close(st->fd);
	free(st->path);
	free(st->tensors);
	free(st->by_name);
	free(st->meta);
	free(st->header);
	*st = (struct et_st){.fd = -1};
}

const struct et_st_tensor *et_st_find(const struct et_st *st, const char *name)
{
	size_t low = 0, high = st->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct et_st_tensor *t = &st->tensors[st->by_name[mid]];
		int c = strcmp(name, t->name);
		if (c == 0)
			return t;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const char *et_st_meta(const struct et_st *st, const char *key)
{
	for (size_t i = 0; i < st->n_meta; i++)
		if (!strcmp(st->meta[2 * i], key))
			return st->meta[2 * i + 1];
	return NULL;
}

static float from_bits(uint32_t bits)
{
	float f;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

static float from_f16(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
	if (exponent == 0) {
		/* Zero or subnormal: the fraction counts units of 2^-24, exact in float32. */
		float f = (float)fraction * 0x1p-24f;
		return sign ? -f : f;
	}
	return from_bits(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13);
}

static int fail_dtype(const struct et_st *st, const struct et_st_tensor *t, const char *wanted,
		      struct et_err *err)
{
	char shown[100];
	return et_fail(err, ET_EDATA, "%s: tensor \"%s\": expected dtype %s, found %s", st->path,
		       et_scan_shown(t->name, shown), wanted, t->dtype_name);
}

static int narrow(const struct et_st *st, const struct et_st_tensor *t, uint64_t index,
		  uint64_t bits, float *f, struct et_err *err)
{
	double d;
	char shown[100];
	memcpy(&d, &bits, sizeof(d));
	*f = (float)d;
	if (isinf(*f) && !isinf(d))
		return et_fail(err, ET_EDATA,
			       "%s: tensor \"%s\": element %" PRIu64 " is %g, beyond float32",
			       st->path, et_scan_shown(t->name, shown), index, d);
	return ET_OK;
}

int et_st_read_f32(const struct et_st *st, const struct et_st_tensor *t, float *dst,
		   struct et_err *err)
{
	union {
		uint16_t h[8192];
		uint64_t d[2048];
	} chunk;
	unsigned size = t->dtype == ET_F64 ? 8 : 2;
	if (t->dtype == ET_F32) {
		ET_TRY(read_at(st, dst, t->end - t->begin, st->data + t->begin, err));
		for (uint64_t i = 0; i < t->count && __BYTE_ORDER == __BIG_ENDIAN; i++) {
			uint32_t bits;
			memcpy(&bits, &dst[i], sizeof(bits));
			dst[i] = from_bits(le32toh(bits));
		}
		return ET_OK;
	}
	if (t->dtype != ET_F16 && t->dtype != ET_BF16 && t->dtype != ET_F64)
		return fail_dtype(st, t, "F32, F16, BF16 or F64", err);
	for (uint64_t done = 0; done < t->count;) {
		size_t n = sizeof(chunk) / size;
		if (t->count - done < n)
			n = (size_t)(t->count - done);
		ET_TRY(read_at(st, &chunk, n * size, st->data + t->begin + done * size, err));
		for (size_t i = 0; i < n; i++, done++)
			if (t->dtype == ET_F16)
				dst[done] = from_f16(le16toh(chunk.h[i]));
			else if (t->dtype == ET_BF16)
				dst[done] = from_bits((uint32_t)le16toh(chunk.h[i]) << 16);
			else
				ET_TRY(narrow(st, t, done, le64toh(chunk.d[i]), &dst[done], err));
	}
	return ET_OK;
}

static int read_i32(const struct et_st *st, const struct et_st_tensor *t, int64_t *dst,
		    struct et_err *err)
{
	uint32_t chunk[4096];
	for (uint64_t done = 0; done < t->count;) {
		size_t n = ET_COUNT(chunk);
		if (t->count - done < n)
			n = (size_t)(t->count - done);
		ET_TRY(read_at(st, chunk, n * 4, st->data + t->begin + done * 4, err));
		for (size_t i = 0; i < n; i++)
			dst[done++] = (int32_t)le32toh(chunk[i]);
	}
	return ET_OK;
}

int et_st_read_i64(const struct et_st *st, const struct et_st_tensor *t, int64_t *dst,
		   struct et_err *err)
{
	if (t->dtype == ET_I32)
		return read_i32(st, t, dst, err);
	if (t->dtype != ET_I64)
		return fail_dtype(st, t, "I64 or I32", err);
	ET_TRY(read_at(st, dst, t->end - t->begin, st->data + t->begin, err));
	for (uint64_t i = 0; i < t->count && __BYTE_ORDER == __BIG_ENDIAN; i++)
		dst[i] = (int64_t)le64toh((uint64_t)dst[i]);
	return ET_OK;
}

int et_st_read_bytes(const struct et_st *st, const struct et_st_tensor *t, void *dst,
		     struct et_err *err)
{
	return read_at(st, dst, t->end - t->begin, st->data + t->begin, err);
}

int et_st_crc(const struct et_st *st, uint32_t *crc, struct et_err *err)
{
	unsigned char chunk[65536];
	uLong sum = crc32(0, NULL, 0);
	for (uint64_t at = 0; at < st->bytes;) {
		size_t n = sizeof(chunk);
		if (st->bytes - at < n)
			n = (size_t)(st->bytes - at);
		ET_TRY(read_at(st, chunk, n, at, err));
		sum = crc32(sum, chunk, (uInt)n);
		at += n;
	}
	ssize_t more = pread(st->fd, chunk, 1, (off_t)st->bytes);
	if (more < 0)
		return et_fail(err, ET_EIO, "%s: cannot read: %s", st->path, strerror(errno));
	if (more > 0)
		return et_fail(err, ET_EIO, "%s: has grown after it had been opened", st->path);
	*crc = (uint32_t)sum;
	return ET_OK;
}

const char *et_st_shape_text(int rank, const uint64_t *shape, char buf[128])
{
	size_t n = 0;
	buf[n++] = '[';
	for (int i = 0; i < rank; i++) {
		/* Eight sides of up to 20 digits may not fit. */
		int put = snprintf(buf + n, 128 - n, i ? ",%" PRIu64 : "%" PRIu64, shape[i]);
		if (put < 0 || (size_t)put > 122 - n) {
			memcpy(buf + n, "...", 3);
			n += 3;
			break;
		}
		n += (size_t)put;
	}
	buf[n++] = ']';
	buf[n] = '\0';
	return buf;
}
