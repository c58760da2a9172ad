/* record.h - one zvt record: its header as a struct, parsed and formatted (zvt(5), "Record").
 * Both directions are pure functions over memory.
 */
#ifndef ZV_STREAM_RECORD_H
#define ZV_STREAM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

enum {
	RECORD_PREFIX = 64, /* bytes that tell the length of the whole header */
	RECORD_DIMENSIONS = 8,
	RECORD_KEY_MOST = 1024,
	RECORD_NAME_MOST = 64,
	RECORD_META_MOST = 65536,
	RECORD_HEADER_MOST = 66816,
	RECORD_ALIGNMENT = 64,
};
#define RECORD_DIMENSION_MOST ((uint64_t)1 << 40)

enum record_kind {
	RECORD_TENSOR = 'T',
	RECORD_FAILED = 'F', /* payload: the reason as text */
	RECORD_END = 'E',    /* payload: struct stream_totals as four u64 */
	RECORD_COMMENT = 'c' /* payload: the command line; passed over by readers */
};

struct record {
	char kind, dtype;
	int dimensions;
	bool more; /* the next record belongs to the same sample */
	uint64_t shape[RECORD_DIMENSIONS];
	uint64_t payload_size; /* bytes, without padding */
	struct digest maker, source;
	uint64_t payload_checksum;
	uint64_t header_checksum;        /* set by record_parse() and record_format() */
	char key[RECORD_KEY_MOST + 1];   /* zero-terminated; holds no zero byte */
	char name[RECORD_NAME_MOST + 1]; /* zero-terminated */
	const char *meta;                /* meta_size bytes, not terminated; owned by somebody else */
	size_t meta_size;
};

/* The length of the whole header whose first RECORD_PREFIX bytes are given: 64..RECORD_HEADER_MOST,
 * or 0 with a recorded ERROR_INPUT when magic, kind, dtype, flags or a length is impossible. */
size_t record_header_size(const uint8_t prefix[RECORD_PREFIX]);

/* Check a whole header of size bytes (as told by record_header_size) and fill record; meta points
 * into header. Verifies the checksum, the padding, key and name characters, UTF-8, and that
 * shape times dtype equals the payload length. 0, or -1 with ERROR_INPUT. */
int record_parse(const uint8_t *header, size_t size, struct record *record);

/* Write record's header (with checksum and zero padding) to header, which has room for
 * RECORD_HEADER_MOST bytes; sets record->header_checksum. Returns its length, or 0 with an
 * ERROR_INPUT that names the field when record breaks the rules (a key that is too long, ...). */
size_t record_format(struct record *record, uint8_t *header);

/* Elements by checked multiplication: 0, or -1 with ERROR_INPUT. */
int record_elements(const struct record *record, uint64_t *elements);

/* Fill the fields of a tensor record except key, maker, source and meta (all zero); the payload
 * size follows from the shape. The payload's checksum is set by the writer. */
void record_tensor(
    struct record *record, const char *name, char dtype, int dimensions, const uint64_t *shape);

/* Copy key into the record; 0, or -1 with ERROR_INPUT if no record may have this key (empty, too
 * long, control bytes, not UTF-8). */
int record_set_key(struct record *record, const char *key);

/* The value of "word=" in meta, copied and zero-terminated into value; false if there is none or
 * it does not fit. */
bool record_meta(const struct record *record, const char *word, char *value, size_t value_size);

/* "32x768", "scalar" for no dimensions, into text (at least 200 bytes); returns text. */
const char *record_shape_text(const struct record *record, char *text);

#endif
