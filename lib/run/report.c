/* et_report_read: a run directory summed up. run.json here, the CSV files in report_files.c. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "run/report_files.h"

/* ---- run.json -------------------------------------------------------------------------------- */

static int copy(char **to, const char *text, struct et_err *err)
{
	*to = et_strdup(text);
	return *to ? ET_OK : et_fail(err, ET_ENOMEM, "out of memory");
}

/* A string member, or what stands for it. */
static int take(const cJSON *o, const char *where, const char *key, const char *missing, char **to,
		struct et_err *err)
{
	const char *text = missing;

	ET_TRY(et_json_str(o, where, key, &text, err));
	return text ? copy(to, text, err) : ET_OK;
}

static int take_count(const cJSON *o, const char *where, const char *key, uint64_t *to,
		      struct et_err *err)
{
	int64_t v = 0;

	ET_TRY(et_json_int(o, where, key, 0, INT64_MAX, &v, err));
	*to = (uint64_t)v;
	return ET_OK;
}

static int take_power(const cJSON *root, const char *where, struct et_report *r, struct et_err *err)
{
	const cJSON *p = cJSON_GetObjectItemCaseSensitive(root, "power");
	const char *source = "", *scope = "";

	if (!cJSON_IsObject(p))
		return ET_OK;
	ET_TRY(et_json_str(p, where, "source", &source, err));
	ET_TRY(et_json_str(p, where, "scope", &scope, err));
	ET_TRY(et_json_num(p, where, "idle_w", 0, HUGE_VAL, &r->idle_w, err));
	snprintf(r->source, sizeof(r->source), "%s", source);
	snprintf(r->scope, sizeof(r->scope), "%s", scope);
	return ET_OK;
}

static int take_members(const struct et_run_info *info, const char *where, struct et_report *r,
			struct et_err *err)
{
	const cJSON *root = info->json, *d = cJSON_GetObjectItemCaseSensitive(root, "data");
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(root, "machine");
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(root, "spec");
	const cJSON *classes = cJSON_GetObjectItemCaseSensitive(root, "classes");
	uint64_t batch;

	ET_TRY(take(spec, where, "name", "", &r->name, err));
	ET_TRY(take(info->train, where, "mode", "exact", &r->mode, err));
	ET_TRY(take(root, where, "version", "", &r->version, err));
	if (cJSON_IsObject(m))
		ET_TRY(take(m, where, "board", NULL, &r->board, err));
	ET_TRY(copy(&r->data, info->data, err));
	if (info->init)
		ET_TRY(copy(&r->init, info->init, err));
	ET_TRY(take_count(info->train, where, "epochs", &r->epochs_wanted, err));
	ET_TRY(take_count(info->train, where, "batch_size", &batch, err));
	ET_TRY(take_count(d, where, "train", &r->pictures, err));
	r->batch_size = batch < INT32_MAX ? (int)batch : 0;
	r->classes = cJSON_IsArray(classes) ? cJSON_GetArraySize(classes) : 0;
	return take_power(root, where, r, err);
}

static int read_json(const char *run, struct et_report *r, struct et_err *err)
{
	struct et_run_info info;

	ET_TRY(et_run_read(run, &info, err));
	char *where = et_path_join(run, "run.json");
	int status = where ? take_members(&info, where, r, err)
			   : et_fail(err, ET_ENOMEM, "out of memory");
	free(where);
	et_run_info_free(&info);
	return status;
}

/* ---- at work? -------------------------------------------------------------------------------- */

/*
 * The file `lock` says whose the run is, "PID HOST SINCE". The lock itself is not tried: to hold it
 * for a moment would be in the way of a run that starts.
 */
static int64_t worker(const char *run)
{
	char text[400] = "", host[256] = "", here[256] = "";
	char *path = et_path_join(run, "lock");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	long pid = 0;

	free(path);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0 || sscanf(text, "%ld %255s", &pid, host) != 2 || pid < 1 || pid > INT32_MAX)
		return 0;
	/* One that was killed leaves the file behind. */
	bool same = gethostname(here, sizeof(here) - 1) == 0 && strcmp(here, host) == 0;
	return same && (kill((pid_t)pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* How much of an epoch so many steps are; 0 where nobody knows. */
static double share_of_epoch(const struct et_report *r, uint64_t steps)
{
	if (!r->pictures || r->batch_size < 1)
		return 0;
	uint64_t of = et_ceil_div(r->pictures, (uint64_t)r->batch_size);
	return fmin((double)steps / (double)of, 1);
}

static double seconds_left(const struct et_report *r, const struct et_report_sums *s)
{
	double done = (double)r->epochs + share_of_epoch(r, s->later_steps);
	double spent = isnan(r->total_s) ? r->train_s : r->total_s;

	if (r->finished)
		return 0;
	return done > 0 ? spent / done * ((double)r->epochs_wanted - done) : NAN;
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : NAN;
}

static void sum_up(struct et_report *r, const struct et_report_sums *s)
{
	bool begun = s->later_steps > 0, measured = s->energy_s > 0;

	r->finished = r->epochs >= r->epochs_wanted && r->epochs_wanted > 0;
	r->train_s = s->train_s + s->later_s;
	r->total_s = s->total_s + s->later_s + s->later_pause_s;
	r->images_per_s = r->images ? ratio((double)r->images, r->train_s) : NAN;
	r->running_loss = begun ? ratio(s->later_loss, (double)s->later_images) : NAN;
	r->running_accuracy = begun ? ratio(s->later_correct, (double)s->later_images) : NAN;
	r->energy_j = measured ? s->energy_j : NAN;
	r->power_w = ratio(s->energy_j, s->energy_s);
	r->energy_net_j = s->net_epochs == r->energy_epochs && measured ? s->net_j : NAN;
	r->j_per_image = s->epoch_images > 0 ? s->epoch_images_j / s->epoch_images
					     : ratio(s->step_j, s->step_images);
	r->estimated = strncmp(r->source, "model", 5) == 0;
	r->left_s = seconds_left(r, s);
}

static struct et_report unknown(void)
{
	return (struct et_report){.loss = NAN,
				  .accuracy = NAN,
				  .val_loss = NAN,
				  .val_accuracy = NAN,
				  .val_miou = NAN,
				  .best = NAN,
				  .idle_w = NAN,
				  .throttled_s = NAN,
				  .throttled = -1,
				  .highest_c = NAN,
				  .peak_rss = NAN};
}

int et_report_read(const char *run, struct et_report *report, struct et_err *err)
{
	struct et_report_sums sums = {0};

	*report = unknown();
	report->pid = worker(run);
	int status = copy(&report->run, run, err);
	if (!status)
		status = read_json(run, report, err);
	if (!status)
		status = et_report_epochs(run, report, &sums, err);
	if (!status)
		status = et_report_steps(run, report, &sums, err);
	if (!status)
		status = et_report_power(run, report, &sums, err);
	if (!status)
		sum_up(report, &sums);
	else
		et_report_free(report);
	return status;
}

void et_report_free(struct et_report *r)
{
	free(r->run);
	free(r->name);
	free(r->mode);
	free(r->data);
	free(r->init);
	free(r->version);
	free(r->board);
	free(r->epoch);
	free(r->power);
	free(r->losses);
	free(r->pause);
	free(r->throttle);
	memset(r, 0, sizeof(*r));
}
