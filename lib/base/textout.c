/* textout.c - escaped fields and JSON strings (see textout.h). */
#define _GNU_SOURCE
#include "base/textout.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* A control character, or a stray byte that a terminal may take for one of C1. */
static void write_control(FILE *stream, const char *bytes, int length)
{
	static const char digits[] = "0123456789ABCDEF";
	for (int i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		fputs("\\x", stream);
		putc(digits[byte >> 4], stream);
		putc(digits[byte & 15], stream);
	}
}

void textout_shown(FILE *stream, const char *text, size_t size, const char *plain)
{
	for (size_t i = 0; i < size;) {
		uint32_t code;
		int length = utf8_decode((const uint8_t *)text + i, size - i, &code);
		if (length <= 0) {
			code = (unsigned char)text[i];
			length = 1;
		}
		if (is_control(code) && (code == 0 || code >= 0x7f || !strchr(plain, (int)code)))
			write_control(stream, text + i, length);
		else
			fwrite(text + i, 1, (size_t)length, stream);
		i += (size_t)length;
	}
}

void textout_field(FILE *stream, const char *text, size_t size)
{
	for (size_t i = 0, plain = 0; i < size; plain = ++i) {
		const char *escape = NULL;
		for (; i < size && !escape; i += !escape)
			escape = text[i] == '\t'   ? "\\t"
			         : text[i] == '\n' ? "\\n"
			         : text[i] == '\r' ? "\\r"
			         : text[i] == '\\' ? "\\\\"
			                           : NULL;
		textout_shown(stream, text + plain, i - plain, "");
		if (escape)
			fputs(escape, stream);
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
		else if (is_control(code))
			fprintf(stream, "\\u%04x", (unsigned)code);
		else
			fwrite(text + i, 1, (size_t)length, stream);
		i += (size_t)length;
	}
	putc('"', stream);
}

/* The value of two hexadecimal digits, or -1. */
static int hex_byte(const char *at)
{
	int value = 0;
	for (int i = 0; i < 2; i++) {
		char digit = at[i];
		if (digit >= '0' && digit <= '9')
			value = value * 16 + digit - '0';
		else if ((digit >= 'A' && digit <= 'F') || (digit >= 'a' && digit <= 'f'))
			value = value * 16 + 10 + (digit & 0x5f) - 'A';
		else
			return -1;
	}
	return value;
}

size_t textout_unescape(char *text, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\\') {
			text[used++] = text[i];
			continue;
		}
		int byte = size - i >= 4 && text[i + 1] == 'x' ? hex_byte(text + i + 2) : -1;
		if (byte >= 0) {
			text[used++] = (char)byte;
			i += 3;
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

/* What a memory stream writes to. */
struct text_memory {
	char **text;
	size_t *size;
	size_t capacity;
};

static ssize_t memory_write(void *cookie, const char *bytes, size_t count)
{
	struct text_memory *memory = cookie;
	size_t needed;
	if (!checked_add(*memory->size, count, &needed) || !checked_add(needed, 1, &needed) ||
	    memory_grow((void **)memory->text, &memory->capacity, needed, 1) < 0)
		return 0; /* an error for stdio */
	memcpy(*memory->text + *memory->size, bytes, count);
	*memory->size += count;
	(*memory->text)[*memory->size] = '\0';
	return (ssize_t)count;
}

/* Tells the place; goes to the beginning. */
static int memory_seek(void *cookie, off64_t *offset, int whence)
{
	struct text_memory *memory = cookie;
	if (*offset != 0 || whence == SEEK_END)
		return -1;
	if (whence == SEEK_SET)
		*memory->size = 0;
	*offset = (off64_t)*memory->size;
	return 0;
}

static int memory_close(void *cookie)
{
	memory_release(cookie);
	return 0;
}

FILE *textout_open(char **text, size_t *size)
{
	*text = NULL;
	*size = 0;
	struct text_memory *memory = memory_allocate_zero(1, sizeof *memory);
	if (!memory)
		return NULL;
	memory->text = text;
	memory->size = size;
	cookie_io_functions_t functions = {
		.write = memory_write, .seek = memory_seek, .close = memory_close
	};
	FILE *stream =
	    memory_write(memory, "", 0) < 0 || !*text ? NULL : fopencookie(memory, "w", functions);
	if (!stream) {
		error_memory(sizeof *memory);
		memory_release(memory);
		memory_release(*text);
		*text = NULL;
	}
	return stream;
}

int textout_close(FILE *stream)
{
	bool failed = fflush(stream) != 0 || ferror(stream);
	return fclose(stream) != 0 || failed ? error_system("out of memory") : 0;
}
