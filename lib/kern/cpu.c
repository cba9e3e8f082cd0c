/* Which of the compiled tables this processor can run. */
#include <string.h>
#if defined(__arm__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "kern/kern.h"

static bool has_generic(void)
{
	return true;
}

#if defined(__x86_64__)
/* __builtin_cpu_supports also asks whether the system saves the wide registers. */
static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512bw");
}
#elif defined(__aarch64__)
static bool has_neon(void)
{
	return true;
}
#elif defined(__arm__)
static bool has_neon(void)
{
	unsigned long cap = getauxval(AT_HWCAP);
	return (cap & HWCAP_NEON) && (cap & HWCAP_VFPv4);
}
#endif

/* Best first. */
static const struct {
	const struct et_kern *kern;
	bool (*has)(void);
} tables[] = {
#if defined(__x86_64__)
	{&et_kern_avx512, has_avx512},
	{&et_kern_avx2, has_avx2},
#elif defined(__aarch64__) || defined(__arm__)
	{&et_kern_neon, has_neon},
#endif
	{&et_kern_generic, has_generic},
};

const struct et_kern *et_kern_at(size_t i)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		if (tables[t].has() && i-- == 0)
			return tables[t].kern;
	return NULL;
}

const struct et_kern *et_kern_select(const char *name)
{
	const struct et_kern *k;
	for (size_t i = 0; (k = et_kern_at(i)); i++)
		if (!name || strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

const char *et_kern_names(void)
{
#if defined(__x86_64__)
	return "generic avx2 avx512";
#elif defined(__aarch64__) || defined(__arm__)
	return "generic neon";
#else
	return "generic";
#endif
}
