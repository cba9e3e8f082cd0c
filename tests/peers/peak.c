#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "peak.h"

/*
 * Chains enough for two units of five cycles; each multiplies by something that the compiler does
 * not know to be 1. Rows of an unrolled array stay registers.
 */
#define CHAINS 12
#define LOOP(name, lanes, attribute, fma)                                                \
	typedef float name##_vf __attribute__((vector_size(4 * (lanes))));               \
	attribute static float name(size_t n, float by)                                  \
	{                                                                                \
		name##_vf x = by - (name##_vf){0}, y[CHAINS];                            \
		float sum = 0;                                                           \
		for (int i = 0; i < CHAINS; i++)                                         \
			y[i] = x * (float)i;                                             \
		for (size_t p = 0; p < n; p++)                                           \
			_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) y[i] = \
				fma(y[i], x);                                            \
		for (int i = 0; i < CHAINS; i++)                                         \
			sum += y[i][0];                                                  \
		return sum;                                                              \
	}

#define MUL_ADD(v, x) ((v) * (x) + (x))
LOOP(plain, 4, , MUL_ADD)
#if defined(__x86_64__)
#include <immintrin.h>
#define FMA_256(v, x) (avx2_vf) _mm256_fmadd_ps((__m256)(v), (__m256)(x), (__m256)(x))
#define FMA_512(v, x) (avx512_vf) _mm512_fmadd_ps((__m512)(v), (__m512)(x), (__m512)(x))
LOOP(avx2, 8, __attribute__((target("avx2,fma"))), FMA_256)
LOOP(avx512, 16, __attribute__((target("avx512f"))), FMA_512)
#elif defined(__aarch64__)
#include <arm_neon.h>
#define FMA_128(v, x) (neon_vf) vfmaq_f32((float32x4_t)(x), (float32x4_t)(v), (float32x4_t)(x))
LOOP(neon, 4, , FMA_128)
#endif

static const struct loop {
	const char *isa;
	int lanes;
	float (*run)(size_t n, float by);
} loops[] = {
#if defined(__x86_64__)
	{"avx512", 16, avx512},
	{"avx2", 8, avx2},
#elif defined(__aarch64__)
	{"neon", 4, neon},
#endif
	{"generic", 4, plain},
};

double peak_gflops(const char *isa, int threads)
{
	enum { STEPS = 1 << 17, TRIES = 4 };
	const struct loop *l = loops;
	float sink = 0;
	double best = INFINITY;

	while (strcmp(l->isa, isa) && strcmp(l->isa, "generic"))
		l++;
	for (int i = 0; i < TRIES; i++) {
		double from = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sink)
		{
#pragma omp barrier
#pragma omp master
			from = et_now();
			sink += l->run(STEPS, 0.5f);
#pragma omp barrier
#pragma omp master
			best = fmin(best, et_now() - from);
		}
	}
	return isfinite(sink) ? 2.0 * l->lanes * CHAINS * STEPS * threads / best * 1e-9 : 0;
}
