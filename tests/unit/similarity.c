/* similarity - the kernels of a search: every CPU level gives the bits of the portable one, for any
 * number of rows and queries, any width and dtype; and that is the product.
 */
#include "tap.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/dtype.h"
#include "num/similarity.h"

enum { ROWS = 11, QUERIES = 14, WIDTH = 300 };

static float queries[QUERIES * WIDTH], rows[ROWS * WIDTH];
static uint16_t halves[ROWS * WIDTH + 1];
static uint32_t state = 1;

static float next(void)
{
	state = state * 1664525u + 1013904223u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

static void fill(void)
{
	for (size_t i = 0; i < QUERIES * WIDTH; i++)
		queries[i] = next();
	for (size_t i = 0; i < ROWS * WIDTH; i++)
		rows[i] = next();
}

/* The same bits, or both NaN, in all products; nothing else is written. */
static bool same(const struct similarity *kernels, struct similarity_product *product)
{
	float wanted[QUERIES * (ROWS + 3)], got[QUERIES * (ROWS + 3)];
	memset(wanted, 0x55, sizeof wanted);
	memset(got, 0x55, sizeof got);
	product->y_row = product->row_count + 3;
	product->y = wanted;
	similarity_ref.products(product);
	product->y = got;
	kernels->products(product);
	for (size_t i = 0; i < QUERIES * (ROWS + 3); i++)
		if (memcmp(&got[i], &wanted[i], sizeof(float)) != 0 && !(isnan(got[i]) && isnan(wanted[i])))
			return false;
	return true;
}

static void check_shapes(const struct similarity *kernels, const char *level)
{
	static const size_t widths[] = { 1, 7, 8, 15, 16, 17, 31, 33, 64, 100, 256, 300 };
	static const char dtypes[] = "fEe";
	for (size_t d = 0; d < 3; d++) {
		size_t wrong = 0, shapes = 0;
		for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
			for (size_t r = 0; r <= ROWS; r++)
				for (size_t q = 0; q <= QUERIES; q++) {
					/* Halves begin at an odd address of 2: rows need no alignment. */
					struct similarity_product product = { .queries = queries,
						.rows = dtypes[d] == 'f' ? (const void *)rows : halves + 1,
						.dtype = dtypes[d],
						.query_count = q,
						.row_count = r,
						.width = widths[w] };
					if (dtypes[d] != 'f')
						dtype_from_f32(dtypes[d], rows, halves + 1, ROWS * WIDTH);
					wrong += !same(kernels, &product);
					shapes++;
				}
		TAP_OK(wrong == 0, "%s: %zu shapes of %s give the portable bits (%zu do not)", level,
		    shapes, dtype_name(dtypes[d]), wrong);
	}
}

/* NaN and infinities stay what they are, in the lane tail too. */
static void check_odd(const struct similarity *kernels, const char *level)
{
	static const size_t places[] = { 0, 17, 255, 298 };
	static const float odd[] = { NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-42f, 3e38f };
	size_t wrong = 0;
	for (size_t p = 0; p < 4; p++)
		for (size_t o = 0; o < sizeof odd / sizeof *odd; o++) {
			struct similarity_product product = { .queries = queries,
				.rows = rows,
				.dtype = 'f',
				.query_count = 7,
				.row_count = 5,
				.width = 299 };
			float before = rows[2 * 299 + places[p]];
			rows[2 * 299 + places[p]] = odd[o];
			wrong += !same(kernels, &product);
			rows[2 * 299 + places[p]] = before;
		}
	TAP_OK(wrong == 0, "%s: odd numbers", level);
}

static void check_searching(const struct similarity *kernels, const char *level)
{
	float x[70];
	size_t wrong = 0;
	for (size_t n = 0; n < 70; n++)
		for (size_t turn = 0; turn < 20; turn++) {
			for (size_t i = 0; i < n; i++)
				x[i] = (turn * 7 + i) % 5 == 0 ? NAN : floorf(next() * 4);
			float least = floorf(next() * 4), most = kernels->most(x, n);
			wrong += most != similarity_ref.most(x, n) ||
			         kernels->reach(x, n, least) != similarity_ref.reach(x, n, least);
		}
	TAP_OK(wrong == 0, "%s: the largest, and the first that is large enough", level);
	for (size_t i = 0; i < 40; i++)
		x[i] = NAN;
	TAP_OK(kernels->most(x, 40) == -INFINITY && kernels->reach(x, 40, -INFINITY) == 40 &&
	           kernels->most(x, 0) == -INFINITY && kernels->reach(x, 0, 0) == 0,
	    "%s: where there is nothing but NaN, and nothing at all", level);
}

static void check_widening(const struct similarity *kernels, const char *level)
{
	static int8_t values[5 * 300];
	static float got[5 * 300], wanted[5 * 300];
	char scales[5 * sizeof(float) + 1];
	size_t wrong = 0;
	for (size_t i = 0; i < sizeof values; i++)
		values[i] = (int8_t)(int)(next() * 127);
	for (size_t r = 0; r < 5; r++) {
		float scale = next() + 1;
		memcpy(scales + 1 + r * sizeof scale, &scale, sizeof scale);
	}
	for (size_t width = 1; width <= 300; width += 13) {
		kernels->widen(values, scales + 1, 5, width, got);
		similarity_ref.widen(values, scales + 1, 5, width, wanted);
		wrong += memcmp(got, wanted, 5 * width * sizeof *got) != 0;
	}
	TAP_OK(wrong == 0, "%s: int8 with scales to f32", level);
}

/* Against sums in double. */
static void check_truth(void)
{
	float y[QUERIES * ROWS];
	double worst = 0;
	struct similarity_product product = { queries, rows, 'f', QUERIES, ROWS, WIDTH, y, ROWS };
	similarity_ref.products(&product);
	for (size_t q = 0; q < QUERIES; q++)
		for (size_t r = 0; r < ROWS; r++) {
			double sum = 0;
			for (size_t i = 0; i < WIDTH; i++)
				sum += (double)queries[q * WIDTH + i] * (double)rows[r * WIDTH + i];
			worst = fmax(worst, fabs(sum - (double)y[q * ROWS + r]));
		}
	TAP_OK(worst < 1e-5, "the portable kernel is the product (%.1e)", worst);
}

int main(void)
{
	fill();
	if (cpu_start() < 0)
		return 2;
	check_truth();
	check_searching(&similarity_ref, "ref");
#if defined(__x86_64__)
	const struct similarity *const kernels[] = { &similarity_ref, &similarity_avx2,
		&similarity_avx512 };
	for (int level = CPU_AVX2; level <= CPU_AVX512; level++) {
		const char *name = cpu_level_name((enum cpu_level)level);
		if ((int)cpu_level() < level) {
			tap_skip(name, "this CPU does not have it");
			continue;
		}
		check_shapes(kernels[level], name);
		check_odd(kernels[level], name);
		check_searching(kernels[level], name);
		check_widening(kernels[level], name);
	}
#endif
	return tap_finish();
}
