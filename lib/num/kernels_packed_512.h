/* kernels_packed_512.h - the vectors of 16 elements that both AVX-512 kernels of packed weights use
 * (see kernels_packed_vector.h).
 */
#ifndef ZV_NUM_KERNELS_PACKED_512_H
#define ZV_NUM_KERNELS_PACKED_512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16, SPLIT_ROWS = 8, WIDE_ROWS = 16 };
typedef float vector __attribute__((vector_size(64)));
typedef int32_t whole __attribute__((vector_size(64)));

static inline vector floats_of(whole v)
{
	return _mm512_cvtepi32_ps((__m512i)v);
}

static inline vector floats_of_halves(const uint16_t *from)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)from));
}

/* The upper nibbles in the lower ones' place; above them is rubbish. */
static inline whole upper_nibbles(whole v)
{
	return (whole)_mm512_srli_epi16((__m512i)v, 4);
}

static inline whole whole_most(whole a, whole b)
{
	return (whole)_mm512_max_epi32((__m512i)a, (__m512i)b);
}

static inline int32_t whole_highest(whole v)
{
	return _mm512_reduce_max_epi32((__m512i)v);
}

static inline int32_t whole_sum(whole v)
{
	return _mm512_reduce_add_epi32((__m512i)v);
}

/* To the nearest, ties to even. */
static inline whole whole_of(vector v)
{
	return (whole)_mm512_cvtps_epi32(v);
}

static inline void store_narrow(int8_t *to, whole v)
{
	_mm_storeu_si128((void *)to, _mm512_cvtsepi32_epi8((__m512i)v));
}

#endif
