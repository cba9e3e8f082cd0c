/* The sources of power in probing order. */
#include <stdlib.h>
#include <string.h>

#include "power/source.h"

static const struct et_source_kind *const kinds[] = {
	&et_source_pmic,    &et_source_ina3221,	 &et_source_hwmon, &et_source_rapl,
	&et_source_battery, &et_source_external, &et_source_model};

const struct et_source_kind *et_source_kind_get(size_t i)
{
	return i < ET_COUNT(kinds) ? kinds[i] : NULL;
}

int et_source_open(struct et_source *s, const struct et_source_kind *kind,
		   const struct et_power_conf *conf, struct et_err *err)
{
	memset(s, 0, sizeof(*s));
	if (strlen(et_power_root(conf)) > ET_SYS_PATH / 2)
		return et_fail(err, ET_EUSAGE, "--sysroot: expected at most %d characters",
			       ET_SYS_PATH / 2);
	s->kind = kind;
	s->info.shunt_uohm = __builtin_nan("");
	int status = kind->open(s, conf, err);
	if (status)
		s->state = NULL;
	return status;
}

void et_source_close(struct et_source *s)
{
	if (s->state && s->kind->close)
		s->kind->close(s);
	else
		free(s->state);
	s->state = NULL;
}
