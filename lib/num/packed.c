/* packed.c - see packed.h. Rows are made int8 first, by all threads; then chunks of outputs are
 * computed for all of them, so that a chunk's weights come from memory once.
 */
#include "num/packed.h"
#include "base/memory.h"
#include "base/threads.h"
#include "num/kernels.h"
#include "num/kernels_packed.h"

enum {
	PASS = 1024,      /* rows that are int8 at once: bounds the memory */
	CHUNK_BLOCKS = 2, /* of one chunk of outputs */
	CHUNK_OUT = CHUNK_BLOCKS * PACKED_ROWS,
	TILE_MOST = 32, /* rows of a tile of any level */
};

/* Rows as int8, kept from call to call: one thread at a time computes. */
static struct {
	int8_t *values; /* [rows][columns] */
	float *scale;   /* [rows][groups], twice: the sums behind the scales */
	size_t values_room, scale_room;
} narrow;

struct run {
	const struct linear *linear;
	const struct kernels *kernels;
	const struct packed_kernels *packed;
	const float *x;
	float *y;
	size_t rows, columns, groups, block;
	float *sum;
	enum linear_then then;
};

static int make_room(size_t values, size_t scales)
{
	if (memory_grow((void **)&narrow.values, &narrow.values_room, values, 1) < 0)
		return -1;
	return memory_grow((void **)&narrow.scale, &narrow.scale_room, scales, sizeof *narrow.scale);
}

static void quantise_row(void *context, size_t row, int worker)
{
	(void)worker;
	const struct run *run = context;
	run->packed->quantise(run->x + row * run->linear->in, run->linear->in,
	    narrow.values + row * run->columns, narrow.scale + row * run->groups,
	    run->sum + row * run->groups);
}

/* 16 sums of a row into y, as far as it goes. */
static void put(const struct run *run, const float *sums, float *y, size_t out)
{
	size_t left = run->linear->out - out, count = left < PACKED_ROWS ? left : PACKED_ROWS;
	const float *bias = run->linear->bias ? run->linear->bias + out : NULL;
	for (size_t i = 0; i < count; i++) {
		float value = bias ? sums[i] + bias[i] : sums[i];
		y[i] = run->then == LINEAR_ADD ? y[i] + value : value;
	}
}

static void run_tile(const struct run *run, size_t row, size_t out)
{
	float sums[TILE_MOST * PACKED_ROWS];
	size_t left = run->rows - row;
	struct packed_tile tile = {
		.block = (const uint8_t *)run->linear->weight + out / PACKED_ROWS * run->block,
		.x = narrow.values + row * run->columns,
		.scale = narrow.scale + row * run->groups,
		.sum = run->sum + row * run->groups,
		.rows = left < run->packed->rows ? left : run->packed->rows,
		.columns = run->columns,
		.groups = run->groups,
		.y = sums,
	};
	if (run->linear->dtype == PACKED_INT8)
		run->packed->int8(&tile);
	else
		run->packed->int4(&tile);
	for (size_t r = 0; r < tile.rows; r++)
		put(run, sums + r * PACKED_ROWS, run->y + (row + r) * run->linear->out + out, out);
}

static void run_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct run *run = context;
	size_t total = run->linear->out, first = chunk * CHUNK_OUT;
	size_t end = total - first < CHUNK_OUT ? total : first + CHUNK_OUT;
	for (size_t row = 0; row < run->rows; row += run->packed->rows)
		for (size_t out = first; out < end; out += PACKED_ROWS)
			run_tile(run, row, out);
	if (run->packed->end)
		run->packed->end();
	for (size_t row = 0; row < run->rows && run->then == LINEAR_GELU; row++)
		run->kernels->gelu(run->y + row * total + first, NULL, end - first);
}

int packed_linear(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then)
{
	struct run run = { .linear = linear,
		.kernels = kernels_get(),
		.packed = packed_kernels_get(),
		.columns = packed_columns(linear->in),
		.groups = packed_groups(linear->in),
		.block = packed_block(linear->dtype, linear->in),
		.then = then };
	size_t most = rows < PASS ? rows : PASS, left = rows;
	if (make_room(most * run.columns, 2 * most * run.groups) < 0)
		return -1;
	run.sum = narrow.scale + most * run.groups;
	for (; left > 0; left -= run.rows) {
		run.rows = left < PASS ? left : PASS;
		run.x = x + (rows - left) * linear->in;
		run.y = y + (rows - left) * linear->out;
		threads_run(run.rows, quantise_row, &run);
		threads_run((linear->out + CHUNK_OUT - 1) / CHUNK_OUT, run_chunk, &run);
	}
	return 0;
}
