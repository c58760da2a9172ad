/* optimiser_avx512.c - the optimiser's loops for vectors of 16 floats (see optimiser_vector.h). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>

enum { LANES = 16 };
typedef float vector __attribute__((vector_size(64)));
typedef double pair __attribute__((vector_size(64)));

static inline vector vector_root(vector v)
{
	return _mm512_sqrt_ps(v);
}

static inline pair pair_low(vector v)
{
	return _mm512_cvtps_pd(_mm512_castps512_ps256(v));
}

static inline pair pair_high(vector v)
{
	return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
}

static inline double pair_sum(pair sums)
{
	return _mm512_reduce_add_pd(sums);
}

#include "num/optimiser_vector.h"

const struct optimiser optimiser_avx512 = { adamw, average, squares };

#endif
