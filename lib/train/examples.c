/* examples.c - files of training lines: mapped, scanned once, drawn from (see examples.h). */
#include "train/examples.h"
#include "train/example_line.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/number.h"
#include "base/random.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CYCLE = 4096, /* draws in which every file has its exact share */
	FILES_MOST = 1024,
	LINE_MOST = 1 << 24, /* bytes */
	BAD_SHARE = 100,     /* one line of so many may be bad */
	TOLD_MOST = 20,      /* bad lines of a file that are told one by one */
	/* Streams of random numbers, apart from each other. */
	SHUFFLE_FILES = 1,
	SHUFFLE_LINES = 2,
};

struct example_line {
	uint64_t offset;
	uint32_t size, number; /* number in the file, from 1 */
};

struct example_file {
	char *name;
	double weight;
	const char *bytes;
	size_t size;
	struct example_line *lines;
	size_t count, room;
	size_t bad;     /* lines that are no examples */
	size_t first;   /* its first line among those of all files */
	uint32_t quota; /* of the draws of a cycle */
};

struct examples {
	struct example_file *files;
	size_t count, total;
	uint64_t checksum; /* of all files' bytes */
	bool in_order;
	uint64_t seed;
	/* A cycle: whose draw each is, and which of its file's. */
	uint16_t file_at[CYCLE], turn_at[CYCLE];
};

/* "FILE=WEIGHT" to name and weight; a '=' in a name stays where no number follows it. */
static int split_weight(const char *text, struct example_file *file)
{
	const char *equals = strrchr(text, '=');
	size_t size = strlen(text);
	if (equals && number_real(equals + 1, 1e-9, 1e9, &file->weight) == 0)
		size = (size_t)(equals - text);
	else
		file->weight = 0;
	error_clear();
	file->name = memory_text(text, size);
	return file->name ? 0 : -1;
}

static int map_file(struct example_file *file)
{
	struct stat status;
	/* a FIFO must not be waited for */
	int descriptor = open(file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (descriptor < 0 || fstat(descriptor, &status) < 0) {
		error_system("cannot open:");
		if (descriptor >= 0)
			close(descriptor);
		return -1;
	}
	if (!S_ISREG(status.st_mode) || status.st_size == 0) {
		close(descriptor);
		return error_system("%s", S_ISREG(status.st_mode) ? "no lines in it"
		                                                  : "not a regular file: lines are read "
		                                                    "again and again");
	}
	file->size = (size_t)status.st_size;
	void *bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
	close(descriptor);
	if (bytes == MAP_FAILED)
		return error_system("cannot map:");
	file->bytes = bytes;
	return 0;
}

/* A bad line, whose error is recorded: tell of it, or count it only. 0, or -1: nothing in this file
 * is an example. */
static int tell_line(struct example_file *file, size_t number)
{
	error_context("line %zu", number);
	file->bad++;
	if (file->count == 0 && file->bad == TOLD_MOST) {
		error_context("the first %d lines are no examples", (int)TOLD_MOST);
		return error_as(ERROR_SYSTEM);
	}
	if (file->bad <= TOLD_MOST)
		message_error(file->name);
	return 0;
}

/* Note where the line is if it is an example. 0 or -1. */
static int scan_line(struct example_file *file, size_t offset, size_t size, size_t number)
{
	struct example example;
	if (size > LINE_MOST || number > UINT32_MAX)
		error_input("longer than %d bytes", (int)LINE_MOST);
	else if (example_parse(file->bytes + offset, size, &example) == 0) {
		example_clear(&example);
		if (memory_grow((void **)&file->lines, &file->room, file->count + 1, sizeof *file->lines) <
		    0)
			return -1;
		file->lines[file->count++] =
		    (struct example_line){ offset, (uint32_t)size, (uint32_t)number };
		return 0;
	}
	return error_kind() == ERROR_INPUT ? tell_line(file, number) : -1;
}

/* All examples as one array is what many programs write. 0 or -1. */
static int check_start(const struct example_file *file)
{
	size_t i = utf8_mark(file->bytes, file->size);
	while (i < file->size && memchr(" \t\r\n", file->bytes[i], 4))
		i++;
	return i < file->size && file->bytes[i] == '['
	           ? error_system("this is one JSON array; write one object a line (jq -c '.[]')")
	           : 0;
}

/* What the lines were, all in all. 0 or -1. */
static int check_share(const struct example_file *file)
{
	size_t bad = file->bad, lines = file->count + bad;
	char more[60] = "";
	if (lines == 0)
		return error_system("no lines in it");
	if (bad > TOLD_MOST)
		snprintf(
		    more, sizeof more, " (the %d above and %zu more)", (int)TOLD_MOST, bad - TOLD_MOST);
	if (file->count == 0 || bad > lines / BAD_SHARE)
		return error_system("%zu of %zu lines are bad%s: that is more than one of %d", bad, lines,
		    more, (int)BAD_SHARE);
	/* where not all are told, the sum is no remark that -q takes away */
	if (bad > TOLD_MOST)
		message_failure(
		    EXIT_ITEM, file->name, "%zu bad lines of %zu are left out%s", bad, lines, more);
	else if (bad > 0)
		message_note(file->name, "%zu bad lines of %zu are left out", bad, lines);
	return 0;
}

static int scan_file(struct example_file *file)
{
	size_t number = 0;
	if (check_start(file) < 0)
		return -1;
	for (size_t offset = utf8_mark(file->bytes, file->size); offset < file->size; number++) {
		const char *line = file->bytes + offset;
		const char *end = memchr(line, '\n', file->size - offset);
		size_t size = end ? (size_t)(end - line) : file->size - offset, length = size;
		while (length > 0 && strchr(" \t\r", line[length - 1]) && line[length - 1])
			length--;
		if (length > 0 && scan_line(file, offset, length, number + 1) < 0)
			return -1;
		offset += size + 1;
	}
	return check_share(file);
}

/* The shares of the files in a cycle: at least one draw each, CYCLE in all. */
static void share_out(struct examples *examples)
{
	double sum = 0;
	size_t largest = 0;
	uint32_t given = 0;
	for (size_t i = 0; i < examples->count; i++) {
		struct example_file *file = &examples->files[i];
		if (file->weight == 0)
			file->weight = sqrt((double)file->count);
		sum += file->weight;
		if (file->weight > examples->files[largest].weight)
			largest = i;
	}
	for (size_t i = 0; i < examples->count; i++) {
		struct example_file *file = &examples->files[i];
		file->quota = 1 + (uint32_t)(file->weight / sum * (double)(CYCLE - examples->count));
		given += file->quota;
	}
	examples->files[largest].quota += CYCLE - given;
}

/* Where i goes in a shuffled order of count things: a Feistel network of four rounds over the
 * smallest even number of bits, walked until it lands below count (Black and Rogaway 2002). */
static uint64_t shuffled(uint64_t i, uint64_t count, uint64_t seed, uint32_t stream, uint64_t epoch)
{
	unsigned half = 1;
	while (half < 31 && (UINT64_C(1) << 2 * half) < count)
		half++;
	uint32_t mask = (UINT32_C(1) << half) - 1;
	const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
	do {
		uint32_t left = (uint32_t)(i >> half) & mask, right = (uint32_t)i & mask;
		for (uint32_t round = 0; round < 4; round++) {
			const uint32_t counter[4] = { right, stream << 3 | round, (uint32_t)epoch,
				(uint32_t)(epoch >> 32) };
			uint32_t block[4], mixed;
			random_block(counter, key, block);
			mixed = left ^ (block[0] & mask);
			left = right;
			right = mixed;
		}
		i = (uint64_t)left << half | right;
	} while (i >= count);
	return i;
}

/* Mix the files' draws of a cycle. */
static void lay_out(struct examples *examples)
{
	uint16_t turns[FILES_MOST] = { 0 }, owner[CYCLE];
	uint32_t given = 0;
	for (size_t i = 0; i < examples->count; i++)
		for (uint32_t k = 0; k < examples->files[i].quota; k++)
			owner[given++] = (uint16_t)i;
	for (uint32_t k = 0; k < CYCLE; k++) {
		uint16_t file = owner[shuffled(k, CYCLE, examples->seed, SHUFFLE_FILES, 0)];
		examples->file_at[k] = file;
		examples->turn_at[k] = turns[file]++;
	}
}

static int open_file(struct examples *examples, const char *text, struct checksummer *checksummer)
{
	struct example_file *file = &examples->files[examples->count++];
	if (split_weight(text, file) < 0)
		return -1;
	if (map_file(file) < 0 || scan_file(file) < 0)
		return error_context("%s", file->name);
	checksummer_add(checksummer, file->bytes, file->size);
	file->first = examples->total;
	examples->total += file->count;
	return 0;
}

static int open_files(struct examples *examples, const struct examples_options *options)
{
	if (options->count == 0 || options->count > FILES_MOST)
		return error_system(
		    "%zu files of training data: 1 to %d are possible", options->count, (int)FILES_MOST);
	examples->files = memory_allocate_zero(options->count, sizeof *examples->files);
	struct checksummer *checksummer = examples->files ? checksummer_new() : NULL;
	int result = checksummer ? 0 : -1;
	for (size_t i = 0; result == 0 && i < options->count; i++)
		result = open_file(examples, options->files[i], checksummer);
	if (result == 0)
		examples->checksum = checksummer_value(checksummer);
	checksummer_release(checksummer);
	return result;
}

struct examples *examples_open(const struct examples_options *options)
{
	struct examples *examples = memory_allocate_zero(1, sizeof *examples);
	if (!examples)
		return NULL;
	examples->in_order = options->in_order;
	examples->seed = options->seed;
	if (open_files(examples, options) < 0) {
		examples_close(examples);
		return NULL;
	}
	share_out(examples);
	lay_out(examples);
	return examples;
}

void examples_close(struct examples *examples)
{
	if (!examples)
		return;
	for (size_t i = 0; i < examples->count; i++) {
		struct example_file *file = &examples->files[i];
		if (file->bytes)
			munmap((void *)file->bytes, file->size);
		memory_release(file->lines);
		memory_release(file->name);
	}
	memory_release(examples->files);
	memory_release(examples);
}

size_t examples_count(const struct examples *examples)
{
	return examples->total;
}

uint64_t examples_checksum(const struct examples *examples)
{
	return examples->checksum;
}

static const struct example_file *file_of(const struct examples *examples, size_t i)
{
	size_t low = 0, high = examples->count;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (examples->files[middle].first <= i)
			low = middle;
		else
			high = middle;
	}
	return &examples->files[low];
}

int examples_read(struct examples *examples, size_t i, struct example *example)
{
	const struct example_file *file = file_of(examples, i);
	const struct example_line *line = &file->lines[i - file->first];
	if (example_parse(file->bytes + line->offset, line->size, example) < 0)
		return error_context("%s: line %lu", file->name, (unsigned long)line->number);
	example->file = file->name;
	example->line = line->number;
	return 0;
}

size_t examples_draw(const struct examples *examples, uint64_t p)
{
	if (examples->in_order)
		return (size_t)(p % examples->total);
	uint64_t cycle = p / CYCLE;
	size_t i = examples->file_at[p % CYCLE];
	const struct example_file *file = &examples->files[i];
	uint64_t drawn = cycle * file->quota + examples->turn_at[p % CYCLE];
	uint64_t line = shuffled(drawn % file->count, file->count, examples->seed,
	    SHUFFLE_LINES + (uint32_t)i, drawn / file->count);
	return file->first + (size_t)line;
}
