/* kernels_brain_avx2.c - the kernels of bf16 for AVX2: values are widened, which is a shift or a mask
 * (see kernels_brain_vector.h).
 */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 8, TILE_ROWS = 4, VECTORS = 2 };
typedef float vector __attribute__((vector_size(32)));
typedef int32_t whole __attribute__((vector_size(32)));

static inline vector dot_pairs(vector sum, whole weights, whole x)
{
	const whole upper = (whole){ 0 } + (int32_t)0xffff0000;
	sum = _mm256_fmadd_ps((vector)(x & upper), (vector)(weights & upper), sum);
	return _mm256_fmadd_ps((vector)(x << 16), (vector)(weights << 16), sum);
}

#include "num/kernels_brain_vector.h"

const struct brain_kernels brain_avx2 = { narrow, panel_of };

#endif
