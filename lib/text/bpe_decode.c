/* bpe_decode.c - ids to text, all at once or one by one (see bpe.h; sentencepiece_processor.cc
 * Decode, transformers 4.33 LlamaTokenizer.convert_tokens_to_string and _decode).
 */
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/bpe_private.h"

#include <string.h>

/* U+FFFD, which stands for a byte that belongs to no character. */
static const char replacement[] = "\xef\xbf\xbd";

static size_t put(char *out, const void *text, size_t size)
{
	memcpy(out, text, size);
	return size;
}

/* Write what is held as far as it is decided: whole characters, and U+FFFD for each byte that can
 * begin none. final: nothing more will come. */
static size_t flush_held(struct bpe_stream *stream, bool final, char *out)
{
	size_t size = 0;
	int done = 0;
	while (done < stream->held_count) {
		uint32_t code;
		int length = utf8_decode(stream->held + done, (size_t)(stream->held_count - done), &code);
		if (length < 0 && !final)
			break;
		if (length > 0) {
			size += put(out + size, stream->held + done, (size_t)length);
			done += length;
		} else {
			size += put(out + size, replacement, sizeof replacement - 1);
			done++;
		}
	}
	memmove(stream->held, stream->held + done, (size_t)(stream->held_count - done));
	stream->held_count -= done;
	return size;
}

/* The text of a piece: blanks for U+2581, the dummy blank of the first piece left out. */
static size_t write_piece(
    const struct bpe *bpe, struct bpe_stream *stream, const char *text, size_t size, char *out)
{
	size_t used = 0, i = 0;
	if (!stream->started && (bpe->dummy_prefix || bpe->trim_blanks) && size >= BPE_BLANK_SIZE &&
	    memcmp(text, BPE_BLANK, BPE_BLANK_SIZE) == 0) {
		i = BPE_BLANK_SIZE;
		stream->started = !bpe->trim_blanks; /* a trimming model drops all blanks in front */
	}
	while (i < size) {
		if (size - i >= BPE_BLANK_SIZE && memcmp(text + i, BPE_BLANK, BPE_BLANK_SIZE) == 0) {
			out[used++] = ' ';
			i += BPE_BLANK_SIZE;
		} else {
			out[used++] = text[i++];
		}
	}
	stream->started = stream->started || used > 0;
	return used;
}

size_t bpe_stream_next(const struct bpe *bpe, struct bpe_stream *stream, int32_t id, char *out)
{
	if (id < 0)
		return flush_held(stream, true, out);
	if (id >= bpe_size(bpe) || bpe->pieces.at[id].size == 0)
		return 0;
	const struct piece *piece = &bpe->pieces.at[id];
	const char *text = bpe->pieces.block + piece->start;
	enum bpe_type type = bpe_type(bpe, id);
	if (type == BPE_BYTE) {
		for (int byte = 0; byte < 256; byte++)
			if (bpe->bytes[byte] == id)
				stream->held[stream->held_count++] = (uint8_t)byte;
		stream->started = true;
		return flush_held(stream, false, out);
	}
	size_t used = flush_held(stream, true, out);
	if (type != BPE_CONTROL && type != BPE_UNKNOWN && type != BPE_ADDED)
		used += write_piece(bpe, stream, text, piece->size, out + used);
	return used;
}

/* A growing text. */
struct text {
	char *bytes;
	size_t size, capacity;
};

/* Room for size more bytes. 0 or -1. */
static int make_room(struct text *text, size_t size)
{
	void *bytes = text->bytes;
	int status = memory_grow(&bytes, &text->capacity, text->size + size, 1);
	text->bytes = bytes;
	return status;
}

static int append(struct text *text, const char *more, size_t size)
{
	if (make_room(text, size))
		return -1;
	text->size += put(text->bytes + text->size, more, size);
	return 0;
}

/* Append the text of ids[0..count-1], none of which is shown by its name. */
static int append_run(const struct bpe *bpe, const int32_t *ids, size_t count, struct text *text)
{
	struct bpe_stream stream = { 0 };
	for (size_t i = 0; i <= count; i++) {
		if (make_room(text, bpe->piece_most))
			return -1;
		text->size +=
		    bpe_stream_next(bpe, &stream, i < count ? ids[i] : -1, text->bytes + text->size);
	}
	return 0;
}

/* With the special tokens shown. Blanks stand where the slow tokenizer of 4.33 puts them: round
 * added tokens, and in front of what precedes <s>, </s> and <unk>. */
static int append_shown(const struct bpe *bpe, const int32_t *ids, size_t count, struct text *text)
{
	size_t run = 0, piece_start = 0; /* where the run between added tokens began; the sub-run */
	bool after_special = false;
	for (size_t i = 0; i <= count; i++) {
		bool added = i < count && bpe_type(bpe, ids[i]) == BPE_ADDED;
		bool special =
		    i < count && (ids[i] == bpe->bos || ids[i] == bpe->eos || ids[i] == bpe->unknown);
		if (i < count && !added && !special) {
			after_special = false;
			continue;
		}
		if (special && !after_special && i != run && append(text, " ", 1))
			return -1;
		if (append_run(bpe, ids + piece_start, i - piece_start, text))
			return -1;
		if (i == count)
			break;
		if (added && i > 0 && append(text, " ", 1))
			return -1;
		const struct piece *piece = &bpe->pieces.at[ids[i]];
		if (append(text, bpe->pieces.block + piece->start, piece->size))
			return -1;
		if (added && i + 1 < count && bpe_type(bpe, ids[i + 1]) != BPE_ADDED &&
		    append(text, " ", 1))
			return -1;
		after_special = special;
		piece_start = i + 1;
		if (added)
			run = i + 1;
	}
	return 0;
}

int bpe_decode(const struct bpe *bpe, const int32_t *ids, size_t count, bool skip_special,
    char **text, size_t *size)
{
	struct text result = { 0 };
	for (size_t i = 0; i < count; i++)
		if (!bpe_piece(bpe, ids[i]))
			return error_input(
			    "id %d is not in the vocabulary of %d", (int)ids[i], (int)bpe_size(bpe));
	if ((skip_special ? append_run(bpe, ids, count, &result)
	                  : append_shown(bpe, ids, count, &result)) ||
	    append(&result, "", 1)) {
		memory_release(result.bytes);
		return -1;
	}
	*text = result.bytes;
	*size = result.size - 1;
	return 0;
}
