/* safetensors.c - fuzz target: every tensor of an accepted file lies inside it, the tensors join,
 * and the header written for them is accepted with the same tensors.
 */
#include "base/dtype.h"
#include "base/memory.h"
#include "stream/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct tensor_list *list, size_t data_size)
{
	struct safetensors_entry *entries = memory_allocate(list->count, sizeof *entries);
	uint8_t *header = NULL;
	size_t header_size = 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct checkpoint_tensor *tensor = &list->tensors[i];
		entries[i] = (struct safetensors_entry){
			.name = tensor->name, .dtype = tensor->dtype, .dimensions = tensor->dimensions
		};
		memcpy(entries[i].shape, tensor->shape, sizeof tensor->shape);
	}
	if (safetensors_format(entries, list->count, NULL, 0, &header, &header_size) < 0)
		abort();
	uint8_t *file = memory_allocate_zero(header_size + data_size, 1);
	struct tensor_list again = { 0 };
	memcpy(file, header, header_size);
	if (safetensors_parse(file, header_size + data_size, 0, &again) < 0 ||
	    again.count != list->count)
		abort();
	tensor_list_release(&again);
	memory_release(file);
	memory_release(header);
	memory_release(entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tensor_list list = { 0 };
	size_t place = 0;
	if (safetensors_parse(data, size, 0, &list) == 0 && list.count > 0) {
		place = list.tensors[0].offset;
		for (size_t i = 0; i < list.count; i++) {
			if (list.tensors[i].offset != place)
				abort();
			place += list.tensors[i].elements * dtype_size(list.tensors[i].dtype);
		}
		if (place != size)
			abort();
		check_again(&list, size - list.tensors[0].offset);
	}
	tensor_list_release(&list);
	return 0;
}
