/* A trained network that is to be used: where its spec, weights and names of classes come from. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "run/run.h"

#define LABELS_BYTES (16u << 20)

static int check_utf8(const char *s, const char *path, int line, struct et_err *err)
{
	size_t left = strlen(s), used;

	for (uint32_t cp; left; s += used, left -= used) {
		used = et_utf8_next(s, left, &cp);
		if (!used)
			return et_fail(err, ET_EDATA, "%s:%d: the name is not UTF-8", path, line);
	}
	return ET_OK;
}

/* Cuts the text into lines, in place; what stands behind the last newline counts if it is anything.
 */
static int cut_lines(struct et_model_files *f, size_t size, const char *path, int *lines,
		     struct et_err *err)
{
	char *end = f->labels + size;
	int n = 0;

	if (strlen(f->labels) != size)
		return et_fail(err, ET_EDATA, "%s: expected text, found a NUL", path);
	for (char *p = f->labels; p < end; n++)
		p += strcspn(p, "\n") + 1;
	f->names = et_calloc((size_t)n + 1, sizeof(*f->names));
	if (!f->names)
		return et_fail(err, ET_ENOMEM, "out of memory");
	*lines = n;
	n = 0;
	for (char *p = f->labels; p < end; n++) {
		size_t length = strcspn(p, "\n");
		p[length] = 0;
		if (length && p[length - 1] == '\r')
			p[length - 1] = 0;
		ET_TRY(check_utf8(p, path, n + 1, err));
		f->names[n] = p;
		p += length + 1;
	}
	return ET_OK;
}

static int read_labels(struct et_session *s, const char *path, struct et_model_files *f,
		       struct et_err *err)
{
	size_t size;
	int lines = 0;

	ET_TRY(et_file_read(path, LABELS_BYTES, &f->labels, &size, err));
	ET_TRY(cut_lines(f, size, path, &lines, err));
	if (lines && lines != s->spec.classes && !s->is_run && s->spec.follows)
		ET_TRY(et_spec_set_classes(&s->spec, lines, err));
	if (lines != s->spec.classes)
		return et_fail(err, ET_EDATA,
			       "%s: expected the names of %d classes, one a line; found %d", path,
			       s->spec.classes, lines);
	return ET_OK;
}

/* The names that the run was trained with. */
static int run_names(const struct et_session *s, struct et_model_files *f, const char *dir,
		     struct et_err *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(f->info.json, "classes");
	int n = 0;

	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != s->spec.classes)
		return et_fail(err, ET_EDATA, "%s/run.json: classes: expected an array of %d names",
			       dir, s->spec.classes);
	f->names = et_calloc((size_t)s->spec.classes, sizeof(*f->names));
	if (!f->names)
		return et_fail(err, ET_ENOMEM, "out of memory");
	for (const cJSON *e = list->child; e; e = e->next) {
		if (!cJSON_IsString(e))
			return et_fail(err, ET_EDATA, "%s/run.json: classes: expected names", dir);
		f->names[n++] = e->valuestring;
	}
	return ET_OK;
}

static int open_run(struct et_session *s, const struct et_model *model, struct et_model_files *f,
		    struct et_err *err)
{
	s->is_run = true;
	if (model->best && model->weights)
		return et_fail(err, ET_EUSAGE,
			       "--best and --weights both say which weights: give one of them");
	ET_TRY(et_run_read(model->model, &f->info, err));
	ET_TRY(et_spec_parse(&s->spec, f->info.spec_text, strlen(f->info.spec_text), model->model,
			     err));
	f->weights = model->weights ? et_strdup(model->weights)
				    : et_path_join(model->model, model->best ? "best.safetensors"
									     : "model.safetensors");
	return ET_OK;
}

static int open_spec(struct et_session *s, const struct et_model *model, struct et_model_files *f,
		     struct et_err *err)
{
	ET_TRY(et_spec_read(&s->spec, model->model, err));
	if (model->best)
		return et_fail(err, ET_EUSAGE,
			       "%s is a spec, which has no best weights: expected a run directory "
			       "with --best",
			       model->model);
	if (!model->weights)
		return et_fail(err, ET_EUSAGE,
			       "%s is a spec: it needs --weights FILE; or name a run directory",
			       model->model);
	f->weights = et_strdup(model->weights);
	return ET_OK;
}

int et_model_open(struct et_session *s, const struct et_model *model, struct et_model_files *f,
		  struct et_err *err)
{
	bool run = et_path_is_dir(model->model);

	memset(f, 0, sizeof(*f));
	s->has_init = true;
	ET_TRY(run ? open_run(s, model, f, err) : open_spec(s, model, f, err));
	if (!f->weights)
		return et_fail(err, ET_ENOMEM, "out of memory");
	if (model->labels)
		return read_labels(s, model->labels, f, err);
	return run ? run_names(s, f, model->model, err) : ET_OK;
}

void et_model_close(struct et_model_files *f)
{
	et_run_info_free(&f->info);
	free(f->weights);
	free(f->labels);
	free(f->names);
	memset(f, 0, sizeof(*f));
}

int et_model_spares(const struct et_model *model, const struct et_model_files *f, const char *out,
		    struct et_err *err)
{
	const char *const read[] = {model->model, model->labels, f->weights};

	for (size_t i = 0; i < ET_COUNT(read); i++)
		if (read[i] && et_path_same(read[i], out))
			return et_fail(err, ET_EUSAGE,
				       "%s: is %s, which would be overwritten: name another file",
				       out, read[i]);
	return ET_OK;
}
