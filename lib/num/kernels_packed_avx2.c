/* kernels_packed_avx2.c - the kernels of packed weights with AVX2. vpmaddubsw adds two products in 16
 * bits, which saturate: 15 * 127 twice is far from that, and so is 128 * 127 twice when the weight
 * gives its sign to x (see kernels_packed_vector.h).
 */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 8, SPLIT_ROWS = 2, WIDE_ROWS = 8 };
typedef float vector __attribute__((vector_size(32)));
typedef int32_t whole __attribute__((vector_size(32)));

static inline vector floats_of(whole v)
{
	return _mm256_cvtepi32_ps((__m256i)v);
}

static inline vector floats_of_halves(const uint16_t *from)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const void *)from));
}

/* The upper nibbles in the lower ones' place; above them is rubbish. */
static inline whole upper_nibbles(whole v)
{
	return (whole)_mm256_srli_epi16((__m256i)v, 4);
}

static inline whole whole_most(whole a, whole b)
{
	return (whole)_mm256_max_epi32((__m256i)a, (__m256i)b);
}

static inline int32_t whole_highest(whole v)
{
	int32_t top = v[0];
	for (int i = 1; i < LANES; i++)
		top = v[i] > top ? v[i] : top;
	return top;
}

static inline int32_t whole_sum(whole v)
{
	int32_t sum = 0;
	for (int i = 0; i < LANES; i++)
		sum += v[i];
	return sum;
}

/* To the nearest, ties to even. */
static inline whole whole_of(vector v)
{
	return (whole)_mm256_cvtps_epi32(v);
}

static inline void store_narrow(int8_t *to, whole v)
{
	__m256i halves = _mm256_packs_epi32((__m256i)v, (__m256i)v);
	__m256i bytes = _mm256_packs_epi16(halves, halves);
	int32_t low = _mm256_extract_epi32(bytes, 0), high = _mm256_extract_epi32(bytes, 4);
	_mm_storel_epi64((void *)to, _mm_set_epi32(0, 0, high, low));
}

static inline whole dot_int4(whole sum, whole weights, whole x)
{
	__m256i pairs = _mm256_maddubs_epi16((__m256i)weights, (__m256i)x);
	return sum + (whole)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

static inline whole ready_int8(whole weights)
{
	return weights;
}

static inline whole start_int8(float sum_of_x)
{
	(void)sum_of_x;
	return (whole){ 0 };
}

static inline whole dot_int8(whole sum, whole weights, whole x)
{
	__m256i turned = _mm256_sign_epi8((__m256i)x, (__m256i)weights);
	return dot_int4(sum, (whole)_mm256_abs_epi8((__m256i)weights), (whole)turned);
}

#include "num/kernels_packed_vector.h"

const struct packed_kernels packed_avx2 = { quantise, int8, int4, PACKED_TILE, NULL };

#endif
