/* new_model.h - a model directory from nothing: vit.zv, qformer.zv and llm.zv with random weights
 * (spec 7.2, "Initialisation"), such that every program runs on them.
 */
#ifndef ZV_TRAIN_NEW_MODEL_H
#define ZV_TRAIN_NEW_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct new_config;

/* Write the parts that config has words of. A tensor's values depend on the seed, its part and its
 * name alone. dtype: of matrices, 'f', 'E' or 'e'. An existing directory is replaced with force.
 * 0 or -1. */
int new_model_write(
    struct new_config *config, const char *directory, bool force, char dtype, uint64_t seed);

#endif
