/* list-tensors.c - print what the readers of foreign files see in a file or directory, for tests:
 *     list-tensors [--names | --only=NAME] PATH [PIECE]
 * NAME TAB DTYPE TAB SHAPE TAB BLAKE2b-128 of the elements in row-major order, a line a tensor.
 * Elements are read PIECE at a time (default 4096), with --names not at all, with --only just those
 * of one tensor. PATH is for checkpoint.h, or ends in .npy. Prints no line at all unless all could
 * be read.
 *     list-tensors --cuts FILE
 * Parse every beginning of FILE, which must be refused, and FILE with every single byte changed in
 * three ways, which may be; print how many of each there were and how many changes were accepted.
 */
#include "base/dtype.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "stream/checkpoint.h"
#include "stream/npy.h"
#include "stream/safetensors.h"
#include "stream/torch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *only; /* --only */

struct input {
	struct checkpoint *checkpoint; /* or, of an .npy file: */
	uint8_t *bytes;
	size_t size;
	struct checkpoint_tensor tensor;
};

static int read_file(const char *path, uint8_t **bytes, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return error_system("%s: cannot open:", path);
	void *buffer = NULL;
	size_t capacity = 0, got = 1;
	for (*size = 0; got > 0; *size += got) {
		if (memory_grow(&buffer, &capacity, *size + 65536, 1) < 0)
			return -1;
		got = fread((uint8_t *)buffer + *size, 1, 65536, file);
	}
	fclose(file);
	*bytes = buffer;
	return 0;
}

static int read_piece(const struct input *input, const struct checkpoint_tensor *tensor,
    uint64_t first, uint64_t count, void *target)
{
	if (input->checkpoint)
		return checkpoint_read(input->checkpoint, tensor, first, count, target);
	tensor_copy(input->bytes, tensor, first, count, target);
	return 0;
}

static int print_tensor(
    const struct input *input, const struct checkpoint_tensor *tensor, uint64_t piece, FILE *out)
{
	if (only && tensor->name && strcmp(only, tensor->name) != 0)
		piece = 0;
	void *buffer = memory_allocate(piece ? piece : 1, 8);
	struct hasher *hasher = hasher_new();
	if (!buffer || !hasher)
		return -1;
	int status = 0;
	for (uint64_t first = 0; piece > 0 && first < tensor->elements && status == 0; first += piece) {
		uint64_t left = tensor->elements - first, count = left < piece ? left : piece;
		status = read_piece(input, tensor, first, count, buffer);
		if (status == 0)
			hasher_add(hasher, buffer, (size_t)count * dtype_size(tensor->dtype));
	}
	if (input->checkpoint)
		checkpoint_forget(input->checkpoint, tensor);
	char text[DIGEST_TEXT_SIZE];
	struct digest digest = hasher_end(hasher);
	digest_text(&digest, text);
	fprintf(out, "%s\t%s\t", tensor->name ? tensor->name : "-", dtype_name(tensor->dtype));
	for (int i = 0; i < tensor->dimensions; i++)
		fprintf(out, "%s%" PRIu64, i > 0 ? "," : "", tensor->shape[i]);
	fprintf(out, "\t%s\n", piece > 0 ? text : "-");
	memory_release(buffer);
	return status;
}

static int list(const char *path, uint64_t piece, FILE *out)
{
	struct input input = { 0 };
	size_t length = strlen(path);
	int status = 0;
	if (length > 4 && strcmp(path + length - 4, ".npy") == 0) {
		if (read_file(path, &input.bytes, &input.size) < 0 ||
		    npy_parse(input.bytes, input.size, &input.tensor) < 0)
			status = error_context("%s", path);
		else
			status = print_tensor(&input, &input.tensor, piece, out);
	} else if ((input.checkpoint = checkpoint_open(path))) {
		for (size_t i = 0; status == 0 && i < checkpoint_count(input.checkpoint); i++)
			status = print_tensor(&input, checkpoint_at(input.checkpoint, i), piece, out);
	} else {
		status = -1;
	}
	memory_release(input.bytes);
	checkpoint_close(input.checkpoint);
	return status;
}

/* Parse a copy of exactly size bytes, so that a sanitizer sees reads behind it. */
static bool accepted(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		exit(2);
	memcpy(copy, bytes, size);
	struct tensor_list tensors = { 0 };
	struct torch_storages storages = { 0 };
	int status;
	if (size > 0 && bytes[0] == 0x93)
		status = npy_parse(copy, size, &(struct checkpoint_tensor){ 0 });
	else if (torch_recognise(copy, size))
		status = torch_parse(copy, size, 0, &tensors, &storages);
	else
		status = safetensors_parse(copy, size, 0, &tensors);
	tensor_list_release(&tensors);
	memory_release(storages.storages);
	free(copy);
	return status == 0;
}

static int try_cuts(const char *path, FILE *out)
{
	uint8_t *bytes;
	size_t size, changed = 0;
	if (read_file(path, &bytes, &size) < 0)
		return -1;
	for (size_t cut = 0; cut < size; cut++)
		if (accepted(bytes, cut))
			return error_input("%s: the first %zu bytes are accepted", path, cut);
	for (size_t i = 0; i < size; i++) {
		static const uint8_t changes[] = { 0x01, 0x80, 0xff };
		for (size_t k = 0; k < sizeof changes; k++) {
			bytes[i] ^= changes[k];
			changed += accepted(bytes, size);
			bytes[i] ^= changes[k];
		}
	}
	if (!accepted(bytes, size))
		return error_input("%s: the whole file is refused: %s", path, error_text());
	fprintf(out, "%zu cuts refused, %zu of %zu changes accepted\n", size, changed, 3 * size);
	memory_release(bytes);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 && strncmp(argv[1], "--", 2) == 0 ? argv[1] : "";
	if (strncmp(mode, "--only=", 7) == 0)
		only = mode + 7;
	const char *path = argv[*mode ? 2 : 1], *piece = path ? argv[*mode ? 3 : 2] : NULL;
	if (!path)
		return 2;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return 2;
	int status = strcmp(mode, "--cuts") == 0 ? try_cuts(path, out)
	                                         : list(path,
	                                               strcmp(mode, "--names") == 0 ? 0
	                                               : piece ? strtoull(piece, NULL, 10)
	                                                       : 4096,
	                                               out);
	fclose(out);
	if (status == 0)
		fwrite(text, 1, size, stdout);
	else
		fprintf(stderr, "list-tensors: %s\n", error_text());
	free(text);
	return status == 0 ? 0 : 1;
}
