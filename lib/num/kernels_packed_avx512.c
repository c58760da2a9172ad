/* kernels_packed_avx512.c - the kernels of packed weights with AVX-512 BW alone. vpmaddubsw adds two
 * products in 16 bits, which saturate: 15 * 127 twice is far from that, and so is 128 * 127 twice
 * when the weight gives its sign to x (see kernels_packed_vector.h).
 */
#if defined(__x86_64__)

#include "num/kernels_packed_512.h"

static inline whole dot_int4(whole sum, whole weights, whole x)
{
	__m512i pairs = _mm512_maddubs_epi16((__m512i)weights, (__m512i)x);
	return sum + (whole)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
}

static inline whole ready_int8(whole weights)
{
	return weights;
}

static inline whole start_int8(float sum_of_x)
{
	(void)sum_of_x;
	return (whole){ 0 };
}

static inline whole dot_int8(whole sum, whole weights, whole x)
{
	__mmask64 negative = _mm512_movepi8_mask((__m512i)weights);
	__m512i turned = _mm512_mask_sub_epi8((__m512i)x, negative, _mm512_setzero_si512(), (__m512i)x);
	return dot_int4(sum, (whole)_mm512_abs_epi8((__m512i)weights), (whole)turned);
}

#include "num/kernels_packed_vector.h"

const struct packed_kernels packed_avx512 = { quantise, int8, int4, PACKED_TILE, NULL };

#endif
