/* write.h - writing a zvt stream: one record, one frame, one write(2); the end record last.
 */
#ifndef ZV_STREAM_WRITE_H
#define ZV_STREAM_WRITE_H

#include "stream/read.h"
#include "stream/record.h"

struct writer;

enum writer_form {
	WRITER_COMPRESSED, /* zstd at common.level; level 0: stored frames without the compressor */
	WRITER_BARE,       /* bare records, 64-byte aligned: model files, which are mapped */
};

/* path NULL or "-": standard output (refused with ERROR_SYSTEM and advice if it is a terminal).
 * NULL with a recorded error. */
struct writer *writer_open(const char *path, enum writer_form form);

/* Write a tensor (or any) record: sets the payload's checksum, frames, writes. payload holds
 * record->payload_size bytes. 0, or -1: ERROR_INPUT when the record breaks the rules (nothing is
 * written), ERROR_SYSTEM when the write failed. */
int writer_put(struct writer *writer, struct record *record, const void *payload);

/* Write an 'F' record: key failed for this reason; source may be NULL. */
int writer_fail(
    struct writer *writer, const char *key, const char *reason, const struct digest *source);

/* Copy a record read elsewhere, F records included; meta, maker and MORE go along. */
int writer_copy(struct writer *writer, struct reader *reader, const struct record *record);

/* For tensors that do not fit in memory (WRITER_BARE only): the header with a checksum yet to be
 * known, then the payload in pieces of any size, then the end, which pads and patches the header.
 * The output must be a regular file. 0 or -1 as above. */
int writer_begin_large(struct writer *writer, struct record *record);
int writer_add_large(struct writer *writer, const void *bytes, size_t size);
int writer_end_large(struct writer *writer);

/* Append (--append): take over a file whose records were just read through its old end record, by
 * copying its bytes into the new output first. 0 or -1. Call before any other writer_* call. */
int writer_continue(struct writer *writer, const char *path);

struct stream_totals writer_totals(const struct writer *writer);

/* BLAKE2b-128 over the headers of the 'T' records in order; ask after the last of them (tensors
 * written later no longer change it). */
struct digest writer_fingerprint(struct writer *writer);

/* Write the 'E' record and make the file visible. 0, or -1 with ERROR_SYSTEM. Releases writer. */
int writer_finish(struct writer *writer);

/* No 'E' record, no file; what went down a pipe stays without its end. Releases writer. */
void writer_abandon(struct writer *writer);

#endif
