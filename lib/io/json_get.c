/* Typed members of JSON objects, with errors that say where, which key, what was expected and
 * found. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "io/scan.h"

/* Beyond this a double no longer tells neighbouring integers apart. */
#define INTEGER_MAX 9007199254740991.0

/* The shortest of two spellings that gives the number back. */
static void describe_number(double v, char buf[120])
{
	snprintf(buf, 120, "%.15g", v);
	if (strtod(buf, NULL) != v)
		snprintf(buf, 120, "%.17g", v);
}

/* What a value is, for "found ...", in at most 120 bytes. */
static const char *describe(const cJSON *v, char buf[120])
{
	char shown[100];
	if (cJSON_IsString(v))
		snprintf(buf, 120, "\"%s\"", et_scan_shown(v->valuestring, shown));
	else if (cJSON_IsNumber(v))
		describe_number(v->valuedouble, buf);
	else
		snprintf(buf, 120, "%s",
			 cJSON_IsObject(v)  ? "an object"
			 : cJSON_IsArray(v) ? "an array"
			 : cJSON_IsTrue(v)  ? "true"
			 : cJSON_IsFalse(v) ? "false"
					    : "null");
	return buf;
}

static int fail_value(const char *where, const char *key, const cJSON *found, struct et_err *err,
		      const char *expected)
{
	char buf[120];
	return et_fail(err, ET_EDATA, "%s: \"%s\": expected %s, found %s", where, key, expected,
		       describe(found, buf));
}

int et_json_known_keys(const cJSON *obj, const char *where, const char *const *known, size_t n,
		       struct et_err *err)
{
	if (!cJSON_IsObject(obj)) {
		char buf[120];
		return et_fail(err, ET_EDATA, "%s: expected an object, found %s", where,
			       describe(obj, buf));
	}
	for (const cJSON *item = obj->child; item; item = item->next) {
		size_t i = 0;
		while (i < n && strcmp(item->string, known[i]))
			i++;
		if (i < n)
			continue;
		char shown[100];
		const char *near = et_nearest(item->string, known, n);
		if (near)
			return et_fail(err, ET_EDATA,
				       "%s: unknown key \"%s\"; did you mean \"%s\"?", where,
				       et_scan_shown(item->string, shown), near);
		return et_fail(err, ET_EDATA, "%s: unknown key \"%s\"", where,
			       et_scan_shown(item->string, shown));
	}
	return ET_OK;
}

/* "an integer from 1 to 7", "an integer, at least 1", without limits that limit nothing. */
static const char *integer_text(int64_t min, int64_t max, char buf[80])
{
	bool low = (double)min > -INTEGER_MAX, high = (double)max < INTEGER_MAX;
	if (low && high)
		snprintf(buf, 80, "an integer from %lld to %lld", (long long)min, (long long)max);
	else if (low)
		snprintf(buf, 80, "an integer of at least %lld", (long long)min);
	else if (high)
		snprintf(buf, 80, "an integer of at most %lld", (long long)max);
	else
		snprintf(buf, 80, "an integer");
	return buf;
}

static bool get_integer(const cJSON *item, int64_t min, int64_t max, int64_t *v)
{
	if (!cJSON_IsNumber(item))
		return false;
	double x = item->valuedouble;
	if (!(fabs(x) <= INTEGER_MAX) || x != floor(x))
		return false;
	int64_t i = (int64_t)x;
	if (i < min || i > max)
		return false;
	*v = i;
	return true;
}

int et_json_int(const cJSON *obj, const char *where, const char *key, int64_t min, int64_t max,
		int64_t *v, struct et_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
	char text[80];
	if (!item)
		return 0;
	if (!get_integer(item, min, max, v))
		return fail_value(where, key, item, err, integer_text(min, max, text));
	return 1;
}

static const char *number_text(double min, double max, char buf[80])
{
	/* An open end is an infinity or the largest double. */
	bool low = min > -HUGE_VAL && min > -1e300, high = max < HUGE_VAL && max < 1e300;
	if (low && high)
		snprintf(buf, 80, "a number from %.15g to %.15g", min, max);
	else if (low)
		snprintf(buf, 80, "a number of at least %.15g", min);
	else if (high)
		snprintf(buf, 80, "a number of at most %.15g", max);
	else
		snprintf(buf, 80, "a number");
	return buf;
}

int et_json_num(const cJSON *obj, const char *where, const char *key, double min, double max,
		double *v, struct et_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
	char text[80];
	if (!item)
		return 0;
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= min && item->valuedouble <= max))
		return fail_value(where, key, item, err, number_text(min, max, text));
	*v = item->valuedouble;
	return 1;
}

int et_json_bool(const cJSON *obj, const char *where, const char *key, bool *v, struct et_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
	if (!item)
		return 0;
	if (!cJSON_IsBool(item))
		return fail_value(where, key, item, err, "true or false");
	*v = cJSON_IsTrue(item);
	return 1;
}

int et_json_str(const cJSON *obj, const char *where, const char *key, const char **v,
		struct et_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
	if (!item)
		return 0;
	if (!cJSON_IsString(item))
		return fail_value(where, key, item, err, "a string");
	*v = item->valuestring;
	return 1;
}

int et_json_nums(const cJSON *obj, const char *where, const char *key, double *v, size_t max,
		 size_t *n, struct et_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
	if (!item)
		return 0;
	char text[80];
	snprintf(text, sizeof(text), "a number or an array of 1 to %zu numbers", max);
	if (cJSON_IsNumber(item) && max > 0) {
		v[0] = item->valuedouble;
		*n = 1;
		return 1;
	}
	if (!cJSON_IsArray(item))
		return fail_value(where, key, item, err, text);
	size_t count = 0;
	for (const cJSON *e = item->child; e; e = e->next, count++)
		if (!cJSON_IsNumber(e)) {
			char buf[120];
			return et_fail(err, ET_EDATA,
				       "%s: \"%s\": expected %s, found %s as element %zu", where,
				       key, text, describe(e, buf), count);
		}
	if (count < 1 || count > max)
		return et_fail(err, ET_EDATA, "%s: \"%s\": expected %s, found %zu", where, key,
			       text, count);
	/* Nothing is stored before all is known to be right. */
	size_t i = 0;
	for (const cJSON *e = item->child; e; e = e->next)
		v[i++] = e->valuedouble;
	*n = count;
	return 1;
}

int et_json_pair(const cJSON *obj, const char *where, const char *key, int64_t min, int64_t max,
		 int v[2], struct et_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
	if (!item)
		return 0;
	/* The results are ints, whatever the caller allows. */
	min = min < INT32_MIN ? INT32_MIN : min;
	max = max > INT32_MAX ? INT32_MAX : max;
	int64_t a, b;
	const cJSON *first = cJSON_IsArray(item) ? item->child : item;
	const cJSON *second = cJSON_IsArray(item) && first ? first->next : item;
	bool two = !cJSON_IsArray(item) || (second && !second->next);
	if (!two || !get_integer(first, min, max, &a) || !get_integer(second, min, max, &b)) {
		char one[80], text[120];
		snprintf(text, sizeof(text), "%s, or an array of two", integer_text(min, max, one));
		const cJSON *bad = item;
		if (two && cJSON_IsArray(item))
			bad = get_integer(first, min, max, &a) ? second : first;
		return fail_value(where, key, bad, err, text);
	}
	v[0] = (int)a;
	v[1] = (int)b;
	return 1;
}
