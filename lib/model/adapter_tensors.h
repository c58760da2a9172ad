/* adapter_tensors.h - what an adapter file holds for the language model, tensor by tensor: for those
 * that run with it and those that train on from it.
 */
#ifndef ZV_MODEL_ADAPTER_TENSORS_H
#define ZV_MODEL_ADAPTER_TENSORS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/parameters.h"
#include "stream/model_file.h"

struct adapter_tensor {
	bool pair; /* lora_A of a pair, whose lora_B and scale come by name; else a replacement */
	char name[PARAMETERS_NAME]; /* of a pair: without ".lora_A" */
	struct weight weight;
};

/* The next one from *at on, which begins at 0. Passes over what belongs to others: byte files, the
 * projection into the model. 1, 0 at the end, -1 with ERROR_SYSTEM. */
int adapter_tensors_next(const struct model_file *file, size_t *at, struct adapter_tensor *tensor);

#endif
