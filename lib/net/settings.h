/* Private to net: settings of training as text, between settings.c and settings_json.c. */
#ifndef ET_NET_SETTINGS_H
#define ET_NET_SETTINGS_H

#include "net/net.h"

/* The shorter of two spellings that gives the number back. */
void et_setting_spell(double v, char buf[32]);
/*
 * The text of a JSON value for setting s, on the heap: a number or string as it stands, a list
 * joined with commas, a map as KEY=VALUE joined with semicolons. ET_EDATA for another kind.
 */
int et_setting_json(const struct cJSON *v, const struct et_setting *s, char **text,
		    struct et_err *err) ET_MUST_CHECK;

#endif
