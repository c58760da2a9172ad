/* npy.c - fuzz target: the elements of an accepted file can be copied, and the header written for
 * them is accepted with the same shape.
 */
#include "base/dtype.h"
#include "base/memory.h"
#include "stream/npy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checkpoint_tensor tensor, again;
	if (npy_parse(data, size, &tensor) < 0)
		return 0;
	size_t bytes = (size_t)tensor.elements * dtype_size(tensor.dtype);
	uint8_t *file = memory_allocate(NPY_HEADER_MOST + bytes, 1);
	size_t header = npy_format(tensor.dtype, tensor.dimensions, tensor.shape, 0, file);
	tensor_copy(data, &tensor, 0, tensor.elements, file + header);
	if (header == 0 || npy_parse(file, header + bytes, &again) < 0 ||
	    again.elements != tensor.elements || again.dtype != tensor.dtype || !again.contiguous ||
	    memcmp(again.shape, tensor.shape, sizeof *tensor.shape * (size_t)tensor.dimensions) != 0)
		abort();
	memory_release(file);
	return 0;
}
