/* npy.c - unit tests of lib/stream/npy.c and of strided copies: what is written is read again, and
 * Fortran order comes out in C order.
 */
#include "base/dtype.h"
#include "base/error.h"
#include "stream/npy.h"
#include "tap.h"

#include <string.h>

static void test_round_trip(char dtype, int dimensions)
{
	static const uint64_t shape[] = { 2, 3, 1, 2, 1, 1, 2, 1 };
	uint8_t file[NPY_HEADER_MOST + 24 * 8] = { 0 };
	size_t elements = 1, size = npy_format(dtype, dimensions, shape, 0, file);
	for (int i = 0; i < dimensions; i++)
		elements *= (size_t)shape[i];
	struct checkpoint_tensor tensor;
	int status = npy_parse(file, size + elements * dtype_size(dtype), &tensor);
	TAP_OK(status == 0 && size % 64 == 0 && tensor.dtype == dtype &&
	           tensor.dimensions == dimensions && tensor.elements == elements &&
	           tensor.offset == size && tensor.contiguous &&
	           memcmp(tensor.shape, shape, sizeof *shape * (size_t)dimensions) == 0,
	    "%s in %d dimensions: %s", dtype_name(dtype), dimensions, status < 0 ? error_text() : "");
}

static void test_largest(void)
{
	static const uint64_t shape[9] = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
		UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };
	uint8_t header[NPY_HEADER_MOST];
	size_t size = npy_format('f', 9, shape, 0, header);
	TAP_OK(size > 0 && size <= sizeof header && header[size - 1] == '\n', "the longest header: %zu",
	    size);
	TAP_OK(npy_format('E', 1, shape, 0, header) == 0, "bf16 is refused: %s", error_text());
}

/* A Fortran-order array of 2x3x4 whose element (i, j, k) is 100 i + 10 j + k. */
static void test_order(void)
{
	static const char dict[] = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }\n";
	uint8_t file[10 + sizeof dict - 1 + 24] = "\x93NUMPY\1\0", target[24];
	file[8] = sizeof dict - 1;
	memcpy(file + 10, dict, sizeof dict - 1);
	uint8_t *data = file + sizeof file - 24;
	for (int k = 0; k < 4; k++)
		for (int j = 0; j < 3; j++)
			for (int i = 0; i < 2; i++)
				*data++ = (uint8_t)(100 * i + 10 * j + k);
	struct checkpoint_tensor tensor;
	TAP_OK(npy_parse(file, sizeof file, &tensor) == 0 && !tensor.contiguous, "Fortran order: %s",
	    error_text());
	for (uint64_t piece = 1; piece <= 24; piece++) {
		for (uint64_t first = 0; first < 24; first += piece)
			tensor_copy(
			    file, &tensor, first, 24 - first < piece ? 24 - first : piece, target + first);
		bool right = true;
		for (int n = 0; n < 24; n++)
			right = right && target[n] == 100 * (n / 12) + 10 * (n / 4 % 3) + n % 4;
		TAP_OK(right, "in C order, %d at a time", (int)piece);
	}
}

int main(void)
{
	for (const char *dtype = "fedbBhHiIqQ?"; *dtype; dtype++)
		for (int dimensions = 0; dimensions <= 8; dimensions++)
			test_round_trip(*dtype, dimensions);
	test_largest();
	test_order();
	return tap_finish();
}
