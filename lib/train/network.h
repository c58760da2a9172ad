/* network.h - what the networks under training share: tensors taken from their part, whether
 * anything of a layer is trained, and rows moved by the pool.
 */
#ifndef ZV_TRAIN_NETWORK_H
#define ZV_TRAIN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

struct dense;
struct parameter;
struct trained_norm;
struct weights;

/* A tensor of rows x columns (rows 0: of one dimension); plain: it must be stored as f32, so that
 * parameter_values() has it. NULL recorded. */
struct parameter *network_tensor(
    struct weights *weights, const char *name, size_t rows, size_t columns, bool plain);

/* Is it there and trained? */
bool network_trains(const struct parameter *parameter);
bool network_trains_dense(const struct dense *dense);
bool network_trains_norm(const struct trained_norm *norm);

/* y = x; y = 0: over the pool. */
void network_copy(float *y, const float *x, size_t count);
void network_zero(float *y, size_t count);

#endif
