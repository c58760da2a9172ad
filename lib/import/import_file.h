/* import_file.h - a whole file in memory. */
#ifndef ZV_IMPORT_IMPORT_FILE_H
#define ZV_IMPORT_IMPORT_FILE_H

#include <stddef.h>

struct import_bytes {
	char *bytes; /* memory_release(); NULL: none */
	size_t size;
};

/* Read the file at path ("-": standard input), at most `most` bytes. 1; 0 (nothing recorded) if
 * there is none; -1 with an error that names it. */
int import_file_read(const char *path, size_t most, struct import_bytes *file);

/* The same for a file that nobody named: only a regular one is read. */
int import_file_find(const char *path, size_t most, struct import_bytes *file);

#endif
