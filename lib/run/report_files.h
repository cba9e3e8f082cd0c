/* Private to run: the CSV files of a run, added up. */
#ifndef ET_RUN_REPORT_FILES_H
#define ET_RUN_REPORT_FILES_H

#include "run/report.h"

/* What is summed over rows. "later": after the last row of epochs.csv. */
struct et_report_sums {
	double train_s, total_s;
	double energy_j, net_j, energy_s; /* later steps too; seconds that energy_j is of */
	uint64_t net_epochs;
	double epoch_images, epoch_images_j; /* of epochs with joules a picture */
	double step_images, step_j;	     /* of steps with joules */
	uint64_t last_step;		     /* of the last finished epoch */
	uint64_t later_steps, later_images;
	double later_s, later_loss, later_correct; /* sums over pictures */
	double later_pause_s;
};

/* Bits of throttling from row to row. */
struct et_bits {
	bool known;
	int64_t ever; /* those since boot, of the last row that has any */
};
/* Adds to *seen (-1: nothing is known yet) those of the bits 0 to 3 that were set in the run. */
void et_bits_add(struct et_bits *b, int64_t bits, int64_t *seen);

/* In this order: what is later is known from the files before. */
int et_report_epochs(const char *run, struct et_report *r, struct et_report_sums *s,
		     struct et_err *err) ET_MUST_CHECK;
int et_report_steps(const char *run, struct et_report *r, struct et_report_sums *s,
		    struct et_err *err) ET_MUST_CHECK;
int et_report_power(const char *run, struct et_report *r, struct et_report_sums *s,
		    struct et_err *err) ET_MUST_CHECK;

#endif
