/* bpe_encode.c - fuzz target: any text through a small BPE model. Valid text encodes, decodes to
 * itself, and the pieces of a stream are those of the whole. The first byte chooses the options.
 */
#define _GNU_SOURCE
#include "base/memory.h"
#include "base/utf8.h"
#include "text/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t model[8192];
static size_t model_size;

static void put_piece(const char *text, float score, int type)
{
	size_t size = strlen(text);
	uint8_t head[] = { 0x0a, (uint8_t)(size + 9), 0x0a, (uint8_t)size };
	memcpy(model + model_size, head, sizeof head);
	memcpy(model + model_size + 4, text, size);
	model_size += 4 + size;
	model[model_size++] = 0x15;
	memcpy(model + model_size, &score, 4);
	model_size += 4;
	model[model_size++] = 0x18;
	model[model_size++] = (uint8_t)type;
}

static struct bpe *make_model(void)
{
	static const char *const pieces[] = { "a", "b", "aa", "ab", "ba", "aba", "\xe2\x96\x81",
		"\xe2\x96\x81\x61", "\xe2\x96\x81\xe2\x96\x81", "\xe4\xbd\xa0\xe5\xa5\xbd", "bb", "bbbb" };
	static const char added[] = "271\tstrip\t<x>\n272\tkeep\t<xy>\n";
	put_piece("<unk>", 0, 2);
	put_piece("<s>", 0, 3);
	put_piece("</s>", 0, 3);
	for (int byte = 0; byte < 256; byte++) {
		char text[8];
		snprintf(text, sizeof text, "<0x%02X>", byte);
		put_piece(text, 0, 6);
	}
	for (int i = 0; i < 12; i++) /* "bb" unused; some scores are equal */
		put_piece(pieces[i], -(float)(i / 3), i == 10 ? 5 : 1);
	static const uint8_t tail[] = { 0x12, 5, 0x18, 2, 0x98, 2, 1, 0x1a, 4, 0x18, 1, 0x20, 0 };
	memcpy(model + model_size, tail, sizeof tail);
	model_size += sizeof tail;
	return bpe_open(model, model_size, added, sizeof added - 1);
}

/* The same text from the stream, all held bytes included. */
static void check_stream(
    const struct bpe *bpe, const struct ids *ids, const char *text, size_t size)
{
	char *out = malloc(bpe_piece_most(bpe) + 8);
	struct bpe_stream stream = { 0 };
	size_t done = 0;
	for (size_t i = 0; out && i <= ids->count; i++) {
		size_t got = bpe_stream_next(bpe, &stream, i < ids->count ? ids->at[i] : -1, out);
		if (done + got > size || memcmp(out, text + done, got) != 0)
			abort();
		done += got;
	}
	if (out && done != size)
		abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bpe *bpe;
	if (!bpe && !(bpe = make_model()))
		abort();
	if (size == 0)
		return 0;
	const char *text = (const char *)data + 1;
	struct bpe_options options = { .bos = data[0] & 1,
		.eos = data[0] & 2,
		.modern = data[0] & 4,
		.plain = data[0] & 8,
		.added = (enum bpe_added)((data[0] >> 4) % 3) };
	struct ids ids = { 0 };
	bool valid = utf8_valid_prefix(text, size - 1) == size - 1;
	if ((bpe_encode(bpe, text, size - 1, &options, &ids) == 0) != valid)
		abort();
	char *decoded;
	size_t decoded_size;
	if (valid && bpe_decode(bpe, ids.at, ids.count, true, &decoded, &decoded_size) == 0) {
		if (utf8_valid_prefix(decoded, decoded_size) != decoded_size)
			abort();
		/* U+2581 is the one character that is not kept: it stands for a blank */
		bool kept = !memmem(text, size - 1, "\xe2\x96\x81", 3);
		if (options.plain && kept &&
		    (decoded_size != size - 1 || memcmp(decoded, text, decoded_size) != 0))
			abort();
		check_stream(bpe, &ids, decoded, decoded_size);
		memory_release(decoded);
	}
	ids_clear(&ids);
	return 0;
}
