/* wordpiece.c - BERT's WordPiece tokenizer, uncased (see wordpiece.h). */
#include "text/wordpiece.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/added.h"
#include "text/pieces.h"
#include "text/unicode.h"

#include <stdbool.h>
#include <string.h>

enum { WORD_MOST = 200, WORD_DEFAULT = 100 /* characters: as the original, as transformers */ };

struct wordpiece {
	struct pieces pieces;
	int32_t unknown, start, end; /* [UNK], [CLS], [SEP]; the last two may be -1 */
	size_t vocabulary;           /* lines of vocab.txt */
	size_t word_most;            /* characters; longer words are unknown */
};

static int read_vocabulary(struct wordpiece *wordpiece, const char *text, size_t size)
{
	size_t id = 0;
	for (size_t at = 0; at < size; id++) {
		const char *newline = memchr(text + at, '\n', size - at);
		size_t length = newline ? (size_t)(newline - text) - at : size - at, next = at + length + 1;
		if (length > 0 && text[at + length - 1] == '\r')
			length--;
		if (utf8_valid_prefix(text + at, length) != length)
			return error_input("line %zu of the vocabulary is not valid UTF-8", id + 1);
		if (pieces_set(&wordpiece->pieces, id, text + at, length) ||
		    (length > 0 && pieces_index(&wordpiece->pieces, id, NULL)))
			return -1;
		at = next;
	}
	wordpiece->vocabulary = id;
	return 0;
}

static int take_added(void *context, const struct added_token *token)
{
	struct wordpiece *wordpiece = context;
	const char *present = pieces_text(&wordpiece->pieces, token->id);
	if (present && strcmp(present, token->text) != 0)
		return error_input("id %d stands for another piece already", (int)token->id);
	if (present)
		return 0;
	if ((size_t)token->id >= wordpiece->vocabulary + ADDED_MOST)
		return error_input("id %d lies far behind the %zu lines of the vocabulary", (int)token->id,
		    wordpiece->vocabulary);
	return pieces_set(&wordpiece->pieces, (size_t)token->id, token->text, token->size) ||
	               pieces_index(&wordpiece->pieces, (size_t)token->id, NULL)
	           ? -1
	           : 0;
}

struct wordpiece *wordpiece_open(
    const char *vocabulary, size_t size, const char *added, size_t added_size)
{
	struct wordpiece *wordpiece = memory_allocate_zero(1, sizeof *wordpiece);
	if (!wordpiece)
		return NULL;
	wordpiece->word_most = WORD_DEFAULT;
	if (read_vocabulary(wordpiece, vocabulary, size))
		goto failed;
	if (added && added_read(added, added_size, take_added, wordpiece)) {
		error_context("added tokens");
		goto failed;
	}
	wordpiece->unknown = wordpiece_find(wordpiece, "[UNK]");
	wordpiece->start = wordpiece_find(wordpiece, "[CLS]");
	wordpiece->end = wordpiece_find(wordpiece, "[SEP]");
	if (wordpiece->unknown < 0) {
		error_input("the vocabulary has no [UNK]; it is not one of WordPiece");
		goto failed;
	}
	return wordpiece;
failed:
	wordpiece_close(wordpiece);
	return NULL;
}

void wordpiece_close(struct wordpiece *wordpiece)
{
	if (!wordpiece)
		return;
	pieces_clear(&wordpiece->pieces);
	memory_release(wordpiece);
}

void wordpiece_limit_words(struct wordpiece *wordpiece, size_t characters)
{
	wordpiece->word_most = characters < WORD_MOST ? characters : WORD_MOST;
}

/* The text as characters: controls dropped, blanks made one kind, blanks round ideographs, lower
 * case, decomposed. *codes is the caller's. 0 or -1. */
static int prepare(const char *text, size_t size, uint32_t **codes, size_t *count)
{
	uint32_t *clean = memory_allocate(size, 3 * sizeof *clean); /* an ideograph gets two blanks */
	if (!clean)
		return -1;
	size_t used = 0;
	for (size_t at = 0; at < size;) {
		uint32_t code;
		int length = utf8_decode((const uint8_t *)text + at, size - at, &code);
		if (length <= 0) {
			memory_release(clean);
			return error_input("the text is not valid UTF-8 at byte %zu", at);
		}
		at += (size_t)length;
		if (code == 0 || code == 0xfffd || unicode_is_control(code))
			continue;
		bool ideograph = unicode_is_ideograph(code);
		if (ideograph)
			clean[used++] = ' ';
		clean[used++] = unicode_is_blank(code) ? ' ' : code;
		if (ideograph)
			clean[used++] = ' ';
	}
	unicode_lower(clean, used);
	int status = unicode_decompose(clean, used, codes, count);
	memory_release(clean);
	return status;
}

/* A word of characters without blanks and accents: bytes, and where each character begins. */
struct word {
	char text[2 + WORD_MOST * 4]; /* room for "##" in front */
	uint16_t starts[WORD_MOST + 1];
	size_t characters;
	bool too_long;
};

static void word_add(struct word *word, uint32_t code)
{
	if (word->characters == WORD_MOST) {
		word->too_long = true;
		return;
	}
	uint16_t start = word->starts[word->characters];
	int length = utf8_encode(code, (uint8_t *)word->text + 2 + start);
	word->starts[++word->characters] = (uint16_t)(start + length);
}

/* The longest piece that the word has from this character on: its id, and *end; or -1. A piece
 * inside a word has "##" in front, written over the bytes before it for the look-up. */
static int32_t longest_piece(
    const struct wordpiece *wordpiece, struct word *word, size_t begin, size_t *end)
{
	char *text = word->text + 2 + word->starts[begin], kept[2] = { text[-2], text[-1] };
	size_t mark = begin > 0 ? 2 : 0;
	if (mark)
		memcpy(text - 2, "##", 2);
	int32_t id = -1;
	for (*end = word->characters; *end > begin; (*end)--) {
		size_t size = (size_t)(word->starts[*end] - word->starts[begin]);
		if ((id = pieces_find(&wordpiece->pieces, text - mark, size + mark)) >= 0)
			break;
	}
	memcpy(text - 2, kept, 2);
	return id;
}

/* Append the ids of a word and empty it: its pieces, or one [UNK]. 0 or -1. */
static int word_finish(const struct wordpiece *wordpiece, struct word *word, struct ids *ids)
{
	size_t before = ids->count;
	bool unknown = word->too_long || word->characters > wordpiece->word_most;
	for (size_t begin = 0, end; begin < word->characters && !unknown; begin = end) {
		int32_t id = longest_piece(wordpiece, word, begin, &end);
		unknown = id < 0;
		if (!unknown && ids_add(ids, id))
			return -1;
	}
	word->characters = 0;
	word->too_long = false;
	if (!unknown)
		return 0;
	ids->count = before;
	return ids_add(ids, wordpiece->unknown);
}

int wordpiece_encode(
    const struct wordpiece *wordpiece, const char *text, size_t size, struct ids *ids)
{
	uint32_t *codes;
	size_t count;
	if (prepare(text, size, &codes, &count))
		return -1;
	struct word word = { .characters = 0 };
	int status = 0;
	for (size_t i = 0; i < count && status == 0; i++) {
		bool punctuation = unicode_is_punctuation(codes[i]);
		if (unicode_is_mark(codes[i]))
			continue;
		if (codes[i] == ' ' || punctuation)
			status = word_finish(wordpiece, &word, ids);
		if (codes[i] != ' ')
			word_add(&word, codes[i]);
		if (punctuation && status == 0)
			status = word_finish(wordpiece, &word, ids);
	}
	if (status == 0)
		status = word_finish(wordpiece, &word, ids);
	memory_release(codes);
	return status;
}

int wordpiece_encode_framed(const struct wordpiece *wordpiece, const char *text, size_t size,
    size_t most, int from_left, struct ids *ids)
{
	if (wordpiece->start < 0 || wordpiece->end < 0)
		return error_input("the vocabulary has no [CLS] or [SEP]");
	if (most < 2)
		return error_input("room for [CLS] and [SEP] is needed, there is room for %zu", most);
	struct ids inner = { 0 };
	int status = wordpiece_encode(wordpiece, text, size, &inner);
	size_t kept = inner.count < most - 2 ? inner.count : most - 2;
	size_t first = from_left ? inner.count - kept : 0;
	if (status == 0 &&
	    (ids_add(ids, wordpiece->start) || (kept > 0 && ids_append(ids, inner.at + first, kept)) ||
	        ids_add(ids, wordpiece->end)))
		status = -1;
	ids_clear(&inner);
	return status;
}

/* Is this one of the bracketed tokens ([CLS], [DEC], ...)? */
static bool is_special(const struct wordpiece *wordpiece, int32_t id)
{
	static const char *const names[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]" };
	if ((size_t)id >= wordpiece->vocabulary)
		return true;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(pieces_text(&wordpiece->pieces, id), names[i]) == 0)
			return true;
	return false;
}

int wordpiece_decode(const struct wordpiece *wordpiece, const int32_t *ids, size_t count,
    int skip_special, char **text, size_t *size)
{
	char *out = NULL;
	size_t used = 0, capacity = 0;
	for (size_t i = 0; i < count; i++) {
		const char *piece = wordpiece_piece(wordpiece, ids[i]);
		if (!piece) {
			memory_release(out);
			return error_input("id %d is not in the vocabulary of %d", (int)ids[i],
			    (int)wordpiece_size(wordpiece));
		}
		if (skip_special && is_special(wordpiece, ids[i]))
			continue;
		bool glued = used > 0 && strncmp(piece, "##", 2) == 0;
		size_t length = strlen(piece) - (glued ? 2 : 0);
		void *grown = out;
		int status = memory_grow(&grown, &capacity, used + length + 2, 1);
		out = grown;
		if (status) {
			memory_release(out);
			return -1;
		}
		if (used > 0 && !glued)
			out[used++] = ' ';
		memcpy(out + used, piece + (glued ? 2 : 0), length);
		used += length;
	}
	if (!out && !(out = memory_text("", 0)))
		return -1;
	out[used] = '\0';
	*text = out;
	*size = used;
	return 0;
}

int32_t wordpiece_size(const struct wordpiece *wordpiece)
{
	return (int32_t)wordpiece->pieces.count;
}

const char *wordpiece_piece(const struct wordpiece *wordpiece, int32_t id)
{
	return pieces_text(&wordpiece->pieces, id);
}

int32_t wordpiece_find(const struct wordpiece *wordpiece, const char *text)
{
	return pieces_find(&wordpiece->pieces, text, strlen(text));
}
