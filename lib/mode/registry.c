/* The list of gradient modes, and the reading of recipes. */
#include <string.h>

#include "mode/mode.h"

static const struct et_mode exact = {
	.name = "exact",
	.help = "exact back-propagation",
	.axis = ET_AXIS_BACKWARD,
};

const struct et_mode *const et_modes[] = {&exact, NULL};

int et_mode_parse(const char *recipe, const struct et_mode **mode, struct et_err *err)
{
	const char *names[ET_COUNT(et_modes)];
	size_t n = 0;

	for (; et_modes[n]; n++) {
		names[n] = et_modes[n]->name;
		if (strcmp(recipe, names[n]) == 0) {
			*mode = et_modes[n];
			return ET_OK;
		}
	}
	const char *near = et_nearest(recipe, names, n);
	return et_fail(err, ET_EUSAGE, "mode: unknown technique '%s'%s%s%s", recipe,
		       near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}
