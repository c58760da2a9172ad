/* file.h - a whole file in memory. */
#ifndef ZV_BASE_FILE_H
#define ZV_BASE_FILE_H

#include <stddef.h>

/* Read the file at path ("-": standard input) to its end, at most `most` bytes; the buffer grows as
 * they arrive and holds a zero byte behind them. *bytes is the caller's (memory_release). 0, or -1
 * with NULL and 0 there: ERROR_INPUT when it is larger, ERROR_SYSTEM when it cannot be opened (errno
 * is ENOENT if there is none) or read. */
int file_read(const char *path, size_t most, char **bytes, size_t *size);

/* The same for a regular file alone: a FIFO or a device is refused (ERROR_SYSTEM) instead of being
 * waited for. "-" is a file of that name. */
int file_read_regular(const char *path, size_t most, char **bytes, size_t *size);

#endif
