/* bpe_merge.c - one segment of text to ids: sentencepiece's identity normaliser, then merging by
 * score with a priority queue, O(n log n) (sentencepiece normalizer.cc, bpe_model.cc,
 * sentencepiece_processor.cc).
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/bpe_private.h"

#include <string.h>

/* A run of the text; those that are left over in the end are the pieces. */
struct symbol {
	int32_t previous, next; /* -1: none */
	uint32_t start, size;   /* bytes of the text; size 0: merged into its left neighbour */
	bool fixed;             /* BPE_USER: never merged */
};

/* Two neighbours that form a piece. */
struct pair {
	float score;
	int32_t left, right;
	uint32_t size; /* of both when the pair was noted: tells whether it is still true */
};

struct merging {
	const struct bpe *bpe;
	char *text; /* with blanks escaped */
	size_t size;
	struct symbol *symbols;
	size_t symbol_count;
	struct pair *heap; /* best pair first */
	size_t heap_count, heap_capacity;
	uint32_t *cuts;   /* by id, for BPE_UNUSED: bytes of the left part it was merged from, or 0 */
	bool unknown_run; /* the id emitted last is the unknown piece */
};

/* The text as sentencepiece's identity normaliser leaves it. 0 or -1. */
static int normalize(struct merging *merging, const char *text, size_t size, bool prefix)
{
	const struct bpe *bpe = merging->bpe;
	const char *blank = bpe->escape_blanks ? BPE_BLANK : " ";
	size_t blank_size = strlen(blank), most;
	if (bpe->trim_blanks)
		while (size > 0 && *text == ' ')
			text++, size--;
	if (!checked_multiply(size + 1, BPE_BLANK_SIZE, &most) || most > INT32_MAX)
		return error_input("the text is too long to tokenize (%zu bytes)", size);
	merging->text = memory_allocate(most, 1);
	if (!merging->text)
		return -1;
	if (size == 0)
		return 0;
	char *end = merging->text;
	if (prefix && bpe->dummy_prefix) {
		memcpy(end, blank, blank_size);
		end += blank_size;
	}
	for (size_t i = 0; i < size; i++) {
		if (text[i] != ' ') {
			*end++ = text[i];
		} else if (!bpe->trim_blanks || (i + 1 < size && text[i + 1] != ' ')) {
			memcpy(end, blank, blank_size); /* of a run of blanks the last one stays */
			end += blank_size;
		}
	}
	merging->size = (size_t)(end - merging->text);
	if (bpe->trim_blanks)
		while (merging->size >= blank_size &&
		       memcmp(merging->text + merging->size - blank_size, blank, blank_size) == 0)
			merging->size -= blank_size;
	return 0;
}

/* The length of the longest BPE_USER piece that the text at this place begins with, or 0. */
static size_t user_piece(const struct bpe *bpe, const char *text, size_t size)
{
	for (size_t length = size < bpe->user_longest ? size : bpe->user_longest; length > 0;
	     length--) {
		int32_t id = pieces_find(&bpe->pieces, text, length);
		if (id >= 0 && bpe->types[id] == BPE_USER)
			return length;
	}
	return 0;
}

/* Cut the text into characters and BPE_USER pieces. 0 or -1. */
static int split(struct merging *merging)
{
	merging->symbols = memory_allocate(merging->size, sizeof *merging->symbols);
	if (!merging->symbols)
		return -1;
	int32_t count = 0;
	for (size_t at = 0; at < merging->size; count++) {
		uint32_t code;
		size_t left = merging->size - at,
		       length = user_piece(merging->bpe, merging->text + at, left);
		bool fixed = length > 0;
		if (!fixed) {
			int decoded = utf8_decode((const uint8_t *)merging->text + at, left, &code);
			length = decoded > 0 ? (size_t)decoded : 1;
		}
		merging->symbols[count] =
		    (struct symbol){ count - 1, count + 1, (uint32_t)at, (uint32_t)length, fixed };
		at += length;
	}
	merging->symbols[count - 1].next = -1;
	merging->symbol_count = (size_t)count;
	return 0;
}

/* Is a to be merged before b? Higher scores first, of equal ones the leftmost. */
static bool before(const struct pair *a, const struct pair *b)
{
	return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static int push(struct merging *merging, const struct pair *pair)
{
	void *heap = merging->heap;
	if (memory_grow(&heap, &merging->heap_capacity, merging->heap_count + 1, sizeof *merging->heap))
		return -1;
	merging->heap = heap;
	size_t i = merging->heap_count++;
	while (i > 0 && before(pair, &merging->heap[(i - 1) / 2])) {
		merging->heap[i] = merging->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	merging->heap[i] = *pair;
	return 0;
}

static struct pair pop(struct merging *merging)
{
	struct pair *heap = merging->heap, top = heap[0], last = heap[--merging->heap_count];
	size_t count = merging->heap_count, i = 0;
	for (size_t child; (child = 2 * i + 1) < count; i = child) {
		if (child + 1 < count && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &last))
			break;
		heap[i] = heap[child];
	}
	heap[i] = last;
	return top;
}

/* The piece that these bytes are, if text may become it by merging; else -1. */
static int32_t mergeable(const struct bpe *bpe, const char *text, size_t size)
{
	int32_t id = pieces_find(&bpe->pieces, text, size);
	if (id < 0)
		return -1;
	uint8_t type = bpe->types[id];
	return type == BPE_NORMAL || type == BPE_USER || type == BPE_UNUSED ? id : -1;
}

/* Remember how an unused piece came about. 0 or -1 (memory). */
static int note_cut(struct merging *merging, int32_t id, uint32_t left_size)
{
	if (!merging->cuts)
		merging->cuts = memory_allocate_zero(merging->bpe->model_count, sizeof *merging->cuts);
	if (!merging->cuts)
		return -1;
	merging->cuts[id] = left_size;
	return 0;
}

/* Note the pair of two neighbours if they form a piece. 0 or -1 (memory). */
static int note_pair(struct merging *merging, int32_t left, int32_t right)
{
	if (left < 0 || right < 0)
		return 0;
	const struct symbol *a = &merging->symbols[left], *b = &merging->symbols[right];
	if (a->fixed || b->fixed)
		return 0;
	uint32_t size = a->size + b->size;
	int32_t id = mergeable(merging->bpe, merging->text + a->start, size);
	if (id < 0)
		return 0;
	if (merging->bpe->types[id] == BPE_UNUSED && note_cut(merging, id, a->size))
		return -1;
	return push(merging, &(struct pair){ merging->bpe->scores[id], left, right, size });
}

static int merge_all(struct merging *merging)
{
	for (size_t i = 1; i < merging->symbol_count; i++)
		if (note_pair(merging, (int32_t)i - 1, (int32_t)i))
			return -1;
	while (merging->heap_count > 0) {
		struct pair pair = pop(merging);
		struct symbol *left = &merging->symbols[pair.left], *right = &merging->symbols[pair.right];
		if (left->size == 0 || right->size == 0 || left->size + right->size != pair.size)
			continue; /* one of them has been merged with another since */
		left->size = pair.size;
		left->next = right->next;
		if (right->next >= 0)
			merging->symbols[right->next].previous = pair.left;
		right->size = 0;
		if (note_pair(merging, left->previous, pair.left) ||
		    note_pair(merging, pair.left, left->next))
			return -1;
	}
	return 0;
}

/* The ids of a text that is no piece. */
static int emit_unknown(struct merging *merging, const char *text, size_t size, struct ids *ids)
{
	if (merging->bpe->byte_fallback) {
		for (size_t i = 0; i < size; i++)
			if (ids_add(ids, merging->bpe->bytes[(uint8_t)text[i]]))
				return -1;
		return 0;
	}
	if (merging->unknown_run) /* a run of unknown characters is one unknown piece */
		return 0;
	merging->unknown_run = true;
	return ids_add(ids, merging->bpe->unknown);
}

/* The ids of one leftover symbol; unused pieces are taken apart into what they came from. */
static int emit(struct merging *merging, const char *text, size_t size, struct ids *ids)
{
	const struct bpe *bpe = merging->bpe;
	int32_t id = pieces_find(&bpe->pieces, text, size);
	if (id < 0 || bpe->types[id] == BPE_UNKNOWN)
		return emit_unknown(merging, text, size, ids);
	uint32_t cut = bpe->types[id] == BPE_UNUSED && merging->cuts ? merging->cuts[id] : 0;
	if (cut > 0)
		return emit(merging, text, cut, ids) || emit(merging, text + cut, size - cut, ids) ? -1 : 0;
	merging->unknown_run = false;
	return ids_add(ids, id);
}

int bpe_merge(const struct bpe *bpe, const char *text, size_t size, bool prefix, struct ids *ids)
{
	struct merging merging = { .bpe = bpe };
	int status = -1;
	if (normalize(&merging, text, size, prefix))
		goto release;
	if (merging.size > 0) {
		if (split(&merging) || merge_all(&merging))
			goto release;
		for (int32_t i = 0; i >= 0; i = merging.symbols[i].next)
			if (emit(&merging, merging.text + merging.symbols[i].start, merging.symbols[i].size,
			        ids))
				goto release;
	}
	status = 0;
release:
	memory_release(merging.text);
	memory_release(merging.symbols);
	memory_release(merging.heap);
	memory_release(merging.cuts);
	return status;
}
