/* read_internal.h - what index.c and recover.c need of the reader beyond read.h. */
#ifndef ZV_STREAM_READ_INTERNAL_H
#define ZV_STREAM_READ_INTERNAL_H

#include "stream/read.h"

/* Read records that lie within length bytes at offset of an open regular file: one item or a part
 * of one. No end record is expected, and nothing behind the record asked for is looked at. */
struct reader *reader_open_range(int descriptor, uint64_t offset, uint64_t length);

/* Read length bytes at offset of an open regular file as a stream of its own; places count from the
 * beginning of the file. */
struct reader *reader_open_part(int descriptor, uint64_t offset, uint64_t length);

/* What came since the last end record, and where that ended (0: there was none). */
struct stream_totals reader_open_totals(const struct reader *reader);
uint64_t reader_closed(const struct reader *reader);

#endif
