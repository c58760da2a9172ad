/* utf8.c - UTF-8 by the table of well-formed sequences in the Unicode standard (3-7). */
#include "base/utf8.h"

#include <string.h>

int utf8_decode(const uint8_t *bytes, size_t size, uint32_t *code)
{
	uint8_t lead = bytes[0];
	if (lead < 0x80) {
		*code = lead;
		return 1;
	}
	int length = lead >= 0xc2 && lead <= 0xdf   ? 2
	             : lead >= 0xe0 && lead <= 0xef ? 3
	             : lead >= 0xf0 && lead <= 0xf4 ? 4
	                                            : 0;
	if (length == 0)
		return 0;
	uint32_t value = lead & (0x7f >> length);
	for (int i = 1; i < length; i++) {
		if ((size_t)i >= size)
			return -1;
		uint8_t least = 0x80, most = 0xbf;
		if (i == 1) { /* overlong forms, surrogates and values above U+10FFFF */
			least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
			most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
		}
		if (bytes[i] < least || bytes[i] > most)
			return 0;
		value = value << 6 | (bytes[i] & 0x3f);
	}
	*code = value;
	return length;
}

size_t utf8_valid_prefix(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	size_t done = 0;
	while (done < size) {
		uint32_t code;
		int length = utf8_decode(at + done, size - done, &code);
		if (length <= 0)
			break;
		done += (size_t)length;
	}
	return done;
}

size_t utf8_mark(const void *bytes, size_t size)
{
	return size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

int utf8_encode(uint32_t code, uint8_t bytes[4])
{
	if (code < 0x80) {
		bytes[0] = (uint8_t)code;
		return 1;
	}
	int length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (int i = length - 1; i > 0; i--) {
		bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	bytes[0] = (uint8_t)((0xf00 >> length) | code);
	return length;
}
