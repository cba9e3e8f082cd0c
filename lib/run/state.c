/* The state of a run as texts in the metadata of its file, with a checksum of all of it. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "run/checkpoint.h"

#define SUM    "state_crc32"
#define DIGITS 10

/* One member of et_state under its name; doubles as hexadecimal floats, which keep every bit. */
static const struct field {
	const char *name;
	size_t at;
	bool real;
	bool late; /* states of earlier versions are without it */
} fields[] = {
	{"step", offsetof(struct et_state, step), false, false},
	{"epoch", offsetof(struct et_state, epoch), false, false},
	{"batch", offsetof(struct et_state, batch), false, false},
	{"loss_sum", offsetof(struct et_state, loss_sum), true, false},
	{"seconds", offsetof(struct et_state, seconds), true, false},
	{"correct", offsetof(struct et_state, correct), false, false},
	{"images", offsetof(struct et_state, images), false, false},
	{"skipped", offsetof(struct et_state, skipped), false, false},
	{"all_skipped", offsetof(struct et_state, all_skipped), false, false},
	{"best_accuracy", offsetof(struct et_state, best_accuracy), true, false},
	{"best_epoch", offsetof(struct et_state, best_epoch), false, false},
	{"last_loss", offsetof(struct et_state, last_loss), true, false},
	{"last_accuracy", offsetof(struct et_state, last_accuracy), true, false},
	{"last_val_loss", offsetof(struct et_state, last_val_loss), true, false},
	{"last_val_accuracy", offsetof(struct et_state, last_val_accuracy), true, false},
	{"labels", offsetof(struct et_state, labels), false, true},
	{"last_val_miou", offsetof(struct et_state, last_val_miou), true, true},
	{"total_s", offsetof(struct et_state, total_s), true, true},
	{"metered_s", offsetof(struct et_state, metered_s), true, true},
	{"energy_j", offsetof(struct et_state, energy_j), true, true},
	{"work_j", offsetof(struct et_state, work_j), true, true},
	{"work_images", offsetof(struct et_state, work_images), false, true},
	{"pauses", offsetof(struct et_state, pauses), false, true},
	{"pause_s", offsetof(struct et_state, pause_s), true, true},
	{"throttled_s", offsetof(struct et_state, throttled_s), true, true},
	{"clock_s", offsetof(struct et_state, clock_s), true, true},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))
_Static_assert(FIELDS + 3 == ET_STATE_TEXTS, "a text for each field, and three more");

struct et_state et_state_new(void)
{
	return (struct et_state){.best_accuracy = NAN,
				 .last_loss = NAN,
				 .last_accuracy = NAN,
				 .last_val_loss = NAN,
				 .last_val_accuracy = NAN,
				 .last_val_miou = NAN,
				 .throttled_s = NAN};
}

static const char *add(struct et_state_meta *m, size_t i, const char *name)
{
	m->pairs[2 * i] = name;
	return m->pairs[2 * i + 1] = m->text[i];
}

int et_state_meta(struct et_state_meta *m, const struct et_net *net, const struct et_state *s,
		  uint32_t model_crc, uint64_t model_bytes, struct et_err *err)
{
	struct et_writer w;

	for (size_t i = 0; i < FIELDS; i++) {
		const char *at = (const char *)s + fields[i].at;
		add(m, i, fields[i].name);
		if (fields[i].real)
			snprintf(m->text[i], sizeof(m->text[i]), "%a",
				 *(const double *)(const void *)at);
		else
			snprintf(m->text[i], sizeof(m->text[i]), "%" PRIu64,
				 *(const uint64_t *)(const void *)at);
	}
	add(m, FIELDS, "model_crc32");
	snprintf(m->text[FIELDS], sizeof(m->text[0]), "%" PRIu32, model_crc);
	add(m, FIELDS + 1, "model_bytes");
	snprintf(m->text[FIELDS + 1], sizeof(m->text[0]), "%" PRIu64, model_bytes);
	/* The sum is of the file with zeros in the sum's place. */
	add(m, FIELDS + 2, SUM);
	snprintf(m->text[FIELDS + 2], sizeof(m->text[0]), "%0*d", DIGITS, 0);
	et_writer_count(&w);
	ET_TRY(et_net_write(net, &w, true, m->pairs, ET_STATE_TEXTS, err));
	snprintf(m->text[FIELDS + 2], sizeof(m->text[0]), "%0*" PRIu32, DIGITS, w.crc);
	m->bytes = w.bytes;
	return ET_OK;
}

static int read_at(const struct et_st *st, void *to, size_t n, uint64_t at, struct et_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(st->fd, (char *)to + done, n - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return et_fail(err, ET_EIO, "%s: cannot read: %s", st->path,
				       got ? strerror(errno) : "it has become shorter");
		done += (size_t)got;
	}
	return ET_OK;
}

/* head: room for the header. */
static int sum(const struct et_st *st, unsigned char *head, uint32_t *crc, struct et_err *err)
{
	static const char mark[] = "\"" SUM "\":\"";
	size_t n = (size_t)st->data;
	unsigned char chunk[16384];

	ET_TRY(read_at(st, head, n, 0, err));
	unsigned char *at = memmem(head, n, mark, sizeof(mark) - 1);
	if (at && n - (size_t)(at - head) > sizeof(mark) + DIGITS)
		memset(at + sizeof(mark) - 1, '0', DIGITS);
	*crc = (uint32_t)crc32_z(0, head, n);
	for (uint64_t done = n, part; done < st->bytes; done += part) {
		part = et_min((size_t)(st->bytes - done), sizeof(chunk));
		ET_TRY(read_at(st, chunk, (size_t)part, done, err));
		*crc = (uint32_t)crc32_z(*crc, chunk, (size_t)part);
	}
	return ET_OK;
}

/* States of earlier versions have no sum. */
static int check_sum(const struct et_st *st, struct et_err *err)
{
	const char *want = et_st_meta(st, SUM);
	unsigned char *head = want ? malloc((size_t)st->data) : NULL;
	uint32_t crc = 0;

	if (!want)
		return ET_OK;
	int status = head ? sum(st, head, &crc, err) : et_fail(err, ET_ENOMEM, "out of memory");
	free(head);
	if (!status && strtoull(want, NULL, 10) != crc)
		return et_fail(err, ET_EDATA,
			       "%s: its checksum is %" PRIu32
			       ", not %.20s: it was changed or damaged",
			       st->path, crc, want);
	return status;
}

int et_state_parse(const struct et_st *st, struct et_state *s, struct et_err *err)
{
	bool labels = et_st_meta(st, "labels") != NULL;

	ET_TRY(check_sum(st, err));
	for (size_t i = 0; i < FIELDS; i++) {
		const char *text = et_st_meta(st, fields[i].name);
		char *end = NULL, *at = (char *)s + fields[i].at;
		if (!text && fields[i].late)
			continue;
		if (!text || !*text)
			return et_fail(err, ET_EDATA,
				       "%s: %s is missing: not a state of this program", st->path,
				       fields[i].name);
		if (fields[i].real)
			*(double *)(void *)at = strtod(text, &end);
		else
			*(uint64_t *)(void *)at = strtoull(text, &end, 10);
		if (*end)
			return et_fail(err, ET_EDATA, "%s: %s: expected a number, found '%.50s'",
				       st->path, fields[i].name, text);
	}
	if (!labels)
		s->labels = s->images;
	return ET_OK;
}
