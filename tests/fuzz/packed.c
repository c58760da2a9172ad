/* packed.c - fuzz target: a record that may be a packed matrix, its words and sizes, and what is read
 * from a payload of the size that it says. The header's checksum is put right first.
 */
#include "stream/packed_record.h"
#include "base/memory.h"
#include "base/packed.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A block that was read and packed again must be of the same size. */
static void pack_again(char type, const uint64_t shape[2], const float *values)
{
	size_t rows = shape[0] < PACKED_ROWS ? (size_t)shape[0] : PACKED_ROWS;
	uint8_t *block = malloc(packed_block(type, (size_t)shape[1]));
	if (block)
		packed_put(type, values, rows, (size_t)shape[1], block);
	free(block);
}

/* The payload is what is left of the input, then zeros. */
static void read_payload(struct record *record, const uint8_t *rest, size_t left)
{
	char type;
	uint64_t shape[2];
	void *values = NULL;
	size_t size = (size_t)record->payload_size;
	if (packed_record_parse(record, &type, shape) <= 0 || record->payload_size > 1 << 20)
		return;
	uint8_t *payload = memory_allocate_zero(size, 1); /* of this very size */
	if (!payload)
		return;
	if (size > 0)
		memcpy(payload, rest, left < size ? left : size);
	packed_not_finite(type, payload, (size_t)record->shape[0], (size_t)shape[1]);
	if (packed_record_unpack(record, payload, &values) == 0 && values)
		pack_again(type, shape, values);
	memory_release(values);
	memory_release(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record;
	if (size < RECORD_PREFIX)
		return 0;
	size_t whole = record_header_size(data);
	if (whole == 0 || whole > size)
		return 0;
	uint8_t *header = malloc(whole);
	if (!header)
		return 0;
	memcpy(header, data, whole);
	uint64_t checksum = checksum_of(header, whole - 8);
	for (int i = 0; i < 8; i++)
		header[whole - 8 + (size_t)i] = (uint8_t)(checksum >> 8 * i);
	if (record_parse(header, whole, &record) == 0)
		read_payload(&record, data + whole, size - whole);
	free(header);
	return 0;
}
