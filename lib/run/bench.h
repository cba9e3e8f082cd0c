/* Private to run: a bench in progress, and the statistics of it. */
#ifndef ET_RUN_BENCH_H
#define ET_RUN_BENCH_H

#include "run/watch.h"

/* ---- statistics ------------------------------------------------------------------------------ */

/* Median and range between the quartiles; sorts v. NaN of nothing. */
struct et_spread et_spread_of(double *v, size_t n);

/* Sums over two vectors: a'b, a'a, b'b. */
struct et_likeness {
	double dot, a, b;
};
/*
 * Adds a parameter's gradient, which taps may share, as a, and another [count] with one for each
 * weight as b.
 */
void et_likeness_add(struct et_likeness *l, const struct et_param *p, const float *exact);
/* dot / (|a| |b|), NaN where one of them is 0. */
double et_likeness_cosine(const struct et_likeness *l);
/* |a| / |b|, NaN where b is 0. */
double et_likeness_ratio(const struct et_likeness *l);

/* The mean of what is known. */
struct et_mean {
	double sum;
	size_t n;
};
void et_mean_add(struct et_mean *m, double v);
double et_mean_of(const struct et_mean *m);

/* ---- a bench --------------------------------------------------------------------------------- */

enum { ET_TIME_DATA, ET_TIME_FORWARD, ET_TIME_BACKWARD, ET_TIME_UPDATE, ET_TIME_STEP, ET_TIMES };

struct et_layer_means {
	struct et_mean cosine, ratio, dx_cosine, dx_ratio, zeros;
};

/* What is gathered about one mode. */
struct et_tally {
	double *ms[ET_TIMES];	/* [bench->steps] */
	size_t steps;		/* measured so far */
	double joules, block_s; /* of all of them, as blocks; NaN = unknown */
	struct et_mean cosine, ratio;
	struct et_layer_means *layer; /* [layers] */
	char *dir;		      /* of its training */
};

struct et_bench_run {
	const struct et_bench *bench;
	struct et_bench_result *result;
	const struct et_env *env;
	struct et_session s; /* its net is that of one mode at a time */
	struct et_env quiet; /* the same without a log: what is the same for all is said once */
	struct et_loader *loader;
	struct et_meter *meter;
	char *by_layer;		/* recipes of single layers, for all modes */
	int n;			/* modes */
	struct et_tally *tally; /* [n] */
	uint64_t rounds, drawn; /* drawn: batches of the rounds so far */
	uint64_t full;		/* whole batches of an epoch */
	bool started;		/* what the weights have to say was logged */
	bool made_out;		/* the directory was not there */
	bool throttled;		/* that was told */
	bool fidelity;		/* gradients are compared with exact's: there is memory for it */
	struct et_progress p;
};

/* The session's net in the mode of that recipe. */
int et_bench_net(struct et_bench_run *r, const char *recipe, const char *by_layer,
		 struct et_err *err) ET_MUST_CHECK;
/* The next batch after `drawn` + i; at the first and the end of an epoch the loader begins anew. */
int et_bench_batch(struct et_bench_run *r, uint64_t i, const struct et_batch **b,
		   struct et_err *err) ET_MUST_CHECK;
/* That a step failed, in words; where is said from the session's net. */
int et_bench_diverged(struct et_bench_run *r, const char *recipe, const struct et_step *step,
		      struct et_err *err);

/* Are its gradients compared: weights of a layer that trains? A layer has one such parameter. */
bool et_bench_measures(const struct et_param *p);

/* Steps of a mode in a round: one that does not count, then `steps`. */
int et_bench_block(struct et_bench_run *r, int mode, uint64_t steps,
		   struct et_err *err) ET_MUST_CHECK;
/* Gradients of all modes beside exact's on the first batch of the round. */
int et_bench_fidelity(struct et_bench_run *r, struct et_err *err) ET_MUST_CHECK;
/* Bytes that this takes at the most while a net of these recipes is there. */
int et_bench_fidelity_bytes(struct et_bench_run *r, const char *recipe, const char *by_layer,
			    uint64_t *bytes, struct et_err *err) ET_MUST_CHECK;

/* Names the directories of the trainings; those in --out must not hold runs. */
int et_bench_name_runs(struct et_bench_run *r, struct et_err *err) ET_MUST_CHECK;
/* Trains in every mode; the session must be closed. */
int et_bench_train(struct et_bench_run *r, struct et_err *err) ET_MUST_CHECK;

/* Is there a bench in that directory? */
bool et_bench_is(const char *dir);
int et_bench_write(const struct et_bench_result *result, const char *dir, int epochs,
		   struct et_err *err) ET_MUST_CHECK;

#endif
