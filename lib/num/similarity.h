/* similarity.h - products of query vectors with the rows of a database: the inner loop of a search,
 * once per CPU level like kernels.h. Every product is summed in one order, which depends on the width
 * alone: element i goes to lane i % 16 by a fused multiply-add, the last elements beside zeros; then
 * the lanes are folded, 8 onto 8, 4 onto 4, 2 onto 2, 1 onto 1. So all levels, and any number of
 * queries and rows at once, give the same bits (NaN apart, which is NaN everywhere).
 */
#ifndef ZV_NUM_SIMILARITY_H
#define ZV_NUM_SIMILARITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIMILARITY_LANES = 16 };

/* y[q * y_row + r] = query q times row r. Queries are f32, rows of dtype f, E or e; both have width
 * elements and follow each other without a gap. */
struct similarity_product {
	const float *queries;
	const void *rows;
	char dtype;
	size_t query_count, row_count, width;
	float *y;
	size_t y_row;
};

struct similarity {
	void (*products)(const struct similarity_product *product);
	/* The largest of n elements that are not NaN; minus infinity if there are none. */
	float (*most)(const float *x, size_t n);
	/* The first of n elements that is at least `least`; n if there is none. */
	size_t (*reach)(const float *x, size_t n, float least);
	/* y[r * width + i] = scales[r] * values[r * width + i]; scales of any alignment. */
	void (*widen)(
	    const int8_t *values, const void *scales, size_t row_count, size_t width, float *y);
	/* So many query vectors and more are quicker with rows that were made f32 before. */
	size_t widen_from;
};

extern const struct similarity similarity_ref, similarity_avx2, similarity_avx512;

/* The table for cpu_level(). */
const struct similarity *similarity_get(void);

#endif
