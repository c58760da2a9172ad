/* packed_record.h - a packed matrix (base/packed.h) as a record: name "packed", dtype u8, shape
 * [blocks, bytes of a block], and in its meta layout=, rows=, columns= and, for int4, group=.
 */
#ifndef ZV_STREAM_PACKED_RECORD_H
#define ZV_STREAM_PACKED_RECORD_H

#include "stream/record.h"

enum { PACKED_META = 160 };

/* Fill a record (all but key, maker, source) for a matrix; its meta is written to meta. 0, or -1
 * with ERROR_INPUT: a size that no record can have. */
int packed_record_make(
    struct record *record, char type, uint64_t rows, uint64_t columns, char meta[PACKED_META]);

/* 1: the record is a packed matrix; its type (base/packed.h) and the shape of the matrix are stored.
 * 0: it is something else, nothing is. -1 with ERROR_INPUT: it says that it is one, but its words
 * or sizes are wrong. */
int packed_record_parse(const struct record *record, char *type, uint64_t shape[2]);

/* Make of a packed record and its payload one of f32 values; *values is to be released. Of another
 * record nothing, *values NULL. 0, or -1 recorded. */
int packed_record_unpack(struct record *record, const void *payload, void **values);

#endif
