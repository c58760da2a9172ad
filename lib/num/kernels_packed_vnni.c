/* kernels_packed_vnni.c - the kernels of packed weights with AVX-512 VNNI: vpdpbusd multiplies 64
 * bytes without a sign by 64 with one and adds four products each to 16 sums (see
 * kernels_packed_vector.h).
 */
#if defined(__x86_64__)

#include "num/kernels_packed_512.h"

static inline whole dot_int4(whole sum, whole weights, whole x)
{
	return (whole)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights, (__m512i)x);
}

/* Weights lose their sign by adding 128, which the start of the sum takes back. */
static inline whole ready_int8(whole weights)
{
	return weights ^ (int32_t)0x80808080;
}

static inline whole start_int8(float sum_of_x)
{
	return (whole){ 0 } - 128 * (int32_t)sum_of_x;
}

static inline whole dot_int8(whole sum, whole weights, whole x)
{
	return dot_int4(sum, weights, x);
}

#include "num/kernels_packed_vector.h"

const struct packed_kernels packed_vnni = { quantise, int8, int4, PACKED_TILE, NULL };

#endif
