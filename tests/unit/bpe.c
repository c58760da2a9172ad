/* bpe.c - the LLaMA tokenizer: small models made here, hostile ones, and the reference data. */
#include "base/error.h"
#include "base/memory.h"
#include "tap.h"
#include "text/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A ModelProto under construction. */
static struct {
	uint8_t bytes[65536];
	size_t size;
} model;

static void put_byte(int byte)
{
	model.bytes[model.size++] = (uint8_t)byte;
}

static void put_varint(uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put_byte((int)(value & 0x7f) | 0x80);
	put_byte((int)value);
}

static void put_piece_bytes(const char *text, size_t size, float score, int type)
{
	put_varint(1 << 3 | 2);
	put_varint(1 + (size < 128 ? 1 : 2) + size + 5 + 2);
	put_varint(1 << 3 | 2);
	put_varint(size);
	memcpy(model.bytes + model.size, text, size);
	model.size += size;
	put_varint(2 << 3 | 5);
	memcpy(model.bytes + model.size, &score, 4);
	model.size += 4;
	put_varint(3 << 3);
	put_byte(type);
}

static void put_piece(const char *text, float score, int type)
{
	put_piece_bytes(text, strlen(text), score, type);
}

/* <unk> <s> </s>, and with fallback the 256 byte pieces. */
static void begin_model(bool fallback)
{
	model.size = 0;
	put_piece("<unk>", 0, 2);
	put_piece("<s>", 0, 3);
	put_piece("</s>", 0, 3);
	for (int byte = 0; fallback && byte < 256; byte++) {
		char text[8];
		snprintf(text, sizeof text, "<0x%02X>", byte);
		put_piece(text, 0, 6);
	}
}

/* Trainer (kind, byte fallback) and normaliser (dummy prefix, trim). */
static struct bpe *end_model(int kind, bool fallback, bool prefix, bool trim)
{
	put_varint(2 << 3 | 2);
	put_byte(5);
	put_varint(3 << 3);
	put_byte(kind);
	put_varint(35 << 3);
	put_byte(fallback);
	put_varint(3 << 3 | 2);
	put_byte(4);
	put_varint(3 << 3);
	put_byte(prefix);
	put_varint(4 << 3);
	put_byte(trim);
	return bpe_open(model.bytes, model.size, NULL, 0);
}

static struct bpe *small_model(bool prefix, bool trim)
{
	static const char *const pieces[] = { "\u2581", "a", "b", "c", "ab", "bc", "abc", "\u2581a" };
	static const float scores[] = { -20, -21, -22, -23, -2, -1, -3, -4 };
	begin_model(true);
	for (int i = 0; i < 8; i++)
		put_piece(pieces[i], scores[i], 1);
	return end_model(2, true, prefix, trim);
}

/* Ids as text, "3 4 5". */
static const char *encoded(
    const struct bpe *bpe, const char *text, const struct bpe_options *options)
{
	static char line[4096];
	struct ids ids = { 0 };
	size_t used = 0;
	line[0] = '\0';
	if (bpe_encode(bpe, text, strlen(text), options, &ids))
		return "failed";
	for (size_t i = 0; i < ids.count && used < sizeof line - 16; i++)
		used +=
		    (size_t)snprintf(line + used, sizeof line - used, "%s%d", i ? " " : "", (int)ids.at[i]);
	ids_clear(&ids);
	return line;
}

static void check_merging(void)
{
	struct bpe_options plain = { .plain = true };
	struct bpe *bpe = small_model(true, false);
	TAP_OK(bpe != NULL, "a small model opens: %s", error_text());
	TAP_OK(bpe_size(bpe) == 267 && bpe_bos(bpe) == 1 && bpe_eos(bpe) == 2, "size, bos and eos");
	/* "_abc": bc has the best score, then abc (-3) is better than "_a" (-4) */
	TAP_OK(strcmp(encoded(bpe, "abc", &plain), "259 265") == 0, "the best score merges first");
	TAP_OK(strcmp(encoded(bpe, "bab", &plain), "259 261 263") == 0, "equal pieces, leftmost first");
	TAP_OK(strcmp(encoded(bpe, "\n", &plain), "259 13") == 0, "an unknown byte falls back");
	TAP_OK(strcmp(encoded(bpe, "", &plain), "") == 0, "no text, no ids");
	TAP_OK(strcmp(encoded(bpe, " a", &plain), "259 266") == 0, "blanks are kept");
	TAP_OK(strcmp(encoded(bpe, "a\xff", &plain), "failed") == 0 &&
	           strstr(error_text(), "byte 1") != NULL,
	    "bad UTF-8 is named by its byte");
	TAP_OK(strcmp(encoded(bpe, "a</s>a", &(struct bpe_options){ .bos = true }), "1 266 2 266") == 0,
	    "control tokens split the text");
	bpe_close(bpe);
	bpe = small_model(true, true);
	TAP_OK(strcmp(encoded(bpe, "  a   a  ", &plain), "266 266") == 0, "extra blanks are removed");
	bpe_close(bpe);
	bpe = small_model(false, false);
	TAP_OK(strcmp(encoded(bpe, "a", &plain), "260") == 0, "no dummy prefix if the model says so");
	bpe_close(bpe);
}

static void check_types(void)
{
	struct bpe_options plain = { .plain = true };
	begin_model(false);
	put_piece("\u2581", -20, 1);
	put_piece("a", -21, 1);
	put_piece("b", -22, 1);
	put_piece("ab", -1, 5);
	put_piece("abb", -2, 1);
	put_piece("ba", 0, 4);
	struct bpe *bpe = end_model(2, false, false, false);
	TAP_OK(strcmp(encoded(bpe, "ab", &plain), "4 5") == 0, "an unused piece is taken apart");
	TAP_OK(strcmp(encoded(bpe, "abb", &plain), "7") == 0, "it still leads to a larger piece");
	TAP_OK(strcmp(encoded(bpe, "aba", &plain), "4 8") == 0, "a user-defined piece is found first");
	TAP_OK(strcmp(encoded(bpe, "a\u4f60\u597db\u4f60", &plain), "4 0 5 0") == 0,
	    "without byte pieces a run of unknown characters is one id");
	bpe_close(bpe);
}

static void check_refused(const char *name, struct bpe *bpe, const char *why)
{
	TAP_OK(bpe == NULL && strstr(error_text(), why) != NULL, "%s: %s", name, error_text());
	bpe_close(bpe);
}

static void check_hostile(void)
{
	begin_model(true);
	check_refused("a unigram model is refused", end_model(1, true, true, false), "only BPE");
	begin_model(true);
	put_piece("<0x-1>", 0, 6);
	check_refused("<0x-1> is no byte piece", end_model(2, true, true, false), "<0xHH>");
	begin_model(true);
	put_piece("<0x100>", 0, 6);
	check_refused("<0x100> is no byte piece", end_model(2, true, true, false), "<0xHH>");
	begin_model(false);
	check_refused("byte pieces must be complete", end_model(2, true, true, false), "missing");
	begin_model(true);
	put_piece("a", 0, 1);
	put_piece("a", 0, 1);
	check_refused("equal pieces are refused", end_model(2, true, true, false), "same as");
	begin_model(true);
	put_piece("a", (float)strtod("nan", NULL), 1);
	check_refused("a score that is no number", end_model(2, true, true, false), "score");
	begin_model(true);
	put_piece("", 0, 1);
	check_refused("an empty piece", end_model(2, true, true, false), "empty");
	begin_model(true);
	put_piece_bytes("a\0b", 3, 0, 1);
	check_refused("a zero byte in a piece", end_model(2, true, true, false), "zero byte");
	begin_model(true);
	put_piece("a\xff", 0, 1);
	check_refused("a piece that is not UTF-8", end_model(2, true, true, false), "UTF-8");
	static char large[5000];
	memset(large, 'a', sizeof large - 1);
	begin_model(true);
	put_piece(large, 0, 1);
	check_refused("a piece of 4999 bytes", end_model(2, true, true, false), "at most");
	begin_model(true);
	put_piece(large + 4000, 0, 4);
	check_refused("a user-defined piece of 999", end_model(2, true, true, false), "at most 512");
	begin_model(true); /* the length says more than there is, as a 64-bit number near the top */
	put_varint(1 << 3 | 2);
	put_varint(UINT64_MAX - 8);
	check_refused("a length beyond the end", bpe_open(model.bytes, model.size, NULL, 0), "cut off");
	check_refused("no model at all", bpe_open("", 0, NULL, 0), "not a sentencepiece model");
	struct bpe *bpe = small_model(true, false);
	size_t whole = model.size;
	bpe_close(bpe);
	size_t opened = 0;
	for (size_t size = 0; size < whole; size++) {
		bpe = bpe_open(model.bytes, size, NULL, 0);
		opened += bpe != NULL;
		bpe_close(bpe);
	}
	/* between the trainer's and the normaliser's message the rest is optional */
	TAP_OK(opened == 1, "of %zu cuts one leaves a model (%zu)", whole, opened);
}

static void check_added(void)
{
	static const char list[] = "267\tstrip\t<human>\n268\tkeep\t<bot>\n1\tkeep\t<s>\n";
	struct bpe *bpe = small_model(true, false);
	bpe_close(bpe);
	bpe = bpe_open(model.bytes, model.size, list, sizeof list - 1);
	TAP_OK(bpe != NULL && bpe_size(bpe) == 269, "added tokens are read: %s", error_text());
	struct bpe_options options = { 0 };
	TAP_OK(strcmp(encoded(bpe, "a \n<human>  a", &options), "266 267 266") == 0, "strip as listed");
	TAP_OK(strcmp(encoded(bpe, "a<bot> a", &options), "266 268 259 266") == 0, "keep as listed");
	options.added = BPE_ADDED_STRIP;
	TAP_OK(strcmp(encoded(bpe, "a <bot> a", &options), "266 268 266") == 0, "strip all");
	TAP_OK(strcmp(encoded(bpe, "<s> a", &options), "1 259 266") == 0, "but not <s>, listed keep");
	options.added = BPE_ADDED_KEEP;
	TAP_OK(strcmp(encoded(bpe, "a\n<human>a", &options), "266 13 267 266") == 0, "keep all");
	options.modern = true;
	TAP_OK(strcmp(encoded(bpe, "a<human>a", &options), "266 267 260") == 0,
	    "modern: the prefix on the first segment only");
	options = (struct bpe_options){ .eos = true };
	TAP_OK(strcmp(encoded(bpe, "a", &options), "266 2") == 0, "eos behind");
	TAP_OK(bpe_find(bpe, "<bot>") == 268 && bpe_find(bpe, "abc") == 265 && bpe_find(bpe, "x") == -1,
	    "look-up by text");
	TAP_OK(bpe_piece(bpe, 269) == NULL && bpe_piece(bpe, -1) == NULL &&
	           strcmp(bpe_piece(bpe, 267), "<human>") == 0,
	    "look-up by id");
	bpe_close(bpe);
	static const char *const bad[] = { "1", "1\tkeep", "x\tkeep\ta", "300\tdrop\ta", "300\tkeep\t",
		"300\tkeep\ta\\x", "300\tkeep\t\xff", "5\tkeep\tother", "4000000\tkeep\tfar",
		"99999999999999999999\tkeep\ta" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		bpe = bpe_open(model.bytes, model.size, bad[i], strlen(bad[i]));
		TAP_OK(bpe == NULL && strncmp(error_text(), "added tokens: line 1: ", 22) == 0,
		    "bad list %zu: %s", i, error_text());
		bpe_close(bpe);
	}
}

/* Does decoding give this text, all at once and as a stream? */
static bool decodes(
    const struct bpe *bpe, const int32_t *ids, size_t count, const char *text, size_t size)
{
	char *decoded, streamed[1024];
	size_t decoded_size, used = 0;
	if (bpe_decode(bpe, ids, count, true, &decoded, &decoded_size))
		return false;
	struct bpe_stream stream = { 0 };
	for (size_t i = 0; i <= count; i++)
		used += bpe_stream_next(bpe, &stream, i < count ? ids[i] : -1, streamed + used);
	bool same = decoded_size == size && memcmp(decoded, text, size) == 0 && used == size &&
	            memcmp(streamed, text, size) == 0;
	memory_release(decoded);
	return same;
}

static void check_decoding(void)
{
	struct bpe *bpe = small_model(true, false);
	static const int32_t word[] = { 1, 266, 264, 2 }, blanks[] = { 259, 259, 260 },
	                     bytes[] = { 231, 192, 163, 260 }, loose[] = { 260, 231, 192, 261, 131 },
	                     zero[] = { 3, 260 };
	TAP_OK(decodes(bpe, word, 4, "abc", 3), "pieces join, control tokens vanish");
	TAP_OK(decodes(bpe, blanks, 3, " a", 2), "the dummy blank goes, the other stays");
	TAP_OK(decodes(bpe, bytes, 4, "\u4f60a", 4), "bytes join to a character");
	TAP_OK(decodes(bpe, loose, 5, "a\ufffd\ufffdb\ufffd", 11), "loose bytes become U+FFFD");
	TAP_OK(decodes(bpe, zero, 2, "\0a", 2), "a zero byte is text");
	char *text;
	size_t size;
	TAP_OK(bpe_decode(bpe, (int32_t[]){ 267 }, 1, true, &text, &size) == -1 &&
	           strstr(error_text(), "267") != NULL,
	    "an id that does not exist is named");
	struct bpe_stream stream = { 0 };
	char out[128];
	TAP_OK(bpe_piece_most(bpe) <= sizeof out && bpe_stream_next(bpe, &stream, 231, out) == 0 &&
	           bpe_stream_next(bpe, &stream, 192, out) == 0 &&
	           bpe_stream_next(bpe, &stream, 163, out) == 3,
	    "a stream waits for the whole character");
	bpe_close(bpe);
}

static char *slurp(const char *path, size_t *size)
{
	FILE *file = path ? fopen(path, "rb") : NULL;
	if (!file)
		return NULL;
	char *bytes = malloc(1 << 22);
	*size = bytes ? fread(bytes, 1, 1 << 22, file) : 0;
	fclose(file);
	return bytes;
}

/* Compare one id list with one line of numbers, and move *line behind it. */
static bool line_equals(const struct ids *ids, char **line)
{
	bool same = true;
	size_t i = 0;
	while (**line && **line != '\n') {
		char *end;
		long id = strtol(*line, &end, 10);
		if (end == *line) { /* only blanks are left */
			*line += strspn(*line, " ");
			continue;
		}
		same = same && i < ids->count && ids->at[i] == id;
		i++;
		*line = end;
	}
	*line += **line == '\n';
	return same && i == ids->count;
}

/* The cases of llama.cpp's vocabulary tests, several lines each. */
static void check_cases(const struct bpe *bpe)
{
	static const char separator[] = "\n__ggml_vocab_test__\n", stem[] = "ggml-vocab-llama-spm.gguf";
	char path[256];
	size_t size, wanted_size;
	snprintf(path, sizeof path, "oracles/llama-tokenizer/%s.inp", stem);
	char *input = slurp(tap_shared(path), &size);
	snprintf(path, sizeof path, "oracles/llama-tokenizer/%s.out", stem);
	char *output = slurp(tap_shared(path), &wanted_size);
	if (!input || !output) {
		tap_skip("llama.cpp's cases", "no reference data");
		return;
	}
	input[size] = output[wanted_size] = '\0';
	size_t cases = 0, different = 0;
	char *wanted = output;
	for (char *text = input, *next; *wanted; text = next) {
		char *end = strstr(text, separator);
		next = end ? end + strlen(separator) : text;
		size_t length = end ? (size_t)(end - text) : strlen(text);
		struct ids ids = { 0 };
		bpe_encode(bpe, text, length, &(struct bpe_options){ .plain = true }, &ids);
		different += !line_equals(&ids, &wanted);
		ids_clear(&ids);
		cases++;
		if (!end)
			break;
	}
	TAP_OK(different == 0 && cases > 40, "llama.cpp's %zu cases: %zu differ", cases, different);
	free(input);
	free(output);
}

/* The 3,048 lines that spm_encode and spm_decode saw. */
static void check_lines(const struct bpe *bpe)
{
	size_t size, ids_size, decoded_size, count = 0, different = 0, undone = 0;
	char *lines = slurp(tap_shared("oracles/llama-tokenizer/lines.txt"), &size);
	char *wanted = slurp(tap_shared("oracles/llama-tokenizer/lines.ids"), &ids_size);
	char *decoded = slurp(tap_shared("oracles/llama-tokenizer/lines.decoded"), &decoded_size);
	wanted[ids_size] = '\0';
	char *at = wanted, *text_at = decoded;
	for (char *line = lines; line < lines + size; count++) {
		char *end = memchr(line, '\n', (size_t)(lines + size - line));
		struct ids ids = { 0 };
		bpe_encode(bpe, line, (size_t)(end - line), &(struct bpe_options){ .plain = true }, &ids);
		different += !line_equals(&ids, &at);
		char *text = NULL;
		size_t text_size = 0;
		char *text_end = memchr(text_at, '\n', (size_t)(decoded + decoded_size - text_at));
		bpe_decode(bpe, ids.at, ids.count, true, &text, &text_size);
		undone +=
		    text_size != (size_t)(text_end - text_at) || memcmp(text, text_at, text_size) != 0;
		memory_release(text);
		ids_clear(&ids);
		line = end + 1;
		text_at = text_end + 1;
	}
	TAP_OK(
	    different == 0 && count == 3048, "spm_encode: %zu of %zu lines differ", different, count);
	TAP_OK(undone == 0, "spm_decode: %zu of %zu lines differ", undone, count);
	free(lines);
	free(wanted);
	free(decoded);
}

static void check_reference(void)
{
	size_t size;
	char *bytes = slurp(tap_shared("oracles/llama-tokenizer/tokenizer.model"), &size);
	if (!bytes) {
		tap_skip("the LLaMA vocabulary", "no reference data");
		return;
	}
	struct bpe *bpe = bpe_open(bytes, size, NULL, 0);
	free(bytes);
	TAP_OK(bpe != NULL && bpe_size(bpe) == 32000, "the LLaMA vocabulary opens");
	check_lines(bpe);
	check_cases(bpe);
	bpe_close(bpe);
	static const char *const others[] = { "test_model.model", "test_ja_model.model" };
	for (int i = 0; i < 2; i++) {
		char path[256];
		snprintf(path, sizeof path, "oracles/sentencepiece/python/test/%s", others[i]);
		bytes = slurp(tap_shared(path), &size);
		check_refused(others[i], bytes ? bpe_open(bytes, size, NULL, 0) : NULL, "only BPE");
		free(bytes);
	}
}

int main(void)
{
	check_merging();
	check_types();
	check_hostile();
	check_added();
	check_decoding();
	check_reference();
	return tap_finish();
}
