/* read_internal.h - what index.c needs of the reader beyond read.h. */
#ifndef ZV_STREAM_READ_INTERNAL_H
#define ZV_STREAM_READ_INTERNAL_H

#include "stream/read.h"

/* Read records that lie within length bytes at offset of an open regular file: one item or a part
 * of one. No end record is expected, and nothing behind the record asked for is looked at. */
struct reader *reader_open_range(int descriptor, uint64_t offset, uint64_t length);

#endif
