/* line.h - one line of a file at a time, of bounded length: what never ends is not read into memory
 * before it is refused.
 */
#ifndef ZV_BASE_LINE_H
#define ZV_BASE_LINE_H

#include <stddef.h>
#include <stdio.h>

/* Read up to the byte end ('\n', '\0') or the end of the file into *line, which grows (memory_grow,
 * memory_release in the end) and is zero-terminated; *size: without the end byte. 1, 0 at the end of
 * the file, -1 with ERROR_INPUT ("longer than MOST bytes"; the rest of the line is still to be read)
 * or ERROR_SYSTEM. */
int line_read(FILE *file, int end, size_t most, char **line, size_t *capacity, size_t *size);

#endif
