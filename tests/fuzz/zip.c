/* zip.c - fuzz target: entries of an accepted container lie inside it, in order, apart; and the
 * whole file as torch_parse() sees it.
 */
#include "base/memory.h"
#include "stream/torch.h"
#include "stream/zip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zip zip;
	if (zip_parse(data, size, &zip) == 0) {
		uint64_t place = 0;
		for (size_t i = 0; i < zip.count; i++) {
			const struct zip_entry *entry = &zip.entries[i];
			if (entry->offset < place || entry->offset > size ||
			    entry->size > size - entry->offset || entry->name_size == 0 ||
			    memchr(entry->name, '\0', entry->name_size))
				abort();
			place = entry->offset + entry->size;
			zip_checksum(data + entry->offset, (size_t)entry->size);
		}
		zip_release(&zip);
	}
	struct tensor_list list = { 0 };
	struct torch_storages storages = { 0 };
	if (size >= 4)
		torch_parse(data, size, 0, &list, &storages);
	tensor_list_release(&list);
	memory_release(storages.storages);
	return 0;
}
