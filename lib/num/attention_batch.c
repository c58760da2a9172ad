/* attention_batch.c - see attention_batch.h. One task is one head of the keys that neighbouring
 * items share: keys and values are copied (and turned) into the worker's scratch once, then items,
 * query heads and blocks of query rows go one after the other, so that every sum has one order.
 * With P = softmax(scale Q K^T) and M the dropout (0 or 1 / (1 - rate)):
 *   Y = (P M) V,  dV = (P M)^T dY,  dS = P (M (dY V^T) - rowsum(P M (dY V^T))),
 *   dQ = scale dS K,  dK = scale dS^T Q.
 */
#include "num/attention_batch.h"
#include "base/random.h"
#include "base/threads.h"
#include "num/kernels.h"
#include "num/scratch.h"

#include <stdbool.h>
#include <string.h>

/* Query rows taken at once, so that the scores of a block stay in the second cache. */
enum { BLOCK = 96, BLOCK_LONG = 48, KEYS_LONG = 768 };

struct run {
	const struct attention_batch *batch;
	const struct kernels *kernels;
	float *y; /* forward */
	const float *dy;
	float *dq, *dk, *dv; /* backward */
	struct dropout_mask
	    mask; /* threshold 0: no dropout. Its seed: of this call; the rest: of a block */
};

/* The scratch of a worker, for so many keys. Matrices of rows
 * of a head are width_row apart, turned ones and scores keys_row. */
struct place {
	size_t width_row, keys_row;
	float *k_turned, *v, *weights, *kept;               /* both; kept: weights after dropout */
	float *k, *v_turned, *dk, *dv, *q, *dy, *gradients; /* backward */
};

static size_t whole_vectors(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

static size_t block_rows(size_t queries, size_t keys)
{
	size_t most = keys > KEYS_LONG ? BLOCK_LONG : BLOCK, blocks = (queries + most - 1) / most;
	size_t rows = blocks ? (queries + blocks - 1) / blocks : 0;
	return (rows + 5) / 6 * 6; /* whole tiles of the product kernels */
}

/* Rows of scores a multiple of 1 KiB apart would fall on the same few places of the cache. */
static size_t keys_apart(size_t keys)
{
	size_t row = whole_vectors(keys);
	return row % 256 == 0 ? row + 16 : row;
}

/* Lay the scratch out from base on (NULL: only count). The floats it takes. */
static size_t place_at(const struct run *run, size_t keys, struct place *place, float *base)
{
	size_t width = run->batch->head_width;
	size_t width_row = whole_vectors(width), keys_row = keys_apart(keys);
	bool backward = run->dy;
	struct part {
		float **at;
		size_t count;
	} parts[] = { { &place->k_turned, width * keys_row }, { &place->v, keys * width_row },
		{ &place->weights, BLOCK * keys_row },
		{ &place->kept, run->mask.threshold ? BLOCK * keys_row : 0 },
		{ &place->k, backward ? keys * width_row : 0 },
		{ &place->v_turned, backward ? width * keys_row : 0 },
		{ &place->dk, backward ? keys * width_row : 0 },
		{ &place->dv, backward ? keys * width_row : 0 },
		{ &place->q, backward ? BLOCK * width_row : 0 },
		{ &place->dy, backward ? BLOCK * width_row : 0 },
		{ &place->gradients, backward ? BLOCK * keys_row : 0 } };
	size_t count = 0;
	place->width_row = width_row;
	place->keys_row = keys_row;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		*parts[i].at = base ? base + count : NULL;
		count += parts[i].count;
	}
	if (!run->mask.threshold)
		place->kept = place->weights;
	return count;
}

static void copy_rows(
    float *to, size_t to_row, const float *from, size_t from_row, size_t rows, size_t width)
{
	for (size_t row = 0; row < rows; row++)
		memcpy(to + row * to_row, from + row * from_row, width * sizeof *to);
}

static size_t keys_seen(const struct attention_item *item, size_t row)
{
	size_t seen = row + item->see;
	if (seen < item->open)
		seen = item->open;
	return seen < item->keys ? seen : item->keys;
}

/* One block: rows first .. first + rows of an item under one query head. keys: what its last row
 * sees; no row sees more. */
struct block {
	const struct attention_item *item;
	size_t head, first, rows, keys;
};

/* kept = weights M. The mask goes over the scores of a block as they lie in memory. */
static void drop(const struct run *run, const struct place *place, const struct block *block)
{
	struct dropout_mask mask = run->mask;
	size_t count = block->rows * place->keys_row;
	mask.place = (uint32_t)block->first;
	mask.step = (uint64_t)(block->item - run->batch->items) << 32 | block->head;
	memcpy(place->kept, place->weights, count * sizeof(float));
	run->kernels->dropout(&mask, 0, place->kept, count);
}

/* The weights of a block, and kept, from its query rows. */
static void weigh(const struct run *run, const struct place *place, const struct block *block)
{
	const struct attention_batch *batch = run->batch;
	size_t query = block->item->q_start + block->first;
	run->kernels->matrix(&(struct matrix_product){ .m = block->rows,
	    .n = block->keys,
	    .k = batch->head_width,
	    .a = batch->q + query * batch->q_row + block->head * batch->head_width,
	    .a_row = batch->q_row,
	    .a_column = 1,
	    .b = place->k_turned,
	    .b_row = place->keys_row,
	    .c = place->weights,
	    .c_row = place->keys_row });
	for (size_t row = 0; row < block->rows; row++) {
		float *weights = place->weights + row * place->keys_row;
		size_t seen = keys_seen(block->item, block->first + row);
		if (seen > 0)
			run->kernels->softmax(weights, batch->scale, seen);
		for (size_t key = seen; key < block->keys; key++)
			weights[key] = 0;
	}
	if (run->mask.threshold)
		drop(run, place, block);
}

static void forward_block(
    const struct run *run, const struct place *place, const struct block *block)
{
	const struct attention_batch *batch = run->batch;
	size_t query = block->item->q_start + block->first;
	weigh(run, place, block);
	run->kernels->matrix(&(struct matrix_product){ .m = block->rows,
	    .n = batch->head_width,
	    .k = block->keys,
	    .a = place->kept,
	    .a_row = place->keys_row,
	    .a_column = 1,
	    .b = place->v,
	    .b_row = place->width_row,
	    .c = run->y + query * batch->y_row + block->head * batch->head_width,
	    .c_row = batch->y_row });
}

/* C [keys][width] += A^T B for a block's A [rows][keys] and B [rows][width]. */
static void add_turned(const struct run *run, const struct place *place, const struct block *block,
    const float *a, const float *b, float *c)
{
	run->kernels->matrix(&(struct matrix_product){ .m = block->keys,
	    .n = run->batch->head_width,
	    .k = block->rows,
	    .a = a,
	    .a_row = 1,
	    .a_column = place->keys_row,
	    .b = b,
	    .b_row = place->width_row,
	    .c = c,
	    .c_row = place->width_row,
	    .add = true });
}

static void backward_block(
    const struct run *run, const struct place *place, const struct block *block)
{
	const struct attention_batch *batch = run->batch;
	size_t query = block->item->q_start + block->first, width = batch->head_width;
	size_t column = block->head * width;
	copy_rows(place->q, place->width_row, batch->q + query * batch->q_row + column, batch->q_row,
	    block->rows, width);
	copy_rows(place->dy, place->width_row, run->dy + query * batch->y_row + column, batch->y_row,
	    block->rows, width);
	weigh(run, place, block);
	add_turned(run, place, block, place->kept, place->dy, place->dv);
	run->kernels->matrix(&(struct matrix_product){ .m = block->rows,
	    .n = block->keys,
	    .k = width,
	    .a = place->dy,
	    .a_row = place->width_row,
	    .a_column = 1,
	    .b = place->v_turned,
	    .b_row = place->keys_row,
	    .c = place->gradients,
	    .c_row = place->keys_row });
	for (size_t row = 0; row < block->rows; row++) {
		size_t at = row * place->keys_row;
		run->kernels->softmax_gradient(place->gradients + at, place->kept + at, place->weights + at,
		    batch->scale, block->keys);
	}
	run->kernels->matrix(&(struct matrix_product){ .m = block->rows,
	    .n = width,
	    .k = block->keys,
	    .a = place->gradients,
	    .a_row = place->keys_row,
	    .a_column = 1,
	    .b = place->k,
	    .b_row = place->width_row,
	    .c = run->dq + query * batch->q_row + column,
	    .c_row = batch->q_row,
	    .add = true });
	add_turned(run, place, block, place->gradients, place->q, place->dk);
}

/* All blocks of an item under the query heads that share one head of the keys. */
static void item_run(const struct run *run, const struct place *place,
    const struct attention_item *item, size_t kv_head)
{
	size_t heads = run->batch->heads / run->batch->kv_heads;
	size_t rows = block_rows(item->queries, item->keys);
	for (size_t head = kv_head * heads; head < (kv_head + 1) * heads; head++)
		for (size_t first = 0; first < item->queries; first += rows) {
			size_t left = item->queries - first;
			struct block block = { item, head, first, left < rows ? left : rows, 0 };
			block.keys = keys_seen(item, first + block.rows - 1);
			if (run->dy)
				backward_block(run, place, &block);
			else
				forward_block(run, place, &block);
		}
}

/* Keys and values of one head for all items of a task: what its products read, from at on. */
static void gather(const struct run *run, const struct place *place, size_t at, size_t keys)
{
	const struct attention_batch *batch = run->batch;
	size_t width = batch->head_width;
	const float *k = batch->k + at, *v = batch->v + at;
	run->kernels->transpose(k, batch->kv_row, keys, width, place->k_turned, place->keys_row);
	copy_rows(place->v, place->width_row, v, batch->kv_row, keys, width);
	if (!run->dy)
		return;
	run->kernels->transpose(v, batch->kv_row, keys, width, place->v_turned, place->keys_row);
	copy_rows(place->k, place->width_row, k, batch->kv_row, keys, width);
	memset(place->dk, 0, keys * place->width_row * sizeof(float));
	memset(place->dv, 0, keys * place->width_row * sizeof(float));
}

/* Chunks are heads of items; the first of those that share their keys does the work of all. */
static void task(void *context, size_t chunk, int worker)
{
	const struct run *run = context;
	const struct attention_batch *batch = run->batch;
	size_t kv_head = chunk % batch->kv_heads, first = chunk / batch->kv_heads, end = first;
	size_t start = batch->items[first].kv_start, keys = 0;
	if (first > 0 && batch->items[first - 1].kv_start == start)
		return;
	for (; end < batch->count && batch->items[end].kv_start == start; end++)
		keys = batch->items[end].keys > keys ? batch->items[end].keys : keys;
	size_t at = start * batch->kv_row + kv_head * batch->head_width;
	struct place place;
	place_at(run, keys, &place, scratch_of(worker));
	gather(run, &place, at, keys);
	for (size_t item = first; item < end; item++)
		item_run(run, &place, &batch->items[item], kv_head);
	for (size_t key = 0; run->dy && key < keys; key++) {
		size_t row = at + key * batch->kv_row;
		run->kernels->add(run->dk + row, place.dk + key * place.width_row, batch->head_width);
		run->kernels->add(run->dv + row, place.dv + key * place.width_row, batch->head_width);
	}
}

/* What dropout asks for, and a seed for this place in this step. */
static void dropout_begin(struct run *run)
{
	const struct attention_batch *batch = run->batch;
	double threshold = (double)batch->dropout * 0x1p32;
	uint32_t counter[4] = { (uint32_t)batch->step, (uint32_t)(batch->step >> 32), batch->place, 1 };
	uint32_t seed[2] = { (uint32_t)batch->seed, (uint32_t)(batch->seed >> 32) }, block[4];
	if (!(batch->dropout > 0))
		return;
	random_block(counter, seed, block);
	run->mask.seed = (uint64_t)block[1] << 32 | block[0];
	run->mask.threshold = threshold < 0xffffffff ? (uint32_t)threshold : UINT32_MAX;
	run->mask.scale = batch->dropout < 1 ? 1.0f / (1.0f - batch->dropout) : 0;
}

static int run_all(struct run *run)
{
	const struct attention_batch *batch = run->batch;
	size_t longest = 0;
	struct place place;
	dropout_begin(run);
	for (size_t i = 0; i < batch->count; i++)
		longest = batch->items[i].keys > longest ? batch->items[i].keys : longest;
	if (scratch_reserve(place_at(run, longest, &place, NULL)) < 0)
		return -1;
	threads_run(batch->count * batch->kv_heads, task, run);
	return 0;
}

int attention_batch_forward(const struct attention_batch *batch, float *y)
{
	struct run run = { .batch = batch, .kernels = kernels_get(), .y = y };
	return run_all(&run);
}

int attention_batch_backward(
    const struct attention_batch *batch, const float *dy, float *dq, float *dk, float *dv)
{
	struct run run = {
		.batch = batch, .kernels = kernels_get(), .dy = dy, .dq = dq, .dk = dk, .dv = dv
	};
	return run_all(&run);
}
