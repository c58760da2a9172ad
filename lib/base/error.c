/* error.c - the thread's last error: kind and text (see error.h). */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 1024 };

static _Thread_local char last_text[TEXT_SIZE];
static _Thread_local enum error_kind last_kind;

__attribute__((format(printf, 2, 0))) static void record(
    enum error_kind kind, const char *format, va_list arguments)
{
	int reason = errno;
	/* Formatted aside first: an argument may be error_text() itself. */
	char text[TEXT_SIZE];
	int length = vsnprintf(text, sizeof text, format, arguments);
	if (length < 0)
		length = 0;
	size_t format_length = strlen(format);
	bool with_reason = format_length > 0 && format[format_length - 1] == ':';
	if (with_reason && (size_t)length < sizeof text)
		snprintf(text + length, sizeof text - (size_t)length, " %s", strerror(reason));
	memcpy(last_text, text, sizeof text);
	/* What the system lacks is never the fault of an input. */
	bool lacking = with_reason && (reason == ENOMEM || reason == EMFILE || reason == ENFILE);
	last_kind = lacking ? ERROR_SYSTEM : kind;
}

int error_input(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	record(ERROR_INPUT, format, arguments);
	va_end(arguments);
	return -1;
}

int error_system(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	record(ERROR_SYSTEM, format, arguments);
	va_end(arguments);
	return -1;
}

int error_memory(size_t bytes)
{
	return error_system("out of memory (%zu bytes wanted)", bytes);
}

int error_context(const char *format, ...)
{
	char context[TEXT_SIZE], text[TEXT_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(context, sizeof context, format, arguments);
	va_end(arguments);
	memcpy(text, last_text, sizeof text);
	size_t used = strlen(context);
	if (used > TEXT_SIZE - 3)
		used = TEXT_SIZE - 3;
	memcpy(last_text, context, used);
	last_text[used++] = ':';
	last_text[used++] = ' ';
	size_t kept = strlen(text);
	if (kept > TEXT_SIZE - 1 - used)
		kept = TEXT_SIZE - 1 - used;
	memcpy(last_text + used, text, kept);
	last_text[used + kept] = '\0';
	if (last_kind == ERROR_NONE)
		last_kind = ERROR_INPUT;
	return -1;
}

int error_as(enum error_kind kind)
{
	last_kind = kind;
	return -1;
}

const char *error_text(void)
{
	return last_text;
}

enum error_kind error_kind(void)
{
	return last_kind;
}

void error_clear(void)
{
	last_text[0] = '\0';
	last_kind = ERROR_NONE;
}
