/* textout.c - escaped fields and JSON strings (see textout.h). */
#define _GNU_SOURCE
#include "base/textout.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdbool.h>
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
