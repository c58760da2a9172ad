/* kernels_brain_bf16.c - the kernels of bf16 with AVX-512 BF16: vdpbf16ps multiplies 16 pairs by 16
 * others and adds both products to 16 sums (see kernels_brain_vector.h).
 */
#if defined(__x86_64__)

#include "num/kernels_brain_512.h"

static inline vector dot_pairs(vector sum, whole weights, whole x)
{
	return _mm512_dpbf16_ps(sum, (__m512bh)weights, (__m512bh)x);
}

#include "num/kernels_brain_vector.h"

const struct brain_kernels brain_bf16 = { narrow, panel_of };

#endif
