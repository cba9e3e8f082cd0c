/*
 * Fuzz target: whatever the bytes, a JSON text is refused with a place, or cJSON takes it too and
 * gives it back in a form that is taken again. Build as tests/fuzz/safetensors.c.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Every accessor on every member: a value or an error that names the key. */
static void ask(const cJSON *obj)
{
	static const char *const known[] = {"name", "type", "kernel_size", "padding"};
	struct et_err err;
	(void)!et_json_known_keys(obj, "here", known, ET_COUNT(known), &err);
	for (const cJSON *item = obj->child; item && item->string; item = item->next) {
		int64_t i = 0;
		double d = 0, list[4];
		bool b = false;
		const char *s = "";
		size_t n = 0;
		int pair[2];
		const int rc[] = {
			et_json_int(obj, "here", item->string, -5, 100, &i, &err),
			et_json_num(obj, "here", item->string, -HUGE_VAL, HUGE_VAL, &d, &err),
			et_json_bool(obj, "here", item->string, &b, &err),
			et_json_str(obj, "here", item->string, &s, &err),
			et_json_nums(obj, "here", item->string, list, ET_COUNT(list), &n, &err),
			et_json_pair(obj, "here", item->string, 0, 7, pair, &err),
		};
		for (size_t k = 0; k < ET_COUNT(rc); k++)
			require(rc[k] == 1 || rc[k] == ET_EDATA);
		require(i >= -5 && i <= 100 && isfinite(d) && strlen(s) < UINT32_MAX &&
			n <= ET_COUNT(list));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct et_err err = {0};
	cJSON *json;
	int rc = et_json_parse((const char *)data, size, "t.json", &json, &err);
	if (rc < 0) {
		require(rc == ET_EDATA && !json && !strncmp(err.text, "t.json:", 7));
		return 0;
	}
	ask(json);
	char *text = cJSON_PrintUnformatted(json);
	cJSON *again;
	require(text && et_json_parse(text, strlen(text), "again.json", &again, &err) == 0);
	et_json_free(again);
	cJSON_free(text);
	et_json_free(json);
	return 0;
}
