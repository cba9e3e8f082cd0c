/* What this machine is and what the caller wants of it. */
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include "run/run.h"
#include "version.h"

#define TEXT_(x) #x
#define TEXT(x)	 TEXT_(x)

static int select_kernels(const struct et_env *env, const struct et_kern **k, struct et_err *err)
{
	const char *name = env->isa, *from = "--isa";

	if (!name) {
		name = getenv("ET_ISA");
		from = "ET_ISA";
	}
	if (name && !*name)
		name = NULL;
	*k = et_kern_select(name);
	return *k ? ET_OK
		  : et_fail(err, ET_EUSAGE,
			    "%s: expected an instruction set of this processor out of %s, found "
			    "'%.50s'",
			    from, et_kern_names(), name);
}

static int open_ctx(const struct et_env *env, struct et_ctx *ctx, struct et_caches *caches,
		    struct et_err *err)
{
	ET_TRY(select_kernels(env, &ctx->k, err));
	if (env->threads < 0 || env->threads > 1024)
		return et_fail(err, ET_EUSAGE, "threads: expected 1 to 1024, found %d",
			       env->threads);
	ctx->threads = env->threads ? env->threads : omp_get_num_procs();
	et_caches_read("", caches);
	ctx->columns = et_gemm_fit(ctx->k, et_caches_share(caches, 2, ctx->threads));
	return ET_OK;
}

int et_machine_ctx(const struct et_env *env, struct et_ctx *ctx, struct et_err *err)
{
	struct et_caches caches;

	return open_ctx(env, ctx, &caches, err);
}

unsigned et_machine_workers(const struct et_env *env)
{
	if (env->workers > 0)
		return (unsigned)env->workers;
	return sysconf(_SC_NPROCESSORS_ONLN) > 2 ? 2 : 1;
}

/* The number after "NAME:" in a file of /proc; 0 where there is none. */
static uint64_t proc_kb(const char *path, const char *name)
{
	char line[200];
	unsigned long long kb = 0;
	size_t n = strlen(name);
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, n) == 0 && sscanf(line + n, ": %llu kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

uint64_t et_machine_memory(const struct et_env *env)
{
	return env->max_memory ? env->max_memory : proc_kb("/proc/meminfo", "MemAvailable") * 1024;
}

uint64_t et_machine_rss(void)
{
	unsigned long long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t et_machine_peak_rss(void)
{
	struct rusage u;
	return getrusage(RUSAGE_SELF, &u) == 0 ? (uint64_t)u.ru_maxrss * 1024 : 0;
}

bool et_machine_mark_peak(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "we");
	bool done = f && fputs("5", f) >= 0;

	if (f && fclose(f) != 0)
		done = false;
	return done;
}

uint64_t et_machine_marked_peak(void)
{
	return proc_kb("/proc/self/status", "VmHWM") * 1024;
}

bool et_stopped(const struct et_env *env)
{
	return env->stop && *env->stop;
}

void et_log(const struct et_env *env, enum et_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!env->log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	env->log(env->log_arg, level, line);
}

int et_version_get(const struct et_env *env, struct et_version *v, struct et_err *err)
{
	struct et_ctx ctx = {0};
	struct et_caches caches;

	ET_TRY(open_ctx(env, &ctx, &caches, err));
	*v = (struct et_version)
	{
		.version = ET_VERSION, .revision = ET_REVISION,
#if defined(__clang__)
		.compiler = "clang " __clang_version__,
#else
		.compiler = "gcc " __VERSION__,
#endif
		.cflags = ET_CFLAGS, .isa = ctx.k->name, .isas = et_kern_names(),
#if defined(_OPENMP)
		.openmp = TEXT(_OPENMP),
#else
		.openmp = "no",
#endif
		.libpng = png_get_libpng_ver(NULL),
#if defined(LIBJPEG_TURBO_VERSION)
		.libjpeg = "turbo " TEXT(LIBJPEG_TURBO_VERSION),
#else
		.libjpeg = TEXT(JPEG_LIB_VERSION),
#endif
		.zlib = zlibVersion(), .cjson = cJSON_Version(), .threads = ctx.threads,
		.tile_rows = ctx.k->mr, .tile_cols = ctx.k->nr, .block_depth = ctx.k->kc,
		.block_cols = ctx.columns,
	};
	for (int i = 0; i < ET_CACHE_LEVELS; i++) {
		v->cache[i].bytes = caches.bytes[i];
		v->cache[i].sharers = caches.sharers[i];
	}
	return ET_OK;
}
