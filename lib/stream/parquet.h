/* parquet.h - one column of texts in a Parquet file, which is what clip-retrieval keeps the names of
 * its pictures in. Written plain and uncompressed, a page at a time.
 */
#ifndef ZV_STREAM_PARQUET_H
#define ZV_STREAM_PARQUET_H

#include "base/output.h"

struct parquet_writer;

/* output stays the caller's: commit or abandon it after parquet_finish(). NULL: out of memory. */
struct parquet_writer *parquet_open(struct output *output, const char *column);
int parquet_add(struct parquet_writer *writer, const char *text, size_t size); /* 0 or -1 */
/* Write what closes the file. 0 or -1. Releases writer in both cases; NULL is fine. */
int parquet_finish(struct parquet_writer *writer);

#endif
