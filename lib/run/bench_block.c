/* A block of steps of one mode, timed; and its memory. */
#include <math.h>

#include "run/bench.h"

struct block {
	struct et_bench_run *r;
	int mode;
	uint64_t steps;
	struct et_err *err;
	int status;
};

static void keep(struct et_tally *t, const struct et_step *step, double data_s, double step_s)
{
	const double ms[ET_TIMES] = {
		[ET_TIME_DATA] = data_s * 1e3,
		[ET_TIME_FORWARD] = step->forward_s * 1e3,
		[ET_TIME_BACKWARD] = step->backward_s * 1e3,
		[ET_TIME_UPDATE] = step->update_s * 1e3,
		[ET_TIME_STEP] = step_s * 1e3,
	};

	for (int k = 0; k < ET_TIMES; k++)
		t->ms[k][t->steps] = ms[k];
	t->steps++;
}

static void report(struct et_bench_run *r, int mode, const struct et_step *step, bool counts)
{
	struct et_progress *p = &r->p;

	p->phase = ET_PHASE_TRAIN;
	p->step += counts;
	p->steps = (uint64_t)r->n * (uint64_t)r->bench->steps;
	p->loss = step->sum.loss;
	p->accuracy = step->sum.rows ? (double)step->sum.correct / (double)step->sum.rows : 0;
	p->lr = step->lr;
	p->eta_s = -1;
	if (r->bench->progress)
		r->bench->progress(r->bench->arg, r->result->mode[mode].recipe, p);
}

/* Energy of the steps since then: readings at both ends make it that of this block alone. */
static void meter(const struct block *b, double from)
{
	struct et_tally *t = &b->r->tally[b->mode];

	bool read = et_meter_sync(b->r->meter);
	double to = et_meter_known_to(b->r->meter);
	t->joules += read ? et_meter_energy(b->r->meter, from, to) : NAN;
	t->block_s += to - from;
	int64_t bits = et_meter_board(b->r->meter).throttled;
	if (bits > 0 && bits & 0xf && !b->r->throttled) {
		et_log(b->r->env, ET_LOG_WARNING,
		       "the board throttles: times of modes do not compare; cool it, or take fewer "
		       "--threads");
		b->r->throttled = true;
	}
}

static int take_steps(const struct block *b, struct et_err *err)
{
	struct et_bench_run *r = b->r;
	const struct et_batch *batch;
	double from = 0;

	for (uint64_t i = 0; i <= b->steps; i++) {
		if (i == 1) {
			et_meter_sync(r->meter);
			from = et_meter_known_to(r->meter);
		}
		struct et_step step = {.number = i, .lr = et_train_lr(&r->s.t, i, r->full)};
		double begun = et_now();
		ET_TRY(et_bench_batch(r, i, &batch, err));
		double data_s = et_now() - begun;
		bool fine = et_step_run(&r->s, batch, &step);
		double step_s = et_now() - begun;
		int status =
			fine ? ET_OK
			     : et_bench_diverged(r, r->result->mode[b->mode].recipe, &step, err);
		et_loader_done(r->loader, batch);
		ET_TRY(status);
		if (i)
			keep(&r->tally[b->mode], &step, data_s, step_s);
		r->p.data_ms = data_s * 1e3;
		r->p.step_ms = step_s * 1e3;
		report(r, b->mode, &step, i > 0);
		if (et_stopped(r->env))
			return et_fail(err, ET_ESTOP, "stopped");
	}
	meter(b, from);
	return ET_OK;
}

static void run_block(void *arg)
{
	struct block *b = arg;
	b->status = take_steps(b, b->err);
}

int et_bench_block(struct et_bench_run *r, int mode, uint64_t steps, struct et_err *err)
{
	struct et_bench_mode *m = &r->result->mode[mode];
	struct block b = {.r = r, .mode = mode, .steps = steps, .err = err};
	struct et_plan plan;

	ET_TRY(et_bench_net(r, m->recipe, r->by_layer, err));
	ET_TRY(et_session_plan(&r->s, true, &plan, err));
	bool marked = et_machine_mark_peak();
	ET_TRY(et_net_alloc(&r->s.net, err));
	if (!r->tally[mode].steps)
		et_session_tell(&r->s, r->env);
	if (!r->started)
		r->s.env = r->env;
	r->started = true;
	ET_TRY(et_session_start(&r->s, r->bench->init, err));
	et_team_run(&r->s.net.ctx, run_block, &b);
	if (marked)
		m->peak_memory = et_max(m->peak_memory, et_machine_marked_peak());
	et_net_free(&r->s.net);
	return b.status;
}
