/* bpe.c - the LLaMA tokenizer: opening, added tokens, look-up (see bpe.h). */
#include "text/bpe.h"
#include "base/error.h"
#include "base/memory.h"
#include "text/added.h"
#include "text/bpe_private.h"

#include <stdlib.h>
#include <string.h>

static int add_special(struct bpe *bpe, int32_t id, bool strip, bool control)
{
	void *specials = bpe->specials;
	if (memory_grow(
	        &specials, &bpe->special_capacity, bpe->special_count + 1, sizeof *bpe->specials))
		return -1;
	bpe->specials = specials;
	bpe->specials[bpe->special_count++] = (struct bpe_special){ id, strip, control };
	return 0;
}

/* One token of the list: a new id, or the same text that the model has under this id. */
static int take_added(void *context, const struct added_token *token)
{
	struct bpe *bpe = context;
	size_t id = (size_t)token->id;
	const struct piece *piece = id < bpe->pieces.count ? &bpe->pieces.at[id] : NULL;
	if (piece && piece->size > 0) {
		if (piece->size != token->size ||
		    memcmp(bpe->pieces.block + piece->start, token->text, token->size) != 0)
			return error_input("id %d stands for another piece already", (int)token->id);
	} else if (id >= bpe->model_count + ADDED_MOST) {
		return error_input(
		    "id %d lies far behind the model's %zu pieces", (int)token->id, bpe->model_count);
	} else if (pieces_set(&bpe->pieces, id, token->text, token->size)) {
		return -1;
	}
	enum bpe_type type = bpe_type(bpe, token->id);
	return add_special(bpe, token->id, token->strip, type == BPE_CONTROL || type == BPE_UNKNOWN);
}

/* <s>, </s> and <unk> split the text too; where the list does not name them, without strip. */
static int add_own_specials(struct bpe *bpe)
{
	int32_t own[] = { bpe->unknown, bpe->bos, bpe->eos };
	for (size_t i = 0; i < 3; i++) {
		bool listed = own[i] < 0;
		for (size_t k = 0; k < bpe->special_count; k++)
			listed = listed || bpe->specials[k].id == own[i];
		if (!listed && add_special(bpe, own[i], false, true))
			return -1;
	}
	return 0;
}

/* First byte, then longer texts first, then the order of ids. */
struct sort_key {
	uint8_t first;
	uint32_t size;
	struct bpe_special special;
};

static int compare_keys(const void *a, const void *b)
{
	const struct sort_key *left = a, *right = b;
	if (left->first != right->first)
		return left->first < right->first ? -1 : 1;
	if (left->size != right->size)
		return left->size > right->size ? -1 : 1;
	return left->special.id < right->special.id ? -1 : left->special.id > right->special.id;
}

/* Put the specials in the order in which they are looked for. 0 or -1. */
static int sort_specials(struct bpe *bpe)
{
	struct sort_key *keys = memory_allocate(bpe->special_count, sizeof *keys);
	if (!keys)
		return -1;
	for (size_t i = 0; i < bpe->special_count; i++) {
		const struct piece *piece = &bpe->pieces.at[bpe->specials[i].id];
		keys[i] = (struct sort_key){ (uint8_t)bpe->pieces.block[piece->start], piece->size,
			bpe->specials[i] };
	}
	qsort(keys, bpe->special_count, sizeof *keys, compare_keys);
	for (size_t i = 0; i < bpe->special_count; i++) {
		bpe->specials[i] = keys[i].special;
		bpe->special_at[keys[i].first + 1] = i + 1;
	}
	for (size_t byte = 0; byte < 256; byte++)
		if (bpe->special_at[byte + 1] < bpe->special_at[byte])
			bpe->special_at[byte + 1] = bpe->special_at[byte];
	memory_release(keys);
	return 0;
}

/* The longest text that one id can become, with what an unfinished character in front of it adds. */
static void measure_pieces(struct bpe *bpe)
{
	for (size_t id = 0; id < bpe->pieces.count; id++)
		if (bpe->pieces.at[id].size > bpe->piece_most)
			bpe->piece_most = bpe->pieces.at[id].size;
	bpe->piece_most += 16;
}

struct bpe *bpe_open(const void *model, size_t size, const char *added, size_t added_size)
{
	struct bpe *bpe = memory_allocate_zero(1, sizeof *bpe);
	if (!bpe)
		return NULL;
	if (bpe_read_model(bpe, model, size))
		goto failed;
	if (added && added_read(added, added_size, take_added, bpe)) {
		error_context("added tokens");
		goto failed;
	}
	if (add_own_specials(bpe) || sort_specials(bpe))
		goto failed;
	measure_pieces(bpe);
	return bpe;
failed:
	bpe_close(bpe);
	return NULL;
}

void bpe_close(struct bpe *bpe)
{
	if (!bpe)
		return;
	pieces_clear(&bpe->pieces);
	memory_release(bpe->scores);
	memory_release(bpe->types);
	memory_release(bpe->specials);
	memory_release(bpe);
}

enum bpe_type bpe_type(const struct bpe *bpe, int32_t id)
{
	return (size_t)id < bpe->model_count ? (enum bpe_type)bpe->types[id] : BPE_ADDED;
}

int32_t bpe_size(const struct bpe *bpe)
{
	return (int32_t)bpe->pieces.count;
}

int32_t bpe_bos(const struct bpe *bpe)
{
	return bpe->bos;
}

int32_t bpe_eos(const struct bpe *bpe)
{
	return bpe->eos;
}

const char *bpe_piece(const struct bpe *bpe, int32_t id)
{
	return pieces_text(&bpe->pieces, id);
}

int32_t bpe_find(const struct bpe *bpe, const char *text)
{
	for (size_t i = 0; i < bpe->special_count; i++)
		if (strcmp(bpe_piece(bpe, bpe->specials[i].id), text) == 0)
			return bpe->specials[i].id;
	return pieces_find(&bpe->pieces, text, strlen(text));
}

size_t bpe_piece_most(const struct bpe *bpe)
{
	return bpe->piece_most;
}
