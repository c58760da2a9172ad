/* content.c - items of a stream and the bytes in them (see content.h). */
#include "stream/content.h"
#include "base/error.h"
#include "stream/bytes.h"

#include <string.h>

enum { MAGIC_SIZE = 4, SKIPPABLE_HEADER = 8 };

/* Up to size bytes of the frame's content; *got < size only where the frame ends. */
static int frame_read(struct content *content, uint8_t *target, size_t size, size_t *got)
{
	while (*got < size && !content->frame_ended) {
		const uint8_t *bytes = NULL;
		size_t available = 0, taken, given;
		/* The decoder may hold bytes that had no room; asking for input then could wait for
		 * ever on a pipe. */
		if (!content->decoder_full && source_peek(content->source, 1, &bytes, &available) < 0)
			return -1;
		bool drained = !content->decoder_full && available == 0;
		int step = frame_decode(
		    content->decoder, bytes, available, &taken, target + *got, size - *got, &given);
		source_consume(content->source, taken);
		*got += given;
		content->decoder_full = *got == size;
		if (step < 0)
			return -1;
		content->frame_ended = step == 1;
		if (drained && given == 0 && !content->frame_ended)
			return error_input("zstd frame is cut off");
	}
	return 0;
}

/* Up to size bytes of the present item's content; *got < size only where the item ends. */
int content_read(struct content *content, uint8_t *target, size_t size, size_t *got)
{
	*got = 0;
	if (!content->in_frame)
		return source_read(content->source, target, size, got);
	size_t held = content->ahead_size < size ? content->ahead_size : size;
	memcpy(target, content->ahead, held);
	content->ahead_size -= held;
	memmove(content->ahead, content->ahead + held, content->ahead_size);
	*got = held;
	int result = frame_read(content, target, size, got);
	content->decoded += *got;
	return result;
}

/* All of size bytes, or damage. */
int content_need(struct content *content, uint8_t *target, size_t size, const char *what)
{
	size_t got;
	if (content_read(content, target, size, &got) < 0)
		return -1;
	if (got < size)
		return error_input("%s is cut off", what);
	return 0;
}

/* Go past a skippable frame. */
static int pass_skippable(struct content *content)
{
	const uint8_t *bytes;
	size_t available;
	uint64_t passed;
	if (source_peek(content->source, SKIPPABLE_HEADER, &bytes, &available) < 0)
		return -1;
	if (available < SKIPPABLE_HEADER)
		return error_input("skippable frame is cut off");
	uint64_t size = SKIPPABLE_HEADER + bytes_load(bytes + MAGIC_SIZE, 4);
	if (source_pass(content->source, size, &passed) < 0)
		return -1;
	return passed < size ? error_input("skippable frame is cut off") : 0;
}

static int begin_frame(struct content *content)
{
	if (!content->decoder && !(content->decoder = frame_decoder_new()))
		return -1;
	frame_decoder_reset(content->decoder);
	content->in_frame = true;
	content->frame_ended = content->decoder_full = false;
	content->ahead_size = 0;
	return 0;
}

/* Find the item that the next record is in: 1, 0 at the end of the input, -1. */
int content_next_item(struct content *content)
{
	for (;;) {
		const uint8_t *bytes;
		size_t available;
		content->offset = source_position(content->source);
		content->decoded = 0;
		if (source_peek(content->source, MAGIC_SIZE, &bytes, &available) < 0)
			return -1;
		if (available == 0)
			return 0;
		enum frame_item item = available < MAGIC_SIZE ? FRAME_UNKNOWN : frame_recognise(bytes);
		if (item == FRAME_RECORD)
			return 1;
		if (item == FRAME_ZSTD)
			return begin_frame(content) < 0 ? -1 : 1;
		if (item == FRAME_UNKNOWN)
			return error_input("not a zv stream");
		if (pass_skippable(content) < 0)
			return -1;
	}
}

int content_look_ahead(struct content *content)
{
	size_t got = 0;
	if (!content->in_frame)
		return 0;
	int result = frame_read(content, content->ahead, RECORD_PREFIX, &got);
	content->ahead_size = got;
	return result;
}

int content_search(struct content *content, bool rewind)
{
	struct source *source = content->source;
	content->in_frame = false;
	content->ahead_size = 0;
	if (rewind)
		source_rewind(source, content->offset + 1);
	if (source_position(source) == content->offset) {
		uint64_t passed;
		if (source_pass(source, 1, &passed) < 0)
			return -1;
	}
	for (;;) {
		const uint8_t *bytes;
		size_t available, i = 0;
		if (source_peek(source, MAGIC_SIZE, &bytes, &available) < 0)
			return -1;
		while (i + MAGIC_SIZE <= available && frame_recognise(bytes + i) == FRAME_UNKNOWN)
			i++;
		bool found = i + MAGIC_SIZE <= available, ended = available < MAGIC_SIZE;
		source_consume(source, ended ? available : i);
		if (found || ended)
			return 0;
	}
}

void content_release(struct content *content)
{
	source_close(content->source);
	frame_decoder_release(content->decoder);
}
