/* line.c - lines of bounded length (see line.h). */
#include "base/line.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/memory.h"

#include <errno.h>

/* A signal does not end the line, unless it is held and the program wants to hear of it. */
static int next_byte(FILE *file)
{
	int byte = getc_unlocked(file);
	while (byte == EOF && ferror(file) && errno == EINTR && !*interrupt_flag()) {
		clearerr(file);
		byte = getc_unlocked(file);
	}
	return byte;
}

int line_read(FILE *file, int end, size_t most, char **line, size_t *capacity, size_t *size)
{
	int byte = EOF;
	*size = 0;
	flockfile(file);
	while ((byte = next_byte(file)) != EOF && byte != end && *size < most) {
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
