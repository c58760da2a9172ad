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

/* The record that says so, without its checksum; reason is its payload. */
void writer_failed_item(
    struct record *record, const char *key, const char *reason, const struct digest *source);

/* For tensors that do not fit in memory (WRITER_BARE only): the header with a checksum yet to be
 * known, then the payload in pieces of any size, then the end, which pads and patches the header.
 * The output must be a regular file. 0 or -1 as above. */
int writer_begin_large(struct writer *writer, struct record *record);
int writer_add_large(struct writer *writer, const void *bytes, size_t size);
int writer_end_large(struct writer *writer);

/* Write on, in place, from the end of an open regular file (append.h): flush, or flush and sync; an
 * end record, which says these totals or, for NULL, those of what was written since the last one;
 * and no more. */
struct writer *writer_open_end(const char *path, int descriptor);
int writer_flush(struct writer *writer);
int writer_sync(struct writer *writer);
int writer_end(struct writer *writer, const struct stream_totals *totals);
int writer_leave(struct writer *writer); /* releases it; 0 or -1 */

/* Bytes written by this writer. */
uint64_t writer_written(const struct writer *writer);

struct stream_totals writer_totals(const struct writer *writer);

/* BLAKE2b-128 over the headers of the 'T' records in order; ask after the last of them (tensors
 * written later no longer change it). */
struct digest writer_fingerprint(struct writer *writer);

/* Write the 'E' record and make the file visible. 0, or -1 with ERROR_SYSTEM. Releases writer. */
int writer_finish(struct writer *writer);

/* No 'E' record, no file; what went down a pipe stays without its end. Releases writer. */
void writer_abandon(struct writer *writer);

#endif
