/* import_rows.h - tables of vectors as records: matrices with a list of keys, databases,
 * folders of both.
 */
#ifndef ZV_IMPORT_IMPORT_ROWS_H
#define ZV_IMPORT_IMPORT_ROWS_H

#include "import/import_records.h"

/* A file's bytes. */
struct import_mapping {
	const uint8_t *bytes;
	size_t size;
	bool mapped;
};

/* Up to size of the first bytes of a regular file; how many, 0 for anything else. */
size_t import_peek(const char *path, char *bytes, size_t size);

/* Map a regular file of any size. 0 or -1. */
int import_map(const char *path, struct import_mapping *file);
void import_unmap(struct import_mapping *file);

/* The tensor of a .npy file as one record under key, or its first dimension as records. 0, or -1. */
int import_rows_npy(const struct import_records *records, const char *key,
    const struct import_mapping *file, struct writer *writer);

/* A collection of a database (embeddings.h) as records. 0, or -1. */
int import_rows_database(
    const struct import_records *records, const char *path, struct writer *writer);

/* clip-retrieval's folders (clip_folder.h) as records, part after part. 0, or -1. */
int import_rows_folder(
    const struct import_records *records, const char *path, struct writer *writer);

#endif
