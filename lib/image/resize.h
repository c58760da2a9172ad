/* resize.h - what the portable resampler and those for a CPU level share; internal to lib/image.
 * All give the same bytes; resize.c says how the sums are made, and is the truth in tests.
 */
#ifndef ZV_IMAGE_RESIZE_H
#define ZV_IMAGE_RESIZE_H

#include <stddef.h>
#include <stdint.h>

struct picture;

enum {
	RESIZE_FRACTION_BITS = 22,
	RESIZE_LOW_BITS = 11,
	RESIZE_ROW = 64, /* bytes: rows are handled in pieces of so many */
};

/* For each output position: where its window begins and the weights, a weight being
 * high * 2^11 + low. Behind the window come zero weights, up to padded. */
struct resize_axis {
	uint32_t in, out;
	size_t taps;         /* of the widest window, an even number; at most padded */
	size_t padded;       /* from one window's weights to the next one's */
	uint32_t *first;     /* [out] */
	int16_t *high, *low; /* [out][padded] */
};

/* taps rows of n bytes, row bytes apart, with their weights. */
struct resize_window {
	const uint8_t *from;
	size_t row, taps;
	const int16_t *high, *low;
};

/* What vectors are for; rows and lines are whole pieces of RESIZE_ROW bytes. */
struct resize_kernels {
	/* to[i] = the sum of the window's bytes i times weights, rounded, clipped to 8 bits. */
	void (*weigh)(const struct resize_window *window, uint8_t *to, size_t n);
	/* 16 rows of 16 bytes, turned. */
	void (*turn)(const uint8_t *from, size_t from_row, uint8_t *to, size_t to_row);
};

extern const struct resize_kernels resize_avx2, resize_avx512;

/* The table for cpu_level(), or NULL: the portable code. */
const struct resize_kernels *resize_kernels_get(void);

/* Resample source into target's pixels, which are allocated. 0, or -1: memory. */
int resize_by_rows(const struct resize_kernels *kernels, const struct picture *source,
    const struct resize_axis *across, const struct resize_axis *down, struct picture *target);

#endif
