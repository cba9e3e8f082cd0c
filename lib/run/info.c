/* et_info: what a network, a run or a file of weights is made of. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "net/types.h"
#include "run/run.h"

static int nomem(struct et_err *err)
{
	return et_fail(err, ET_ENOMEM, "out of memory");
}

/* ---- a network ------------------------------------------------------------------------------- */

static int add_layer(const struct et_net *net, const struct et_node *node, struct et_info *info,
		     struct et_err *err)
{
	struct et_info_layer *l = &info->layer[info->layers++];
	char mode[256];

	l->type = node->type->name;
	l->height = node->out.h;
	l->width = node->out.w;
	l->channels = node->out.c;
	l->mac = node->type->mac ? node->type->mac(node) : 0;
	l->trains = node->trains;
	for (size_t k = 0; k < ET_COUNT(node->param); k++) {
		const struct et_param *p = node->param[k] < 0 ? NULL : &net->params[node->param[k]];
		if (p && (p->kind == ET_PARAM_WEIGHT || p->kind == ET_PARAM_VECTOR)) {
			l->parameters += p->count;
			l->trainable += p->train ? p->count : 0;
		}
	}
	info->parameters += l->parameters;
	info->trainable += l->trainable;
	info->mac += l->mac;
	l->name = et_strdup(node->name);
	l->mode = et_strdup(node->trains && node->layer.name ? et_net_mode_text(node, mode) : "");
	return l->name && l->mode ? ET_OK : nomem(err);
}

static int describe_net(const struct et_session *s, struct et_info *info, struct et_err *err)
{
	const struct et_spec *spec = &s->spec;

	info->height = spec->input.h;
	info->width = spec->input.w;
	info->channels = spec->input.c;
	info->classes = spec->classes;
	info->name = et_strdup(spec->name ? spec->name : "");
	info->layer = et_calloc((size_t)s->net.n, sizeof(*info->layer));
	if (!info->name || !info->layer)
		return nomem(err);
	for (int i = 0; i < s->net.n; i++)
		ET_TRY(add_layer(&s->net, &s->net.nodes[i], info, err));
	return ET_OK;
}

static int open_spec(struct et_session *s, const struct et_info_request *request,
		     struct et_err *err)
{
	ET_TRY(et_spec_read(&s->spec, request->path, err));
	if (request->classes)
		ET_TRY(et_spec_set_classes(&s->spec, request->classes, err));
	return et_session_net(s, s->spec.train, request->conf, err);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static int add_note(struct et_info *info, const char *key, const char *value, struct et_err *err)
{
	struct et_info_note *more = realloc(info->note, (info->notes + 1) * sizeof(*info->note));

	if (!more)
		return nomem(err);
	info->note = more;
	more[info->notes] = (struct et_info_note){et_strdup(key), et_strdup(value)};
	struct et_info_note *n = &more[info->notes++];
	return n->key && n->value ? ET_OK : nomem(err);
}

/* Where a run comes from. */
static int add_origin(struct et_info *info, const struct et_run_info *run, struct et_err *err)
{
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(run->json, "version");

	if (cJSON_IsString(version))
		ET_TRY(add_note(info, "version", version->valuestring, err));
	ET_TRY(add_note(info, "data", run->data, err));
	return run->init ? add_note(info, "init", run->init, err) : ET_OK;
}

/* How far it has come, by what its newest weights say of themselves. */
static int add_progress(struct et_info *info, const char *dir, struct et_err *err)
{
	static const char *const keys[] = {"step", "epoch"};
	char *path = et_path_join(dir, "model.safetensors");
	struct et_st st;

	if (!path)
		return nomem(err);
	int status = et_path_exists(path) ? et_st_open(&st, path, err) : 1;
	free(path);
	for (size_t i = 0; i < ET_COUNT(keys) && !status; i++) {
		const char *value = et_st_meta(&st, keys[i]);
		if (value)
			status = add_note(info, keys[i], value, err);
	}
	if (status != 1)
		et_st_close(&st);
	return status == 1 ? ET_OK : status;
}

static int describe_run(struct et_session *s, const struct et_info_request *request,
			struct et_run_info *run, struct et_info *info, struct et_err *err)
{
	ET_TRY(et_run_read(request->path, run, err));
	s->has_init = run->init != NULL;
	ET_TRY(et_spec_parse(&s->spec, run->spec_text, strlen(run->spec_text), request->path, err));
	ET_TRY(et_session_net(s, run->train, request->conf, err));
	ET_TRY(add_origin(info, run, err));
	return add_progress(info, request->path, err);
}

/* ---- a file of weights ----------------------------------------------------------------------- */

static int describe_file(const char *path, struct et_info *info, struct et_err *err)
{
	struct et_st st;

	ET_TRY(et_st_open(&st, path, err));
	info->tensor = et_calloc(st.n + 1, sizeof(*info->tensor));
	int status = info->tensor ? ET_OK : nomem(err);
	for (size_t i = 0; i < st.n && !status; i++) {
		/* By name, as they are looked for. */
		const struct et_st_tensor *t = &st.tensors[st.by_name[i]];
		struct et_info_tensor *out = &info->tensor[info->tensors++];
		out->rank = t->rank;
		memcpy(out->shape, t->shape, sizeof(out->shape));
		memcpy(out->dtype, t->dtype_name, sizeof(out->dtype));
		out->count = t->count;
		out->bytes = t->end - t->begin;
		info->parameters += t->count;
		info->bytes += out->bytes;
		out->name = et_strdup(t->name);
		status = out->name ? ET_OK : nomem(err);
	}
	for (size_t i = 0; i < st.n_meta && !status; i++)
		status = add_note(info, st.meta[2 * i], st.meta[2 * i + 1], err);
	et_st_close(&st);
	return status;
}

/* Does a file begin as JSON does? A file of weights begins with the low bytes of a length. */
static int is_json(const char *path, bool *json, struct et_err *err)
{
	unsigned char begin[64];
	uint64_t size;
	int fd;

	ET_TRY(et_file_open(path, &fd, &size, err));
	ssize_t n = pread(fd, begin, sizeof(begin), 0);
	close(fd);
	size_t i = n >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	while (n > 0 && i < (size_t)n && strchr(" \t\r\n", begin[i]) && begin[i])
		i++;
	bool object = n > 0 && i < (size_t)n && begin[i] == '{';
	/* 123 bytes of header in a file of weights: its upper bytes are zero. */
	*json = object && !(n >= 8 && i == 0 && !begin[7]);
	return ET_OK;
}

/* ---- all three ------------------------------------------------------------------------------- */

static int describe(struct et_session *s, const struct et_info_request *request,
		    struct et_run_info *run, struct et_info *info, struct et_err *err)
{
	bool json = true;

	if (et_path_is_dir(request->path)) {
		info->kind = ET_INFO_RUN;
		ET_TRY(describe_run(s, request, run, info, err));
		return describe_net(s, info, err);
	}
	ET_TRY(is_json(request->path, &json, err));
	if (!json) {
		info->kind = ET_INFO_WEIGHTS;
		return describe_file(request->path, info, err);
	}
	info->kind = ET_INFO_SPEC;
	ET_TRY(open_spec(s, request, err));
	return describe_net(s, info, err);
}

int et_info(const struct et_env *env, const struct et_info_request *request, struct et_info *info,
	    struct et_err *err)
{
	struct et_session s = {.env = env, .has_init = request->init};
	struct et_run_info run = {0};

	memset(info, 0, sizeof(*info));
	int status = describe(&s, request, &run, info, err);
	et_session_close(&s);
	et_run_info_free(&run);
	if (status)
		et_info_free(info);
	return status;
}

void et_info_free(struct et_info *info)
{
	for (int i = 0; i < info->layers; i++) {
		free(info->layer[i].name);
		free(info->layer[i].mode);
	}
	for (size_t i = 0; i < info->tensors; i++)
		free(info->tensor[i].name);
	for (size_t i = 0; i < info->notes; i++) {
		free(info->note[i].key);
		free(info->note[i].value);
	}
	free(info->layer);
	free(info->tensor);
	free(info->note);
	free(info->name);
	memset(info, 0, sizeof(*info));
}
