/* source.h - where a reader's bytes come from: memory, a file, or a pipe, behind one face.
 * Files are read with pread(2) through one small buffer and mapped when a bare record's payload
 * is wanted; pipes go through the same buffer. Offsets count from the beginning of the file.
 */
#ifndef ZV_STREAM_SOURCE_H
#define ZV_STREAM_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

/* path NULL or "-": standard input. NULL with a recorded error: ERROR_SYSTEM for a terminal,
 * ERROR_INPUT for what cannot be opened. */
struct source *source_open(const char *path);
/* bytes must outlive the source. */
struct source *source_open_memory(const void *bytes, size_t size);
/* length bytes at offset of an open regular file, which stays the caller's. */
struct source *source_open_range(int descriptor, uint64_t offset, uint64_t length);
void source_close(struct source *source); /* NULL is fine */

/* Have at least wanted bytes (a few; at most 4096) at hand unless the input ends: *bytes with
 * *available of them, possibly more than wanted. 0, or -1 with ERROR_INPUT. */
int source_peek(struct source *source, size_t wanted, const uint8_t **bytes, size_t *available);
/* Go past size bytes that were just peeked at. */
void source_consume(struct source *source, size_t size);

/* Up to size bytes into target; *got < size only where the input ends. 0 or -1. */
int source_read(struct source *source, uint8_t *target, size_t size, size_t *got);

/* Go past size bytes without looking at them; *passed < size only where the input ends. */
int source_pass(struct source *source, uint64_t size, uint64_t *passed);

/* The next size bytes without a copy, and go past them; NULL (nothing recorded, nothing passed)
 * when they cannot be had so, or are not aligned to 64. They live as long as the source. */
const uint8_t *source_map(struct source *source, uint64_t size);

/* Go to an offset before the present one; false for a pipe. */
bool source_rewind(struct source *source, uint64_t offset);

/* Bytes that are there for sure: to the end of a file or of memory; for a pipe what is at hand. */
uint64_t source_certain(const struct source *source);

uint64_t source_position(const struct source *source);
uint64_t source_size(const struct source *source); /* of the whole file; 0 for a pipe */
const char *source_name(const struct source *source);

#endif
