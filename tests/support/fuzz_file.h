/* fuzz_file.h - an input of a fuzz target as a file in memory, which can be opened by its path and
 * mapped; and as a stream of bare records whose checksums are right, so that what reads records is
 * reached. The includer defines _GNU_SOURCE first.
 */
#ifndef ZV_TESTS_FUZZ_FILE_H
#define ZV_TESTS_FUZZ_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/hash.h"
#include "stream/record.h"

enum { FUZZ_FILE_MOST = 1 << 18, FUZZ_PAYLOAD_MOST = 1 << 14 };

/* The path of a file with these bytes, until the next call. */
static inline const char *fuzz_file(const void *bytes, size_t size)
{
	static char path[64];
	static int descriptor = -1;
	if (descriptor < 0) {
		descriptor = memfd_create("input", MFD_CLOEXEC);
		snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
	}
	if (descriptor < 0 || ftruncate(descriptor, 0) < 0 ||
	    pwrite(descriptor, bytes, size, 0) != (ssize_t)size)
		abort();
	return path;
}

struct fuzz_stream {
	uint8_t bytes[FUZZ_FILE_MOST];
	size_t size;
	uint64_t totals[4]; /* of the end record: tensors, failed, bytes, checksum of the chain */
	struct checksummer *chain;
};

static inline void fuzz_number(uint8_t *at, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(number >> 8 * i);
}

/* Append a record, unless it breaks the rules or does not fit. */
static inline void fuzz_put(struct fuzz_stream *stream, struct record *record, const void *payload)
{
	static uint8_t header[RECORD_HEADER_MOST];
	uint8_t checksum[8];
	size_t padded = (size_t)(record->payload_size + 63) / 64 * 64;
	record->payload_checksum = checksum_of(payload, (size_t)record->payload_size);
	size_t size = record_format(record, header);
	if (size == 0 || size + padded > FUZZ_FILE_MOST - 256 - stream->size)
		return;
	memcpy(stream->bytes + stream->size, header, size);
	memset(stream->bytes + stream->size + size, 0, padded);
	memcpy(stream->bytes + stream->size + size, payload, (size_t)record->payload_size);
	stream->size += size + padded;
	fuzz_number(checksum, record->header_checksum);
	checksummer_add(stream->chain, checksum, sizeof checksum);
	stream->totals[0]++;
	stream->totals[2] += record->payload_size;
}

static inline void fuzz_end(struct fuzz_stream *stream)
{
	uint8_t payload[32];
	struct record record;
	stream->totals[3] = checksummer_value(stream->chain);
	for (int i = 0; i < 4; i++)
		fuzz_number(payload + 8 * i, stream->totals[i]);
	record_tensor(&record, "", 'Q', 1, &(uint64_t){ 4 });
	record.kind = RECORD_END;
	record.payload_checksum = checksum_of(payload, sizeof payload);
	size_t size = record_format(&record, stream->bytes + stream->size);
	memcpy(stream->bytes + stream->size + size, payload, sizeof payload);
	memset(stream->bytes + stream->size + size + 32, 0, 32);
	stream->size += size + 64;
}

/* The word up to the next blank, zero-terminated in the line; what follows it. */
static inline char *fuzz_word(char **line)
{
	char *word = *line + strspn(*line, " ");
	size_t size = strcspn(word, " ");
	*line = word + size + (word[size] != '\0');
	word[size] = '\0';
	return word;
}

/* A line "KEY DTYPE SHAPE REST": REST is the words of the first record (';' ends one), the bytes of
 * a byte file, or repeated to fill a tensor. SHAPE: "3x2"; "-" is as long as REST. */
static inline void fuzz_line(struct fuzz_stream *stream, char *line, const char *first_name)
{
	static uint8_t payload[FUZZ_PAYLOAD_MOST];
	struct record record;
	uint64_t shape[RECORD_DIMENSIONS], elements = 1;
	int dimensions = 0;
	const char *key = fuzz_word(&line), *dtype = fuzz_word(&line);
	char *sizes = fuzz_word(&line);
	size_t rest = strlen(line), width = dtype_size(dtype[0]);
	bool first = stream->totals[0] == 0;
	if (strcmp(sizes, "-") == 0)
		shape[dimensions++] = elements = rest;
	else
		for (char *at = sizes; *at && dimensions < RECORD_DIMENSIONS; at += *at == 'x') {
			shape[dimensions] = strtoul(at, &at, 10) % 4096;
			elements = elements * shape[dimensions++] % 65536;
			at += strcspn(at, "x");
		}
	if (width == 0 || elements * width > sizeof payload)
		return;
	for (size_t i = 0; i < elements * width; i++)
		payload[i] = rest > 0 ? (uint8_t)line[i % rest] : 0;
	record_tensor(&record,
	    first           ? first_name
	    : *dtype == 'B' ? "bytes"
	                    : "values",
	    *dtype, dimensions, shape);
	for (size_t i = 0; first && i < rest; i++)
		line[i] = line[i] == ';' ? '\n' : line[i];
	if (first) {
		record.meta = line;
		record.meta_size = rest;
	}
	if (record.payload_size == elements * width && record_set_key(&record, key) == 0)
		fuzz_put(stream, &record, payload);
	error_clear();
}

/* The path of a stream made of the input's lines; each '$' in them stands for word. An input that
 * is a stream already is taken as it is. */
static inline const char *fuzz_stream_file(
    const uint8_t *data, size_t size, const char *first_name, const char *word)
{
	static struct fuzz_stream stream;
	static char line[FUZZ_PAYLOAD_MOST];
	if (size >= RECORD_PREFIX && record_header_size(data) > 0)
		return fuzz_file(data, size);
	error_clear();
	stream.size = 0;
	memset(stream.totals, 0, sizeof stream.totals);
	if (!stream.chain && !(stream.chain = checksummer_new()))
		abort();
	checksummer_reset(stream.chain);
	for (size_t i = 0, used = 0; i <= size; i++) {
		if (i < size && data[i] != '\n') {
			bool is_word = data[i] == '$';
			char byte[2] = { data[i] ? (char)data[i] : ' ', '\0' };
			const char *text = is_word ? word : byte;
			if (used + strlen(text) < sizeof line) {
				memcpy(line + used, text, strlen(text));
				used += strlen(text);
			}
			continue;
		}
		line[used] = '\0';
		fuzz_line(&stream, line, first_name);
		used = 0;
	}
	fuzz_end(&stream);
	return fuzz_file(stream.bytes, stream.size);
}

#endif
