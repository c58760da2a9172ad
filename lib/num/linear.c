/* linear.c - the linear layer (see linear.h).
 * Many rows, AVX-512: the products of training (gradient.h), which turn W once for all items.
 * Many rows, else: the columns of Y are cut into chunks of about COLUMNS, which depends on W alone;
 * a chunk of one item is one BLIS call. f32 weights are used where they lie; bf16 and f16 chunks are
 * widened into the worker's scratch once for up to ITEMS items.
 * Few rows, and decoding: dot products that stream W once for all rows, from kernels.h.
 * SPEED.md has the figures behind this choice, which depends on the rows of one item alone.
 * Packed weights: packed.c, and brain.c for bf16.
 */
#include "num/linear.h"
#include "base/cpu.h"
#include "num/brain.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "num/packed.h"
#include "num/product.h"
#include "num/scratch.h"
#include "base/packed.h"
#include "base/threads.h"

#include <stdbool.h>
#include <string.h>

enum {
	COLUMNS = 352,     /* of Y in one product: best of 192..704 at the shapes of ViT-g */
	COLUMNS_UNIT = 32, /* rows of a register tile of BLIS's AVX-512 kernel */
	ITEMS = 8,         /* items that share one widened chunk of W */
	SMALL = 1 << 19,   /* elements of W: dot products of so short rows pay with fewer rows only */
	DECODE_OUT = 32,   /* outputs in one chunk of decoding */
	DECODE_ROWS = 32,  /* rows that stay in the second cache beside their weights */
};

struct forward {
	const struct linear *linear;
	const struct kernels *kernels;
	const float *x;
	float *y;
	size_t items, rows;
	enum linear_then then;
	size_t columns;       /* of one chunk */
	size_t column_chunks; /* chunks that cover Y's columns */
	size_t group;         /* items in one chunk */
};

/* Width of the column chunks: an even number of them where Y is wide, all of one width. */
static size_t chunk_columns(size_t out)
{
	size_t chunks = (out + COLUMNS / 2) / COLUMNS;
	if (chunks <= 1)
		return out;
	chunks += chunks & 1;
	size_t columns = (out + chunks - 1) / chunks;
	return (columns + COLUMNS_UNIT - 1) / COLUMNS_UNIT * COLUMNS_UNIT;
}

/* Bias and activation on a chunk of Y while it is in the cache. */
static void finish(const struct forward *forward, float *y, size_t first, size_t columns)
{
	const float *bias = forward->linear->bias ? forward->linear->bias + first : NULL;
	size_t stride = forward->linear->out;
	if (forward->then == LINEAR_GELU)
		for (size_t row = 0; row < forward->rows; row++)
			forward->kernels->gelu(y + row * stride, bias, columns);
	else if (bias)
		for (size_t row = 0; row < forward->rows; row++)
			forward->kernels->add(y + row * stride, bias, columns);
}

static void forward_chunk(void *context, size_t chunk, int worker)
{
	const struct forward *forward = context;
	const struct linear *linear = forward->linear;
	size_t first = chunk % forward->column_chunks * forward->columns;
	size_t item = chunk / forward->column_chunks * forward->group;
	size_t columns =
	    linear->out - first < forward->columns ? linear->out - first : forward->columns;
	size_t end = item + forward->group < forward->items ? item + forward->group : forward->items;
	const float *weight = (const float *)linear->weight + first * linear->in;
	if (linear->dtype != 'f') {
		float *wide = scratch_of(worker);
		forward->kernels->widen(linear->dtype,
		    (const char *)linear->weight + first * linear->in * 2, wide, columns * linear->in);
		weight = wide;
	}
	for (; item < end; item++) {
		float *y = forward->y + item * forward->rows * linear->out + first;
		product_run(&(struct product){ .m = forward->rows,
		    .n = columns,
		    .k = linear->in,
		    .a = forward->x + item * forward->rows * linear->in,
		    .a_row = linear->in,
		    .b = weight,
		    .b_row = linear->in,
		    .b_transposed = true,
		    .c = y,
		    .c_row = linear->out,
		    .add = forward->then == LINEAR_ADD });
		finish(forward, y, first, columns);
	}
}

int linear_forward(const struct linear *linear, const float *x, size_t items, size_t rows, float *y,
    enum linear_then then)
{
	struct forward forward = { .linear = linear,
		.kernels = kernels_get(),
		.x = x,
		.y = y,
		.items = items,
		.rows = rows,
		.then = then,
		.columns = chunk_columns(linear->out),
		.group = linear->dtype == 'f' ? 1 : ITEMS };
	if (items == 0 || rows == 0 || linear->out == 0)
		return 0;
	size_t few = forward.kernels->few_rows;
	if (packed_is(linear->dtype) || rows <= (linear->in * linear->out < SMALL ? few / 4 : few))
		return linear_decode(linear, x, items * rows, y, then);
	if (cpu_level() >= CPU_AVX512)
		return linear_turned(linear, x, items * rows, y, then);
	if (linear->dtype != 'f' && scratch_reserve(forward.columns * linear->in) < 0)
		return -1;
	forward.column_chunks = (linear->out + forward.columns - 1) / forward.columns;
	size_t groups = (items + forward.group - 1) / forward.group;
	threads_run(forward.column_chunks * groups, forward_chunk, &forward);
	return 0;
}

struct decode {
	const struct linear *linear;
	const struct kernels *kernels;
	const float *x;
	float *y;
	size_t rows;
	enum linear_then then;
};

static void decode_tile(const struct decode *decode, size_t row, size_t out, size_t outs)
{
	const struct linear *linear = decode->linear;
	size_t left = decode->rows - row, rows = left < KERNELS_TILE ? left : KERNELS_TILE;
	size_t size = linear->dtype == 'f' ? 4 : 2;
	float sums[KERNELS_TILE][KERNELS_TILE];
	decode->kernels->dot_tile(sums[0], KERNELS_TILE, decode->x + row * linear->in, rows,
	    linear->dtype, (const char *)linear->weight + out * linear->in * size, outs, linear->in);
	for (size_t r = 0; r < rows; r++) {
		float *y = decode->y + (row + r) * linear->out + out;
		for (size_t o = 0; o < outs; o++) {
			float value = linear->bias ? sums[r][o] + linear->bias[out + o] : sums[r][o];
			y[o] = decode->then == LINEAR_ADD ? y[o] + value : value;
		}
	}
}

static void decode_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct decode *decode = context;
	size_t first = chunk * DECODE_OUT, end = first + DECODE_OUT;
	if (end > decode->linear->out)
		end = decode->linear->out;
	for (size_t block = 0; block < decode->rows; block += DECODE_ROWS)
		for (size_t out = first; out < end; out += KERNELS_TILE)
			for (size_t row = block; row < decode->rows && row < block + DECODE_ROWS;
			     row += KERNELS_TILE)
				decode_tile(decode, row, out, end - out < KERNELS_TILE ? end - out : KERNELS_TILE);
	if (decode->then == LINEAR_GELU)
		for (size_t row = 0; row < decode->rows; row++)
			decode->kernels->gelu(decode->y + row * decode->linear->out + first, NULL, end - first);
}

int linear_decode(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then)
{
	if (linear->dtype == PACKED_BF16)
		return brain_linear(linear, x, rows, y, then);
	if (packed_is(linear->dtype))
		return packed_linear(linear, x, rows, y, then);
	struct decode decode = {
		.linear = linear, .kernels = kernels_get(), .x = x, .y = y, .rows = rows, .then = then
	};
	threads_run((linear->out + DECODE_OUT - 1) / DECODE_OUT, decode_chunk, &decode);
	return 0;
}

void linear_weight(const struct linear *linear, size_t first, size_t count, float *rows)
{
	if (packed_is(linear->dtype)) {
		packed_get(linear->dtype, linear->weight, linear->in, first, count, rows);
		return;
	}
	size_t row = linear->in * (linear->dtype == 'f' ? 4 : 2);
	kernels_get()->widen(
	    linear->dtype, (const char *)linear->weight + first * row, rows, count * linear->in);
}
