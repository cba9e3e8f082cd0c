/* Private to run: power, heat and clock along a run, and what its rows say of them. */
#ifndef ET_RUN_WATCH_H
#define ET_RUN_WATCH_H

#include "power/power.h"
#include "run/run.h"

#define ET_STEPS_HEADER                                                                         \
	"step,epoch,samples,loss,accuracy,lr,data_ms,forward_ms,backward_ms,update_ms,step_ms," \
	"energy_j,power_w,energy_source,temp_c,freq_mhz,throttled,rss_mb"
/* What follows in every row of epochs.csv: these columns are its last. */
#define ET_ENERGY_HEADER \
	",energy_j,energy_net_j,power_w,j_per_image,total_s,pauses,pause_s,throttled_s"
#define ET_SERIES_HEADER "time_s,step,phase,power_w,temp_c,freq_mhz,throttled"

/* A row of steps.csv whose energy is not known yet. Times are et_now()'s. */
struct et_step_row {
	uint64_t step, epoch;
	size_t samples;
	double loss, accuracy, lr;
	double data_s, forward_s, backward_s, update_s, step_s;
	double begun, ended; /* where its energy is looked for */
	double rss_mb;	     /* NaN = unknown, as the following */
	struct et_board_state board;
};

/* Rows that may wait for a reading. */
#define ET_ROWS_WAITING 512

struct et_watch {
	const struct et_env *env;
	struct et_state *state;		      /* whose sums are kept */
	struct et_meter *meter;		      /* NULL: not opened */
	const struct et_meter_source *source; /* NULL: none */
	double idle_w;			      /* NaN: not measured */
	struct et_board_state board;	      /* of the last tick */
	double power_w;			      /* of the last second or so; NaN = unknown */
	enum et_phase phase;
	double marked; /* up to here the sums go; NaN: not begun */
	double begun;  /* when they began */
	/* This call's sums: seconds, those of known power and their joules. */
	double call_s, call_metered_s, call_j;
	unsigned warned;   /* kinds of throttling that were told */
	unsigned old_bits; /* that the firmware remembered when the run began */
	/* power.csv: of its next row. */
	struct et_csv series;
	bool has_series;
	double row_s, row_metered_s, row_j;
	struct et_step_row *waiting;
	size_t n_waiting;
};

/*
 * Finds the source of power that env asks for and begins to sample. ET_EUSAGE when one is needed
 * (which option needs it) and there is none.
 */
int et_watch_open(struct et_watch *w, const struct et_env *env, struct et_state *state,
		  const char *needs_power, const char *needs_heat,
		  struct et_err *err) ET_MUST_CHECK;
/* power.csv in dir, cut to what the state says. From here on the sums are kept. */
int et_watch_begin(struct et_watch *w, const char *dir, struct et_err *err) ET_MUST_CHECK;
/*
 * From now on another phase. The time up to here goes into the sums, exactly, and rows that wait
 * are written to steps.
 */
int et_watch_phase(struct et_watch *w, enum et_phase phase, struct et_csv *steps,
		   struct et_err *err) ET_MUST_CHECK;
/* To be called now and then: adds to the sums what is known by now, and reads the board. */
int et_watch_tick(struct et_watch *w, struct et_err *err) ET_MUST_CHECK;
/* A row for steps.csv, written when its energy is known. */
int et_watch_row(struct et_watch *w, const struct et_step_row *row, struct et_csv *steps,
		 struct et_err *err) ET_MUST_CHECK;
/* Energy columns of the epoch's row, and the same numbers into e; a comma in front. */
const char *et_watch_epoch(const struct et_watch *w, struct et_epoch *e, char *buf, size_t n);
/* Joules of this call, with gaps filled by the mean; NaN = unknown. */
double et_watch_spent(const struct et_watch *w);
/* Energy of this call, and its source. */
void et_watch_result(const struct et_watch *w, struct et_fit_result *r);
/* Everything onto the disk. */
int et_watch_sync(struct et_watch *w, struct et_err *err) ET_MUST_CHECK;
void et_watch_close(struct et_watch *w);

/*
 * idle.c: the mean power of a board that does nothing for so many seconds; NaN, and a warning,
 * without a source or readings. tick is called about once a second. ET_ESTOP: stopped on request.
 */
int et_idle_measure(struct et_meter *m, double seconds, const struct et_env *env,
		    void (*tick)(void *arg), void *arg, double *watts,
		    struct et_err *err) ET_MUST_CHECK;
/* Sleeps for a moment after which a signal should be looked for. */
void et_doze(void);

/* step_rows.c: writes those rows whose energy is known; `all`: every one, known or not. */
int et_watch_write_rows(struct et_watch *w, bool all, struct et_csv *steps,
			struct et_err *err) ET_MUST_CHECK;

#endif
