/* index_end.h - what lies behind the last indexed record: nothing but comments and end records. */
#ifndef ZV_STREAM_INDEX_END_H
#define ZV_STREAM_INDEX_END_H

#include "stream/index_text.h"
#include "stream/read.h"

/* Read the open regular file of size bytes from the item of the entry last to its end; *totals
 * becomes what its last end record says, which is verified. 0, or -1 with ERROR_INPUT: there are
 * other records behind that entry, or the file does not end with an end record. */
int index_end_read(
    int descriptor, uint64_t size, const struct index_line *last, struct stream_totals *totals);

#endif
