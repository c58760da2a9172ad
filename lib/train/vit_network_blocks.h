/* vit_network_blocks.h - what vit_network.c (opening, forward) and vit_network_backward.c share;
 * nobody else includes it.
 */
#ifndef ZV_TRAIN_VIT_NETWORK_BLOCKS_H
#define ZV_TRAIN_VIT_NETWORK_BLOCKS_H

#include <stddef.h>

#include "num/attention_batch.h"
#include "train/dense.h"
#include "train/vit_network.h"

enum { VIT_CHANNELS = 3 };

/* x += projection(attention(norm1(x))); x += fc2(gelu(fc1(norm2(x)))) */
struct vit_network_block {
	struct trained_norm norm1, norm2;
	struct dense qkv, projection, fc1, fc2;
};

struct vit_network {
	struct weights *weights;
	size_t width, layers, heads, mlp_width, patch, side, grid;
	float mean[VIT_CHANNELS], std[VIT_CHANNELS];
	struct parameter *class_embedding, *positions; /* [width], [1 + grid * grid][width] */
	struct dense patch_embedding;
	struct vit_network_block *blocks;
	struct trained_norm post_norm;
	struct saves *workspace;      /* temporaries of one block */
	struct saves *again;          /* rows between blocks that nobody keeps, and a block run again */
	struct attention_item *items; /* one for each picture */
	size_t item_room;
};

/* The rows that the pictures make. */
struct vit_shape {
	size_t pictures, grid; /* patches of a side */
	size_t tokens, rows;   /* of a picture, of all */
};
struct vit_shape vit_network_shape(
    const struct vit_network *network, const struct vit_pictures *pictures);

/* The row of the position table for a picture's row. */
size_t vit_network_position(
    const struct vit_network *network, const struct vit_pictures *pictures, size_t row);

/* What is the lowest that is trained: 0 the embeddings, 1 + n block n, 1 + layers the last norm,
 * 2 + layers: nothing. */
size_t vit_network_lowest(const struct vit_network *network);

/* All patches [pictures * grid * grid][3 * patch * patch], in the order of the weights. */
void vit_network_unfold(
    const struct vit_network *network, const struct vit_pictures *pictures, float *rows);

/* Attention over qkv [rows][3 * width]; y and the gradients are the caller's. */
struct attention_batch vit_network_attention(
    const struct vit_network *network, const struct vit_shape *shape, const float *qkv);

/* A block from x [rows][width]. Pushes what backward needs onto kept: "qkv", "context", "middle",
 * "hidden". *y: the result, pushed onto results as "rows"; y NULL: not wanted. 0 or -1. */
int vit_network_block_forward(struct vit_network *network, const struct vit_network_block *block,
    const struct vit_shape *shape, const float *x, struct saves *kept, struct saves *results,
    float **y);

#endif
