/* kernels_avx2.c - the kernels for vectors of 8 floats (see kernels_vector.h). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 8 };
typedef float vector __attribute__((vector_size(32)));
typedef int32_t whole __attribute__((vector_size(32)));

/* a * b + c, rounded once. */
static inline vector vector_fused(vector a, vector b, vector c)
{
	return _mm256_fmadd_ps(a, b, c);
}

/* The second operand where either is NaN, so that NaN is not lost. */
static inline vector vector_most(vector a, vector b)
{
	return _mm256_max_ps(a, b);
}

static inline vector vector_least(vector a, vector b)
{
	return _mm256_min_ps(a, b);
}

static inline float vector_sum(vector v)
{
	__m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
	sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
	return _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps(sum, sum, 1)));
}

static inline vector vector_f16(const uint16_t *from)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const void *)from));
}

static inline vector vector_bf16(const uint16_t *from)
{
	__m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)from));
	return (vector)_mm256_slli_epi32(bits, 16);
}

#include "num/kernels_vector.h"

const struct kernels kernels_avx2 = {
	.gelu = gelu,
	.add = add,
	.add_scaled = add_scaled,
	.silu_multiply = silu_multiply,
	.layernorm = layernorm,
	.rmsnorm = rmsnorm,
	.softmax = softmax,
	.dot = dot,
	.widen = widen,
	.dot_tile = dot_tile,
	.few_rows = 0,
};

#endif
