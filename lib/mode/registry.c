/* The list of gradient modes. */
#include "mode/mode.h"
#include "mode/techniques.h"

static const struct et_mode exact = {
	.name = "exact",
	.help = "exact back-propagation",
	.axis = ET_AXIS_BACKWARD,
};

const struct et_mode *const et_modes[] = {
	&exact,
	&et_mode_filter,
	&et_mode_efficientgrad,
	&et_mode_signsym,
	&et_mode_signsym_frozen,
	&et_mode_feedback,
	&et_mode_interleaved,
	&et_mode_delta,
	&et_mode_smd,
	NULL,
};
