/* checkpoint.c - fuzz target: a pickle in a right container with one storage "0" of 64 bytes; every
 * tensor of an accepted file can be copied out. An input that begins like the legacy container is
 * taken as a whole file.
 */
#include "base/dtype.h"
#include "base/memory.h"
#include "stream/torch.h"
#include "stream/zip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STORAGE_SIZE = 64, COPY_MOST = 4096 };

struct builder {
	uint8_t *bytes;
	size_t size;
};

static void put(struct builder *file, const void *bytes, size_t size)
{
	if (size > 0)
		memcpy(file->bytes + file->size, bytes, size);
	file->size += size;
}

static void put_number(struct builder *file, uint64_t number, int width)
{
	for (int i = 0; i < width; i++, number >>= 8)
		file->bytes[file->size++] = (uint8_t)number;
}

/* What local and central header have in common. */
static void put_common(struct builder *file, const char *name, const uint8_t *data, size_t size)
{
	put_number(file, 0, 8); /* flags, method, time */
	put_number(file, zip_checksum(data, size), 4);
	put_number(file, size, 4);
	put_number(file, size, 4);
	put_number(file, strlen(name), 2);
	put_number(file, 0, 2);
}

static void put_central(
    struct builder *file, const char *name, const uint8_t *data, size_t size, size_t place)
{
	put(file, "PK\1\2\0\0\0", 8);
	put_common(file, name, data, size);
	put_number(file, 0, 10);
	put_number(file, place, 4);
	put(file, name, strlen(name));
}

/* The container around a pickle. */
static void build(struct builder *file, const uint8_t *pickle, size_t size)
{
	uint8_t storage[STORAGE_SIZE];
	for (int i = 0; i < STORAGE_SIZE; i++)
		storage[i] = (uint8_t)i;
	put(file, "PK\3\4\0", 6);
	put_common(file, "a/data.pkl", pickle, size);
	put(file, "a/data.pkl", 10);
	put(file, pickle, size);
	size_t second = file->size;
	put(file, "PK\3\4\0", 6);
	put_common(file, "a/data/0", storage, sizeof storage);
	put(file, "a/data/0", 8);
	put(file, storage, sizeof storage);
	size_t directory = file->size;
	put_central(file, "a/data.pkl", pickle, size, 0);
	put_central(file, "a/data/0", storage, sizeof storage, second);
	size_t directory_size = file->size - directory;
	put(file, "PK\5\6\0\0\0\0\2\0\2", 12);
	put_number(file, directory_size, 4);
	put_number(file, directory, 4);
	put_number(file, 0, 2);
}

static void copy_out(const uint8_t *bytes, const struct checkpoint_tensor *tensor)
{
	uint8_t target[8 * COPY_MOST];
	uint64_t count = tensor->elements < COPY_MOST ? tensor->elements : COPY_MOST;
	tensor_copy(bytes, tensor, 0, count, target);
	tensor_copy(bytes, tensor, tensor->elements - count, count, target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct builder file = { memory_allocate(size + 1024, 1), 0 };
	struct tensor_list list = { 0 };
	struct torch_storages storages = { 0 };
	if (torch_recognise(data, size) && data[0] == 0x80)
		put(&file, data, size);
	else
		build(&file, data, size);
	/* Of exactly its size, so that a read behind it is seen. */
	uint8_t *bytes = malloc(file.size);
	if (!bytes)
		return 0;
	memcpy(bytes, file.bytes, file.size);
	if (torch_parse(bytes, file.size, 0, &list, &storages) == 0)
		for (size_t i = 0; i < list.count && i < 256; i++)
			copy_out(bytes, &list.tensors[i]);
	free(bytes);
	tensor_list_release(&list);
	memory_release(storages.storages);
	memory_release(file.bytes);
	return 0;
}
