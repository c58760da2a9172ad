/* utf8.c - fuzz target: what decodes encodes to the same bytes; prefixes are whole characters. */
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t valid = utf8_valid_prefix(data, size);
	if (valid > size)
		abort();
	size_t done = 0;
	while (done < size) {
		uint32_t code = 0;
		uint8_t bytes[4];
		int length = utf8_decode(data + done, size - done, &code);
		if (length <= 0) {
			if (done < valid)
				abort();
			done++;
			continue;
		}
		if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			abort();
		if (utf8_encode(code, bytes) != length || memcmp(bytes, data + done, (size_t)length) != 0)
			abort();
		done += (size_t)length;
	}
	return 0;
}
