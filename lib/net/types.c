/* The list of primitive layer types. */
#include <string.h>

#include "net/types.h"

static const struct et_type *const types[] = {
	&et_type_conv2d,
	&et_type_linear,
	&et_type_batchnorm2d,
	&et_type_relu,
	&et_type_relu6,
	&et_type_hardswish,
	&et_type_sigmoid,
	&et_type_maxpool2d,
	&et_type_avgpool2d,
	&et_type_global_avgpool2d,
	&et_type_adaptive_avgpool2d,
	&et_type_add,
	&et_type_mul,
	&et_type_concat,
	&et_type_upsample2d,
	&et_type_dropout,
	&et_type_flatten,
	&et_type_loss,
};

const struct et_type *et_type_at(size_t i)
{
	return i < ET_COUNT(types) ? types[i] : NULL;
}

const struct et_type *et_type_find(const char *name)
{
	for (size_t i = 0; i < ET_COUNT(types); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}
