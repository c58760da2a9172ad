/* file.c - a whole file in memory (see file.h). */
#include "base/file.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP = 1 << 16 };

/* Everything from descriptor; the buffer grows as data arrives. */
static int read_all(int descriptor, size_t most, char **bytes, size_t *size)
{
	size_t capacity = 0, needed;
	for (;;) {
		if (!checked_add(*size, STEP + 1, &needed))
			return error_memory(SIZE_MAX);
		if (memory_grow((void **)bytes, &capacity, needed, 1) < 0)
			return -1;
		ssize_t taken = read(descriptor, *bytes + *size, capacity - 1 - *size);
		if (taken < 0 && errno == EINTR)
			continue;
		if (taken < 0)
			return error_system("cannot read:");
		*size += (size_t)taken;
		if (*size > most)
			return error_input("larger than %zu bytes", most);
		(*bytes)[*size] = '\0';
		if (taken == 0)
			return 0;
	}
}

/* Read an open file, or report why it is none. */
static int read_open(int descriptor, size_t most, char **bytes, size_t *size)
{
	*bytes = NULL;
	*size = 0;
	if (descriptor < 0) {
		int reason = errno;
		error_system("cannot open:");
		errno = reason;
		return -1;
	}
	if (read_all(descriptor, most, bytes, size) == 0)
		return 0;
	memory_release(*bytes);
	*bytes = NULL;
	*size = 0;
	return -1;
}

int file_read(const char *path, size_t most, char **bytes, size_t *size)
{
	if (strcmp(path, "-") == 0)
		return read_open(STDIN_FILENO, most, bytes, size);
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	int result = read_open(descriptor, most, bytes, size);
	if (descriptor >= 0)
		close(descriptor);
	return result;
}

int file_read_regular(const char *path, size_t most, char **bytes, size_t *size)
{
	struct stat status;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result = 0;
	*bytes = NULL;
	*size = 0;
	if (descriptor >= 0 && (fstat(descriptor, &status) < 0 || !S_ISREG(status.st_mode)))
		result = error_system("is no regular file");
	if (result == 0)
		result = read_open(descriptor, most, bytes, size);
	if (descriptor >= 0)
		close(descriptor);
	return result;
}
