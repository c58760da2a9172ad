/* resize_vector.h - the kernels of resize.h for any vector width. The file of a CPU level defines
 * BYTES, vector (of integers) and the few primitives that name instructions (vector_load,
 * vector_store, vector_mix_low and _high: bytes of two vectors in turns; vector_wide_low and _high:
 * bytes to 16 bits; vector_pair: two 16-bit weights everywhere; vector_pairs: products of 16-bit
 * elements, added in pairs to 32 bits; vector_add; vector_finish: sums of high and low weights to
 * pixels; vector_pack16, vector_pack8: clipped to fewer bits), then includes this. Mixing and
 * packing stay within parts of 16 bytes, and so undo each other.
 */
#ifndef ZV_IMAGE_RESIZE_VECTOR_H
#define ZV_IMAGE_RESIZE_VECTOR_H

#include "image/resize.h"

#include <immintrin.h>
#include <string.h>

/* Sums of one vector of bytes, in four of 32-bit elements: mixed low and high, then each low and
 * high again. */
struct sums {
	vector high[4], low[4];
};

static inline __attribute__((always_inline)) void add_taps(
    struct sums *sums, const uint8_t *a, const uint8_t *b, vector high, vector low)
{
	vector first = vector_load(a), second = vector_load(b);
	vector mixed[2] = { vector_mix_low(first, second), vector_mix_high(first, second) };
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		vector pairs = i % 2 ? vector_wide_high(mixed[i / 2]) : vector_wide_low(mixed[i / 2]);
		sums->high[i] = vector_add(sums->high[i], vector_pairs(pairs, high));
		sums->low[i] = vector_add(sums->low[i], vector_pairs(pairs, low));
	}
}

static inline vector weight_pair(const int16_t *weights)
{
	int32_t pair;
	memcpy(&pair, weights, sizeof pair);
	return vector_pair(pair);
}

static void weigh(const struct resize_window *window, uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i += BYTES) {
		struct sums sums = { 0 };
		const uint8_t *from = window->from + i;
		for (size_t tap = 0; tap < window->taps; tap += 2, from += 2 * window->row)
			add_taps(&sums, from, from + window->row, weight_pair(window->high + tap),
			    weight_pair(window->low + tap));
		vector words[2];
#pragma GCC unroll 2
		for (int half = 0; half < 2; half++)
			words[half] = vector_pack16(vector_finish(sums.high[2 * half], sums.low[2 * half]),
			    vector_finish(sums.high[2 * half + 1], sums.low[2 * half + 1]));
		vector_store(to + i, vector_pack8(words[0], words[1]));
	}
}

/* Four rounds that take rows i and i + 8 by turns. */
static void turn(const uint8_t *from, size_t from_row, uint8_t *to, size_t to_row)
{
	__m128i rows[16], next[16];
#pragma GCC unroll 16
	for (size_t i = 0; i < 16; i++)
		rows[i] = _mm_loadu_si128((const void *)(from + i * from_row));
#pragma GCC unroll 4
	for (int round = 0; round < 4; round++) {
#pragma GCC unroll 8
		for (size_t i = 0; i < 8; i++) {
			next[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + 8]);
			next[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + 8]);
		}
#pragma GCC unroll 16
		for (size_t i = 0; i < 16; i++)
			rows[i] = next[i];
	}
#pragma GCC unroll 16
	for (size_t i = 0; i < 16; i++)
		_mm_storeu_si128((void *)(to + i * to_row), rows[i]);
}

#endif
