/* vit.h - the image encoder: EVA ViT, pictures to patch features (spec 3.2, 3.3; LAVIS eva_vit.py,
 * HF modeling_blip_2.py).
 */
#ifndef ZV_MODEL_VIT_H
#define ZV_MODEL_VIT_H

#include <stddef.h>

#include "base/hash.h"
#include "num/arithmetic.h"

struct vit;

/* Open vit.zv of the model (model_file.h) for square pictures of side pixels (a multiple of the
 * patch size, at most 128 patches; 0: the model's own, which its position embeddings must fit).
 * Another side interpolates the position embeddings. NULL with a recorded error. */
struct vit *vit_open(const char *model, int side);
void vit_close(struct vit *vit);

/* Compute the products of the blocks with another arithmetic than the weights are stored for; that of
 * the patches stays f32. Before the first vit_forward(). 0, or -1 with a recorded error. */
int vit_use(struct vit *vit, enum arithmetic arithmetic);
enum arithmetic vit_arithmetic(const struct vit *vit); /* what it is computed with */

int vit_side(const struct vit *vit);      /* pixels */
size_t vit_tokens(const struct vit *vit); /* 1 + (side / patch)^2 */
size_t vit_width(const struct vit *vit);
const float *vit_mean(const struct vit *vit); /* 3: R, G, B */
const float *vit_std(const struct vit *vit);
struct digest vit_fingerprint(const struct vit *vit);

/* Encode count pictures [count][3][side][side] (normalised, f32) to features
 * [count][tokens][width], ln_vision applied. The result of a picture does not depend on the others
 * in its batch. 0, or -1 (memory). */
int vit_forward(struct vit *vit, const float *pixels, size_t count, float *features);

/* Are the features of one picture all finite? 0, or -1 with ERROR_INPUT. */
int vit_check(const struct vit *vit, const float *features);

#endif
