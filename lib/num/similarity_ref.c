/* similarity_ref.c - the portable kernels of a search, the truth in tests (see similarity.h). */
#include "num/similarity.h"
#include "base/dtype.h"

#include <math.h>
#include <string.h>

/* 16 elements of a row as f32, zeros behind the last. */
static void load(const void *row, char dtype, size_t first, size_t width, float *lanes)
{
	size_t n = width - first < SIMILARITY_LANES ? width - first : SIMILARITY_LANES;
	dtype_to_f32(dtype, (const char *)row + first * dtype_size(dtype), lanes, n);
	for (size_t i = n; i < SIMILARITY_LANES; i++)
		lanes[i] = 0;
}

static float dot(const float *query, const void *row, char dtype, size_t width)
{
	float sum[SIMILARITY_LANES] = { 0 }, a[SIMILARITY_LANES], b[SIMILARITY_LANES];
	for (size_t i = 0; i < width; i += SIMILARITY_LANES) {
		load(query, 'f', i, width, a);
		load(row, dtype, i, width, b);
		for (size_t lane = 0; lane < SIMILARITY_LANES; lane++)
			sum[lane] = fmaf(a[lane], b[lane], sum[lane]);
	}
	for (size_t half = SIMILARITY_LANES / 2; half > 0; half /= 2)
		for (size_t lane = 0; lane < half; lane++)
			sum[lane] += sum[lane + half];
	return sum[0];
}

static void products(const struct similarity_product *product)
{
	size_t row = product->width * dtype_size(product->dtype);
	for (size_t q = 0; q < product->query_count; q++)
		for (size_t r = 0; r < product->row_count; r++)
			product->y[q * product->y_row + r] = dot(product->queries + q * product->width,
			    (const char *)product->rows + r * row, product->dtype, product->width);
}

static float most(const float *x, size_t n)
{
	float top = -INFINITY;
	for (size_t i = 0; i < n; i++)
		top = x[i] > top ? x[i] : top;
	return top;
}

static size_t reach(const float *x, size_t n, float least)
{
	size_t i = 0;
	while (i < n && !(x[i] >= least))
		i++;
	return i;
}

static void widen(
    const int8_t *values, const void *scales, size_t row_count, size_t width, float *y)
{
	for (size_t r = 0; r < row_count; r++) {
		float scale;
		memcpy(&scale, (const char *)scales + r * sizeof scale, sizeof scale);
		for (size_t i = 0; i < width; i++)
			y[r * width + i] = scale * (float)values[r * width + i];
	}
}

const struct similarity similarity_ref = { products, most, reach, widen, 2 };
