/* --version: what a report of a defect needs to say. */
#include <stdio.h>

#include "cmd.h"

/* What the speed of products depends on. */
static void print_blocks(const struct et_version *v)
{
	const char *between = "";

	printf("threads          %d\n", v->threads);
	printf("tile             %d x %d\n", v->tile_rows, v->tile_cols);
	printf("blocks           %d deep, %d rows by %d columns\n", v->block_depth, v->tile_rows,
	       v->block_cols);
	printf("caches           ");
	for (size_t i = 0; i < sizeof(v->cache) / sizeof(v->cache[0]); i++) {
		if (!v->cache[i].bytes)
			continue;
		printf("%sL%zu %llu KB", between, i + 1,
		       (unsigned long long)(v->cache[i].bytes / 1024));
		if (v->cache[i].sharers > 1)
			printf(" for %zu", v->cache[i].sharers);
		between = ", ";
	}
	printf("%s\n", *between ? "" : "unknown");
}

int print_version(const struct et_env *env, bool verbose)
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
	if (verbose)
		print_blocks(&v);
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
