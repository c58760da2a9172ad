/* picture_file.c - reading picture files (see picture_file.h). */
#include "model/picture_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "image/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_READ = 1 << 16 };
#define FILE_MOST ((size_t)1 << 30)

/* Open without waiting for the other end of a pipe. The descriptor, or -1 recorded. */
static int open_regular(const char *name)
{
	int descriptor = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (descriptor < 0)
		return error_input("cannot open:");
	struct stat status;
	int result = descriptor;
	if (fstat(descriptor, &status) < 0)
		result = error_input("cannot open:");
	else if (S_ISDIR(status.st_mode))
		result = error_input("is a directory");
	else if (S_ISFIFO(status.st_mode))
		result = error_input("is a pipe; give the picture on standard input, named -");
	else if (!S_ISREG(status.st_mode))
		result = error_input("is not a regular file");
	if (result < 0)
		close(descriptor);
	return result;
}

/* One read(2) of at most wanted bytes: their number, 0 at the end, -1 recorded. */
static ssize_t read_some(int descriptor, uint8_t *target, size_t wanted)
{
	ssize_t count;
	do
		count = read(descriptor, target, wanted);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		error_input("read error:");
	return count;
}

static int read_all(int descriptor, uint8_t **bytes, size_t *size)
{
	size_t capacity = 0;
	bool recognised = false;
	for (;;) {
		size_t wanted = *size < FIRST_READ ? FIRST_READ : *size; /* doubles: linear in all */
		if (memory_grow((void **)bytes, &capacity, *size + wanted, 1) < 0)
			return -1;
		ssize_t count = read_some(descriptor, *bytes + *size, wanted);
		if (count < 0)
			return -1;
		*size += (size_t)count;
		if (!recognised && (*size >= 16 || count == 0)) {
			if (*size == 0)
				return error_input("empty file");
			if (!picture_recognise(*bytes, *size))
				return error_input("not a picture (JPEG, PNG, WebP or PNM)");
			recognised = true;
		}
		if (count == 0)
			return 0;
		if (*size > FILE_MOST)
			return error_input("file is larger than 1 GiB");
	}
}

int picture_file_read(const char *name, uint8_t **bytes, size_t *size)
{
	bool standard = strcmp(name, "-") == 0;
	*bytes = NULL;
	*size = 0;
	int descriptor = standard ? STDIN_FILENO : open_regular(name);
	if (descriptor < 0)
		return -1;
	int result = read_all(descriptor, bytes, size);
	if (!standard)
		close(descriptor);
	if (result < 0) {
		memory_release(*bytes);
		*bytes = NULL;
	}
	return result;
}

/* Escape what a key may not hold; longer than 1000 bytes is cut and ends in "...". */
static void stand_in(const char *name, char key[RECORD_KEY_MOST + 1])
{
	enum { MOST = 1000 };
	size_t used = 0, length = strlen(name);
	for (size_t at = 0; at < length;) {
		const uint8_t *here = (const uint8_t *)name + at;
		uint32_t code;
		int size = utf8_decode(here, length - at, &code);
		if (used + 4 > MOST) {
			memcpy(key + used, "...", 3);
			used += 3;
			break;
		}
		if (size > 0 && code >= 0x20 && code != 0x7f) {
			memcpy(key + used, here, (size_t)size);
			used += (size_t)size;
			at += (size_t)size;
		} else {
			used += (size_t)snprintf(key + used, 5, "\\x%02X", *here);
			at++;
		}
	}
	key[used] = '\0';
}

int picture_file_key(const char *name, char key[RECORD_KEY_MOST + 1])
{
	struct record record = { 0 };
	int result = record_set_key(&record, name);
	if (result == 0)
		memcpy(key, record.key, strlen(record.key) + 1);
	else
		stand_in(name, key);
	return result;
}
