/* torch.h - files that torch.save wrote, over memory: the zip container (data.pkl, data/0, ...) and
 * the legacy one (pickles, then storages). The pickle is run by the restricted machine of pickle.h;
 * nothing is built or executed.
 */
#ifndef ZV_STREAM_TORCH_H
#define ZV_STREAM_TORCH_H

#include "stream/tensors.h"

/* Where the elements of a storage lie in the file, and the CRC-32 that the container promises for
 * them (zip only). Reading a whole storage to check it is left to the first use. */
struct torch_storage {
	uint64_t offset, size;
	uint32_t checksum;
	bool has_checksum;
};

struct torch_storages {
	struct torch_storage *storages; /* sorted by offset */
	size_t count, capacity;
};

/* Does the file begin like one of the two containers? */
bool torch_recognise(const uint8_t *bytes, size_t size);

/* Append the tensors of the file to list (names: the keys of nested dictionaries joined by '.'),
 * and its storages to storages (memory_release(storages->storages)). 0, or -1 recorded. */
int torch_parse(const uint8_t *bytes, size_t size, int file, struct tensor_list *list,
    struct torch_storages *storages);

#endif
