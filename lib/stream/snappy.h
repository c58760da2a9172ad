/* snappy.h - decompression of raw Snappy, in which others' Parquet files keep their pages. */
#ifndef ZV_STREAM_SNAPPY_H
#define ZV_STREAM_SNAPPY_H

#include <stddef.h>
#include <stdint.h>

/* Exactly size bytes to target. 0, or -1 with ERROR_INPUT. Pure. */
int snappy_decode(const uint8_t *bytes, size_t compressed, uint8_t *target, size_t size);

#endif
