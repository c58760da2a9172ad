/* textout.c - escaped fields and JSON strings (see textout.h). */
#include "base/textout.h"
#include "base/utf8.h"

#include <string.h>

void textout_field(FILE *stream, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		const char *escape = text[i] == '\t'   ? "\\t"
		                     : text[i] == '\n' ? "\\n"
		                     : text[i] == '\r' ? "\\r"
		                     : text[i] == '\\' ? "\\\\"
		                                       : NULL;
		if (escape)
			fputs(escape, stream);
		else
			putc(text[i], stream);
	}
}

void textout_json(FILE *stream, const char *text, size_t size)
{
	putc('"', stream);
	for (size_t i = 0; i < size;) {
		unsigned char byte = (unsigned char)text[i];
		uint32_t code;
		int length = utf8_decode((const uint8_t *)text + i, size - i, &code);
		if (length <= 0) {
			fputs("\xef\xbf\xbd", stream);
			i++;
			continue;
		}
		if (byte == '"' || byte == '\\')
			fprintf(stream, "\\%c", byte);
		else if (byte == '\n')
			fputs("\\n", stream);
		else if (byte == '\t')
			fputs("\\t", stream);
		else if (byte < 0x20 || byte == 0x7f)
			fprintf(stream, "\\u%04x", byte);
		else
			fwrite(text + i, 1, (size_t)length, stream);
		i += (size_t)length;
	}
	putc('"', stream);
}

size_t textout_unescape(char *text, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\\') {
			text[used++] = text[i];
			continue;
		}
		static const char letters[] = "tnr\\", values[] = "\t\n\r\\";
		const char *letter = i + 1 < size && text[i + 1] ? strchr(letters, text[i + 1]) : NULL;
		if (!letter)
			return (size_t)-1;
		text[used++] = values[letter - letters];
		i++;
	}
	return used;
}
