/* The meter: one source and the board's state, read by a thread of its own. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "power/source.h"

/* Readings that stay away for more than so many periods are a gap. */
#define GAP_PERIODS 5
/* Seconds after which the board's state is no longer believed: the thread hangs in a sensor. */
#define BOARD_OLD 5

struct et_meter {
	bool has_source, has_board;
	struct et_source source;
	struct et_board board;
	char why[1100];

	pthread_mutex_t lock; /* of all that follows; never held while a sensor is read */
	pthread_cond_t changed;
	bool started, stop, ended, orphan;
	uint64_t asked, answered; /* readings wanted by et_meter_sync() */
	bool last_good;		  /* the last reading gave a number */
	bool first;		  /* the first readings are there */
	struct et_series series;
	struct et_board_state state;
	double state_at;
	pthread_t thread;
};

/* ---- choice of the source -------------------------------------------------------------------- */

static int open_named(struct et_meter *m, const struct et_power_conf *conf, struct et_err *err)
{
	const struct et_source_kind *kind;
	const char *names[16];
	size_t n = 0;

	for (; n < ET_COUNT(names) && (kind = et_source_kind_get(n)); n++) {
		names[n] = kind->name;
		if (strcmp(kind->name, conf->source) != 0)
			continue;
		int status = et_source_open(&m->source, kind, conf, err);
		if (status == ET_ENOINPUT || status == ET_EIO) {
			struct et_err said = *err;
			return et_fail(err, ET_EUSAGE, "--power %s: %s", kind->name, said.text);
		}
		m->has_source = !status;
		return status;
	}
	const char *near = et_nearest(conf->source, names, n);
	return et_fail(err, ET_EUSAGE,
		       "--power: expected a source that 'edgetrain sensors' lists, auto or none, "
		       "found '%s'%s%s",
		       conf->source, near ? "; the nearest is " : "", near ? near : "");
}

/* The first that is there. Of those that are not, one that cannot be read is worth telling. */
static int open_first(struct et_meter *m, const struct et_power_conf *conf, struct et_err *err)
{
	const struct et_source_kind *kind;
	bool unreadable = false;

	for (size_t i = 0; (kind = et_source_kind_get(i)); i++) {
		int status = et_source_open(&m->source, kind, conf, err);
		if (!status) {
			m->has_source = true;
			return ET_OK;
		}
		if (status == ET_EIO && !unreadable) {
			unreadable = true;
			snprintf(m->why, sizeof(m->why), "%s: %s", kind->name, err->text);
		} else if (status != ET_ENOINPUT && status != ET_EIO) {
			return status;
		}
	}
	if (!unreadable)
		snprintf(m->why, sizeof(m->why),
			 "no power sensor was found; --power-from names a meter, --power-model "
			 "gives the board's watts");
	return ET_OK;
}

static int choose(struct et_meter *m, const struct et_power_conf *conf, struct et_err *err)
{
	double idle, full;

	if (conf->model)
		ET_TRY(et_model_parse(conf->model, &idle, &full, err));
	if (conf->source && strcmp(conf->source, "none") == 0) {
		snprintf(m->why, sizeof(m->why), "none was wanted");
		return ET_OK;
	}
	if (conf->source && strcmp(conf->source, "auto") != 0)
		return open_named(m, conf, err);
	/* A meter that was named is the one that is wanted, whatever else is there. */
	if (conf->from) {
		ET_TRY(et_source_open(&m->source, &et_source_external, conf, err));
		m->has_source = true;
		return ET_OK;
	}
	return open_first(m, conf, err);
}

int et_meter_open(struct et_meter **out, const struct et_power_conf *conf, struct et_err *err)
{
	pthread_condattr_t attr;
	struct et_meter *m = et_calloc(1, sizeof(*m));

	*out = NULL;
	if (!m)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = choose(m, conf, err);
	if (status) {
		free(m);
		return status;
	}
	et_board_open(&m->board, et_power_root(conf));
	m->has_board = et_board_any(&m->board);
	m->state = (struct et_board_state){.temp_c = NAN, .freq_mhz = NAN, .throttled = -1};
	m->state_at = -INFINITY;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->changed, &attr);
	pthread_condattr_destroy(&attr);
	*out = m;
	return ET_OK;
}

const struct et_meter_source *et_meter_source(const struct et_meter *m, const char **why)
{
	if (why)
		*why = m->has_source ? NULL : m->why;
	return m->has_source ? &m->source.info : NULL;
}

static void release(struct et_meter *m)
{
	if (m->has_source)
		et_source_close(&m->source);
	et_board_close(&m->board);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static struct timespec clock_time(double t)
{
	double whole = floor(t);

	return (struct timespec){(time_t)whole, (long)((t - whole) * 1e9)};
}

/* The beat after now on the grid of start: what was missed is not made up for. */
static double next_beat(double start, double period, double now)
{
	return start + (floor((now - start) / period) + 1) * period;
}

/* The lock is held on entry and on return, but not while the sensor is read. */
static void read_source(struct et_meter *m)
{
	uint64_t asked = m->asked;

	pthread_mutex_unlock(&m->lock);
	double begun = et_now(), v = m->source.kind->read(&m->source, begun), done = et_now();
	pthread_mutex_lock(&m->lock);
	/* Not before anyone asked. A reading that took very long stands for no moment. */
	if (done - begun < 1 / m->source.info.hz)
		et_series_add(&m->series, begun + (done - begun) / 2, v);
	else
		et_series_add(&m->series, done, v);
	m->last_good = !isnan(v);
	m->answered = asked;
}

static void read_board(struct et_meter *m)
{
	pthread_mutex_unlock(&m->lock);
	struct et_board_state state = et_board_read(&m->board);
	double now = et_now();
	pthread_mutex_lock(&m->lock);
	m->state = state;
	m->state_at = now;
}

static void *sample(void *arg)
{
	struct et_meter *m = arg;
	double start = et_now(), period = m->has_source ? 1 / m->source.info.hz : INFINITY;
	double source_at = start, board_at = m->has_board ? start : INFINITY;

	pthread_mutex_lock(&m->lock);
	while (!m->stop) {
		double now = et_now();
		bool wanted = m->asked != m->answered;
		if (m->has_source && (wanted || now >= source_at)) {
			read_source(m);
			/* The time of day may be asked for between two beats; the beat stays. */
			if (now >= source_at)
				source_at = next_beat(start, period, et_now());
		}
		if (now >= board_at) {
			read_board(m);
			board_at = next_beat(start, 1, et_now());
		}
		m->first = true;
		pthread_cond_broadcast(&m->changed);
		struct timespec until = clock_time(fmin(source_at, board_at));
		while (!m->stop && m->asked == m->answered &&
		       pthread_cond_timedwait(&m->changed, &m->lock, &until) == 0)
			;
	}
	m->ended = true;
	bool orphan = m->orphan;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	if (orphan)
		release(m);
	return NULL;
}

/* A small stack, and none of the program's signals. */
static int create(struct et_meter *m)
{
	pthread_attr_t attr;
	sigset_t all, before;
	size_t stack = et_max(256 * 1024, 2 * (size_t)PTHREAD_STACK_MIN);

	if (pthread_attr_init(&attr))
		return -1;
	sigfillset(&all);
	int bad = pthread_attr_setstacksize(&attr, stack);
	if (!bad)
		bad = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (!bad) {
		bad = pthread_create(&m->thread, &attr, sample, m);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	return bad;
}

/* Waits with the lock held until *flag or the moment; says whether it was the flag. */
static bool wait_for(struct et_meter *m, const bool *flag, double until)
{
	struct timespec t = clock_time(until);

	while (!*flag && pthread_cond_timedwait(&m->changed, &m->lock, &t) != ETIMEDOUT)
		;
	return *flag;
}

int et_meter_start(struct et_meter *m, struct et_err *err)
{
	if (m->started || (!m->has_source && !m->has_board))
		return ET_OK;
	if (m->has_source)
		et_series_open(&m->series, m->source.info.counter, GAP_PERIODS / m->source.info.hz);
	if (create(m))
		return et_fail(err, ET_ENOMEM, "no thread for the power meter");
	m->started = true;
	pthread_mutex_lock(&m->lock);
	wait_for(m, &m->first, et_now() + 2);
	pthread_mutex_unlock(&m->lock);
	return ET_OK;
}

/* ---- questions ------------------------------------------------------------------------------- */

bool et_meter_sync(struct et_meter *m)
{
	if (!m->started || !m->has_source)
		return false;
	struct timespec until = clock_time(et_now() + 1);

	pthread_mutex_lock(&m->lock);
	uint64_t mine = ++m->asked;
	pthread_cond_broadcast(&m->changed);
	while (m->answered < mine &&
	       pthread_cond_timedwait(&m->changed, &m->lock, &until) != ETIMEDOUT)
		;
	bool good = m->answered >= mine && m->last_good;
	pthread_mutex_unlock(&m->lock);
	return good;
}

double et_meter_known_to(struct et_meter *m)
{
	pthread_mutex_lock(&m->lock);
	double t = m->series.n ? m->series.point[m->series.n - 1].t : -INFINITY;
	pthread_mutex_unlock(&m->lock);
	return t;
}

double et_meter_energy(struct et_meter *m, double from, double to)
{
	pthread_mutex_lock(&m->lock);
	double e = et_series_energy(&m->series, from, to);
	pthread_mutex_unlock(&m->lock);
	return e;
}

struct et_board_state et_meter_board(struct et_meter *m)
{
	struct et_board_state none = {.temp_c = NAN, .freq_mhz = NAN, .throttled = -1};

	pthread_mutex_lock(&m->lock);
	struct et_board_state s = et_now() - m->state_at <= BOARD_OLD ? m->state : none;
	pthread_mutex_unlock(&m->lock);
	return s;
}

void et_meter_close(struct et_meter *m)
{
	if (!m)
		return;
	if (!m->started) {
		release(m);
		return;
	}
	pthread_mutex_lock(&m->lock);
	m->stop = true;
	pthread_cond_broadcast(&m->changed);
	/* A sensor that does not answer keeps the thread; it then cleans up by itself. */
	bool ended = wait_for(m, &m->ended, et_now() + 0.5);
	m->orphan = !ended;
	pthread_t thread = m->thread;
	pthread_mutex_unlock(&m->lock);
	if (ended) {
		pthread_join(thread, NULL);
		release(m);
	} else {
		pthread_detach(thread);
	}
}
