/* attention_batch.h - attention of many items of different lengths in one call, and its gradient:
 * what training needs. Nothing but the inputs is kept: backward computes the weights again.
 */
#ifndef ZV_NUM_ATTENTION_BATCH_H
#define ZV_NUM_ATTENTION_BATCH_H

#include <stddef.h>
#include <stdint.h>

struct attention_item {
	size_t q_start, queries; /* rows of q and y */
	size_t kv_start, keys;   /* rows of k and v */
	/* Row i sees keys j < min(keys, max(open, i + see)); everything: open = keys. Causal: open 0,
	 * see 1. Q-Former: open = queries in front, see 1. */
	size_t open, see;
};

/* Items that share their keys (equal kv_start) must follow each other; otherwise their key rows
 * must not overlap. Query rows of items never overlap. */
struct attention_batch {
	size_t heads, kv_heads, head_width;
	float scale;
	const float *q, *k, *v; /* row r of q at q + r * q_row; head h at h * head_width */
	size_t q_row, kv_row, y_row;
	const struct attention_item *items;
	size_t count;
	float dropout; /* of the weights; 0: none. Mask: pure function of these and the place in it */
	uint64_t seed, step;
	uint32_t place;
};

/* y rows at y_row. 0 or -1 (memory). */
int attention_batch_forward(const struct attention_batch *batch, float *y);

/* From dy (rows at y_row): dq (rows at q_row), dk, dv (rows at kv_row) are ADDED to. 0 or -1. */
int attention_batch_backward(
    const struct attention_batch *batch, const float *dy, float *dq, float *dk, float *dv);

#endif
