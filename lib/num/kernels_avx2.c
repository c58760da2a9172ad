/* kernels_avx2.c - the kernels for vectors of 8 floats (see kernels_vector.h). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 8 };
typedef float vector __attribute__((vector_size(32)));
typedef int32_t whole __attribute__((vector_size(32)));
typedef uint64_t pairs __attribute__((vector_size(32)));

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

/* The largest element. */
static inline float vector_highest(vector v)
{
	__m128 top = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
	top = _mm_max_ps(top, _mm_movehl_ps(top, top));
	return _mm_cvtss_f32(_mm_max_ss(top, _mm_shuffle_ps(top, top, 1)));
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

/* To the nearest f16, ties to even. */
static inline void vector_store_f16(uint16_t *to, vector v)
{
	_mm_storeu_si128((void *)to, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline vector vector_bytes(const int8_t *from)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)from)));
}

/* Which lanes of a vector are meant: those whose sign bit is set. */
typedef __m256i lanes;

static inline lanes lanes_first(size_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* What other has in the other lanes, whose memory is not touched. */
static inline vector vector_load_lanes(const float *from, lanes which, vector other)
{
	return _mm256_blendv_ps(other, _mm256_maskload_ps(from, which), _mm256_castsi256_ps(which));
}

/* Zeros in the other lanes. */
static inline vector vector_lanes(vector v, lanes which)
{
	return _mm256_and_ps(v, _mm256_castsi256_ps(which));
}

static inline void vector_store_lanes(float *to, vector v, lanes which)
{
	_mm256_maskstore_ps(to, which, v);
}

/* The lower halves of a's elements times b. */
static inline pairs pairs_multiply(pairs a, uint32_t b)
{
	return (pairs)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
}

#include "num/kernels_vector.h"
#include "num/kernels_gradient.h"
#include "num/kernels_matrix.h"

const struct kernels kernels_avx2 = {
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
	.few_rows = 0,
	.matrix = matrix,
	.transpose = transpose,
	.softmax_gradient = softmax_gradient,
};

#endif
