/* Everything that could be measured on this board, for people to look at. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "power/source.h"

/* ---- all sources side by side ---------------------------------------------------------------- */

struct watched {
	struct et_source source;
	bool open;
	double first, last, first_at, last_at; /* readings */
};

static void describe(struct et_sensor *out, const struct et_source *s)
{
	const struct et_meter_source *in = &s->info;

	snprintf(out->name, sizeof(out->name), "%s", in->name);
	snprintf(out->path, sizeof(out->path), "%s", in->path);
	out->scope = in->scope;
	out->unit = in->unit;
	out->note = in->note;
	out->hz = in->hz;
	out->shunt_uohm = in->shunt_uohm;
	out->counter = in->counter;
}

/* chosen: the kind's name, or NULL. */
static int look_for(struct et_sensor *out, struct watched *w, const struct et_source_kind *kind,
		    const struct et_power_conf *conf, const char *chosen, struct et_err *err)
{
	struct et_err why;
	int status = et_source_open(&w->source, kind, conf, &why);

	*out = (struct et_sensor){.kind = kind->name, .watts = NAN, .shunt_uohm = NAN, .hz = NAN};
	if (status && status != ET_ENOINPUT && status != ET_EIO) {
		*err = why;
		return status;
	}
	w->open = !status;
	if (status) {
		out->state = status == ET_EIO ? ET_SENSOR_CLOSED : ET_SENSOR_ABSENT;
		memcpy(out->why, why.text, sizeof(out->why));
		return ET_OK;
	}
	describe(out, &w->source);
	if (chosen && strcmp(chosen, kind->name) == 0) {
		out->state = ET_SENSOR_CHOSEN;
		return ET_OK;
	}
	out->state = ET_SENSOR_READY;
	if (!chosen)
		snprintf(out->why, sizeof(out->why), "--power none: no power is measured");
	else if (conf->source && strcmp(conf->source, "auto") != 0)
		snprintf(out->why, sizeof(out->why), "--power asks for %s", chosen);
	else if (conf->from)
		snprintf(out->why, sizeof(out->why), "--power-from gives a meter");
	else
		snprintf(out->why, sizeof(out->why), "%s comes first", chosen);
	return ET_OK;
}

static void read_one(struct watched *w)
{
	if (!w->open)
		return;
	double now = et_now(), v = w->source.kind->read(&w->source, now);
	if (isnan(v))
		return;
	if (isnan(w->first)) {
		w->first = v;
		w->first_at = now;
	}
	w->last = v;
	w->last_at = now;
}

static double watts(const struct watched *w)
{
	if (!w->open || !w->source.info.counter)
		return w->last;
	double passed = w->last_at - w->first_at;
	return passed > 0 ? (w->last - w->first) / passed : NAN;
}

static void sleep_for(double seconds)
{
	struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};

	nanosleep(&t, NULL);
}

static void watch(struct watched *w, int n, double seconds)
{
	double until = et_now() + seconds;

	for (int i = 0; i < n; i++)
		w[i].first = w[i].last = NAN;
	do {
		for (int i = 0; i < n; i++)
			read_one(&w[i]);
		sleep_for(fmin(0.1, fmax(until - et_now(), 0)));
	} while (et_now() < until);
	for (int i = 0; i < n; i++)
		read_one(&w[i]);
}

/* ---- the board ------------------------------------------------------------------------------- */

static void path_of(char out[256], const struct et_board *b, bool asks, const char *command,
		    const char *path)
{
	if (asks)
		snprintf(out, 256, "%.200s: %s", b->mailbox->path, command);
	else
		snprintf(out, 256, "%.255s", path ? path : "");
}

static void describe_board(struct et_sensors *s, const char *root)
{
	struct et_board b;

	et_board_open(&b, root);
	struct et_board_state now = et_board_read(&b);
	s->temp_c = now.temp_c;
	s->freq_mhz = now.freq_mhz;
	s->throttled = now.throttled;
	s->freq_asked_for = !b.asks_clock;
	path_of(s->temp_path, &b, b.asks_temp, "measure_temp", b.temp);
	path_of(s->freq_path, &b, b.asks_clock, "measure_clock arm", b.n_freq ? b.freq[0] : NULL);
	path_of(s->throttled_path, &b, b.asks_throttled, "get_throttled",
		b.throttled ? b.throttled : b.alarm);
	et_board_close(&b);
	if (!et_board_name(root, s->board, sizeof(s->board)))
		s->board[0] = 0;
}

/* The kind of the source that a run would take: its name up to a colon. */
static int choose(const struct et_power_conf *conf, char kind[96], struct et_err *err)
{
	struct et_meter *m;

	ET_TRY(et_meter_open(&m, conf, err));
	const struct et_meter_source *s = et_meter_source(m, NULL);
	snprintf(kind, 96, "%.*s", s ? (int)strcspn(s->name, ":") : 0, s ? s->name : "");
	et_meter_close(m);
	return ET_OK;
}

int et_sensors(const struct et_env *env, double seconds, struct et_sensors *s, struct et_err *err)
{
	const struct et_power_conf *conf = &env->power;
	const struct et_source_kind *kind;
	struct watched w[ET_SENSORS] = {0};
	char chosen[96];
	int status = ET_OK;

	memset(s, 0, sizeof(*s));
	ET_TRY(choose(conf, chosen, err));
	for (; s->n < ET_SENSORS && (kind = et_source_kind_get((size_t)s->n)) && !status; s->n++)
		status = look_for(&s->sensor[s->n], &w[s->n], kind, conf, *chosen ? chosen : NULL,
				  err);
	if (!status) {
		watch(w, s->n, seconds);
		for (int i = 0; i < s->n; i++)
			s->sensor[i].watts = w[i].open ? watts(&w[i]) : NAN;
		describe_board(s, et_power_root(conf));
	}
	for (int i = 0; i < s->n; i++)
		if (w[i].open)
			et_source_close(&w[i].source);
	return status;
}

/* ---- one row after the other ----------------------------------------------------------------- */

static bool stopped(const struct et_env *env)
{
	return env->stop && *env->stop;
}

/* In short naps, so that a request to stop is heard. */
static void sleep_until(const struct et_env *env, double t)
{
	for (double left; (left = t - et_now()) > 0 && !stopped(env);)
		sleep_for(fmin(left, 0.1));
}

int et_sensors_watch(const struct et_env *env, double interval, uint64_t count,
		     void (*row)(void *arg, const struct et_sensors_row *row), void *arg,
		     struct et_err *err)
{
	struct et_meter *m;

	ET_TRY(et_meter_open(&m, &env->power, err));
	const struct et_meter_source *source = et_meter_source(m, NULL);
	double begun = et_now(), before = begun, total = 0;
	int status = et_meter_start(m, err);
	/* The first readings are made by now: from here on energy is known. */
	if (!status && source && et_meter_sync(m))
		begun = before = et_meter_known_to(m);
	for (uint64_t i = 1; !status && (!count || i <= count); i++) {
		sleep_until(env, begun + (double)i * interval);
		if (stopped(env)) {
			status = et_fail(err, ET_ESTOP, "stopped");
			break;
		}
		double now = et_now();
		if (source && et_meter_sync(m))
			now = et_meter_known_to(m);
		double e = source ? et_meter_energy(m, before, now) : NAN;
		struct et_board_state b = et_meter_board(m);
		total += e;
		const struct et_sensors_row r = {.time_s = now - begun,
						 .source = source ? source->name : NULL,
						 .power_w = e / (now - before),
						 .energy_j = total,
						 .temp_c = b.temp_c,
						 .freq_mhz = b.freq_mhz,
						 .throttled = b.throttled};
		row(arg, &r);
		before = now;
	}
	et_meter_close(m);
	return status;
}
