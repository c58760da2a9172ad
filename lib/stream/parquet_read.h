/* parquet_read.h - one column of texts out of a Parquet file in memory: plain or with a dictionary,
 * uncompressed or in Snappy, which is what pandas and pyarrow write. Values come one by one; memory
 * is that of a page and a dictionary.
 */
#ifndef ZV_STREAM_PARQUET_READ_H
#define ZV_STREAM_PARQUET_READ_H

#include <stddef.h>
#include <stdint.h>

struct parquet_reader;

/* bytes must outlive the reader. NULL with a recorded error: ERROR_INPUT when it is no Parquet file,
 * or has no such column of texts. */
struct parquet_reader *parquet_read(const uint8_t *bytes, size_t size, const char *column);

/* The next text, valid until the next call: 1, 0 after the last row, -1 with ERROR_INPUT. */
int parquet_next(struct parquet_reader *reader, const char **text, size_t *size);

void parquet_close(struct parquet_reader *reader); /* NULL is fine */

#endif
