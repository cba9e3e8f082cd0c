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

extern const struct et_source_kind et_source_external, et_source_model;

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

/* ---- small files ----------------------------------------------------------------------------- */

/*
 * The first line of a small file, without white space at its end; false, with errno, when it cannot
 * be read or is empty (then EINVAL). Never waits for a FIFO.
 */
bool et_sys_line(const char *path, char *buf, size_t n);
/* The same as a number; what is none gives EINVAL. */
bool et_sys_number(const char *path, double *v);

#endif
