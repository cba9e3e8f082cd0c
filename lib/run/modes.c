/* The registry of gradient modes, for those who see edgetrain.h alone. */
#include "run/run.h"

static const char *const axes[ET_AXES] = {
	[ET_AXIS_BACKWARD] = "backward", [ET_AXIS_LINEAR] = "linear update",
	[ET_AXIS_SAVED] = "saved",	 [ET_AXIS_FORWARD] = "forward",
	[ET_AXIS_STEPS] = "steps",
};

bool et_mode_get(size_t i, struct et_mode_info *info)
{
	size_t n = 0;

	while (et_modes[n])
		n++;
	if (i >= n)
		return false;
	const struct et_mode *m = et_modes[i];
	*info = (struct et_mode_info){.name = m->name,
				      .help = m->help,
				      .reference = m->reference,
				      .axis = axes[m->axis],
				      .standing = m->standing,
				      .whole_batch = m->whole_batch};
	for (; info->options < ET_MODE_KEYS && m->key[info->options].name; info->options++) {
		const struct et_mode_key *k = &m->key[info->options];
		info->option[info->options] = (struct et_mode_option){.name = k->name,
								      .help = k->help,
								      .choices = k->choices,
								      .min = k->min,
								      .max = k->max,
								      .integer = k->integer,
								      .initial = k->initial};
	}
	return true;
}
