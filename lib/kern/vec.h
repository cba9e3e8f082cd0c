/*
 * Thin vector layer over GCC/Clang vector extensions. VL follows the macros of the unit being
 * compiled. Intrinsics only here, and only where the extensions have no spelling.
 */
#ifndef ET_KERN_VEC_H
#define ET_KERN_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define VL 16
#elif defined(__AVX2__)
#include <immintrin.h>
#define VL 8
#else
#define VL 4
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#endif

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));

#define ET_INLINE    static inline __attribute__((always_inline))
#define ET_PRAGMA(x) _Pragma(#x)
#if defined(__clang__)
#define ET_UNROLL(n) ET_PRAGMA(clang loop unroll_count(n))
#else
#define ET_UNROLL(n) ET_PRAGMA(GCC unroll n)
#endif

/* memcpy of the vector type: no alignment or aliasing trap, one instruction. */
ET_INLINE vf vf_load(const float *p)
{
	vf v;
	memcpy(&v, p, sizeof(v));
	return v;
}

ET_INLINE void vf_store(float *p, vf v)
{
	memcpy(p, &v, sizeof(v));
}

/* Soon to be read, or written: any address will do. */
ET_INLINE void vf_soon_read(const float *p)
{
	__builtin_prefetch(p);
}

ET_INLINE void vf_soon_write(const float *p)
{
	__builtin_prefetch(p, 1);
}

ET_INLINE vf vf_set1(float x)
{
	return x - (vf){0};
}

/* Lanes i < n, and 0 in the others, from n < VL floats: nothing beyond them is read. */
ET_INLINE vf vf_load_part(const float *p, size_t n)
{
#if defined(__AVX512F__)
	return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
	const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	return (vf)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane));
#else
	vf v = {0};
	for (int i = 0; i < VL - 1; i++)
		if ((size_t)i < n)
			v[i] = p[i];
	return v;
#endif
}

/* The inverse. */
ET_INLINE void vf_store_part(float *p, vf v, size_t n)
{
#if defined(__AVX512F__)
	_mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
	const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	_mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane), (__m256)v);
#else
	for (int i = 0; i < VL - 1; i++)
		if ((size_t)i < n)
			p[i] = v[i];
#endif
}

/* len <= VL floats, all of a vector among them. */
ET_INLINE vf load_upto(const float *p, size_t len)
{
	return len == VL ? vf_load(p) : vf_load_part(p, len);
}

ET_INLINE void store_upto(float *p, vf v, size_t len)
{
	if (len == VL)
		vf_store(p, v);
	else
		vf_store_part(p, v, len);
}

/* Transposes VL rows of VL lanes in place: lane j of v[i] and lane i of v[j] change places. */
ET_INLINE void vf_transpose(vf v[VL])
{
#if defined(__AVX512F__)
	__m512d u[16];
	vf t[16];
	ET_UNROLL(8)
	for (int i = 0; i < 16; i += 2) { /* pairs of rows, then fours, within 4 lanes */
		u[i] = (__m512d)_mm512_unpacklo_ps((__m512)v[i], (__m512)v[i + 1]);
		u[i + 1] = (__m512d)_mm512_unpackhi_ps((__m512)v[i], (__m512)v[i + 1]);
	}
	ET_UNROLL(4)
	for (int i = 0; i < 16; i += 4) {
		t[i] = (vf)_mm512_unpacklo_pd(u[i], u[i + 2]);
		t[i + 1] = (vf)_mm512_unpackhi_pd(u[i], u[i + 2]);
		t[i + 2] = (vf)_mm512_unpacklo_pd(u[i + 1], u[i + 3]);
		t[i + 3] = (vf)_mm512_unpackhi_pd(u[i + 1], u[i + 3]);
	}
	ET_UNROLL(4)
	for (int i = 0; i < 4; i++) { /* quarters of four rows each to their places */
		__m512 a = (__m512)t[i], b = (__m512)t[4 + i], c = (__m512)t[8 + i],
		       d = (__m512)t[12 + i];
		__m512 ab02 = _mm512_shuffle_f32x4(a, b, 0x88),
		       ab13 = _mm512_shuffle_f32x4(a, b, 0xdd),
		       cd02 = _mm512_shuffle_f32x4(c, d, 0x88),
		       cd13 = _mm512_shuffle_f32x4(c, d, 0xdd);
		v[i] = (vf)_mm512_shuffle_f32x4(ab02, cd02, 0x88);
		v[4 + i] = (vf)_mm512_shuffle_f32x4(ab13, cd13, 0x88);
		v[8 + i] = (vf)_mm512_shuffle_f32x4(ab02, cd02, 0xdd);
		v[12 + i] = (vf)_mm512_shuffle_f32x4(ab13, cd13, 0xdd);
	}
#elif defined(__AVX2__)
	__m256d u[8];
	__m256 t[8];
	ET_UNROLL(4)
	for (int i = 0; i < 8; i += 2) {
		u[i] = (__m256d)_mm256_unpacklo_ps((__m256)v[i], (__m256)v[i + 1]);
		u[i + 1] = (__m256d)_mm256_unpackhi_ps((__m256)v[i], (__m256)v[i + 1]);
	}
	ET_UNROLL(2)
	for (int i = 0; i < 8; i += 4) {
		t[i] = (__m256)_mm256_unpacklo_pd(u[i], u[i + 2]);
		t[i + 1] = (__m256)_mm256_unpackhi_pd(u[i], u[i + 2]);
		t[i + 2] = (__m256)_mm256_unpacklo_pd(u[i + 1], u[i + 3]);
		t[i + 3] = (__m256)_mm256_unpackhi_pd(u[i + 1], u[i + 3]);
	}
	ET_UNROLL(4)
	for (int i = 0; i < 4; i++) {
		v[i] = (vf)_mm256_permute2f128_ps(t[i], t[4 + i], 0x20);
		v[4 + i] = (vf)_mm256_permute2f128_ps(t[i], t[4 + i], 0x31);
	}
#else
	vf t0 = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
	vf t1 = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
	vf t2 = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
	vf t3 = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
	v[0] = __builtin_shufflevector(t0, t2, 0, 1, 4, 5);
	v[1] = __builtin_shufflevector(t0, t2, 2, 3, 6, 7);
	v[2] = __builtin_shufflevector(t1, t3, 0, 1, 4, 5);
	v[3] = __builtin_shufflevector(t1, t3, 2, 3, 6, 7);
#endif
}

/* mask ? a : b, lane by lane; mask lanes are 0 or -1. */
ET_INLINE vf vf_sel(vi mask, vf a, vf b)
{
	return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

/* max and min that keep a NaN of a: the comparison is false for it. */
ET_INLINE vf vf_max_nan(vf a, vf b)
{
	return vf_sel(a < b, b, a);
}

ET_INLINE vf vf_min_nan(vf a, vf b)
{
	return vf_sel(a > b, b, a);
}

/* v where i < n, 0 in the other lanes. */
ET_INLINE vf vf_first(vf v, size_t n)
{
	vi lane;
	for (int i = 0; i < VL; i++)
		lane[i] = i;
	return (vf)((vi)v & (lane < (int32_t)n));
}

/* The sum of all lanes, in a fixed order. */
ET_INLINE float vf_sum(vf v)
{
	/* Halves upon halves: lane i of what is left is lane i + lane i + half. */
#if VL == 16
	v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
	v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3);
	v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1);
#elif VL == 8
	v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
	v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 2, 3, 0, 1);
#else
	v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
#endif
	return v[0] + v[1];
}

/* Bit i = lane i of a comparison's result. */
ET_INLINE uint32_t vi_bits(vi mask)
{
#if defined(__AVX512F__)
	return _mm512_movepi32_mask((__m512i)mask);
#elif defined(__AVX2__)
	return (uint32_t)_mm256_movemask_ps((__m256)mask);
#elif defined(__SSE2__)
	return (uint32_t)_mm_movemask_ps((__m128)mask);
#elif defined(__aarch64__)
	return vaddvq_u32((uint32x4_t)(mask & (vi){1, 2, 4, 8}));
#else
	uint32_t bits = 0;
	for (int i = 0; i < VL; i++)
		bits |= (uint32_t)(mask[i] & 1) << i;
	return bits;
#endif
}

/* The inverse: lane i = -1 where bit i is set. */
ET_INLINE vi vi_from_bits(uint32_t bits)
{
	vi lane;
	for (int i = 0; i < VL; i++)
		lane[i] = 1 << i;
	return (((vi){0} + (int32_t)bits) & lane) == lane;
}

/* VL bytes widened to lanes. */
ET_INLINE vi vi_load_bytes(const uint8_t *p)
{
#if defined(__AVX512F__)
	return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)p));
#elif defined(__AVX2__)
	return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u *)p));
#elif defined(__SSE2__)
	int32_t four;
	memcpy(&four, p, sizeof(four));
	__m128i zero = _mm_setzero_si128(),
		words = _mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero);
	return (vi)_mm_unpacklo_epi16(words, zero);
#elif defined(__aarch64__)
	uint32_t four;
	memcpy(&four, p, sizeof(four));
	return (vi)vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
#else
	vi v;
	for (int i = 0; i < VL; i++)
		v[i] = p[i];
	return v;
#endif
}

/* The inverse, for lanes of 0..255. */
ET_INLINE void vi_store_bytes(uint8_t *p, vi v)
{
#if defined(__AVX512F__)
	_mm_storeu_si128((__m128i_u *)p, _mm512_cvtepi32_epi8((__m512i)v));
#elif defined(__AVX2__)
	__m128i words = _mm_packus_epi32(_mm256_castsi256_si128((__m256i)v),
					 _mm256_extracti128_si256((__m256i)v, 1));
	_mm_storel_epi64((__m128i_u *)p, _mm_packus_epi16(words, words));
#elif defined(__SSE2__)
	__m128i words = _mm_packs_epi32((__m128i)v, (__m128i)v);
	int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
	memcpy(p, &four, sizeof(four));
#elif defined(__aarch64__)
	uint16x4_t words = vmovn_u32((uint32x4_t)v);
	uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
	uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
	memcpy(p, &four, sizeof(four));
#else
	for (int i = 0; i < VL; i++)
		p[i] = (uint8_t)v[i];
#endif
}

ET_INLINE vf vf_sqrt(vf v)
{
#if defined(__AVX512F__)
	return (vf)_mm512_sqrt_ps((__m512)v);
#elif defined(__AVX2__)
	return (vf)_mm256_sqrt_ps((__m256)v);
#elif defined(__SSE2__)
	return (vf)_mm_sqrt_ps((__m128)v);
#elif defined(__aarch64__)
	return (vf)vsqrtq_f32((float32x4_t)v);
#else
	for (int i = 0; i < VL; i++)
		v[i] = __builtin_sqrtf(v[i]);
	return v;
#endif
}

#endif
