/* base_textout.c - escaped fields, JSON strings, and the way back. */
#define _GNU_SOURCE
#include "base/textout.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* What print writes for text, to be freed. */
static char *written(
    void (*print)(FILE *stream, const char *text, size_t size), const char *text, size_t size)
{
	char *out = NULL;
	size_t out_size = 0;
	FILE *stream = open_memstream(&out, &out_size);
	if (!stream)
		abort();
	print(stream, text, size);
	fclose(stream);
	return out;
}

static void field_is(const char *text, size_t size, const char *wanted)
{
	char *out = written(textout_field, text, size);
	TAP_OK(strcmp(out, wanted) == 0, "field %s", wanted);
	size_t back = textout_unescape(out, strlen(out));
	TAP_OK(back == size && memcmp(out, text, size) == 0, "and back");
	free(out);
}

static void json_is(const char *text, size_t size, const char *wanted)
{
	char *out = written(textout_json, text, size);
	TAP_OK(strcmp(out, wanted) == 0, "JSON %s", out);
	free(out);
}

static void unescape_refuses(const char *text)
{
	char copy[16];
	size_t size = strlen(text);
	memcpy(copy, text, size);
	TAP_OK(textout_unescape(copy, size) == (size_t)-1, "%s is no escaped field", text);
}

static void test_memory(void)
{
	char *text;
	size_t size;
	FILE *stream = textout_open(&text, &size);
	TAP_OK(stream && text && size == 0, "a stream into memory begins empty");
	for (int i = 0; i < 10000; i++)
		fprintf(stream, "%04d", i);
	TAP_OK(ftell(stream) == 40000, "it knows its place");
	TAP_OK(fflush(stream) == 0 && size == 40000 && !memcmp(text + 39996, "9999", 5),
	    "it holds it all");
	rewind(stream);
	fputs("again", stream);
	TAP_OK(textout_close(stream) == 0 && size == 5 && !strcmp(text, "again"),
	    "rewound it begins anew");
	free(text);
	stream = textout_open(&text, &size);
	TAP_OK(stream && textout_close(stream) == 0 && size == 0 && !strcmp(text, ""),
	    "nothing is a text");
	free(text);
}

int main(void)
{
	test_memory();
	field_is("plain", 5, "plain");
	field_is("a\tb\nc\rd\\e", 9, "a\\tb\\nc\\rd\\\\e");
	field_is("\xe7\x8b\x97", 3, "\xe7\x8b\x97");
	field_is("", 0, "");
	field_is("\x1b[2J\a\0\v\x7f", 8, "\\x1B[2J\\x07\\x00\\x0B\\x7F");
	field_is("a\xc2\x9b"
	         "b\x9b\xc2\xa0",
	    7, "a\\xC2\\x9Bb\\x9B\xc2\xa0");
	field_is("\n\n\x1b\t\xe7\x8b\x97\\x1B", 11, "\\n\\n\\x1B\\t\xe7\x8b\x97\\\\x1B");
	json_is("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
	json_is("a\tb\nc", 5, "\"a\\tb\\nc\"");
	json_is("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
	json_is("\xe7\x8b\x97", 3, "\"\xe7\x8b\x97\"");
	json_is("\xc2\x9b\xc2\xa0", 4, "\"\\u009b\xc2\xa0\"");
	json_is("a\xff\xe7\x8b", 4, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	unescape_refuses("\\");
	unescape_refuses("a\\x");
	unescape_refuses("a\\x1");
	unescape_refuses("a\\xg0");
	unescape_refuses("a\\x0G");
	unescape_refuses("\\\\\\");
	char zero[] = { '\\', 0 };
	TAP_OK(textout_unescape(zero, 2) == (size_t)-1, "nor is a zero byte an escape's letter");
	return tap_finish();
}
