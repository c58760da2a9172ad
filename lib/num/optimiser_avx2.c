/* optimiser_avx2.c - the optimiser's loops for vectors of 8 floats (see optimiser_vector.h). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>

enum { LANES = 8 };
typedef float vector __attribute__((vector_size(32)));
typedef double pair __attribute__((vector_size(32)));

static inline vector vector_root(vector v)
{
	return _mm256_sqrt_ps(v);
}

static inline pair pair_low(vector v)
{
	return _mm256_cvtps_pd(_mm256_castps256_ps128(v));
}

static inline pair pair_high(vector v)
{
	return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
}

static inline double pair_sum(pair sums)
{
	return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

#include "num/optimiser_vector.h"

const struct optimiser optimiser_avx2 = { adamw, average, squares };

#endif
