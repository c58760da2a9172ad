/* gradient_brain.c - linear layers and their gradients in bf16 (see gradient_brain.h). Each of the
 * three products is a layer of packed bf16 (brain.h): forward that of W; the gradient of the input
 * that of W turned; the gradient of the weight that of x turned, whose rows of input are the columns
 * of dy. What is to be packed is so for all rows of a batch at once.
 */
#include "num/gradient_brain.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/packed.h"
#include "base/threads.h"
#include "num/brain.h"
#include "num/kernels.h"
#include "num/kernels_brain.h"
#include "num/scratch.h"

#include <string.h>

enum { TURNED = 64 }; /* columns of dy in one chunk */

/* Kept from call to call: one thread at a time computes. */
static struct {
	uint8_t *packed;
	size_t packed_room;
	float *turned;
	size_t turned_room;
} kept;

/* Room for a packed matrix of so many outputs and columns, and a layer that has it as its weight. */
static int layer_of(size_t out, size_t in, const float *bias, struct linear *layer)
{
	size_t blocks, block, bytes;
	if (!packed_size(PACKED_BF16, out, in, &blocks, &block) ||
	    !checked_multiply(blocks, block, &bytes))
		return error_memory(SIZE_MAX);
	if (memory_grow((void **)&kept.packed, &kept.packed_room, bytes, 1) < 0)
		return -1;
	*layer = (struct linear){ kept.packed, PACKED_BF16, out, in, bias };
	return 0;
}

int brain_rows(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then)
{
	struct linear layer = *linear;
	if (linear->dtype != PACKED_BF16 &&
	    (layer_of(linear->out, linear->in, linear->bias, &layer) < 0 ||
	        brain_pack(linear, kept.packed) < 0))
		return -1;
	return brain_linear(&layer, x, rows, y, then);
}

/* A matrix [out][in], packed as its turned self: blocks of 16 columns, lines of pairs of rows. */
struct turning {
	const struct linear *from;
	const struct brain_kernels *brain;
	size_t block, columns; /* of the result's blocks; elements of a row, with their filling */
};

/* Pairs of rows of one chunk into the same lines of all blocks. */
static void turn_lines(void *context, size_t chunk, int worker)
{
	const struct turning *turning = context;
	const struct linear *from = turning->from;
	float *wide = scratch_of(worker);
	uint16_t *row[PACKED_PAIR] = { (uint16_t *)(wide + turning->columns), NULL };
	row[1] = row[0] + turning->columns;
	for (size_t line = chunk * BRAIN_LINES; line < (chunk + 1) * BRAIN_LINES; line++) {
		for (size_t i = 0; i < PACKED_PAIR; i++) {
			size_t at = line * PACKED_PAIR + i;
			memset(row[i], 0, turning->columns * sizeof *row[i]);
			if (at < from->out) {
				linear_weight(from, at, 1, wide);
				turning->brain->narrow(wide, from->in, row[i]);
			}
		}
		uint8_t *to = kept.packed + line * PACKED_LINE;
		for (size_t first = 0; first < from->in; first += PACKED_ROWS, to += turning->block) {
			uint16_t pairs[PACKED_ROWS * PACKED_PAIR];
			for (size_t i = 0; i < PACKED_ROWS; i++) {
				pairs[PACKED_PAIR * i] = row[0][first + i];
				pairs[PACKED_PAIR * i + 1] = row[1][first + i];
			}
			memcpy(to, pairs, sizeof pairs);
		}
	}
}

/* A layer whose weight is that of another turned. */
static int turn(const struct linear *from, struct linear *layer)
{
	struct turning turning = { from, brain_kernels_get(), packed_block(PACKED_BF16, from->out),
		packed_columns(from->in) };
	if (layer_of(from->in, from->out, NULL, layer) < 0 || scratch_reserve(2 * turning.columns) < 0)
		return -1;
	threads_run(packed_columns(from->out) / PACKED_FILL, turn_lines, &turning);
	return 0;
}

int brain_backward_input(
    const struct linear *linear, const float *dy, size_t rows, float *dx, bool add)
{
	struct linear layer;
	if (turn(linear, &layer) < 0)
		return -1;
	return brain_linear(&layer, dy, rows, dx, add ? LINEAR_ADD : LINEAR_STORE);
}

struct columns {
	const float *dy;
	size_t rows, out;
};

static void turn_columns(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct columns *columns = context;
	size_t first = chunk * TURNED, left = columns->out - first;
	kernels_get()->transpose(columns->dy + first, columns->out, columns->rows,
	    left < TURNED ? left : TURNED, kept.turned + first * columns->rows, columns->rows);
}

int brain_backward_weight(
    const float *x, const float *dy, size_t rows, size_t out, size_t in, float *dweight)
{
	struct linear inputs = { x, 'f', rows, in, NULL }, layer;
	struct columns columns = { dy, rows, out };
	size_t count;
	if (!checked_multiply(rows, out, &count))
		return error_memory(SIZE_MAX);
	if (memory_grow((void **)&kept.turned, &kept.turned_room, count, sizeof *kept.turned) < 0 ||
	    turn(&inputs, &layer) < 0)
		return -1;
	threads_run((out + TURNED - 1) / TURNED, turn_columns, &columns);
	return brain_linear(&layer, kept.turned, out, dweight, LINEAR_ADD);
}
