/* line.c - lines of bounded length (see line.h). */
#include "base/line.h"
#include "base/error.h"
#include "base/memory.h"

int line_read(FILE *file, int end, size_t most, char **line, size_t *capacity, size_t *size)
{
	int byte = EOF;
	*size = 0;
	flockfile(file);
	while ((byte = getc_unlocked(file)) != EOF && byte != end && *size < most) {
		if (*size + 1 >= *capacity && memory_grow((void **)line, capacity, *size + 2, 1) < 0)
			break;
		(*line)[(*size)++] = (char)byte;
	}
	funlockfile(file);
	if (byte == EOF && ferror(file))
		return error_system("cannot read:");
	if (byte == EOF && *size == 0)
		return 0;
	if (byte != EOF && byte != end)
		return *size == most ? error_input("longer than %zu bytes", most) : -1;
	if (*capacity == 0 && memory_grow((void **)line, capacity, 1, 1) < 0)
		return -1;
	(*line)[*size] = '\0';
	return 1;
}
