/* Keys of layers that depend on the whole spec: widths, sizes of other layers, defaults of a type.
 */
#include <math.h>
#include <string.h>

#include "net/spec.h"

int et_spec_width(const struct et_spec_builder *b, const cJSON *o, const char *where,
		  const char *key, int64_t max, int64_t *v, struct et_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);

	if (!cJSON_IsString(item))
		return et_json_int(o, where, key, 1, max, v, err);
	if (strcmp(item->valuestring, "classes") != 0)
		return et_fail(err, ET_EDATA,
			       "%s: \"%s\": expected an integer from 1 to %d or \"classes\", found "
			       "\"%.50s\"",
			       where, key, (int)max, item->valuestring);
	*v = b->spec->classes;
	b->spec->follows = true;
	return 1;
}

/* torchvision's _make_divisible(channels, 8): to the nearest multiple, down by a tenth at most. */
static int64_t make_divisible(double channels)
{
	int64_t near = (int64_t)(channels + 4) / 8 * 8;

	near = near < 8 ? 8 : near;
	return (double)near < 0.9 * channels ? near + 8 : near;
}

int et_spec_channels(const struct et_spec_builder *b, const cJSON *o, const char *where,
		     int64_t max, int64_t *v, struct et_err *err)
{
	double mult = b->spec->width_mult, least = 0;

	ET_TRY(et_json_num(o, where, "min_width_mult", 0.01, 100, &least, err));
	int found = et_spec_width(b, o, where, "out_channels", max, v, err);
	ET_TRY(found);
	mult = fmax(mult, least);
	bool number = cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(o, "out_channels"));
	if (!number || mult == 1)
		return found;
	int64_t asked = *v;
	*v = make_divisible((double)asked * mult);
	return *v <= max ? found
			 : et_fail(err, ET_EDATA,
				   "%s: out_channels: %d times width_mult %g is more than %d",
				   where, (int)asked, mult, (int)max);
}

int et_spec_size(const struct et_spec_builder *b, const cJSON *o, const char *where, int size[2],
		 struct et_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, "size");
	int layer;

	if (!cJSON_IsString(item))
		return et_json_pair(o, where, "size", 1, ET_SIDE_MAX, size, err);
	ET_TRY(et_spec_find(b, where, "size", item->valuestring, &layer, err));
	struct et_shape s = et_spec_shape(b->spec, layer);
	size[0] = s.h;
	size[1] = s.w;
	return 1;
}

/* ---- defaults -------------------------------------------------------------------------------- */

/* The keys of a type, without those that every layer has; false if there is no such type. */
static bool keys_of(const char *type, const char *const **keys)
{
	const struct et_composite *comp = et_composite_find(type);
	const struct et_type *plain = et_type_find(type);

	*keys = comp ? comp->keys : plain ? plain->keys : NULL;
	return comp || plain;
}

int et_spec_check_defaults(const cJSON *defaults, struct et_err *err)
{
	if (!defaults)
		return ET_OK;
	if (!cJSON_IsObject(defaults))
		return et_fail(err, ET_EDATA, "defaults: expected an object of types");
	for (const cJSON *o = defaults->child; o; o = o->next) {
		const char *const *keys;
		char where[80];
		size_t n = 0;
		if (!keys_of(o->string, &keys))
			return et_spec_unknown_type("defaults", o->string, err);
		snprintf(where, sizeof(where), "defaults: %s", o->string);
		while (keys && keys[n])
			n++;
		ET_TRY(et_json_known_keys(o, where, keys, n, err));
	}
	return ET_OK;
}

cJSON *et_spec_with_defaults(const struct et_spec_builder *b, const cJSON *o, const char *type)
{
	const cJSON *all = cJSON_GetObjectItemCaseSensitive(b->spec->json, "defaults");
	const cJSON *own = cJSON_GetObjectItemCaseSensitive(all, type);
	cJSON *with = cJSON_Duplicate(o, true);

	for (const cJSON *d = own ? own->child : NULL; d && with; d = d->next) {
		if (cJSON_GetObjectItemCaseSensitive(with, d->string))
			continue;
		cJSON *copy = cJSON_Duplicate(d, true);
		if (!copy || !cJSON_AddItemToObject(with, d->string, copy)) {
			cJSON_Delete(copy);
			cJSON_Delete(with);
			with = NULL;
		}
	}
	return with;
}
