/* Counter-based random numbers: Philox4x32-10 and what is drawn from it. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/base.h"

void et_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
	uint32_t k0 = key[0], k1 = key[1];
	uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * x0;
		uint64_t p1 = (uint64_t)0xCD9E8D57u * x2;
		x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
		x1 = (uint32_t)p1;
		x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
		x3 = (uint32_t)p0;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = x0;
	out[1] = x1;
	out[2] = x2;
	out[3] = x3;
}

/* A bijection of 64 bits that takes neighbours far apart (the finaliser of SplitMix64). */
static uint64_t mix64(uint64_t x)
{
	x += 0x9E3779B97F4A7C15u;
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

/*
 * The counter holds (block, b, a) whole, so the streams of one key never meet. The key holds the
 * seed and the stream: within one seed no two streams share a key (xor with different numbers), and
 * seeds that share one would have to be within 2^-60 of chance of each other after mixing.
 */
struct et_rng et_rng_open(uint64_t seed, enum et_stream stream, uint64_t a, uint32_t b)
{
	uint64_t key = mix64(seed) ^ (uint64_t)stream;
	return (struct et_rng){
		.key = {(uint32_t)key, (uint32_t)(key >> 32)},
		.counter = {0, b, (uint32_t)a, (uint32_t)(a >> 32)},
	};
}

uint32_t et_rng_u32(struct et_rng *r)
{
	if (!r->have) {
		et_philox(r->key, r->counter, r->block);
		r->counter[0]++;
		r->have = 4;
	}
	return r->block[4 - r->have--];
}

float et_rng_unit(struct et_rng *r)
{
	return (float)(et_rng_u32(r) >> 8) * 0x1p-24f;
}

/* Lemire's method: the high half of a product is uniform once its low half is not below 2^32 mod n.
 */
uint32_t et_rng_below(struct et_rng *r, uint32_t n)
{
	assert(n > 0);
	uint64_t product = (uint64_t)et_rng_u32(r) * n;
	if ((uint32_t)product < n) {
		uint32_t bias = -n % n;
		while ((uint32_t)product < bias)
			product = (uint64_t)et_rng_u32(r) * n;
	}
	return (uint32_t)(product >> 32);
}

float et_rng_normal(struct et_rng *r)
{
	double u = ((double)et_rng_u32(r) + 1) * 0x1p-32; /* (0,1]: its logarithm is finite */
	double v = (double)et_rng_u32(r) * 0x1p-32;
	return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586477 * v));
}

void et_rng_permutation(uint64_t seed, enum et_stream stream, uint64_t a, uint32_t *p, uint32_t n)
{
	struct et_rng r = et_rng_open(seed, stream, a, 0);
	for (uint32_t i = 0; i < n; i++)
		p[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = et_rng_below(&r, i), t = p[i - 1];
		p[i - 1] = p[j];
		p[j] = t;
	}
}
