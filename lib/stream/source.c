/* source.c - bytes from memory, a file or a pipe (see source.h). */
#define _GNU_SOURCE
#include "stream/source.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BUFFER_SIZE = 1 << 18,
	FIRST_FILL = 1 << 12, /* after a jump: a header is all that may be wanted */
	ALIGNMENT = 64,
};

enum source_kind { SOURCE_MEMORY, SOURCE_FILE, SOURCE_PIPE };

struct source {
	enum source_kind kind;
	int descriptor;
	bool owned;
	char *name;
	uint64_t position; /* of the next byte to be consumed */
	uint64_t end;      /* where a file (or the range of it) or memory ends */
	uint64_t size;
	const uint8_t *memory;
	uint8_t *mapping; /* of the whole file, or NULL */
	bool unmappable;
	uint8_t *buffer; /* bytes begin..filled-1 are at position */
	size_t begin, filled, fill_size;
	bool ended; /* a pipe's end was seen */
};

static struct source *source_new(enum source_kind kind, const char *name)
{
	struct source *source = memory_allocate_zero(1, sizeof *source);
	if (!source)
		return NULL;
	source->kind = kind;
	source->descriptor = -1;
	source->fill_size = FIRST_FILL;
	source->name = memory_text(name, strlen(name));
	if (source->name && kind != SOURCE_MEMORY)
		source->buffer = memory_allocate(BUFFER_SIZE, 1);
	if (!source->name || (kind != SOURCE_MEMORY && !source->buffer)) {
		source_close(source);
		return NULL;
	}
	return source;
}

/* Tell files from pipes; standard input may be a file that somebody has read from already. */
static int examine_descriptor(struct source *source)
{
	struct stat status;
	if (fstat(source->descriptor, &status) < 0)
		return error_input("cannot examine:");
	if (S_ISDIR(status.st_mode))
		return error_input("is a directory");
	if (isatty(source->descriptor))
		return error_system("is a terminal; tensors are read from a file or a pipe");
	off_t offset = S_ISREG(status.st_mode) ? lseek(source->descriptor, 0, SEEK_CUR) : -1;
	if (offset < 0)
		return 0;
	source->kind = SOURCE_FILE;
	source->position = (uint64_t)offset;
	source->size = (uint64_t)status.st_size;
	source->end = source->size > source->position ? source->size : source->position;
	return 0;
}

struct source *source_open(const char *path)
{
	bool standard = !path || strcmp(path, "-") == 0;
	struct source *source = source_new(SOURCE_PIPE, standard ? "standard input" : path);
	if (!source)
		return NULL;
	source->owned = !standard;
	source->descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int result = source->descriptor < 0 ? error_input("cannot open:") : examine_descriptor(source);
	if (result < 0) {
		source_close(source);
		return NULL;
	}
	return source;
}

struct source *source_open_memory(const void *bytes, size_t size)
{
	struct source *source = source_new(SOURCE_MEMORY, "memory");
	if (!source)
		return NULL;
	source->memory = bytes;
	source->end = source->size = size;
	return source;
}

struct source *source_open_range(int descriptor, uint64_t offset, uint64_t length)
{
	struct source *source = source_new(SOURCE_FILE, "indexed file");
	if (!source)
		return NULL;
	source->descriptor = descriptor;
	source->position = offset;
	source->end = source->size = offset + length;
	return source;
}

void source_close(struct source *source)
{
	if (!source)
		return;
	if (source->mapping)
		munmap(source->mapping, source->size);
	if (source->owned && source->descriptor >= 0)
		close(source->descriptor);
	memory_release(source->buffer);
	memory_release(source->name);
	memory_release(source);
}

/* One read into the free end of the buffer; 0 at the end of input. */
static ssize_t read_more(struct source *source)
{
	size_t room = BUFFER_SIZE - source->filled;
	ssize_t count;
	if (source->kind == SOURCE_PIPE) {
		/* A program that holds SIGINT wants to hear of it while it waits for input. */
		do
			count = read(source->descriptor, source->buffer + source->filled, room);
		while (count < 0 && errno == EINTR && !*interrupt_flag());
	} else {
		uint64_t offset = source->position + (source->filled - source->begin);
		uint64_t left = source->end > offset ? source->end - offset : 0;
		room = room < source->fill_size ? room : source->fill_size;
		room = left < room ? (size_t)left : room;
		if (room == 0)
			return 0;
		if (source->fill_size < BUFFER_SIZE)
			source->fill_size *= 2;
		do
			count = pread(source->descriptor, source->buffer + source->filled, room, (off_t)offset);
		while (count < 0 && errno == EINTR);
	}
	if (count < 0)
		return error_input("read error:");
	source->filled += (size_t)count;
	return count;
}

int source_peek(struct source *source, size_t wanted, const uint8_t **bytes, size_t *available)
{
	if (source->kind == SOURCE_MEMORY) {
		*bytes = source->memory + source->position;
		*available = (size_t)(source->end - source->position);
		return 0;
	}
	if (source->filled - source->begin < wanted && BUFFER_SIZE - source->begin < wanted) {
		memmove(source->buffer, source->buffer + source->begin, source->filled - source->begin);
		source->filled -= source->begin;
		source->begin = 0;
	}
	while (source->filled - source->begin < wanted && !source->ended) {
		if (source->filled == source->begin)
			source->filled = source->begin = 0;
		ssize_t count = read_more(source);
		if (count < 0)
			return -1;
		if (count == 0)
			source->ended = true;
	}
	*bytes = source->buffer + source->begin;
	*available = source->filled - source->begin;
	return 0;
}

void source_consume(struct source *source, size_t size)
{
	source->position += size;
	if (source->kind != SOURCE_MEMORY)
		source->begin += size;
}

int source_read(struct source *source, uint8_t *target, size_t size, size_t *got)
{
	*got = 0;
	while (*got < size) {
		const uint8_t *bytes;
		size_t available;
		if (source_peek(source, 1, &bytes, &available) < 0)
			return -1;
		if (available == 0)
			break;
		size_t step = available < size - *got ? available : size - *got;
		memcpy(target + *got, bytes, step);
		source_consume(source, step);
		*got += step;
	}
	return 0;
}

/* Put the present position elsewhere in a file, keeping what the buffer holds if it is there. */
static void jump(struct source *source, uint64_t position)
{
	uint64_t held_from = source->position - source->begin, held_to = held_from + source->filled;
	if (position >= held_from && position <= held_to) {
		source->begin = (size_t)(position - held_from);
	} else {
		source->begin = source->filled = 0;
		source->fill_size = FIRST_FILL;
	}
	source->position = position;
	source->ended = false;
}

int source_pass(struct source *source, uint64_t size, uint64_t *passed)
{
	if (source->kind != SOURCE_PIPE) {
		uint64_t left = source->end - source->position;
		*passed = size < left ? size : left;
		if (source->kind == SOURCE_FILE)
			jump(source, source->position + *passed);
		else
			source->position += *passed;
		return 0;
	}
	for (*passed = 0; *passed < size;) {
		const uint8_t *bytes;
		size_t available;
		if (source_peek(source, 1, &bytes, &available) < 0)
			return -1;
		if (available == 0)
			break;
		size_t step = available < size - *passed ? available : (size_t)(size - *passed);
		source_consume(source, step);
		*passed += step;
	}
	return 0;
}

const uint8_t *source_map(struct source *source, uint64_t size)
{
	if (source->kind == SOURCE_PIPE || source->end - source->position < size)
		return NULL;
	if (source->kind == SOURCE_FILE && !source->mapping && !source->unmappable) {
		void *mapping =
		    mmap(NULL, (size_t)source->size, PROT_READ, MAP_PRIVATE, source->descriptor, 0);
		source->unmappable = mapping == MAP_FAILED;
		source->mapping = mapping == MAP_FAILED ? NULL : mapping;
	}
	const uint8_t *base = source->kind == SOURCE_MEMORY ? source->memory : source->mapping;
	if (!base || ((uintptr_t)base + source->position) % ALIGNMENT != 0)
		return NULL;
	const uint8_t *bytes = base + source->position;
	if (source->kind == SOURCE_FILE)
		jump(source, source->position + size);
	else
		source->position += size;
	return bytes;
}

bool source_rewind(struct source *source, uint64_t offset)
{
	if (source->kind == SOURCE_PIPE)
		return false;
	if (source->kind == SOURCE_FILE)
		jump(source, offset);
	else
		source->position = offset;
	return true;
}

uint64_t source_certain(const struct source *source)
{
	return source->kind == SOURCE_PIPE ? source->filled - source->begin
	                                   : source->end - source->position;
}

uint64_t source_position(const struct source *source)
{
	return source->position;
}

uint64_t source_size(const struct source *source)
{
	return source->kind == SOURCE_PIPE ? 0 : source->size;
}

const char *source_name(const struct source *source)
{
	return source->name;
}
