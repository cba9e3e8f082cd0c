/*
 * No sensor: watts by how busy the processors are, between an idle and a full-load figure. It is a
 * guess within some 30 % (50 % for a Zero 2 W), and its name says so: "model:...".
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/source.h"

struct model {
	double idle, full; /* watts */
	char *stat;
	double busy, total; /* ticks up to which utilisation was last taken */
	double share;	    /* that utilisation */
	double at, joules;  /* of the last reading; at = NaN: none yet */
};

int et_model_parse(const char *text, double *idle, double *full, struct et_err *err)
{
	char a[64];
	const char *comma = strchr(text, ',');
	size_t n = comma ? (size_t)(comma - text) : sizeof(a);

	if (n < sizeof(a)) {
		memcpy(a, text, n);
		a[n] = 0;
		if (et_parse_f64(a, idle) && et_parse_f64(comma + 1, full) && *idle >= 0 &&
		    *full >= *idle && *full > 0 && *full < ET_POWER_MAX_W)
			return ET_OK;
	}
	return et_fail(err, ET_EUSAGE,
		       "--power-model: expected IDLE,FULL in watts such as 2.7,6.4, the second not "
		       "below the first; found '%.60s'",
		       text);
}

/* Ticks of all processors together since boot: at work, and in all. */
static bool ticks(const struct model *m, double *busy, double *total)
{
	char line[256], *p = line + 4, *end;
	double v[8] = {0};

	if (!et_sys_line(line, sizeof(line), "%s", m->stat) || strncmp(line, "cpu ", 4) != 0)
		return false;
	int n = 0;
	for (; n < 8; n++, p = end) {
		v[n] = (double)strtoull(p, &end, 10);
		if (end == p)
			break;
	}
	/* user nice system idle iowait irq softirq; what others stole from a guest is left out. */
	*busy = v[0] + v[1] + v[2] + v[5] + v[6];
	*total = *busy + v[3] + v[4];
	return n >= 4;
}

static int model_open(struct et_source *s, const struct et_power_conf *conf, struct et_err *err)
{
	struct model m = {.at = NAN};
	char tree[128] = "";
	const char *board = "given";
	int percent = 30;

	if (conf->model) {
		ET_TRY(et_model_parse(conf->model, &m.idle, &m.full, err));
	} else {
		bool named = et_board_name(et_power_root(conf), tree, sizeof(tree));
		board = named ? et_board_watts(tree, &m.idle, &m.full, &percent) : NULL;
		if (!board)
			return et_fail(err, ET_ENOINPUT,
				       "%s%s is not in the table; --power-model gives its idle "
				       "and full-load watts",
				       named ? "the board " : "this machine", named ? tree : "");
	}
	struct model *own = et_calloc(1, sizeof(*own));
	m.stat = et_asprintf("%s/proc/stat", et_power_root(conf));
	if (!own || !m.stat) {
		free(own);
		free(m.stat);
		return et_fail(err, ET_ENOMEM, "out of memory");
	}
	*own = m;
	if (!ticks(own, &own->busy, &own->total)) {
		int status = et_fail(err, ET_EIO, "%s: cannot be read as utilisation", own->stat);
		free(own->stat);
		free(own);
		return status;
	}
	snprintf(s->info.name, sizeof(s->info.name), "model:%s", board);
	snprintf(s->info.path, sizeof(s->info.path), "%s", own->stat);
	s->info.scope = "board";
	s->info.unit = "W";
	s->info.note = conf->model    ? "a guess by how busy the processors are"
		       : percent > 30 ? "a guess by how busy the processors are, within 50 %"
				      : "a guess by how busy the processors are, within 30 %";
	s->info.hz = 1;
	s->info.counter = true;
	s->state = own;
	return ET_OK;
}

/* Utilisation is a mean over the time since it was last taken, so joules are added up here. */
static double model_read(struct et_source *s, double now)
{
	struct model *m = s->state;
	double busy, total;

	if (!ticks(m, &busy, &total))
		return NAN;
	double passed = total - m->total;
	/* Of a few ticks no share can be told: the last one holds. */
	if (passed >= 10 || passed < 0) {
		m->share = passed > 0 ? fmin(fmax((busy - m->busy) / passed, 0), 1) : m->share;
		m->busy = busy;
		m->total = total;
	}
	if (now > m->at)
		m->joules += (m->idle + (m->full - m->idle) * m->share) * (now - m->at);
	m->at = now;
	return m->joules;
}

static void model_close(struct et_source *s)
{
	struct model *m = s->state;

	free(m->stat);
	free(m);
}

const struct et_source_kind et_source_model = {"model", model_open, model_read, model_close};
