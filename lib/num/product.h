/* product.h - f32 matrix products, which are BLIS's; product.c is the only file that knows BLIS.
 * Each call runs on the calling thread alone: the pool (threads.h) cuts the work.
 */
#ifndef ZV_NUM_PRODUCT_H
#define ZV_NUM_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

/* Settle the CPU level (cpu.h) and which of BLIS's kernels go with it; before anything else of
 * lib/num. 0, or -1 with ERROR_SYSTEM. */
int product_start(void);

/* C [m][n] = A [m][k] times B, or added to what C holds. Rows follow each other at a distance of
 * a_row, b_row and c_row elements. A is [m][k], or [k][m] if a_transposed; B is [k][n], or [n][k] if
 * b_transposed (a weight matrix). */
struct product {
	size_t m, n, k;
	const float *a, *b;
	float *c;
	size_t a_row, b_row, c_row;
	bool a_transposed, b_transposed, add;
};
void product_run(const struct product *product);

/* The same by BLIS's own threads: what `make bench` compares with. */
void product_run_threads(const struct product *product, int threads);

/* "kernels avx512, BLIS 0.9.0 skx": for version_add(), before program_begin(). */
const char *product_version(void);

#endif
