/* --version: what a report of a defect needs to say. */
#include <stdio.h>

#include "cmd.h"

int print_version(const struct et_env *env)
{
	struct et_version v;
	struct et_err err = {0};
	if (et_version_get(env, &v, &err) < 0)
		return fail(NULL, &err);
	printf("edgetrain %s (%s)\n", v.version, v.revision);
	printf("compiler         %s\n", v.compiler);
	printf("flags            %s\n", v.cflags);
	printf("instruction set  %s (of %s)\n", v.isa, v.isas);
	printf("OpenMP           %s\n", v.openmp);
	printf("libpng           %s\n", v.libpng);
	printf("libjpeg          %s\n", v.libjpeg);
	printf("zlib             %s\n", v.zlib);
	printf("cJSON            %s\n", v.cjson);
	return 0;
}

void print_machine(const struct et_env *env)
{
	struct et_version v;
	struct et_err err;
	if (et_version_get(env, &v, &err) == ET_OK)
		fprintf(stderr, "edgetrain %s (%s), %s, instruction set %s\n", v.version,
			v.revision, v.compiler, v.isa);
}
