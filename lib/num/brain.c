/* brain.c - see brain.h. Rows are made bf16 first, by all threads. A chunk is WIDE outputs of up to
 * ROWS rows, whose sums are in the worker's scratch while the columns are taken by DEPTH lines, so
 * that the weights of a chunk stay in the second cache; bias, activation and residual follow there.
 * Chunks of the same outputs are neighbours: the threads read the same weights at a time.
 */
#include "num/brain.h"
#include "base/memory.h"
#include "base/threads.h"
#include "num/kernels.h"
#include "num/kernels_brain.h"
#include "num/scratch.h"

#include <string.h>

enum {
	PASS = 2304, /* rows that are bf16 at once: bounds the memory */
	ROWS = 288,  /* of a chunk: the 257 of ViT-g are one */
	WIDE = 128,  /* outputs of a chunk ... */
	NARROW = 64, /* ... and with few rows, where there is little to share */
	FEW_ROWS = 64,
	DEPTH = 24 * BRAIN_LINES,
};

/* Rows as bf16, kept from call to call: one thread at a time computes. */
struct rows {
	uint16_t *values; /* [rows][columns with their filling] */
	size_t room;
};
static struct rows inner, hidden;

struct run {
	const struct linear *linear;
	const struct kernels *kernels;
	const struct brain_kernels *brain;
	const uint16_t *x; /* [rows][x_row] */
	size_t rows, x_row, block, wide, pieces;
	float *y;           /* [rows][out], or NULL ... */
	uint16_t *narrow_y; /* ... [rows][packed_columns(out)] */
	enum linear_then then;
};

struct narrowing {
	const struct brain_kernels *brain;
	const float *x;
	size_t in;
	struct rows *rows;
};

static void narrow_row(void *context, size_t row, int worker)
{
	(void)worker;
	const struct narrowing *narrowing = context;
	narrowing->brain->narrow(narrowing->x + row * narrowing->in, narrowing->in,
	    narrowing->rows->values + row * packed_columns(narrowing->in));
}

/* Outputs first.. of a row, as many as there are, from its sums. */
static void put_row(const struct run *run, size_t row, size_t first, size_t count, float *sums)
{
	const struct linear *linear = run->linear;
	const float *bias = linear->bias ? linear->bias + first : NULL;
	if (run->then == LINEAR_GELU)
		run->kernels->gelu(sums, bias, count);
	else if (bias)
		run->kernels->add(sums, bias, count);
	if (run->narrow_y)
		run->brain->narrow(sums, count, run->narrow_y + row * packed_columns(linear->out) + first);
	else if (run->then == LINEAR_ADD)
		run->kernels->add(run->y + row * linear->out + first, sums, count);
	else
		memcpy(run->y + row * linear->out + first, sums, count * sizeof *sums);
}

static void run_chunk(void *context, size_t chunk, int worker)
{
	const struct run *run = context;
	const struct linear *linear = run->linear;
	size_t row = chunk % run->pieces * ROWS, first = chunk / run->pieces * run->wide;
	size_t rows = run->rows - row < ROWS ? run->rows - row : ROWS;
	size_t outs = linear->out - first < run->wide ? linear->out - first : run->wide;
	size_t lines = run->x_row / PACKED_PAIR;
	const uint8_t *blocks = (const uint8_t *)linear->weight + first / PACKED_ROWS * run->block;
	float *sums = scratch_of(worker);
	for (size_t line = 0; line < lines; line += DEPTH)
		run->brain->panel(&(struct brain_panel){ .blocks = blocks + line * PACKED_LINE,
		    .block = run->block,
		    .count = (outs + PACKED_ROWS - 1) / PACKED_ROWS,
		    .x = run->x + row * run->x_row + line * PACKED_PAIR,
		    .x_row = run->x_row,
		    .rows = rows,
		    .lines = lines - line < DEPTH ? lines - line : DEPTH,
		    .y = sums,
		    .y_row = run->wide,
		    .add = line > 0 });
	for (size_t i = 0; i < rows; i++)
		put_row(run, row + i, first, outs, sums + i * run->wide);
}

static int run_linear(struct run *run, const struct linear *linear, enum linear_then then)
{
	run->linear = linear;
	run->then = then;
	run->x_row = packed_columns(linear->in);
	run->block = packed_block(PACKED_BF16, linear->in);
	run->wide = run->rows > FEW_ROWS ? WIDE : NARROW;
	run->pieces = (run->rows + ROWS - 1) / ROWS;
	if (scratch_reserve((run->pieces > 1 ? ROWS : run->rows) * run->wide) < 0)
		return -1;
	threads_run((linear->out + run->wide - 1) / run->wide * run->pieces, run_chunk, run);
	return 0;
}

static int make_room(struct rows *rows, size_t count, size_t columns)
{
	return memory_grow(
	    (void **)&rows->values, &rows->room, count * packed_columns(columns), sizeof *rows->values);
}

/* Narrow a pass of rows, compute the hidden ones if there is a layer for them, then y. */
static int run_pass(const struct linear *first, const struct linear *second, const float *x,
    size_t rows, float *y, enum linear_then then)
{
	struct run run = { .kernels = kernels_get(), .brain = brain_kernels_get(), .rows = rows };
	struct narrowing narrowing = { run.brain, x, first ? first->in : second->in, &inner };
	threads_run(rows, narrow_row, &narrowing);
	run.x = inner.values;
	if (first) {
		run.narrow_y = hidden.values;
		if (run_linear(&run, first, LINEAR_GELU) < 0)
			return -1;
		run.x = hidden.values;
		run.narrow_y = NULL;
	}
	run.y = y;
	return run_linear(&run, second, then);
}

static int run_all(const struct linear *first, const struct linear *second, const float *x,
    size_t rows, float *y, enum linear_then then)
{
	size_t most = rows < PASS ? rows : PASS, in = first ? first->in : second->in;
	if (make_room(&inner, most, in) < 0 || (first && make_room(&hidden, most, first->out) < 0))
		return -1;
	for (size_t done = 0; done < rows; done += most) {
		size_t count = rows - done < most ? rows - done : most;
		if (run_pass(first, second, x + done * in, count, y + done * second->out, then) < 0)
			return -1;
	}
	return 0;
}

int brain_linear(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then)
{
	return run_all(NULL, linear, x, rows, y, then);
}

int brain_pair(const struct linear *first, const struct linear *second, const float *x, size_t rows,
    float *y, enum linear_then then)
{
	return run_all(first, second, x, rows, y, then);
}

struct packing {
	const struct linear *linear;
	const struct kernels *kernels;
	const struct brain_kernels *brain;
	uint8_t *to;
};

/* A block is its 16 rows of pairs, turned. */
static void pack_block(void *context, size_t block, int worker)
{
	const struct packing *packing = context;
	const struct linear *linear = packing->linear;
	size_t first = block * PACKED_ROWS, columns = packed_columns(linear->in);
	size_t left = linear->out - first, rows = left < PACKED_ROWS ? left : PACKED_ROWS;
	size_t pairs = columns / PACKED_PAIR;
	float *row = scratch_of(worker), *narrow = row + columns;
	for (size_t r = 0; r < rows; r++) {
		linear_weight(linear, first + r, 1, row);
		packing->brain->narrow(row, linear->in, (uint16_t *)(narrow + r * pairs));
	}
	memset(narrow + rows * pairs, 0, (PACKED_ROWS - rows) * pairs * sizeof *narrow);
	packing->kernels->transpose(narrow, pairs, PACKED_ROWS, pairs,
	    (float *)(packing->to + block * packed_block(PACKED_BF16, linear->in)), PACKED_ROWS);
}

int brain_pack(const struct linear *linear, void *to)
{
	struct packing packing = { linear, kernels_get(), brain_kernels_get(), to };
	size_t columns = packed_columns(linear->in);
	if (scratch_reserve(columns + PACKED_ROWS * columns / PACKED_PAIR) < 0)
		return -1;
	threads_run((linear->out + PACKED_ROWS - 1) / PACKED_ROWS, pack_block, &packing);
	return 0;
}
