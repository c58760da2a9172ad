/* record.c - fuzz target: parsing one record header, and formatting what was parsed.
 * The checksum is put right first, so that the fields behind it are reached.
 */
#include "stream/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[RECORD_HEADER_MOST];
	struct record record;
	char value[64];
	if (size < RECORD_PREFIX)
		return 0;
	size_t whole = record_header_size(data);
	if (whole == 0 || whole > size)
		return 0;
	uint8_t *header = malloc(whole); /* of this very size, so that reads past it are seen */
	if (!header)
		return 0;
	memcpy(header, data, whole);
	uint64_t checksum = checksum_of(header, whole - 8);
	for (int i = 0; i < 8; i++)
		header[whole - 8 + (size_t)i] = (uint8_t)(checksum >> 8 * i);
	if (record_parse(header, whole, &record) == 0) {
		record_meta(&record, "stage", value, sizeof value);
		if (record_format(&record, again) != whole || memcmp(again, header, whole) != 0)
			abort(); /* what is accepted is what is written */
	}
	free(header);
	return 0;
}
