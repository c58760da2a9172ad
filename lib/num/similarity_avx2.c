/* similarity_avx2.c - the kernels of a search for vectors of 8 floats (see similarity_vector.h). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* 12 sums, 2 rows and a query make 15 of 16 registers. */
enum { LANES = 8, TILE_ROWS = 2, TILE_QUERIES = 3 };
typedef float vector __attribute__((vector_size(32)));

/* a * b + c, rounded once. */
static inline vector vector_fused(vector a, vector b, vector c)
{
	return _mm256_fmadd_ps(a, b, c);
}

/* The greater of each pair; the second where the first is NaN. */
static inline vector vector_greater(vector a, vector b)
{
	return _mm256_max_ps(a, b);
}

static inline vector vector_f16(const void *from)
{
	return _mm256_cvtph_ps(_mm_loadu_si128(from));
}

static inline vector vector_bf16(const void *from)
{
	__m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from));
	return (vector)_mm256_slli_epi32(bits, 16);
}

static inline vector vector_int8(const void *from)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from)));
}

/* A bit for each element that is at least `least`. */
static inline unsigned vector_reaches(vector v, float least)
{
	return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_set1_ps(least), _CMP_GE_OQ));
}

/* The lanes of the sums of so many rows (2 or 1) folded into y. */
static inline __attribute__((always_inline)) void tile_fold(
    vector sum[TILE_ROWS][2], float *y, const size_t rows)
{
	__m256 a = _mm256_add_ps(sum[0][0], sum[0][1]);
	__m256 b = rows > 1 ? (__m256)_mm256_add_ps(sum[1][0], sum[1][1]) : a;
	__m256 both =
	    _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
	both = _mm256_add_ps(both, _mm256_permute_ps(both, 0x4e));
	both = _mm256_add_ps(both, _mm256_permute_ps(both, 0xb1));
	y[0] = _mm256_cvtss_f32(both);
	if (rows > 1)
		y[1] = _mm_cvtss_f32(_mm256_extractf128_ps(both, 1));
}

#include "num/similarity_vector.h"

const struct similarity similarity_avx2 = { products, most, reach, widen, 3 };

#endif
