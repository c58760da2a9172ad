/* bytes.h - little-endian numbers in byte arrays, whatever the machine. */
#ifndef ZV_STREAM_BYTES_H
#define ZV_STREAM_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* The number in the first size (1..8) bytes, least significant first. */
static inline uint64_t bytes_load(const uint8_t *bytes, size_t size)
{
	uint64_t number = 0;
	for (size_t i = size; i > 0; i--)
		number = number << 8 | bytes[i - 1];
	return number;
}

/* The lowest size (1..8) bytes of number, least significant first. */
static inline void bytes_store(uint8_t *bytes, size_t size, uint64_t number)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(number >> 8 * i);
}

#endif
