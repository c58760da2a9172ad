/* kernels_ref.c - the kernels in portable C with libm: slow, plain, and the truth in tests (see
 * kernels.h).
 */
#include "num/kernels.h"
#include "base/dtype.h"
#include "base/random.h"

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

static void multiply(float *y, const float *x, float a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = a * x[i];
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

static float most(const float *x, size_t n)
{
	float top = x[0];
	for (size_t i = 1; i < n; i++)
		top = x[i] > top ? x[i] : top;
	return top;
}

static void softmax(float *x, float scale, size_t n)
{
	float top = most(x, n);
	double sum = 0;
	for (size_t i = 0; i < n; i++) {
		x[i] = expf((x[i] - top) * scale);
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

enum { F16_MOST = 65504 };

static void narrow(const float *source, uint16_t *target, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float x = source[i];
		if (fabsf(x) > F16_MOST && !isinf(x))
			x = x > 0 ? F16_MOST : -F16_MOST;
		target[i] = f16_from_f32(x);
	}
}

static float kept_scale(const struct kept_rows *rows, size_t row)
{
	return rows->scales ? *(const float *)(rows->scales + row * rows->stride) : 1;
}

static float kept_element(const struct kept_rows *rows, size_t row, size_t i)
{
	const void *at = rows->at + row * rows->stride;
	if (rows->dtype == 'b')
		return ((const int8_t *)at)[i];
	return rows->dtype == 'f' ? ((const float *)at)[i] : f32_from_f16(((const uint16_t *)at)[i]);
}

static void kept_dots(const struct kept_rows *rows, const float *q, float *scores, bool more)
{
	for (size_t row = 0; row < rows->count; row++) {
		double sum = 0;
		for (size_t i = 0; i < rows->n; i++)
			sum += (double)q[i] * (double)kept_element(rows, row, i);
		float score = (float)sum * kept_scale(rows, row);
		scores[row] = more ? scores[row] + score : score;
	}
}

static void kept_sum(const struct kept_rows *rows, const float *weights, float *y)
{
	for (size_t row = 0; row < rows->count; row++) {
		float weight = weights[row] * kept_scale(rows, row);
		for (size_t i = 0; i < rows->n; i++)
			y[i] += weight * kept_element(rows, row, i);
	}
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

static void matrix(const struct matrix_product *product)
{
	for (size_t i = 0; i < product->m; i++)
		for (size_t j = 0; j < product->n; j++) {
			float *c = product->c + i * product->c_row + j;
			double sum = product->add ? (double)*c : 0;
			for (size_t l = 0; l < product->k; l++)
				sum += (double)product->a[i * product->a_row + l * product->a_column] *
				       (double)product->b[l * product->b_row + j];
			*c = (float)sum;
		}
}

static void transpose(
    const float *x, size_t x_row, size_t rows, size_t columns, float *y, size_t y_row)
{
	for (size_t row = 0; row < rows; row++)
		for (size_t column = 0; column < columns; column++)
			y[column * y_row + row] = x[row * x_row + column];
}

static void softmax_gradient(
    float *d, const float *kept, const float *weight, float scale, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)kept[i] * (double)d[i];
	for (size_t i = 0; i < n; i++)
		d[i] = scale * (float)((double)kept[i] * (double)d[i] - (double)weight[i] * sum);
}

static void gelu_gradient(const float *x, float *dy, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float normal = 0.5f * erfcf(-x[i] * 0.70710678118654752f);
		float density = 0.39894228040143268f * expf(-0.5f * x[i] * x[i]);
		/* Far out x * x is infinite and the density 0. */
		dy[i] *= normal + (density > 0 ? x[i] * density : density);
	}
}

static void silu_gradient(
    const float *gate, const float *up, const float *dy, float *dgate, float *dup, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float g = gate[i], d = dy[i];
		float sigmoid = 1.0f / (1.0f + expf(-g));
		dgate[i] = d * up[i] * sigmoid * (1.0f + g * (1.0f - sigmoid));
		dup[i] = d * g * sigmoid;
	}
}

/* With g = dy * weight and h = (x - mean) / deviation:
 * dx = (g - mean(g) - h mean(g h)) / deviation; rmsnorm has no means of x and of g. */
static void norm_gradient(
    const struct norm_gradient *norm, const float *x, const float *dy, float *dx)
{
	size_t n = norm->n;
	double mean = 0, squares = 0, sum = 0, product = 0;
	for (size_t i = 0; i < n && norm->centred; i++)
		mean += (double)x[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += ((double)x[i] - mean) * ((double)x[i] - mean);
	double inverse = 1.0 / sqrt(squares / (double)n + (double)norm->eps);
	for (size_t i = 0; i < n; i++) {
		double h = ((double)x[i] - mean) * inverse, g = (double)dy[i] * (double)norm->weight[i];
		sum += g;
		product += g * h;
		if (norm->dweight)
			norm->dweight[i] += (float)((double)dy[i] * h);
		if (norm->dbias)
			norm->dbias[i] += dy[i];
	}
	sum = norm->centred ? sum / (double)n : 0;
	for (size_t i = 0; i < n; i++) {
		double h = ((double)x[i] - mean) * inverse, g = (double)dy[i] * (double)norm->weight[i];
		float d = (float)((g - sum - h * product / (double)n) * inverse);
		dx[i] = norm->add ? dx[i] + d : d;
	}
}

static double entropy(float *x, float top, float smoothing, float factor, size_t n)
{
	double sum = 0, distance = 0;
	for (size_t i = 0; i < n; i++) {
		distance += (double)(x[i] - top);
		x[i] = expf(x[i] - top);
		sum += (double)x[i];
	}
	float inverse = (float)((double)factor / sum), floor = factor * smoothing / (float)n;
	for (size_t i = 0; i < n; i++)
		x[i] = x[i] * inverse - floor;
	return log(sum) - (double)smoothing * distance / (double)n;
}

static void dropout(const struct dropout_mask *mask, uint64_t first, float *x, size_t n)
{
	uint32_t key[2] = { (uint32_t)mask->seed, (uint32_t)(mask->seed >> 32) };
	uint32_t words[DROPOUT_BLOCKS][4];
	for (size_t i = 0; i < n; i++) {
		size_t place = i % DROPOUT_GROUP;
		for (uint32_t b = 0; b < DROPOUT_BLOCKS && place == 0; b++) {
			uint32_t block = (uint32_t)((first + i) / 4) + b;
			uint32_t counter[4] = { block, mask->place + 1, (uint32_t)mask->step,
				(uint32_t)(mask->step >> 32) };
			random_block(counter, key, words[b]);
		}
		bool kept = words[place % DROPOUT_BLOCKS][place / DROPOUT_BLOCKS] >= mask->threshold;
		x[i] = kept ? x[i] * mask->scale : 0;
	}
}

const struct kernels kernels_ref = {
	.gelu = gelu,
	.add = add,
	.add_scaled = add_scaled,
	.scale = multiply,
	.silu_multiply = silu_multiply,
	.layernorm = layernorm,
	.rmsnorm = rmsnorm,
	.softmax = softmax,
	.dot = dot,
	.widen = dtype_to_f32,
	.narrow = narrow,
	.kept_dots = kept_dots,
	.kept_sum = kept_sum,
	.dot_tile = dot_tile,
	.gelu_gradient = gelu_gradient,
	.silu_gradient = silu_gradient,
	.norm_gradient = norm_gradient,
	.most = most,
	.entropy = entropy,
	.dropout = dropout,
	.few_rows = 0,
	.matrix = matrix,
	.transpose = transpose,
	.softmax_gradient = softmax_gradient,
};
