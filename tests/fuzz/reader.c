/* reader.c - fuzz target: the stream reader over memory, three ways: payloads read, payloads
 * passed over, and salvage. What the strict reader accepts, salvage must find too. All of it once
 * for the input as it is, and once with the checksums of its bare records put right, so that what
 * lies behind them is reached.
 */
#include "base/program.h"
#include "stream/read.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The number of records, or -1. */
static int read_all(const uint8_t *data, size_t size, bool skipping, bool salvage)
{
	struct record record;
	int count = 0, found;
	struct reader *reader = reader_open_memory(data, size);
	if (!reader)
		return -1;
	if (salvage)
		reader_salvage(reader);
	while ((found = reader_next(reader, &record)) > 0) {
		if (!skipping) {
			const unsigned char *payload = reader_payload(reader);
			if (!payload) {
				found = -1;
				break;
			}
			if (checksum_of(payload, (size_t)record.payload_size) != record.payload_checksum)
				abort();
		}
		count++;
	}
	reader_close(reader);
	return found < 0 ? -1 : count;
}

static void put_checksum(uint8_t *at, uint64_t checksum)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(checksum >> 8 * i);
}

/* Walk through bare records from the first byte on and put their checksums right. */
static void repair(uint8_t *data, size_t size)
{
	size_t at = 0;
	while (at + RECORD_PREFIX <= size) {
		size_t header = record_header_size(data + at), payload = 0;
		if (header == 0 || header > size - at)
			return;
		for (int i = 8; i-- > 0;)
			payload = payload << 8 | data[at + 16 + (size_t)i];
		size_t left = size - at - header;
		if (payload <= left)
			put_checksum(data + at + 56, checksum_of(data + at + header, payload));
		put_checksum(data + at + header - 8, checksum_of(data + at, header - 8));
		if (payload > left || (payload + 63) / 64 * 64 > left)
			return;
		at += header + (payload + 63) / 64 * 64;
	}
}

static void check(const uint8_t *data, size_t size)
{
	int strict = read_all(data, size, false, false);
	int skipped = read_all(data, size, true, false);
	int salvaged = read_all(data, size, true, true);
	if (strict >= 0 && (skipped != strict || salvaged != strict))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + !size);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	common.max_record = 1 << 25;
	check(copy, size);
	repair(copy, size);
	check(copy, size);
	free(copy);
	return 0;
}
