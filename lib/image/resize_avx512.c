/* resize_avx512.c - resampling by vectors of 64 bytes (see resize_vector.h). */
#if defined(__x86_64__)

#include "image/resize.h"

#include <immintrin.h>

enum { BYTES = 64 };
typedef __m512i vector;

static inline vector vector_load(const uint8_t *from)
{
	return _mm512_loadu_si512((const void *)from);
}

static inline void vector_store(uint8_t *to, vector v)
{
	_mm512_storeu_si512((void *)to, v);
}

static inline vector vector_mix_low(vector a, vector b)
{
	return _mm512_unpacklo_epi8(a, b);
}

static inline vector vector_mix_high(vector a, vector b)
{
	return _mm512_unpackhi_epi8(a, b);
}

static inline vector vector_wide_low(vector v)
{
	return _mm512_unpacklo_epi8(v, _mm512_setzero_si512());
}

static inline vector vector_wide_high(vector v)
{
	return _mm512_unpackhi_epi8(v, _mm512_setzero_si512());
}

static inline vector vector_pair(int32_t pair)
{
	return _mm512_set1_epi32(pair);
}

static inline vector vector_pairs(vector a, vector b)
{
	return _mm512_madd_epi16(a, b);
}

static inline vector vector_add(vector a, vector b)
{
	return _mm512_add_epi32(a, b);
}

static inline vector vector_finish(vector high, vector low)
{
	vector half = _mm512_set1_epi32(1 << (RESIZE_FRACTION_BITS - 1));
	vector sum = _mm512_add_epi32(_mm512_slli_epi32(high, RESIZE_LOW_BITS), low);
	return _mm512_srai_epi32(_mm512_add_epi32(sum, half), RESIZE_FRACTION_BITS);
}

static inline vector vector_pack16(vector a, vector b)
{
	return _mm512_packs_epi32(a, b);
}

static inline vector vector_pack8(vector a, vector b)
{
	return _mm512_packus_epi16(a, b);
}

#include "image/resize_vector.h"

const struct resize_kernels resize_avx512 = { .weigh = weigh, .turn = turn };

#endif
