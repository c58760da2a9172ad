/* kernels_avx512.c - the kernels for vectors of 16 floats (see kernels_vector.h). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16 };
typedef float vector __attribute__((vector_size(64)));
typedef int32_t whole __attribute__((vector_size(64)));
typedef uint64_t pairs __attribute__((vector_size(64)));

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

/* The largest element. */
static inline float vector_highest(vector v)
{
	return _mm512_reduce_max_ps(v);
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

/* To the nearest f16, ties to even. */
static inline void vector_store_f16(uint16_t *to, vector v)
{
	_mm256_storeu_si256((void *)to, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline vector vector_bytes(const int8_t *from)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)from)));
}

/* Which lanes of a vector are meant. */
typedef __mmask16 lanes;

static inline lanes lanes_first(size_t n)
{
	return (lanes)((1u << n) - 1);
}

/* What other has in the other lanes, whose memory is not touched. */
static inline vector vector_load_lanes(const float *from, lanes which, vector other)
{
	return _mm512_mask_loadu_ps(other, which, from);
}

/* Zeros in the other lanes. */
static inline vector vector_lanes(vector v, lanes which)
{
	return _mm512_maskz_mov_ps(which, v);
}

static inline void vector_store_lanes(float *to, vector v, lanes which)
{
	_mm512_mask_storeu_ps(to, which, v);
}

/* The lower halves of a's elements times b. */
static inline pairs pairs_multiply(pairs a, uint32_t b)
{
	return (pairs)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
}

#include "num/kernels_vector.h"
#include "num/kernels_gradient.h"
#include "num/kernels_matrix.h"

const struct kernels kernels_avx512 = {
	.gelu = gelu,
	.add = add,
	.add_scaled = add_scaled,
	.scale = multiply,
	.silu_multiply = silu_multiply,
	.layernorm = layernorm,
	.rmsnorm = rmsnorm,
	.softmax = softmax,
	.dot = dot,
	.widen = widen,
	.narrow = narrow,
	.kept_dots = kept_dots,
	.kept_sum = kept_sum,
	.dot_tile = dot_tile,
	.gelu_gradient = gelu_gradient,
	.silu_gradient = silu_gradient,
	.norm_gradient = norm_gradient,
	.most = most_of,
	.entropy = entropy,
	.dropout = dropout,
	.few_rows = 64,
	.matrix = matrix,
	.transpose = transpose,
	.softmax_gradient = softmax_gradient,
};

#endif
