/* Private to mode: the techniques, a file each. registry.c lists them. */
#ifndef ET_MODE_TECHNIQUES_H
#define ET_MODE_TECHNIQUES_H

#include "mode/mode.h"

extern const struct et_mode et_mode_filter, et_mode_delta, et_mode_smd, et_mode_signsym,
	et_mode_signsym_frozen, et_mode_feedback, et_mode_efficientgrad, et_mode_interleaved;

#endif
