/* tensors.h - what the readers of foreign files have in common: a list of named tensors over the
 * bytes of a file, and copying elements out in row-major order whatever the strides.
 */
#ifndef ZV_STREAM_TENSORS_H
#define ZV_STREAM_TENSORS_H

#include "stream/checkpoint.h"

enum { TENSOR_NAME_MOST = 1024, TENSOR_LIST_MOST = 1 << 20 };

struct tensor_list {
	struct checkpoint_tensor *tensors; /* their names belong to the list */
	size_t count, capacity;
};

/* Set elements (dimensions, dtype and shape are given), row-major strides and contiguous. 0, or -1
 * with ERROR_INPUT when a dimension or the product with the element size is too large. */
int tensor_fill(struct checkpoint_tensor *tensor);

/* Set contiguous from shape and strides. */
void tensor_compare_strides(struct checkpoint_tensor *tensor);

/* Append a copy of tensor under a copy of name. 0, or -1: ERROR_INPUT when the name is empty, too
 * long, no UTF-8 or has control bytes, or the list is full; or memory. */
int tensor_list_add(struct tensor_list *list, const char *name, size_t name_size,
    const struct checkpoint_tensor *tensor);

void tensor_list_release(struct tensor_list *list);

/* Copy elements first..first+count-1 in row-major order of the shape from the file's bytes, which
 * hold every element of tensor, to target. first + count <= tensor->elements. */
void tensor_copy(const uint8_t *bytes, const struct checkpoint_tensor *tensor, uint64_t first,
    uint64_t count, void *target);

#endif
