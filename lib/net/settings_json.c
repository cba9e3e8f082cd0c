/* The text of a setting's JSON value. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "net/settings.h"

/* In no locale but C's, which an embedding program may have left. */
void et_setting_spell(double v, char buf[32])
{
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	locale_t before = c ? uselocale(c) : (locale_t)0;

	snprintf(buf, 32, "%.15g", v);
	if (strtod(buf, NULL) != v)
		snprintf(buf, 32, "%.17g", v);
	if (c) {
		uselocale(before);
		freelocale(c);
	}
}

static const char *kind_of(const cJSON *v)
{
	return cJSON_IsString(v)   ? "a string"
	       : cJSON_IsNumber(v) ? "a number"
	       : cJSON_IsArray(v)  ? "an array"
	       : cJSON_IsObject(v) ? "an object"
	       : cJSON_IsNull(v)   ? "null"
				   : "true or false";
}

static int list_text(const cJSON *v, const struct et_setting *s, char **text, struct et_err *err)
{
	*text = et_strdup("");
	for (const cJSON *e = v->child; e && *text; e = e->next) {
		if (!cJSON_IsString(e) || !*e->valuestring || strchr(e->valuestring, ',')) {
			free(*text);
			return et_fail(err, ET_EDATA,
				       "train: %s: expected an array of non-empty strings "
				       "without commas",
				       s->key);
		}
		char *longer = et_asprintf("%s%s%s", *text, **text ? "," : "", e->valuestring);
		free(*text);
		*text = longer;
	}
	return ET_OK;
}

static int map_text(const cJSON *v, const struct et_setting *s, char **text, struct et_err *err)
{
	*text = et_strdup("");
	for (const cJSON *e = v->child; e && *text; e = e->next) {
		bool plain = cJSON_IsString(e) && *e->string && !strpbrk(e->string, "=;") &&
			     *e->valuestring && !strchr(e->valuestring, ';');
		if (!plain) {
			free(*text);
			return et_fail(err, ET_EDATA,
				       "train: %s: '%.100s': expected a non-empty string, and no "
				       "'=' or ';' in either",
				       s->key, e->string);
		}
		char *longer = et_asprintf("%s%s%s=%s", *text, **text ? ";" : "", e->string,
					   e->valuestring);
		free(*text);
		*text = longer;
	}
	return ET_OK;
}

int et_setting_json(const cJSON *v, const struct et_setting *s, char **text, struct et_err *err)
{
	if (cJSON_IsNumber(v) && (s->kind == ET_SET_INT || s->kind == ET_SET_FLOAT)) {
		char buf[32];
		et_setting_spell(v->valuedouble, buf);
		*text = et_strdup(buf);
	} else if (cJSON_IsString(v) && s->kind != ET_SET_INT && s->kind != ET_SET_FLOAT) {
		*text = et_strdup(v->valuestring);
	} else if (cJSON_IsArray(v) && s->kind == ET_SET_LIST) {
		ET_TRY(list_text(v, s, text, err));
	} else if (cJSON_IsObject(v) && s->kind == ET_SET_MAP) {
		ET_TRY(map_text(v, s, text, err));
	} else {
		static const char *const kinds[] = {"an integer",
						    "a number",
						    "a string",
						    "a string",
						    "a string or an array of strings",
						    "an object of strings"};
		return et_fail(err, ET_EDATA, "train: %s: expected %s, found %s", s->key,
			       kinds[s->kind], kind_of(v));
	}
	return *text ? ET_OK : et_fail(err, ET_ENOMEM, "out of memory");
}
