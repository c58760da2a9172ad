/* kernels_ref.c - the kernels in portable C with libm: slow, plain, and the truth in tests (see
 * kernels.h).
 */
#include "num/kernels.h"
#include "base/dtype.h"

#include <math.h>
#include <stdint.h>

static void gelu(float *y, const float *bias, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float x = bias ? y[i] + bias[i] : y[i];
		/* 1 + erf(u) = erfc(-u), which keeps its digits where x is far below zero. */
		y[i] = 0.5f * x * erfcf(-x * 0.70710678118654752f);
	}
}

static void add(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += x[i];
}

static void add_scaled(float *y, const float *x, float a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += a * x[i];
}

static void silu_multiply(float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

static void layernorm(
    float *y, const float *x, const float *weight, const float *bias, float eps, size_t n)
{
	double sum = 0, squares = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)x[i];
	double mean = sum / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += ((double)x[i] - mean) * ((double)x[i] - mean);
	double scale = 1.0 / sqrt(squares / (double)n + (double)eps);
	for (size_t i = 0; i < n; i++)
		y[i] = (float)(((double)x[i] - mean) * scale) * weight[i] + bias[i];
}

static void rmsnorm(float *y, const float *x, const float *weight, float eps, size_t n)
{
	double squares = 0;
	for (size_t i = 0; i < n; i++)
		squares += (double)x[i] * (double)x[i];
	float scale = (float)(1.0 / sqrt(squares / (double)n + (double)eps));
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] * scale * weight[i];
}

static void softmax(float *x, float scale, size_t n)
{
	float most = x[0];
	for (size_t i = 1; i < n; i++)
		if (x[i] > most)
			most = x[i];
	double sum = 0;
	for (size_t i = 0; i < n; i++) {
		x[i] = expf((x[i] - most) * scale);
		sum += (double)x[i];
	}
	float inverse = (float)(1.0 / sum);
	for (size_t i = 0; i < n; i++)
		x[i] *= inverse;
}

static float dot(const float *a, const float *b, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * (double)b[i];
	return (float)sum;
}

static float element(char dtype, const void *source, size_t i)
{
	if (dtype == 'f')
		return ((const float *)source)[i];
	uint16_t half = ((const uint16_t *)source)[i];
	return dtype == 'e' ? f32_from_f16(half) : f32_from_bf16(half);
}

static void dot_tile(float *y, size_t y_stride, const float *x, size_t x_rows, char dtype,
    const void *w, size_t w_rows, size_t n)
{
	for (size_t o = 0; o < w_rows; o++)
		for (size_t r = 0; r < x_rows; r++) {
			double sum = 0;
			for (size_t i = 0; i < n; i++)
				sum += (double)x[r * n + i] * (double)element(dtype, w, o * n + i);
			y[r * y_stride + o] = (float)sum;
		}
}

const struct kernels kernels_ref = {
	.gelu = gelu,
	.add = add,
	.add_scaled = add_scaled,
	.silu_multiply = silu_multiply,
	.layernorm = layernorm,
	.rmsnorm = rmsnorm,
	.softmax = softmax,
	.dot = dot,
	.widen = dtype_to_f32,
	.dot_tile = dot_tile,
	.few_rows = 0,
};
