/* Reading of network specs: JSON to a list of primitive layers with shapes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/spec.h"

#define LAYERS_MAX 4096
#define SIDE_MAX   8192
#define SPEC_BYTES (4u << 20)

struct et_shape et_spec_shape(const struct et_spec *spec, int layer)
{
	return layer < 0 ? spec->input : spec->layers[layer].out;
}

static bool grow(void **array, int n, int *cap, size_t size)
{
	if (n < *cap)
		return true;
	int more = *cap ? 2 * *cap : 32;
	void *p = realloc(*array, (size_t)more * size);
	if (!p)
		return false;
	*array = p;
	*cap = more;
	return true;
}

static int name_taken(const char *name, struct et_err *err)
{
	return et_fail(err, ET_EDATA, "layer %s: the name is taken by an earlier layer", name);
}

int et_spec_name(struct et_spec_builder *b, const char *name, int layer, struct et_err *err)
{
	void *names = b->names;

	for (int i = 0; i < b->n_names; i++)
		if (strcmp(b->names[i].name, name) == 0)
			return name_taken(name, err);
	if (!grow(&names, b->n_names, &b->cap_names, sizeof(*b->names)))
		return et_fail(err, ET_ENOMEM, "out of memory");
	b->names = names;
	b->names[b->n_names].name = et_strdup(name);
	if (!b->names[b->n_names].name)
		return et_fail(err, ET_ENOMEM, "out of memory");
	b->names[b->n_names++].layer = layer;
	return ET_OK;
}

static int check_shape(const char *name, struct et_shape s, struct et_err *err)
{
	if (s.h < 1 || s.w < 1 || s.c < 1 || s.h > SIDE_MAX || s.w > SIDE_MAX || s.c > (1 << 24) ||
	    et_shape_count(s) > ((size_t)1 << 28))
		return et_fail(err, ET_EDATA,
			       "layer %s: output of %d channels, %dx%d is too large or empty", name,
			       s.c, s.h, s.w);
	return ET_OK;
}

static int check_inputs(const char *name, const struct et_type *type, int n, struct et_err *err)
{
	if (n >= type->min_in && n <= type->max_in)
		return ET_OK;
	if (type->min_in == type->max_in)
		return et_fail(err, ET_EDATA, "layer %s: %s takes %d input%s, found %d", name,
			       type->name, type->min_in, type->min_in == 1 ? "" : "s", n);
	return et_fail(err, ET_EDATA, "layer %s: %s takes %d to %d inputs, found %d", name,
		       type->name, type->min_in, type->max_in, n);
}

int et_spec_add(struct et_spec_builder *b, const char *name, const struct et_type *type,
		const int *in, int n_in, const union et_attr *u, struct et_err *err)
{
	struct et_spec *spec = b->spec;
	struct et_shape shapes[ET_IN_MAX];
	struct et_layer_desc d = {.type = type, .n_in = n_in, .u = *u};
	void *layers = spec->layers;

	if (spec->n >= LAYERS_MAX)
		return et_fail(err, ET_EDATA, "layers: more than %d", LAYERS_MAX);
	/* Blocks name their own layers: those may meet names of the file, too. */
	for (int i = 0; i < spec->n; i++)
		if (strcmp(spec->layers[i].name, name) == 0)
			return name_taken(name, err);
	ET_TRY(check_inputs(name, type, n_in, err));
	for (int i = 0; i < n_in; i++)
		shapes[i] = et_spec_shape(spec, in[i]);
	d.out = shapes[0];
	if (type->shape && type->shape(&d.u, shapes, n_in, &d.out, err))
		return et_err_prefix(err, "layer %s", name);
	ET_TRY(check_shape(name, d.out, err));
	if (!grow(&layers, spec->n, &b->cap, sizeof(*spec->layers)))
		return et_fail(err, ET_ENOMEM, "out of memory");
	spec->layers = layers;
	d.name = et_strdup(name);
	d.in = et_calloc((size_t)n_in, sizeof(int));
	if (!d.name || !d.in) {
		free(d.name);
		free(d.in);
		return et_fail(err, ET_ENOMEM, "out of memory");
	}
	memcpy(d.in, in, (size_t)n_in * sizeof(int));
	spec->layers[spec->n] = d;
	return spec->n++;
}

/* ---- inputs
 * --------------------------------------------------------------------------------------- */

static int find_input(const struct et_spec_builder *b, const char *where, const char *name,
		      int *layer, struct et_err *err)
{
	if (strcmp(name, "input") == 0) {
		*layer = -1;
		return ET_OK;
	}
	for (int i = 0; i < b->n_names; i++)
		if (strcmp(b->names[i].name, name) == 0) {
			*layer = b->names[i].layer;
			return ET_OK;
		}
	const char **names = et_calloc((size_t)b->n_names + 1, sizeof(*names));
	for (int i = 0; names && i < b->n_names; i++)
		names[i] = b->names[i].name;
	const char *near = names ? et_nearest(name, names, (size_t)b->n_names) : NULL;
	int status = et_fail(err, ET_EDATA, "%s: inputs: no earlier layer is named '%.100s'%s%s%s",
			     where, name, near ? " (did you mean '" : "", near ? near : "",
			     near ? "'?)" : "");
	free(names);
	return status;
}

static int read_inputs(const struct et_spec_builder *b, const cJSON *o, const char *where,
		       int in[ET_IN_MAX], int *n_in, struct et_err *err)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, "inputs");

	if (!v) {
		in[0] = b->spec->n - 1;
		*n_in = 1;
		return ET_OK;
	}
	if (cJSON_IsString(v)) {
		*n_in = 1;
		return find_input(b, where, v->valuestring, &in[0], err);
	}
	*n_in = 0;
	if (!cJSON_IsArray(v) || !v->child)
		return et_fail(err, ET_EDATA,
			       "%s: inputs: expected a layer's name or an array of them", where);
	for (const cJSON *e = v->child; e; e = e->next) {
		if (!cJSON_IsString(e))
			return et_fail(err, ET_EDATA, "%s: inputs: expected names", where);
		if (*n_in == ET_IN_MAX)
			return et_fail(err, ET_EDATA, "%s: inputs: more than %d", where, ET_IN_MAX);
		ET_TRY(find_input(b, where, e->valuestring, &in[(*n_in)++], err));
	}
	return ET_OK;
}

/* ---- one layer
 * ------------------------------------------------------------------------------------- */

static int known_keys(const cJSON *o, const char *where, const char *const *keys,
		      struct et_err *err)
{
	const char *known[32] = {"name", "type", "inputs"};
	size_t n = 3;
	for (size_t i = 0; keys && keys[i]; i++)
		known[n++] = keys[i];
	return et_json_known_keys(o, where, known, n, err);
}

static int unknown_type(const char *where, const char *type, struct et_err *err)
{
	const char *names[64];
	size_t n = 0;
	for (size_t i = 0; et_type_at(i); i++)
		names[n++] = et_type_at(i)->name;
	for (size_t i = 0; et_composite_at(i); i++)
		names[n++] = et_composite_at(i)->name;
	const char *near = et_nearest(type, names, n);
	return et_fail(err, ET_EDATA, "%s: unknown type '%.100s'%s%s%s", where, type,
		       near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static int check_name(const char *where, const char *name, struct et_err *err)
{
	size_t n = strlen(name);
	if (!n || n > 128)
		return et_fail(err, ET_EDATA, "%s: name: expected 1 to 128 characters, found %zu",
			       where, n);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr(",*?[]", name[i]))
			return et_fail(err, ET_EDATA,
				       "%s: name: spaces, control characters and , * ? [ ] are not "
				       "allowed",
				       where);
	return ET_OK;
}

static int read_layer(struct et_spec_builder *b, const cJSON *o, int position, struct et_err *err)
{
	char where[200], automatic[16];
	const char *name = NULL, *type_name = NULL;
	int in[ET_IN_MAX] = {0}, n_in = 0;

	snprintf(where, sizeof(where), "layers[%d]", position);
	snprintf(automatic, sizeof(automatic), "%d", position);
	if (!cJSON_IsObject(o))
		return et_fail(err, ET_EDATA, "%s: expected an object", where);
	int named = et_json_str(o, where, "name", &name, err);
	ET_TRY(named);
	if (!named)
		name = automatic; /* as torch.nn.Sequential names its members */
	ET_TRY(check_name(where, name, err));
	snprintf(where, sizeof(where), "layer %s", name);
	int typed = et_json_str(o, where, "type", &type_name, err);
	ET_TRY(typed);
	if (!typed)
		return et_fail(err, ET_EDATA, "%s: type is missing", where);
	if (strcmp(name, "input") == 0)
		return et_fail(err, ET_EDATA, "%s: the name input stands for the network's input",
			       where);

	const struct et_composite *comp = et_composite_find(type_name);
	const struct et_type *type = et_type_find(type_name);
	if (!comp && !type)
		return unknown_type(where, type_name, err);
	ET_TRY(known_keys(o, where, comp ? comp->keys : type->keys, err));
	ET_TRY(read_inputs(b, o, where, in, &n_in, err));
	int layer;
	if (comp) {
		if (n_in != 1)
			return et_fail(err, ET_EDATA, "%s: %s takes one input, found %d", where,
				       type_name, n_in);
		layer = comp->expand(b, name, o, where, in[0], err);
	} else {
		union et_attr u;
		memset(&u, 0, sizeof(u));
		if (type->parse)
			ET_TRY(type->parse(o, where, &u, err));
		layer = et_spec_add(b, name, type, in, n_in, &u, err);
	}
	ET_TRY(layer);
	return et_spec_name(b, name, layer, err);
}

/* ---- the whole
 * -------------------------------------------------------------------------------------- */

static int read_input(struct et_spec *spec, struct et_err *err)
{
	static const char *const keys[] = {"channels", "height", "width",   "mean",
					   "std",      "resize", "crop_pct"};
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(spec->json, "input");
	int64_t c = 0, h = 0, w = 0;
	double mean[3] = {0, 0, 0}, std[3] = {1, 1, 1};
	size_t n_mean = 1, n_std = 1;
	const char *resize = "crop";

	if (!cJSON_IsObject(o))
		return et_fail(err, ET_EDATA,
			       "input: expected an object with channels, height and width");
	ET_TRY(et_json_known_keys(o, "input", keys, ET_COUNT(keys), err));
	ET_TRY(et_json_int(o, "input", "channels", 1, 3, &c, err));
	ET_TRY(et_json_int(o, "input", "height", 1, SIDE_MAX, &h, err));
	ET_TRY(et_json_int(o, "input", "width", 1, SIDE_MAX, &w, err));
	if (!c || !h || !w)
		return et_fail(err, ET_EDATA, "input: %s is missing",
			       !c   ? "channels"
			       : !h ? "height"
				    : "width");
	if (c == 2)
		return et_fail(err, ET_EDATA, "input: channels: expected 1 or 3, found 2");
	ET_TRY(et_json_nums(o, "input", "mean", mean, 3, &n_mean, err));
	ET_TRY(et_json_nums(o, "input", "std", std, 3, &n_std, err));
	spec->crop_pct = 1;
	ET_TRY(et_json_num(o, "input", "crop_pct", 0.1, 1, &spec->crop_pct, err));
	ET_TRY(et_json_str(o, "input", "resize", &resize, err));
	if (strcmp(resize, "crop") != 0 && strcmp(resize, "stretch") != 0)
		return et_fail(err, ET_EDATA,
			       "input: resize: expected crop or stretch, found '%.100s'", resize);
	spec->stretch = strcmp(resize, "stretch") == 0;
	if ((n_mean != 1 && n_mean != (size_t)c) || (n_std != 1 && n_std != (size_t)c))
		return et_fail(err, ET_EDATA,
			       "input: mean and std: expected 1 or %d numbers, found %zu and %zu",
			       (int)c, n_mean, n_std);
	for (size_t i = 0; i < 3; i++) {
		double m = mean[n_mean == 1 ? 0 : i], s = std[n_std == 1 ? 0 : i];
		if (!(m >= -1e6 && m <= 1e6))
			return et_fail(err, ET_EDATA,
				       "input: mean: expected numbers from -1e6 to 1e6, found %g",
				       m);
		if (!(s >= 1e-6 && s <= 1e6))
			return et_fail(err, ET_EDATA,
				       "input: std: expected numbers from 1e-6 to 1e6, found %g",
				       s);
		spec->mean[i] = (float)m;
		spec->std[i] = (float)s;
	}
	spec->input = (struct et_shape){(int)h, (int)w, (int)c};
	return ET_OK;
}

/* The last layer: an optional loss, and as many logits as there are classes. */
static int check_end(struct et_spec *spec, struct et_err *err)
{
	spec->ignore_index = -1;
	for (int i = 0; i < spec->n; i++)
		if (spec->layers[i].type == &et_type_loss && i != spec->n - 1)
			return et_fail(err, ET_EDATA, "layer %s: the loss must be the last layer",
				       spec->layers[i].name);
	if (spec->n && spec->layers[spec->n - 1].type == &et_type_loss) {
		struct et_layer_desc *d = &spec->layers[spec->n - 1];
		if (d->in[0] != spec->n - 2)
			return et_fail(err, ET_EDATA,
				       "layer %s: the loss must take the layer before it", d->name);
		spec->ignore_index = d->u.loss.ignore;
		free(d->name);
		free(d->in);
		spec->n--;
	}
	if (!spec->n)
		return et_fail(err, ET_EDATA, "layers: there are none");
	const struct et_layer_desc *end = &spec->layers[spec->n - 1];
	if (end->out.c != spec->classes)
		return et_fail(err, ET_EDATA,
			       "layer %s: expected %d output channels, one a class; found %d",
			       end->name, spec->classes, end->out.c);
	if (end->out.h != 1 || end->out.w != 1)
		return et_fail(err, ET_EDATA,
			       "layer %s: expected one vector of logits an image, found %dx%d of "
			       "them: add "
			       "global_avgpool2d, or flatten and linear",
			       end->name, end->out.h, end->out.w);
	return ET_OK;
}

/* Layers whose output nothing reads are mistakes. */
static int check_used(const struct et_spec *spec, struct et_err *err)
{
	bool *used = et_calloc((size_t)spec->n, sizeof(bool));

	if (!used)
		return et_fail(err, ET_ENOMEM, "out of memory");
	for (int i = 0; i < spec->n; i++)
		for (int j = 0; j < spec->layers[i].n_in; j++)
			if (spec->layers[i].in[j] >= 0)
				used[spec->layers[i].in[j]] = true;
	int status = ET_OK;
	for (int i = 0; i < spec->n - 1 && !status; i++)
		if (!used[i])
			status = et_fail(err, ET_EDATA, "layer %s: no later layer uses its output",
					 spec->layers[i].name);
	free(used);
	return status;
}

static int read_root(struct et_spec_builder *b, struct et_err *err)
{
	static const char *const keys[] = {"name", "input", "classes", "layers", "train"};
	struct et_spec *spec = b->spec;
	const char *name = "net";
	int64_t classes = 0;

	if (!cJSON_IsObject(spec->json))
		return et_fail(err, ET_EDATA, "expected a JSON object");
	ET_TRY(et_json_known_keys(spec->json, "spec", keys, ET_COUNT(keys), err));
	ET_TRY(et_json_str(spec->json, "spec", "name", &name, err));
	spec->name = et_strdup(name);
	if (!spec->name)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int found = et_json_int(spec->json, "spec", "classes", 1, 1 << 20, &classes, err);
	ET_TRY(found);
	if (!found)
		return et_fail(err, ET_EDATA, "classes is missing");
	spec->classes = (int)classes;
	ET_TRY(read_input(spec, err));
	const cJSON *layers = cJSON_GetObjectItemCaseSensitive(spec->json, "layers");
	if (!cJSON_IsArray(layers))
		return et_fail(err, ET_EDATA, "layers: expected an array");
	int position = 0;
	for (const cJSON *o = layers->child; o; o = o->next)
		ET_TRY(read_layer(b, o, position++, err));
	ET_TRY(check_end(spec, err));
	ET_TRY(check_used(spec, err));
	spec->train = cJSON_GetObjectItemCaseSensitive(spec->json, "train");
	struct et_train probe; /* wrong settings are errors of the spec, wherever it is used */
	ET_TRY(et_train_read(&probe, spec->train, NULL, err));
	et_train_free(&probe);
	return ET_OK;
}

int et_spec_parse(struct et_spec *spec, const char *text, size_t n, const char *path,
		  struct et_err *err)
{
	struct et_spec_builder b = {.spec = spec};

	memset(spec, 0, sizeof(*spec));
	ET_TRY(et_json_parse(text, n, path, &spec->json, err));
	spec->path = et_strdup(path);
	spec->text = et_calloc(n + 1, 1);
	if (spec->text)
		memcpy(spec->text, text, n);
	int status = spec->path && spec->text ? read_root(&b, err)
					      : et_fail(err, ET_ENOMEM, "out of memory");
	if (status) {
		et_err_prefix(err, "%s", path);
		et_spec_free(spec);
	}
	for (int i = 0; i < b.n_names; i++)
		free(b.names[i].name);
	free(b.names);
	return status;
}

int et_spec_read(struct et_spec *spec, const char *path, struct et_err *err)
{
	char *text;
	size_t n;

	memset(spec, 0, sizeof(*spec));
	ET_TRY(et_file_read(path, SPEC_BYTES, &text, &n, err));
	int status = et_spec_parse(spec, text, n, path, err);
	free(text);
	return status;
}

void et_spec_free(struct et_spec *spec)
{
	for (int i = 0; i < spec->n; i++) {
		free(spec->layers[i].name);
		free(spec->layers[i].in);
	}
	free(spec->layers);
	free(spec->path);
	free(spec->name);
	free(spec->text);
	et_json_free(spec->json);
	memset(spec, 0, sizeof(*spec));
}
