/* message.c - lines on standard error and the status they lead to (see message.h). */
#include "base/message.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 4096 };

static const char *program_name = "zv";
static enum exit_status highest_status = EXIT_DONE;
static int quiet_notes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void message_program(const char *name)
{
	program_name = name;
}

const char *message_program_name(void)
{
	return program_name;
}

void message_quiet(int quiet)
{
	quiet_notes = quiet;
}

void message_raise(enum exit_status status)
{
	pthread_mutex_lock(&lock);
	if (status > highest_status)
		highest_status = status;
	pthread_mutex_unlock(&lock);
}

enum exit_status message_status(void)
{
	return highest_status;
}

/* Bytes of the character at text that may be shown as they are: 0 for a control (C0, DEL, C1, which
 * some terminals take for ESC and a letter) and for what is no UTF-8. */
static size_t printable(const unsigned char *text)
{
	uint32_t code = 0;
	int length = utf8_decode(text, strnlen((const char *)text, 4), &code);
	bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
	return length > 0 && !control ? (size_t)length : 0;
}

/* Append text to line, what is not printable as \xNN: a file name must not steer the terminal. */
static size_t append_escaped(char *line, size_t used, const char *text)
{
	for (const unsigned char *byte = (const unsigned char *)text; *byte && used + 8 < LINE_SIZE;) {
		size_t length = printable(byte);
		if (length == 0)
			used += (size_t)snprintf(line + used, 5, "\\x%02X", *byte++);
		for (; length > 0; length--)
			line[used++] = (char)*byte++;
	}
	return used;
}

static void print_line(const char *file, const char *text)
{
	if (file && strcmp(file, "-") == 0)
		file = "standard input";
	char line[LINE_SIZE];
	size_t used = append_escaped(line, 0, program_name);
	line[used++] = ':';
	line[used++] = ' ';
	if (file) {
		used = append_escaped(line, used, file);
		line[used++] = ':';
		line[used++] = ' ';
	}
	used = append_escaped(line, used, text);
	line[used++] = '\n';
	pthread_mutex_lock(&lock);
	fflush(stdout);
	progress_clear();
	fwrite(line, 1, used, stderr);
	fflush(stderr);
	pthread_mutex_unlock(&lock);
}

void message_error(const char *file)
{
	print_line(file, error_text());
	message_raise(error_kind() == ERROR_SYSTEM ? EXIT_TROUBLE : EXIT_ITEM);
}

void message_failure(enum exit_status status, const char *file, const char *format, ...)
{
	char text[LINE_SIZE / 2];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	print_line(file, text);
	message_raise(status);
}

void message_note(const char *file, const char *format, ...)
{
	if (quiet_notes)
		return;
	char text[LINE_SIZE / 2];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	print_line(file, text);
}
