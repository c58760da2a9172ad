/* list-tensors.c - print what checkpoint.h sees in a file or directory, for tests:
 *     list-tensors PATH [PIECE]
 * NAME TAB DTYPE TAB SHAPE TAB BLAKE2b-128 of the elements in row-major order, a line a tensor.
 * Elements are read PIECE at a time (default 4096). Prints no line at all unless all is read.
 */
#include "base/dtype.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "stream/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int print_tensor(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor,
    uint64_t piece, FILE *out)
{
	void *buffer = memory_allocate(piece, 8);
	struct hasher *hasher = hasher_new();
	if (!buffer || !hasher)
		return -1;
	int status = 0;
	for (uint64_t first = 0; first < tensor->elements && status == 0; first += piece) {
		uint64_t left = tensor->elements - first, count = left < piece ? left : piece;
		status = checkpoint_read(checkpoint, tensor, first, count, buffer);
		if (status == 0)
			hasher_add(hasher, buffer, (size_t)count * dtype_size(tensor->dtype));
	}
	checkpoint_forget(checkpoint, tensor);
	char text[DIGEST_TEXT_SIZE];
	struct digest digest = hasher_end(hasher);
	digest_text(&digest, text);
	fprintf(out, "%s\t%s\t", tensor->name, dtype_name(tensor->dtype));
	for (int i = 0; i < tensor->dimensions; i++)
		fprintf(out, "%s%" PRIu64, i > 0 ? "," : "", tensor->shape[i]);
	fprintf(out, "\t%s\n", text);
	memory_release(buffer);
	return status;
}

int main(int argc, char **argv)
{
	uint64_t piece = argc > 2 ? strtoull(argv[2], NULL, 10) : 4096;
	struct checkpoint *checkpoint = argc > 1 && piece > 0 ? checkpoint_open(argv[1]) : NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int status = checkpoint && out ? 0 : -1;
	for (size_t i = 0; status == 0 && i < checkpoint_count(checkpoint); i++)
		status = print_tensor(checkpoint, checkpoint_at(checkpoint, i), piece, out);
	if (out)
		fclose(out);
	checkpoint_close(checkpoint);
	if (status == 0)
		fwrite(text, 1, size, stdout);
	else
		fprintf(stderr, "list-tensors: %s\n", error_text());
	free(text);
	return status == 0 ? 0 : 1;
}
