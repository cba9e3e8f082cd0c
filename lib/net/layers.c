/* The layers of a spec: names, inputs, types; blocks expanded, shapes inferred. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/spec.h"

#define LAYERS_MAX 4096

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
	if (s.h < 1 || s.w < 1 || s.c < 1 || s.h > ET_SIDE_MAX || s.w > ET_SIDE_MAX ||
	    s.c > (1 << 24) || et_shape_count(s) > ((size_t)1 << 28))
		return et_fail(err, ET_EDATA,
			       "layer %s: output of %d channels, %dx%d is too large or empty", name,
			       s.c, s.h, s.w);
	return ET_OK;
}

static int check_inputs(const char *name, const char *type, int min, int max, int n,
			struct et_err *err)
{
	if (n >= min && n <= max)
		return ET_OK;
	if (min == max)
		return et_fail(err, ET_EDATA, "layer %s: %s takes %d input%s, found %d", name, type,
			       min, min == 1 ? "" : "s", n);
	return et_fail(err, ET_EDATA, "layer %s: %s takes %d to %d inputs, found %d", name, type,
		       min, max, n);
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
	ET_TRY(check_inputs(name, type->name, type->min_in, type->max_in, n_in, err));
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

/* ---- inputs ---------------------------------------------------------------------------------- */

int et_spec_find(const struct et_spec_builder *b, const char *where, const char *key,
		 const char *name, int *layer, struct et_err *err)
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
	int status = et_fail(err, ET_EDATA, "%s: %s: no earlier layer is named '%.100s'%s%s%s",
			     where, key, name, near ? " (did you mean '" : "", near ? near : "",
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
		return et_spec_find(b, where, "inputs", v->valuestring, &in[0], err);
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
		ET_TRY(et_spec_find(b, where, "inputs", e->valuestring, &in[(*n_in)++], err));
	}
	return ET_OK;
}

/* ---- one layer ------------------------------------------------------------------------------- */

static int known_keys(const cJSON *o, const char *where, const char *const *keys,
		      struct et_err *err)
{
	const char *known[32] = {"name", "type", "inputs"};
	size_t n = 3;
	for (size_t i = 0; keys && keys[i]; i++)
		known[n++] = keys[i];
	return et_json_known_keys(o, where, known, n, err);
}

int et_spec_unknown_type(const char *where, const char *type, struct et_err *err)
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

int et_spec_check_name(const char *where, const char *key, const char *name, size_t max,
		       struct et_err *err)
{
	size_t n = strlen(name);
	if (!n || n > max)
		return et_fail(err, ET_EDATA, "%s: %s: expected 1 to %zu characters, found %zu",
			       where, key, max, n);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr(",*?[]", name[i]))
			return et_fail(err, ET_EDATA,
				       "%s: %s: spaces, control characters and , * ? [ ] are not "
				       "allowed",
				       where, key);
	return ET_OK;
}

static int expand(struct et_spec_builder *b, const char *name, const struct et_composite *comp,
		  const cJSON *o, const char *where, const int *in, int n_in, struct et_err *err)
{
	ET_TRY(check_inputs(name, comp->name, comp->min_in, comp->max_in, n_in, err));
	return comp->expand(b, name, o, where, in, n_in, err);
}

static int primitive(struct et_spec_builder *b, const char *name, const struct et_type *type,
		     const cJSON *o, const char *where, const int *in, int n_in, struct et_err *err)
{
	union et_attr u;

	memset(&u, 0, sizeof(u));
	if (type->parse)
		ET_TRY(type->parse(b, o, where, &u, err));
	return et_spec_add(b, name, type, in, n_in, &u, err);
}

int et_spec_layer(struct et_spec_builder *b, const cJSON *o, int position, struct et_err *err)
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
	ET_TRY(et_spec_check_name(where, "name", name, 128, err));
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
		return et_spec_unknown_type(where, type_name, err);
	ET_TRY(known_keys(o, where, comp ? comp->keys : type->keys, err));
	ET_TRY(read_inputs(b, o, where, in, &n_in, err));
	cJSON *with = et_spec_with_defaults(b, o, type_name);
	if (!with)
		return et_fail(err, ET_ENOMEM, "out of memory");
	int layer = comp ? expand(b, name, comp, with, where, in, n_in, err)
			 : primitive(b, name, type, with, where, in, n_in, err);
	cJSON_Delete(with);
	ET_TRY(layer);
	return et_spec_name(b, name, layer, err);
}
