/*
 * Fuzz target: whatever the bytes, a spec is refused with one line, or it is a network that ends in
 * one logit a class, and the same for another number of classes where it follows. Build as
 * tests/fuzz/safetensors.c.
 */
#include <stdlib.h>
#include <string.h>

#include "net/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct et_spec *spec, int classes)
{
	require(spec->classes == classes && spec->n > 0 && spec->text);
	require(spec->layers[spec->n - 1].out.c == classes);
	for (int i = 0; i < spec->n; i++) {
		const struct et_layer_desc *d = &spec->layers[i];
		require(d->n_in >= d->type->min_in && d->n_in <= d->type->max_in);
		for (int k = 0; k < d->n_in; k++)
			require(d->in[k] >= -1 && d->in[k] < i);
		require(d->out.h > 0 && d->out.w > 0 && d->out.c > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct et_spec spec, again;
	struct et_err err = {0};
	char *text = malloc(size + !size);

	require(text != NULL);
	memcpy(text, data, size);
	int status = et_spec_parse(&spec, text, size, "fuzz", &err);
	free(text);
	if (status) {
		require(err.text[0] && !strchr(err.text, '\n'));
		return 0;
	}
	int before = spec.classes, other = before == 3 ? 4 : 3;
	check(&spec, before);
	if (et_spec_set_classes(&spec, other, &err)) {
		require(err.text[0] && !strchr(err.text, '\n'));
		check(&spec, before);
	} else {
		check(&spec, other);
		require(!et_spec_parse(&again, spec.text, strlen(spec.text), "fuzz", &err));
		check(&again, other);
		et_spec_free(&again);
	}
	et_spec_free(&spec);
	return 0;
}
