/* Reading of network specs: the input, the layers, and whether the end yields logits. */
#include <stdlib.h>
#include <string.h>

#include "net/spec.h"

#define MASK_IGNORE 255
#define SPEC_BYTES  (4u << 20)

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
	ET_TRY(et_json_int(o, "input", "height", 1, ET_SIDE_MAX, &h, err));
	ET_TRY(et_json_int(o, "input", "width", 1, ET_SIDE_MAX, &w, err));
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

size_t et_spec_rows(const struct et_spec *spec)
{
	const struct et_layer_desc *end = &spec->layers[spec->n - 1];
	return (size_t)end->out.h * (size_t)end->out.w;
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
	/* Masks have 255 for what is no class. */
	if (spec->ignore_index < 0 && et_spec_rows(spec) > 1 && spec->classes <= MASK_IGNORE)
		spec->ignore_index = MASK_IGNORE;
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
	static const char *const keys[] = {"name",     "input",	 "classes", "width_mult",
					   "defaults", "layers", "train"};
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
	spec->width_mult = 1;
	ET_TRY(et_json_num(spec->json, "spec", "width_mult", 0.01, 100, &spec->width_mult, err));
	ET_TRY(read_input(spec, err));
	ET_TRY(et_spec_check_defaults(cJSON_GetObjectItemCaseSensitive(spec->json, "defaults"),
				      err));
	const cJSON *layers = cJSON_GetObjectItemCaseSensitive(spec->json, "layers");
	if (!cJSON_IsArray(layers))
		return et_fail(err, ET_EDATA, "layers: expected an array");
	int position = 0;
	for (const cJSON *o = layers->child; o; o = o->next)
		ET_TRY(et_spec_layer(b, o, position++, err));
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

/* The last layer with weights: the classifier. */
static const struct et_layer_desc *classifier(const struct et_spec *spec)
{
	for (int i = spec->n - 1; i >= 0; i--)
		if (spec->layers[i].type == &et_type_conv2d ||
		    spec->layers[i].type == &et_type_linear)
			return &spec->layers[i];
	return NULL;
}

static int follows_not(const struct et_spec *spec, struct et_err *err)
{
	const struct et_layer_desc *last = classifier(spec);

	if (!last)
		return et_fail(err, ET_EDATA, "%s says %d", spec->path, spec->classes);
	return et_fail(err, ET_EDATA,
		       "%s says %d; write \"%s\": \"classes\" in its layer %s, and it will follow",
		       spec->path, spec->classes,
		       last->type == &et_type_linear ? "out_features" : "out_channels", last->name);
}

int et_spec_set_classes(struct et_spec *spec, int classes, struct et_err *err)
{
	struct et_spec other;

	if (classes == spec->classes)
		return ET_OK;
	if (!spec->follows)
		return follows_not(spec, err);
	cJSON *json = cJSON_Duplicate(spec->json, true);
	cJSON *number = cJSON_CreateNumber(classes);
	char *text = NULL;
	if (json && number && cJSON_ReplaceItemInObjectCaseSensitive(json, "classes", number)) {
		number = NULL; /* json's */
		text = cJSON_Print(json);
	}
	int status = text ? et_spec_parse(&other, text, strlen(text), spec->path, err)
			  : et_fail(err, ET_ENOMEM, "out of memory");
	cJSON_free(text);
	cJSON_Delete(number);
	cJSON_Delete(json);
	if (!status) {
		et_spec_free(spec);
		*spec = other;
	}
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
