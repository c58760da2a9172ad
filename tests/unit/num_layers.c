/* num_layers - the linear layer, attention, norms and rotary positions against sums in double; the
 * same bytes for an item alone and in a batch.
 */
#include "tap.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/memory.h"
#include "base/threads.h"
#include "num/attention.h"
#include "num/linear.h"
#include "num/norm.h"
#include "num/product.h"
#include "num/rotary.h"

static uint32_t state = 7;

static float *values(size_t count)
{
	float *x = memory_allocate(count, sizeof *x);
	if (!x)
		exit(2);
	for (size_t i = 0; i < count; i++) {
		state = state * 1664525u + 1013904223u;
		x[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
	}
	return x;
}

/* y = x W^T + b in double, then what then says; w as f32 of what is stored. */
static void reference_linear(const float *w, const float *bias, const float *x, size_t rows,
    size_t in, size_t out, enum linear_then then, float *y)
{
	for (size_t row = 0; row < rows; row++)
		for (size_t o = 0; o < out; o++) {
			double sum = bias ? (double)bias[o] : 0;
			for (size_t i = 0; i < in; i++)
				sum += (double)x[row * in + i] * (double)w[o * in + i];
			if (then == LINEAR_GELU)
				sum = 0.5 * sum * erfc(-sum / sqrt(2));
			y[row * out + o] = (float)(then == LINEAR_ADD ? (double)y[row * out + o] + sum : sum);
		}
}

static double off(const float *got, const float *wanted, size_t n)
{
	double most = 0;
	for (size_t i = 0; i < n; i++) {
		double difference = fabs((double)got[i] - (double)wanted[i]);
		if (!(difference <= most))
			most = difference;
	}
	return isnan(most) ? INFINITY : most;
}

/* One layer, all dtypes and endings: three items at once, one alone, and by decoding. */
static void check_linear(size_t rows, size_t in, size_t out)
{
	enum { ITEMS = 3 };
	float *w = values(out * in), *bias = values(out), *x = values(ITEMS * rows * in);
	float *start = values(ITEMS * rows * out), *wanted = values(ITEMS * rows * out);
	float *y = values(ITEMS * rows * out), *alone = values(rows * out);
	void *stored = memory_allocate(out * in, 4);
	size_t count = ITEMS * rows * out, item = rows * out;
	double most = 0;
	int differ = 0, failed = 0;
	for (const char *dtype = "feE"; *dtype; dtype++)
		for (enum linear_then then = LINEAR_STORE; then <= LINEAR_ADD; then++) {
			struct linear linear = { stored, *dtype, out, in, then == LINEAR_GELU ? NULL : bias };
			dtype_from_f32(*dtype, w, stored, out * in);
			dtype_to_f32(*dtype, stored, w, out * in);
			memcpy(wanted, start, count * sizeof *wanted);
			reference_linear(w, linear.bias, x, ITEMS * rows, in, out, then, wanted);
			memcpy(y, start, count * sizeof *y);
			failed += linear_forward(&linear, x, ITEMS, rows, y, then) < 0;
			most = fmax(most, off(y, wanted, count));
			memcpy(alone, start + item, item * sizeof *alone);
			failed += linear_forward(&linear, x + rows * in, 1, rows, alone, then) < 0;
			differ += memcmp(alone, y + item, item * sizeof *alone) != 0;
			memcpy(y, start, count * sizeof *y);
			linear_decode(&linear, x, ITEMS * rows, y, then);
			most = fmax(most, off(y, wanted, count));
			memcpy(alone, start + item, item * sizeof *alone);
			linear_decode(&linear, x + rows * in, rows, alone, then);
			differ += memcmp(alone, y + item, item * sizeof *alone) != 0;
		}
	TAP_OK(failed == 0 && most <= 2e-6 * sqrt((double)in), "linear %zu x %zu x %zu (%.1e)", rows,
	    in, out, most);
	TAP_OK(differ == 0, "an item alone has the bytes it has in a batch");
	memory_release(w);
	memory_release(bias);
	memory_release(x);
	memory_release(start);
	memory_release(wanted);
	memory_release(y);
	memory_release(alone);
	memory_release(stored);
}

/* Row i of head h in double. */
static void reference_attention(
    const struct attention *attention, size_t item, size_t row, size_t head, double *y)
{
	size_t width = attention->head_width, seen = row + attention->see;
	size_t kv = item * attention->kv_item + head / (attention->heads / attention->kv_heads) * width;
	const float *q =
	    attention->q + item * attention->q_item + row * attention->q_row + head * width;
	double total = 0;
	seen = seen > attention->open ? seen : attention->open;
	memset(y, 0, width * sizeof *y);
	for (size_t key = 0; key < attention->keys && key < seen; key++) {
		double score = 0;
		for (size_t i = 0; i < width; i++)
			score += (double)q[i] * (double)attention->k[kv + key * attention->kv_row + i];
		double weight = exp(score * (double)attention->scale);
		total += weight;
		for (size_t i = 0; i < width; i++)
			y[i] += weight * (double)attention->v[kv + key * attention->kv_row + i];
	}
	for (size_t i = 0; i < width; i++)
		y[i] /= total;
}

static void check_attention(const char *name, size_t queries, size_t keys, size_t open, size_t see)
{
	enum { HEADS = 6, KV_HEADS = 2, WIDTH = 12, ITEMS = 2 };
	size_t q_row = HEADS * WIDTH, kv_row = KV_HEADS * WIDTH;
	float *q = values(ITEMS * queries * q_row), *k = values(ITEMS * keys * kv_row);
	float *v = values(ITEMS * keys * kv_row), *y = values(ITEMS * queries * q_row);
	struct attention attention = { HEADS, KV_HEADS, WIDTH, 0.7f, q, k, v, y, q_row, kv_row, q_row,
		queries, keys, ITEMS, queries * q_row, keys * kv_row, queries * q_row, open, see };
	double most = attention_forward(&attention) < 0 ? INFINITY : 0, right[WIDTH];
	for (size_t item = 0; item < ITEMS; item++)
		for (size_t row = 0; row < queries; row++)
			for (size_t head = 0; head < HEADS; head++) {
				const float *got = y + item * attention.y_item + row * q_row + head * WIDTH;
				reference_attention(&attention, item, row, head, right);
				for (size_t i = 0; i < WIDTH; i++)
					most = fmax(most, fabs((double)got[i] - right[i]));
			}
	TAP_OK(most <= 2e-6, "attention: %s (%.1e)", name, most);
	memory_release(q);
	memory_release(k);
	memory_release(v);
	memory_release(y);
}

static void check_norms(void)
{
	enum { ROWS = 50, WIDTH = 33 };
	float *x = values(ROWS * WIDTH), *weight = values(WIDTH), *bias = values(WIDTH);
	float *y = values(ROWS * WIDTH);
	double layer = 0, root = 0, unit = 0;
	struct norm norms[2] = { { weight, bias, 1e-6f, WIDTH }, { weight, NULL, 1e-6f, WIDTH } };
	for (int kind = 0; kind < 2; kind++) {
		norm_rows(&norms[kind], x, ROWS, y);
		for (size_t row = 0; row < ROWS; row++) {
			const float *from = x + row * WIDTH;
			double mean = 0, squares = 0;
			for (size_t i = 0; i < WIDTH && kind == 0; i++)
				mean += (double)from[i] / WIDTH;
			for (size_t i = 0; i < WIDTH; i++)
				squares += ((double)from[i] - mean) * ((double)from[i] - mean) / WIDTH;
			for (size_t i = 0; i < WIDTH; i++) {
				double right = ((double)from[i] - mean) / sqrt(squares + 1e-6) * (double)weight[i] +
				               (kind == 0 ? (double)bias[i] : 0);
				double *most = kind == 0 ? &layer : &root;
				*most = fmax(*most, fabs((double)y[row * WIDTH + i] - right));
			}
		}
	}
	TAP_OK(layer <= 2e-6, "layer norm of rows (%.1e)", layer);
	TAP_OK(root <= 2e-6, "root mean square norm of rows (%.1e)", root);
	memset(x, 0, WIDTH * sizeof *x);
	norm_unit(x, ROWS, WIDTH);
	for (size_t row = 1; row < ROWS; row++) {
		double length = 0;
		for (size_t i = 0; i < WIDTH; i++)
			length += (double)x[row * WIDTH + i] * (double)x[row * WIDTH + i];
		unit = fmax(unit, fabs(length - 1));
	}
	TAP_OK(unit <= 1e-6 && x[0] == 0, "rows of length 1; zeros stay (%.1e)", unit);
	memory_release(x);
	memory_release(weight);
	memory_release(bias);
	memory_release(y);
}

/* A turned pair keeps its length and the angle of position * theta^(-2j/width). */
static void check_rotary(void)
{
	float turn[8], row[16] = { 1, 0, 2, 0, 0, 1, 0, 2, 1, 1, 1, 1, 1, 1, 1, 1 };
	rotary_angles(10000, 3, 8, turn);
	rotary_turn(row, 2, 8, turn);
	TAP_OK(fabs((double)row[0] - cos(3)) < 1e-7 && fabs((double)row[4] - sin(3)) < 1e-7,
	    "the first pair turns by the position");
	TAP_OK(fabs((double)row[1] + sin(0.3)) < 1e-7 && fabs((double)row[5] - cos(0.3)) < 1e-7,
	    "the second by a tenth of it");
	TAP_OK(fabs((double)row[11] - (cos(0.003) - sin(0.003))) < 1e-6, "all heads turn alike");
}

int main(void)
{
	if (product_start() < 0 || threads_start(3) < 0)
		return 2;
	check_linear(1, 5, 3);
	check_linear(17, 48, 209);
	check_linear(64, 100, 70);
	check_linear(65, 100, 70);
	check_linear(130, 77, 800);
	check_linear(257, 64, 1408);
	check_attention("all see all", 17, 17, 17, 0);
	check_attention("other keys than queries", 8, 50, 50, 0);
	check_attention("causal", 30, 30, 0, 1);
	check_attention("causal behind a cache", 9, 40, 0, 32);
	check_attention("queries see queries, text sees what came", 20, 20, 8, 1);
	check_attention("more rows than a chunk", 700, 650, 650, 0);
	check_norms();
	check_rotary();
	threads_stop();
	return tap_finish();
}
