/* similarity_avx512.c - the kernels of a search for vectors of 16 floats (see similarity_vector.h). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* 24 sums, 4 rows and a query make 29 of 32 registers. */
enum { LANES = 16, TILE_ROWS = 4, TILE_QUERIES = 6 };
typedef float vector __attribute__((vector_size(64)));

/* a * b + c, rounded once. */
static inline vector vector_fused(vector a, vector b, vector c)
{
	return _mm512_fmadd_ps(a, b, c);
}

/* The greater of each pair; the second where the first is NaN. */
static inline vector vector_greater(vector a, vector b)
{
	return _mm512_max_ps(a, b);
}

static inline vector vector_f16(const void *from)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256(from));
}

static inline vector vector_bf16(const void *from)
{
	__m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from));
	return (vector)_mm512_slli_epi32(bits, 16);
}

static inline vector vector_int8(const void *from)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from)));
}

/* A bit for each element that is at least `least`. */
static inline unsigned vector_reaches(vector v, float least)
{
	return _mm512_cmp_ps_mask(v, _mm512_set1_ps(least), _CMP_GE_OQ);
}

/* 8 lanes onto 8 of two sums at once, then 4 onto 4 of two such pairs: a quarter for each sum. */
static inline __m512 fold_pair(__m512 a, __m512 b)
{
	return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

static inline __m512 fold_quarters(__m512 a, __m512 b)
{
	return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

/* The lanes of the sums of so many rows (4 or 1) folded into y. */
static inline __attribute__((always_inline)) void tile_fold(
    vector sum[TILE_ROWS][1], float *y, const size_t rows)
{
	const size_t more = rows > 1;
	__m512 all = fold_quarters(
	    fold_pair(sum[0][0], sum[more][0]), fold_pair(sum[2 * more][0], sum[3 * more][0]));
	all = _mm512_add_ps(all, _mm512_permute_ps(all, 0x4e));
	all = _mm512_add_ps(all, _mm512_permute_ps(all, 0xb1));
	if (rows == 1) {
		*y = _mm512_cvtss_f32(all);
		return;
	}
	const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	_mm_storeu_ps(y, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, all)));
}

#include "num/similarity_vector.h"

const struct similarity similarity_avx512 = { products, most, reach, widen, 3 };

#endif
