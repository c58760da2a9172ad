/* attention.h - softmax(scale Q K^T) V by heads: self, cross, masked, and cached causal attention
 * with grouped keys (kv_heads < heads). For a single row against what a cache keeps: kept.h.
 */
#ifndef ZV_NUM_ATTENTION_H
#define ZV_NUM_ATTENTION_H

#include <stddef.h>

/* Head h of a row is the head_width elements from h * head_width on; of keys and values head
 * h / (heads / kv_heads). Rows of q, k, v and y follow each other at the given distances. */
struct attention {
	size_t heads, kv_heads, head_width;
	float scale;
	const float *q, *k, *v;
	float *y;
	size_t q_row, kv_row, y_row;
	size_t queries, keys;           /* rows of one item */
	size_t items;                   /* computed each by itself ... */
	size_t q_item, kv_item, y_item; /* ... this far apart, whole rows and for q and y the same
	                                 * number of them; kv_item 0: all have the same keys */
	/* Mask: row i sees keys j < max(open, i + see). All see everything: open = keys. Causal behind
	 * a cache of c rows: open = 0, see = c + 1. */
	size_t open, see;
};

/* 0 or -1 (memory). */
int attention_forward(const struct attention *attention);

#endif
