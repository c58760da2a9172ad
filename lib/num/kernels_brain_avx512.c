/* kernels_brain_avx512.c - the kernels of bf16 for AVX-512 without bf16: values are widened, which is a
 * shift or a mask (see kernels_brain_vector.h).
 */
#if defined(__x86_64__)

#include "num/kernels_brain_512.h"

static inline vector dot_pairs(vector sum, whole weights, whole x)
{
	const whole upper = (whole){ 0 } + (int32_t)0xffff0000;
	sum = _mm512_fmadd_ps((vector)(x & upper), (vector)(weights & upper), sum);
	return _mm512_fmadd_ps((vector)(x << 16), (vector)(weights << 16), sum);
}

#include "num/kernels_brain_vector.h"

const struct brain_kernels brain_avx512 = { narrow, panel_of };

#endif
