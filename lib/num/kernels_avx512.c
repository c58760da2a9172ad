/* kernels_avx512.c - the kernels for vectors of 16 floats (see kernels_vector.h). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16 };
typedef float vector __attribute__((vector_size(64)));
typedef int32_t whole __attribute__((vector_size(64)));

/* a * b + c, rounded once. */
static inline vector vector_fused(vector a, vector b, vector c)
{
	return _mm512_fmadd_ps(a, b, c);
}

/* The second operand where either is NaN, so that NaN is not lost. */
static inline vector vector_most(vector a, vector b)
{
	return _mm512_max_ps(a, b);
}

static inline vector vector_least(vector a, vector b)
{
	return _mm512_min_ps(a, b);
}

static inline float vector_sum(vector v)
{
	return _mm512_reduce_add_ps(v);
}

static inline vector vector_f16(const uint16_t *from)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)from));
}

static inline vector vector_bf16(const uint16_t *from)
{
	__m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from));
	return (vector)_mm512_slli_epi32(bits, 16);
}

#include "num/kernels_vector.h"

const struct kernels kernels_avx512 = {
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
	.few_rows = 64,
};

#endif
