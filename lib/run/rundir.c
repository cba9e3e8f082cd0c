/* run.json: everything needed to repeat a run; and what a kill left in its directory. */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "power/power.h"
#include "run/checkpoint.h"

#define FILE_NAME "run.json"

static void add_settings(cJSON *root, const struct et_train *t)
{
	cJSON *train = cJSON_AddObjectToObject(root, "train");
	size_t n;
	const struct et_setting *table = et_settings(&n);

	for (size_t i = 0; i < n; i++) {
		char text[8192];
		et_train_text(t, i, text, sizeof(text));
		if (table[i].kind == ET_SET_INT || table[i].kind == ET_SET_FLOAT)
			cJSON_AddRawToObject(train, table[i].key, text);
		else
			cJSON_AddStringToObject(train, table[i].key, text);
	}
}

/* The first line of a file, or up to its NUL; nothing where there is none. */
static void add_line(cJSON *to, const char *key, const char *path)
{
	char text[200] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		return;
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	text[strcspn(text, "\n")] = 0;
	cJSON_AddStringToObject(to, key, text);
}

static void add_machine(cJSON *root, const struct et_session *s)
{
	cJSON *m = cJSON_AddObjectToObject(root, "machine");
	struct utsname u;

	if (uname(&u) == 0) {
		cJSON_AddStringToObject(m, "system", u.sysname);
		cJSON_AddStringToObject(m, "kernel", u.release);
		cJSON_AddStringToObject(m, "architecture", u.machine);
	}
	add_line(m, "board", "/proc/device-tree/model");
	/* Jetson's power mode caps clocks and cores. */
	add_line(m, "nvpmodel", "/var/lib/nvpmodel/status");
	cJSON_AddNumberToObject(m, "processors", (double)sysconf(_SC_NPROCESSORS_ONLN));
	cJSON_AddNumberToObject(m, "threads", s->ctx.threads);
	cJSON_AddStringToObject(m, "isa", s->ctx.k->name);
}

static void add_numbers(cJSON *root, const char *key, const float *v, int n)
{
	cJSON *a = cJSON_AddArrayToObject(root, key);
	for (int i = 0; i < n; i++) {
		char text[32];
		snprintf(text, sizeof(text), "%.9g", (double)v[i]);
		cJSON_AddItemToArray(a, cJSON_CreateRaw(text));
	}
}

static void add_data(cJSON *root, const struct et_session *s, const char *data)
{
	cJSON *d = cJSON_AddObjectToObject(root, "data");
	char fingerprint[24], *full = realpath(data, NULL);

	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, et_dataset_fingerprint(s->ds));
	cJSON_AddStringToObject(d, "path", full ? full : data);
	free(full);
	cJSON_AddStringToObject(d, "format", et_dataset_format(s->ds));
	cJSON_AddStringToObject(d, "fingerprint", fingerprint);
	cJSON_AddNumberToObject(d, "train", (double)et_dataset_count(s->ds, ET_SPLIT_TRAIN));
	cJSON_AddNumberToObject(d, "val", (double)et_dataset_count(s->ds, ET_SPLIT_VAL));
	cJSON_AddNumberToObject(d, "test", (double)et_dataset_count(s->ds, ET_SPLIT_TEST));
}

/* In no more digits than a meter has. */
static void add_number(cJSON *to, const char *key, double v)
{
	char text[32];

	if (isnan(v))
		return;
	snprintf(text, sizeof(text), "%.6g", v);
	cJSON_AddRawToObject(to, key, text);
}

static void add_power(cJSON *root, const struct et_run_power *power)
{
	const struct et_meter_source *from = power->source;
	cJSON *p = from ? cJSON_AddObjectToObject(root, "power") : NULL;

	if (!p)
		return;
	cJSON_AddStringToObject(p, "source", from->name);
	cJSON_AddStringToObject(p, "scope", from->scope);
	cJSON_AddStringToObject(p, "unit", from->unit);
	cJSON_AddStringToObject(p, "path", from->path);
	add_number(p, "hz", from->hz);
	add_number(p, "shunt_uohm", from->shunt_uohm);
	add_number(p, "idle_w", power->idle_w);
	add_number(p, "max_temp", power->max_temp > 0 ? power->max_temp : NAN);
}

/* text, path: from the heap, NULL when memory was refused. */
static int write_json(const char *path, char *text, struct et_err *err)
{
	if (!text || !path)
		return et_fail(err, ET_ENOMEM, "out of memory");
	size_t n = strlen(text);
	text[n] = '\n'; /* in place of the terminator, which the length makes unnecessary */
	return et_file_write(path, text, n + 1, err);
}

int et_run_describe(const struct et_session *s, const char *dir, const char *data, const char *init,
		    const struct et_run_power *power, struct et_err *err)
{
	struct et_version v;
	char *path = et_path_join(dir, FILE_NAME), *text = NULL, *full = NULL;
	cJSON *root = cJSON_CreateObject();
	int status;

	ET_TRY(et_version_get(s->env, &v, err));
	if (path && root) {
		cJSON_AddStringToObject(root, "program", "edgetrain");
		cJSON_AddStringToObject(root, "version", v.version);
		cJSON_AddStringToObject(root, "revision", v.revision);
		add_machine(root, s);
		add_power(root, power);
		add_data(root, s, data);
		full = init ? realpath(init, NULL) : NULL;
		if (init)
			cJSON_AddStringToObject(root, "init", full ? full : init);
		if (init && s->init_partial)
			cJSON_AddBoolToObject(root, "init_partial", true);
		cJSON *classes = cJSON_AddArrayToObject(root, "classes");
		for (int k = 0; k < s->spec.classes; k++)
			cJSON_AddItemToArray(classes,
					     cJSON_CreateString(et_dataset_class_name(s->ds, k)));
		add_numbers(root, "mean", s->spec.mean, s->spec.input.c);
		add_numbers(root, "std", s->spec.std, s->spec.input.c);
		if (s->class_weight)
			add_numbers(root, "class_weights", s->class_weight, s->spec.classes);
		add_settings(root, &s->t);
		cJSON_AddItemToObject(root, "spec", cJSON_Duplicate(s->spec.json, true));
		text = cJSON_Print(root);
	}
	status = write_json(path, text, err);
	cJSON_free(text);
	cJSON_Delete(root);
	free(full);
	free(path);
	return status;
}

int et_run_settle(const char *dir, struct et_run_info *info, const struct et_train *t,
		  struct et_err *err)
{
	struct et_train before;
	bool same = true;
	size_t n;

	(void)et_settings(&n);
	ET_TRY(et_train_read(&before, info->train, NULL, err));
	for (size_t i = 0; i < n; i++) {
		char was[8192], is[8192];
		et_train_text(&before, i, was, sizeof(was));
		et_train_text(t, i, is, sizeof(is));
		same &= strcmp(was, is) == 0;
	}
	et_train_free(&before);
	if (same)
		return ET_OK;
	cJSON *now = cJSON_CreateObject();
	if (now)
		add_settings(now, t);
	cJSON *train = now ? cJSON_DetachItemFromObjectCaseSensitive(now, "train") : NULL;
	cJSON_Delete(now);
	if (!train || !cJSON_ReplaceItemInObjectCaseSensitive(info->json, "train", train)) {
		cJSON_Delete(train);
		return et_fail(err, ET_ENOMEM, "out of memory");
	}
	info->train = train;
	char *path = et_path_join(dir, FILE_NAME), *text = cJSON_Print(info->json);
	int status = write_json(path, text, err);
	cJSON_free(text);
	free(path);
	return status;
}

bool et_run_is(const char *dir)
{
	char *path = et_path_join(dir, FILE_NAME);
	bool is = path && et_path_exists(path);
	free(path);
	return is;
}

/* They are called "model.safetensors.PID-N.tmp" and so on. */
static void sweep(const char *dir)
{
	static const char *const mine[] = {"model.safetensors", "state.safetensors",
					   "state.next.safetensors", "best.safetensors", FILE_NAME};
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);
		if (n < 4 || strcmp(e->d_name + n - 4, ".tmp") != 0)
			continue;
		for (size_t i = 0; i < ET_COUNT(mine); i++) {
			size_t m = strlen(mine[i]);
			/* Kept ones have their step in front. */
			const char *at = strstr(e->d_name, mine[i]);
			if (at && at[m] == '.' &&
			    (at == e->d_name || strncmp(e->d_name, "step-", 5) == 0))
				unlinkat(dirfd(d), e->d_name, 0);
		}
	}
	if (d)
		closedir(d);
}

void et_run_sweep(const char *dir)
{
	char *kept = et_path_join(dir, ET_KEPT_DIR);

	sweep(dir);
	if (kept)
		sweep(kept);
	free(kept);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What the idle board drew, and by which source; a run may be without. */
static int read_power(struct et_run_info *info, struct et_err *err)
{
	const cJSON *p = cJSON_GetObjectItemCaseSensitive(info->json, "power");
	const cJSON *idle = p ? cJSON_GetObjectItemCaseSensitive(p, "idle_w") : NULL;
	const char *source = NULL;

	info->idle_w = NAN;
	if (!cJSON_IsObject(p) || !cJSON_IsNumber(idle))
		return ET_OK;
	ET_TRY(et_json_str(p, "power", "source", &source, err));
	info->idle_w = idle->valuedouble;
	info->power_source = source ? et_strdup(source) : NULL;
	return ET_OK;
}

static int read_members(const char *path, struct et_run_info *info, struct et_err *err)
{
	const char *data = NULL, *init = NULL, *fingerprint = NULL;
	const cJSON *d = cJSON_GetObjectItemCaseSensitive(info->json, "data");
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(info->json, "spec");
	const cJSON *weights = cJSON_GetObjectItemCaseSensitive(info->json, "class_weights");
	char *end;

	info->train = cJSON_GetObjectItemCaseSensitive(info->json, "train");
	if (!cJSON_IsObject(d) || !cJSON_IsObject(spec) || !cJSON_IsObject(info->train))
		return et_fail(err, ET_EDATA, "%s: expected the objects data, spec and train",
			       path);
	int a = et_json_str(d, "data", "path", &data, err);
	ET_TRY(a);
	int b = et_json_str(d, "data", "fingerprint", &fingerprint, err);
	ET_TRY(b);
	if (!a || !b)
		return et_fail(err, ET_EDATA, "%s: data: path or fingerprint is missing", path);
	ET_TRY(et_json_str(info->json, "run", "init", &init, err));
	ET_TRY(et_json_bool(info->json, "run", "init_partial", &info->init_partial, err));
	info->fingerprint = strtoull(fingerprint, &end, 16);
	info->data = et_strdup(data);
	info->init = init ? et_strdup(init) : NULL;
	info->spec_text = cJSON_PrintUnformatted(spec);
	if (!info->data || !info->spec_text || (init && !info->init))
		return et_fail(err, ET_ENOMEM, "out of memory");
	ET_TRY(read_power(info, err));
	if (cJSON_IsArray(weights)) {
		info->class_weight =
			et_calloc((size_t)cJSON_GetArraySize(weights) + 1, sizeof(float));
		if (!info->class_weight)
			return et_fail(err, ET_ENOMEM, "out of memory");
		for (const cJSON *w = weights->child; w; w = w->next)
			info->class_weight[info->n_class_weight++] = (float)w->valuedouble;
	}
	return ET_OK;
}

int et_run_read(const char *dir, struct et_run_info *info, struct et_err *err)
{
	memset(info, 0, sizeof(*info));
	if (!et_path_is_dir(dir))
		return et_fail(err, ET_ENOINPUT, "%s: no such run directory", dir);
	char *path = et_path_join(dir, FILE_NAME);
	if (!path)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int status = et_path_exists(path) ? et_json_read(path, &info->json, err)
					  : et_fail(err, ET_ENOINPUT,
						    "%s: no run.json in it: not a run directory (a "
						    "file of weights goes to --init)",
						    dir);
	if (!status)
		status = read_members(path, info, err);
	free(path);
	if (status)
		et_run_info_free(info);
	return status;
}

void et_run_info_free(struct et_run_info *info)
{
	et_json_free(info->json);
	cJSON_free(info->spec_text);
	free(info->data);
	free(info->init);
	free(info->power_source);
	free(info->class_weight);
	memset(info, 0, sizeof(*info));
}
