/* unicode.c - character properties from utf8proc (see unicode.h). */
#include "text/unicode.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

#include <utf8proc.h>

static utf8proc_category_t category(uint32_t code)
{
	return utf8proc_category((utf8proc_int32_t)code);
}

bool unicode_is_control(uint32_t code)
{
	if (code == '\t' || code == '\n' || code == '\r')
		return false;
	utf8proc_category_t of = category(code);
	return of == UTF8PROC_CATEGORY_CC || of == UTF8PROC_CATEGORY_CF;
}

bool unicode_is_blank(uint32_t code)
{
	return code == '\t' || code == '\n' || code == '\r' || code == 0x2028 || code == 0x2029 ||
	       category(code) == UTF8PROC_CATEGORY_ZS;
}

bool unicode_is_punctuation(uint32_t code)
{
	if ((code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
	    (code >= 123 && code <= 126))
		return true;
	utf8proc_category_t of = category(code);
	return of >= UTF8PROC_CATEGORY_PC && of <= UTF8PROC_CATEGORY_PO;
}

bool unicode_is_mark(uint32_t code)
{
	return category(code) == UTF8PROC_CATEGORY_MN;
}

bool unicode_is_ideograph(uint32_t code)
{
	return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
	       (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b73f) ||
	       (code >= 0x2b740 && code <= 0x2b81f) || (code >= 0x2b820 && code <= 0x2ceaf) ||
	       (code >= 0xf900 && code <= 0xfaff) || (code >= 0x2f800 && code <= 0x2fa1f);
}

static bool is_cased(uint32_t code)
{
	utf8proc_category_t of = category(code);
	return of == UTF8PROC_CATEGORY_LU || of == UTF8PROC_CATEGORY_LL || of == UTF8PROC_CATEGORY_LT;
}

/* Case_Ignorable: marks, formats, modifiers, and what may stand inside a word. */
static bool is_case_ignorable(uint32_t code)
{
	static const uint16_t inside[] = { 0x27, 0x2e, 0x3a, 0xb7, 0x387, 0x55f, 0x5f4, 0x2018, 0x2019,
		0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a };
	for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
		if (code == inside[i])
			return true;
	utf8proc_category_t of = category(code);
	return of == UTF8PROC_CATEGORY_MN || of == UTF8PROC_CATEGORY_ME || of == UTF8PROC_CATEGORY_CF ||
	       of == UTF8PROC_CATEGORY_LM || of == UTF8PROC_CATEGORY_SK;
}

/* Lower case of codes[0..count-1]. A capital sigma is final when a cased letter precedes it and
 * none follows, not counting ignorable characters between (Unicode, Final_Sigma); what precedes
 * is carried along and what follows is found once per run, so that the whole stays linear. */
void unicode_lower(uint32_t *codes, size_t count)
{
	bool after_cased = false;
	size_t next = 0; /* the first character at or behind i + 1 that is not ignorable */
	for (size_t i = 0; i < count; i++) {
		uint32_t code = codes[i];
		bool final = false;
		if (code == 0x3a3 && after_cased) {
			if (next <= i)
				next = i + 1;
			while (next < count && is_case_ignorable(codes[next]))
				next++;
			final = next == count || !is_cased(codes[next]);
		}
		if (!is_case_ignorable(code))
			after_cased = is_cased(code);
		codes[i] = final ? 0x3c2 : (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
	}
}

int unicode_decompose(const uint32_t *codes, size_t count, uint32_t **decomposed, size_t *size)
{
	enum { MOST = 4 }; /* no character has more than 4 in its full canonical decomposition */
	size_t room;
	if (!checked_multiply(count, MOST, &room))
		return error_memory(SIZE_MAX);
	utf8proc_int32_t *out = memory_allocate(room, sizeof *out);
	if (!out)
		return -1;
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		int boundary = 0;
		utf8proc_ssize_t length = utf8proc_decompose_char((utf8proc_int32_t)codes[i], out + used,
		    (utf8proc_ssize_t)(room - used), UTF8PROC_DECOMPOSE, &boundary);
		if (length < 0 || (size_t)length > room - used) {
			memory_release(out);
			return error_input("character %zu cannot be decomposed", i);
		}
		used += (size_t)length;
	}
	*decomposed = (uint32_t *)out;
	*size = used;
	return 0;
}
