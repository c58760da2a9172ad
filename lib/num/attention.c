/* attention.c - see attention.h. It is that of training without its gradient (attention_batch.h),
 * whose products need no packing. The portable level has BLIS, one call per head: the scores of at
 * most QUERIES rows of one head exist at a time, in the worker's scratch.
 */
#include "num/attention.h"
#include "num/attention_batch.h"
#include "base/cpu.h"
#include "num/kernels.h"
#include "num/product.h"
#include "num/scratch.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

enum {
	ITEMS = 32,    /* in one call of attention_batch_forward() */
	QUERIES = 320, /* rows in one chunk: the 257 of ViT-g at 224 pixels fit */
};

struct attention_run {
	const struct attention *attention;
	const struct kernels *kernels;
	size_t blocks; /* of QUERIES rows */
};

/* Softmax over the keys that each row sees; those it does not see get weight 0. */
static void weigh(const struct attention_run *run, float *scores, size_t first, size_t rows)
{
	const struct attention *attention = run->attention;
	for (size_t row = 0; row < rows; row++) {
		float *score = scores + row * attention->keys;
		size_t seen = first + row + attention->see;
		if (seen < attention->open)
			seen = attention->open;
		if (seen > attention->keys)
			seen = attention->keys;
		run->kernels->softmax(score, attention->scale, seen);
		memset(score + seen, 0, (attention->keys - seen) * sizeof *score);
	}
}

static void attention_chunk(void *context, size_t chunk, int worker)
{
	const struct attention_run *run = context;
	const struct attention *attention = run->attention;
	size_t first = chunk % run->blocks * QUERIES;
	size_t head = chunk / run->blocks % attention->heads;
	size_t item = chunk / run->blocks / attention->heads;
	size_t left = attention->queries - first, rows = left < QUERIES ? left : QUERIES;
	size_t width = attention->head_width;
	size_t kv = item * attention->kv_item + head / (attention->heads / attention->kv_heads) * width;
	float *scores = scratch_of(worker);
	product_run(&(struct product){ .m = rows,
	    .n = attention->keys,
	    .k = width,
	    .a = attention->q + item * attention->q_item + first * attention->q_row + head * width,
	    .a_row = attention->q_row,
	    .b = attention->k + kv,
	    .b_row = attention->kv_row,
	    .b_transposed = true,
	    .c = scores,
	    .c_row = attention->keys });
	weigh(run, scores, first, rows);
	product_run(&(struct product){ .m = rows,
	    .n = width,
	    .k = attention->keys,
	    .a = scores,
	    .a_row = attention->keys,
	    .b = attention->v + kv,
	    .b_row = attention->kv_row,
	    .c = attention->y + item * attention->y_item + first * attention->y_row + head * width,
	    .c_row = attention->y_row });
}

/* Items first .. end - 1, ITEMS at most. */
static int forward_items(const struct attention *attention, size_t first, size_t end)
{
	struct attention_item items[ITEMS];
	struct attention_batch batch = { .heads = attention->heads,
		.kv_heads = attention->kv_heads,
		.head_width = attention->head_width,
		.scale = attention->scale,
		.q = attention->q + first * attention->q_item,
		.k = attention->k + first * attention->kv_item,
		.v = attention->v + first * attention->kv_item,
		.q_row = attention->q_row,
		.kv_row = attention->kv_row,
		.y_row = attention->y_row,
		.items = items,
		.count = end - first };
	for (size_t i = 0; i < batch.count; i++)
		items[i] = (struct attention_item){ .q_start = i * (attention->q_item / attention->q_row),
			.queries = attention->queries,
			.kv_start = i * (attention->kv_item / attention->kv_row),
			.keys = attention->keys,
			.open = attention->open,
			.see = attention->see };
	return attention_batch_forward(&batch, attention->y + first * attention->y_item);
}

static int forward_packed(const struct attention *attention)
{
	struct attention_run run = { attention, kernels_get(),
		(attention->queries + QUERIES - 1) / QUERIES };
	size_t rows = attention->queries < QUERIES ? attention->queries : QUERIES;
	if (scratch_reserve(rows * attention->keys) < 0)
		return -1;
	threads_run(run.blocks * attention->heads * attention->items, attention_chunk, &run);
	return 0;
}

int attention_forward(const struct attention *attention)
{
	if (cpu_level() == CPU_REF)
		return forward_packed(attention);
	for (size_t item = 0, end; item < attention->items; item = end) {
		end = attention->items - item < ITEMS ? attention->items : item + ITEMS;
		if (forward_items(attention, item, end) < 0)
			return -1;
	}
	return 0;
}
