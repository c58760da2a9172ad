/* zip.h - the part of the zip format that torch.save writes, over memory, and nothing else: stored
 * entries that join without holes from the first byte to the central directory, in its order,
 * with local headers that say the same as the central ones. Files and directories beyond 4 GB
 * use zip64 records, which are checked like the rest.
 */
#ifndef ZV_STREAM_ZIP_H
#define ZV_STREAM_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ZIP_ENTRIES_MOST = 1 << 20, ZIP_NAME_MOST = 1024 };

struct zip_entry {
	const char *name; /* name_size bytes inside the file, not terminated; UTF-8, no control
	                   * bytes, no backslash, relative, without empty, "." or ".." parts */
	size_t name_size;
	uint64_t offset, size; /* of the data */
	uint32_t checksum;     /* CRC-32 that the data should have; not verified here */
};

struct zip {
	struct zip_entry *entries; /* in the order of the file */
	size_t count;
};

/* Check the whole structure and list the entries. 0, or -1 with a recorded error; zip needs
 * zip_release() only after 0. */
int zip_parse(const uint8_t *bytes, size_t size, struct zip *zip);

void zip_release(struct zip *zip);

/* CRC-32 as zip uses it. */
uint32_t zip_checksum(const uint8_t *bytes, size_t size);

#endif
