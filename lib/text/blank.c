/* blank.c - white space as Python's str.strip() knows it (see blank.h): U+0009-000D, 001C-0020,
 * 0085, 00A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000.
 */
#include "text/blank.h"
#include "base/utf8.h"

bool blank_is(uint32_t code)
{
	return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
	       code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
	       code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

/* Bytes of the white-space character at text[0] (size >= 1), or 0. */
static size_t first_blank(const char *text, size_t size)
{
	uint32_t code;
	int length = utf8_decode((const uint8_t *)text, size, &code);
	return length > 0 && blank_is(code) ? (size_t)length : 0;
}

size_t blank_trim_end(const char *text, size_t size)
{
	while (size > 0) {
		size_t start = size - 1;
		while (start > 0 && size - start < 4 && ((uint8_t)text[start] & 0xc0) == 0x80)
			start--;
		if (first_blank(text + start, size - start) != size - start)
			break;
		size = start;
	}
	return size;
}

size_t blank_at_start(const char *text, size_t size)
{
	size_t done = 0, length;
	while (done < size && (length = first_blank(text + done, size - done)) > 0)
		done += length;
	return done;
}
