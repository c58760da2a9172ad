/* textout.c - fuzz target: an escaped field stays on one line and comes back; JSON strings have
 * no raw control bytes and are valid UTF-8. */
#define _GNU_SOURCE
#include "base/textout.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_field(const char *text, size_t size)
{
	char *out = NULL;
	size_t out_size = 0;
	FILE *stream = open_memstream(&out, &out_size);
	if (!stream)
		exit(2);
	textout_field(stream, text, size);
	fclose(stream);
	for (size_t i = 0; i < out_size; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			abort();
	if (textout_unescape(out, out_size) != size || memcmp(out, text, size) != 0)
		abort();
	free(out);
}

static void check_json(const char *text, size_t size)
{
	char *out = NULL;
	size_t out_size = 0;
	FILE *stream = open_memstream(&out, &out_size);
	if (!stream)
		exit(2);
	textout_json(stream, text, size);
	fclose(stream);
	if (out_size < 2 || out[0] != '"' || out[out_size - 1] != '"')
		abort();
	if (utf8_valid_prefix(out, out_size) != out_size)
		abort();
	for (size_t i = 0; i < out_size; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";
	check_field(text, size);
	check_json(text, size);
	char *copy = malloc(size ? size : 1);
	if (!copy)
		exit(2);
	memcpy(copy, text, size);
	size_t shorter = textout_unescape(copy, size); /* hostile escapes */
	if (shorter != (size_t)-1 && shorter > size)
		abort();
	free(copy);
	return 0;
}
