/*
 * Inside lib/power: what a source of power is, the energy that adds up from its readings, and small
 * readings of /sys. One source a file; sources.c lists them in the order in which they are tried.
 */
#ifndef ET_POWER_SOURCE_H
#define ET_POWER_SOURCE_H

#include "base/base.h"
#include "power/power.h"

/* ---- sources --------------------------------------------------------------------------------- */

struct et_source {
	const struct et_source_kind *kind;
	struct et_meter_source info;
	void *state; /* the kind's own */
};

struct et_source_kind {
	const char *name;
	/*
	 * Looks for the sensor and fills info, and state if it likes. ET_ENOINPUT: there is none,
	 * ET_EIO: there is one but it cannot be read; err->text says why, in both cases without a
	 * full stop. ET_EUSAGE, ET_ENOMEM: stop. Nothing is to be closed after a failure.
	 */
	int (*open)(struct et_source *s, const struct et_power_conf *conf, struct et_err *err);
	/*
	 * A reading at et_now() == now. Of power: watts; of a counter (info.counter): joules since
	 * some moment, never falling. NaN: there is none now; the next may be fine again.
	 */
	double (*read)(struct et_source *s, double now);
	/* Releases state. NULL: free() does it. */
	void (*close)(struct et_source *s);
};

extern const struct et_source_kind et_source_pmic, et_source_ina3221, et_source_hwmon,
	et_source_rapl, et_source_battery, et_source_external, et_source_model;

/* The i-th kind in probing order; NULL past the last. */
const struct et_source_kind *et_source_kind_get(size_t i);
/* kind->open() on a fresh s. After a failure s needs no closing. */
int et_source_open(struct et_source *s, const struct et_source_kind *kind,
		   const struct et_power_conf *conf, struct et_err *err) ET_MUST_CHECK;
void et_source_close(struct et_source *s);

/* "" or the directory that stands for /. */
static inline const char *et_power_root(const struct et_power_conf *conf)
{
	return conf->sysroot ? conf->sysroot : "";
}

/* What a board cannot draw: readings beyond are taken for none. */
#define ET_POWER_MAX_W 1e5

/* "IDLE,FULL" in watts; ET_EUSAGE. */
int et_model_parse(const char *text, double *idle, double *full, struct et_err *err) ET_MUST_CHECK;

/* The board's name by its device tree; false where there is none, as on a PC. */
bool et_board_name(const char *root, char *model, size_t n);
/* The board of the table that a model names, with its watts and their uncertainty; NULL: none. */
const char *et_board_watts(const char *model, double *idle, double *full, int *percent);

/* ---- energy over time ------------------------------------------------------------------------ */

/*
 * Energy by time, from readings. It holds ET_SERIES samples at most: when it is full, neighbours
 * are joined where that is hardly seen, so that the distance of two samples stays below about a
 * 256th of their age, and a span of any length keeps its joules to some 0.1 %.
 */
#define ET_SERIES 8192

struct et_series_point {
	double t, e;	/* seconds; joules since the first reading */
	uint32_t holes; /* how many gaps lie before it */
};
struct et_series {
	bool counter;
	double gap;  /* a distance between two readings that is no longer bridged, seconds */
	double last; /* the last reading: watts, or the counter's joules */
	size_t n;
	struct et_series_point point[ET_SERIES];
};
void et_series_open(struct et_series *s, bool counter, double gap);
/* A reading at time t; NaN is dropped, and so is one that is not later than the one before. */
void et_series_add(struct et_series *s, double t, double reading);
/* Joules from one moment to another; NaN where a part of it is unknown. */
double et_series_energy(const struct et_series *s, double from, double to);

/* ---- the firmware of a Raspberry Pi ---------------------------------------------------------- */

/*
 * The mailbox that vcgencmd uses, of which the kernel makes a device. Slow and synchronous: to be
 * called by one thread, not within a step. In a tree made up for tests the device may be a
 * directory, in which a file named after a command holds the reply.
 */
struct et_mailbox {
	char path[512];
	int fd; /* -1: the directory */
};
/* ET_ENOINPUT: there is none; ET_EIO: there is one that may not be opened. */
int et_mailbox_open(struct et_mailbox *m, const char *root, struct et_err *err) ET_MUST_CHECK;
/* The reply to "pmic_read_adc" and the like; false when there is none. */
bool et_mailbox_ask(struct et_mailbox *m, const char *command, char *reply, size_t n);
void et_mailbox_close(struct et_mailbox *m);

/* The request in the form in which the device takes it, and what came back in its place. */
#define ET_MAILBOX_TEXT	 4096 /* bytes */
#define ET_MAILBOX_WORDS (ET_MAILBOX_TEXT / 4 + 7)
bool et_mailbox_pack(uint32_t p[ET_MAILBOX_WORDS], const char *command);
bool et_mailbox_unpack(const uint32_t p[ET_MAILBOX_WORDS], char *reply, size_t n);

/* Watts of all rails in a reply to pmic_read_adc, and how many; NaN: a rail lacks a half. */
double et_pmic_watts(const char *reply, int *rails);

/* ---- small files ----------------------------------------------------------------------------- */

#define ET_SYS_PATH 512

/*
 * The first line of a small file, without white space at its end; false, with errno, when it cannot
 * be read or is empty (then EINVAL). Never waits for a FIFO. The path is printf's.
 */
bool et_sys_line(char *buf, size_t n, const char *path, ...) ET_PRINTF(3, 4);
/* The same as a number; what is none gives EINVAL. */
bool et_sys_number(double *v, const char *path, ...) ET_PRINTF(2, 3);
/* The whole file, up to n - 1 bytes. */
bool et_sys_text(char *buf, size_t n, const char *path);

#define ET_SYS_NAME 64
/* Names in a directory that begin with prefix, numbers in them by value; how many, at most max. */
int et_sys_list(char (*name)[ET_SYS_NAME], int max, const char *prefix, const char *dir, ...)
	ET_PRINTF(4, 5);

#endif
