/* tensors.c - lists of foreign tensors and strided copies (see tensors.h). */
#include "stream/tensors.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/record.h"

#include <inttypes.h>
#include <string.h>

int tensor_fill(struct checkpoint_tensor *tensor)
{
	uint64_t elements = 1, stride = 1;
	bool empty = false;
	for (int i = tensor->dimensions; i-- > 0;) {
		uint64_t length = tensor->shape[i];
		if (length > RECORD_DIMENSION_MOST)
			return error_input("dimension %d is %" PRIu64 ", which is too large", i, length);
		tensor->strides[i] = stride;
		/* Dimensions beside a zero are bounded too, so that strides cannot wrap. */
		if (__builtin_mul_overflow(stride, length ? length : 1, &stride) || stride > INT64_MAX / 8)
			return error_input("the dimensions multiply to too large a number");
		empty = empty || length == 0;
		elements = stride;
	}
	tensor->elements = empty ? 0 : elements;
	tensor->contiguous = true;
	return 0;
}

void tensor_compare_strides(struct checkpoint_tensor *tensor)
{
	uint64_t wanted = 1;
	tensor->contiguous = true;
	for (int i = tensor->dimensions; i-- > 0;) {
		/* The stride of a dimension of one is never used. */
		if (tensor->shape[i] != 1 && tensor->strides[i] != wanted && tensor->elements > 0)
			tensor->contiguous = false;
		wanted *= tensor->shape[i];
	}
}

static int check_name(const char *name, size_t size)
{
	if (size == 0 || size > TENSOR_NAME_MOST)
		return error_input(
		    "a tensor's name has %zu bytes (1 to %d are allowed)", size, TENSOR_NAME_MOST);
	if (utf8_valid_prefix(name, size) != size)
		return error_input("a tensor's name is not UTF-8");
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)name[i] < 0x20 || name[i] == 0x7f)
			return error_input("a tensor's name holds the control byte 0x%02x", (uint8_t)name[i]);
	return 0;
}

int tensor_list_add(struct tensor_list *list, const char *name, size_t name_size,
    const struct checkpoint_tensor *tensor)
{
	if (check_name(name, name_size) < 0)
		return -1;
	if (list->count >= TENSOR_LIST_MOST)
		return error_input("more than %d tensors", TENSOR_LIST_MOST);
	void *tensors = list->tensors;
	if (memory_grow(&tensors, &list->capacity, list->count + 1, sizeof *tensor) < 0)
		return -1;
	list->tensors = tensors;
	char *copy = memory_text(name, name_size);
	if (!copy)
		return -1;
	list->tensors[list->count] = *tensor;
	list->tensors[list->count++].name = copy;
	return 0;
}

void tensor_list_release(struct tensor_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		memory_release((char *)(uintptr_t)list->tensors[i].name);
	memory_release(list->tensors);
	*list = (struct tensor_list){ 0 };
}

/* count elements of item bytes that lie step bytes apart; item is constant where this is inlined,
 * so that the copies become plain loads and stores. */
static inline void copy_items(
    uint8_t *target, const uint8_t *source, size_t step, size_t count, size_t item)
{
	for (size_t i = 0; i < count; i++)
		memcpy(target + i * item, source + i * step, item);
}

static void copy_run(
    uint8_t *target, const uint8_t *source, uint64_t stride, uint64_t count, size_t item)
{
	size_t step = (size_t)stride * item;
	if (stride == 1 || count == 1)
		memcpy(target, source, (size_t)count * item);
	else if (item == 1)
		copy_items(target, source, step, (size_t)count, 1);
	else if (item == 2)
		copy_items(target, source, step, (size_t)count, 2);
	else if (item == 4)
		copy_items(target, source, step, (size_t)count, 4);
	else
		copy_items(target, source, step, (size_t)count, 8);
}

void tensor_copy(const uint8_t *bytes, const struct checkpoint_tensor *tensor, uint64_t first,
    uint64_t count, void *target)
{
	size_t item = dtype_size(tensor->dtype);
	const uint8_t *base = bytes + tensor->offset;
	if (count == 0)
		return;
	if (tensor->contiguous) {
		memcpy(target, base + first * item, (size_t)(count * item));
		return;
	}
	int last = tensor->dimensions - 1; /* a tensor without dimensions is contiguous */
	uint8_t *out = target;
	while (count > 0) {
		/* Where element `first` lies: its indices by division, innermost first. */
		uint64_t column = first % tensor->shape[last], rest = first / tensor->shape[last];
		uint64_t place = column * tensor->strides[last];
		for (int i = last; i-- > 0; rest /= tensor->shape[i])
			place += rest % tensor->shape[i] * tensor->strides[i];
		uint64_t run = tensor->shape[last] - column;
		if (run > count)
			run = count;
		copy_run(out, base + place * item, tensor->strides[last], run, item);
		out += run * item;
		first += run;
		count -= run;
	}
}
