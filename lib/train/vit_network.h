/* vit_network.h - the image encoder under training: forward as lib/model/vit.c for a whole batch,
 * and backward (spec 3.2; LAVIS eva_vit.py).
 */
#ifndef ZV_TRAIN_VIT_NETWORK_H
#define ZV_TRAIN_VIT_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

struct saves;
struct weights;
struct vit_network;

struct vit_network *vit_network_open(struct weights *weights); /* NULL recorded */
void vit_network_close(struct vit_network *network);
size_t vit_network_width(const struct vit_network *network);
size_t vit_network_side(const struct vit_network *network);       /* pixels of the whole picture */
size_t vit_network_patch(const struct vit_network *network);      /* pixels */
const float *vit_network_mean(const struct vit_network *network); /* 3 */
const float *vit_network_std(const struct vit_network *network);  /* 3 */

/* Pictures of one size. Smaller ones than the model's take a block of its position grid, whose
 * upper left patch is (row, column). */
struct vit_pictures {
	const float *pixels; /* [count][3][side][side], normalised */
	size_t count, side;  /* side: a multiple of the patch, at most the model's */
	size_t row, column;
};

/* features [count][1 + (side/patch)^2][width], the last norm applied. saves NULL: nothing is kept,
 * no backward. recompute: only each block's input is kept, backward computes the rest again. 0/-1. */
int vit_network_forward(struct vit_network *network, const struct vit_pictures *pictures,
    bool recompute, struct saves *saves, float *features);
/* From the gradient of the features (overwritten) add to the gradients of what is trained; stops
 * below the lowest trained layer. 0 or -1. */
int vit_network_backward(struct vit_network *network, const struct vit_pictures *pictures,
    bool recompute, struct saves *saves, float *gradient);
/* Only the last norm (ln_vision) on features without it - not available from cached records, which
 * have it applied. */

#endif
