/* safetensors.h - the safetensors format over memory, both ways.
 *   u64 little-endian N | N bytes of JSON {"name": {"dtype","shape","data_offsets"}} | payloads
 * Accepted is only what leaves no byte unaccounted for: N <= 100 MB, first byte '{', no duplicate
 * names, offsets that join without holes or overlap and end with the file, size = shape x dtype.
 */
#ifndef ZV_STREAM_SAFETENSORS_H
#define ZV_STREAM_SAFETENSORS_H

#include "stream/tensors.h"

enum { SAFETENSORS_HEADER_MOST = 100000000 };

/* Append the tensors of the file (size bytes) to list, in the order of their payloads, with file
 * set to `file`. 0, or -1 with a recorded error; the list then holds some of them. */
int safetensors_parse(const uint8_t *bytes, size_t size, int file, struct tensor_list *list);

/* One tensor to be written; payloads follow the header in the order of the entries. */
struct safetensors_entry {
	const char *name;
	char dtype;
	int dimensions;
	uint64_t shape[CHECKPOINT_DIMENSIONS];
};

/* The header of a file with these entries, padded with blanks so that payloads start at a multiple
 * of 8; *header is the caller's (memory_release). metadata: lines "word=value" (no word "format")
 * that become __metadata__. 0, or -1: ERROR_INPUT for a name that occurs twice or is
 * "__metadata__"; or memory. */
int safetensors_format(const struct safetensors_entry *entries, size_t count, const char *metadata,
    size_t metadata_size, uint8_t **header, size_t *size);

#endif
