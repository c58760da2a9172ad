/* read.h - reading a zvt stream: records in order, each checked before anybody sees it.
 * Takes bare records, zstd frames of any number of records and skippable frames, in any mixture;
 * from a pipe, or mapped when the input is a regular file. Memory is one window (8 MiB at most)
 * plus one record. Follows the reader rules of zvt(5).
 *
 *     struct reader *reader = reader_open(path);
 *     while ((found = reader_next(reader, &record)) > 0) {
 *         const void *payload = reader_payload(reader);    (or reader_skip(), or neither)
 *     }
 *     found == 0: the end record was there and right.  found < 0: message_error(reader_name()).
 *     reader_close(reader);
 */
#ifndef ZV_STREAM_READ_H
#define ZV_STREAM_READ_H

#include "stream/record.h"

struct reader;

/* What the end record counts: payload of 'E'. */
struct stream_totals {
	uint64_t tensors, failures, payload_bytes, chain; /* chain: XXH64 over header checksums */
};

/* path NULL or "-": standard input (refused with ERROR_SYSTEM and advice if it is a terminal).
 * NULL with a recorded error. Payloads larger than common.max_record are refused when asked for. */
struct reader *reader_open(const char *path);

/* Read from memory: for tests, fuzzing and embedded use. bytes must outlive the reader. */
struct reader *reader_open_memory(const void *bytes, size_t size);

/* Go on after damage: reader_next() looks for the next whole record instead of failing, and the
 * end record may be missing. Records are verified before they are shown. What was passed over is
 * counted. From a pipe less may be found than from a file, which can be searched backwards. */
void reader_salvage(struct reader *reader);
uint64_t reader_lost_bytes(const struct reader *reader);
bool reader_is_whole(const struct reader *reader); /* nothing was amiss, end record included */

/* For listings: go past the payloads of bare records in files without reading them. */
void reader_trust(struct reader *reader);

/* The next 'T' or 'F' record: 1 with its checked header (meta is valid until the next call), 0 at
 * a proper end, -1 with ERROR_INPUT that names byte and last good key ("truncated stream (no end
 * record after "cats/7.jpg")"). 'E' and 'c' records are checked and consumed. A payload that was
 * neither read nor skipped is skipped, with its checksum verified. */
int reader_next(struct reader *reader, struct record *record);

/* Let the next reader_next() return the present record once more. */
void reader_again(struct reader *reader);

/* The payload of the record just returned, verified against its checksum; 64-byte aligned, valid
 * until the next reader_next(). NULL with a recorded error (ERROR_INPUT, or memory). Asking twice
 * gives the same pointer. */
const void *reader_payload(struct reader *reader);

/* The payload of a bare record where it lies in a mapped file, not verified: who takes it compares it
 * with payload_checksum (hash.h) before he believes it, on a thread of his own for example. It is valid
 * until reader_close(). 1, or 0 when it cannot be had so: then there is reader_payload(). -1 with a
 * recorded error. */
int reader_map(struct reader *reader, const void **payload);

/* Verify the payload without keeping it, so that reader_place() is complete. 0 or -1. */
int reader_skip(struct reader *reader);

/* Like reader_payload, but the buffer becomes the caller's (memory_release). */
void *reader_take_payload(struct reader *reader);

/* Where the item (frame or bare record) that holds the current record begins in the input, how
 * long it is, and how many decoded bytes precede the record in it: what the index notes. The
 * length is known only after the payload was read or skipped. */
struct reader_place {
	uint64_t offset, length, skip;
};
struct reader_place reader_place(const struct reader *reader);

/* Bytes consumed so far, and the input's size if it is a regular file (else 0): for progress. */
uint64_t reader_position(const struct reader *reader);
uint64_t reader_size(const struct reader *reader);

/* Totals since the stream began (over all parts of joined streams). */
struct stream_totals reader_totals(const struct reader *reader);

const char *reader_name(const struct reader *reader); /* path, or "standard input" */
void reader_close(struct reader *reader);             /* NULL is fine */

#endif
