/* position_grid.h - position embeddings for another number of patches (spec 3.3). */
#ifndef ZV_MODEL_POSITION_GRID_H
#define ZV_MODEL_POSITION_GRID_H

#include <stddef.h>

/* table [1 + from*from][width] -> resized [1 + to*to][width]: the first row (CLS) is kept, the
 * grid is resized as torch does: bicubic with A = -0.75, align_corners False, no antialias. */
void position_grid_resize(const float *table, size_t from, float *resized, size_t to, size_t width);

#endif
