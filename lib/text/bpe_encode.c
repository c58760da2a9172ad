/* bpe_encode.c - text with added tokens to ids: the text is split at them, what lies between is
 * merged piece by piece (spec: the slow LlamaTokenizer of transformers 4.33 and 4.41).
 */
#include "base/error.h"
#include "base/utf8.h"
#include "text/blank.h"
#include "text/bpe_private.h"

#include <string.h>

/* The special token that the text at this place begins with, the longest one; NULL: none. */
static const struct bpe_special *special_here(const struct bpe *bpe, const char *text, size_t size)
{
	uint8_t first = (uint8_t)text[0];
	for (size_t i = bpe->special_at[first]; i < bpe->special_at[first + 1]; i++) {
		const struct piece *piece = &bpe->pieces.at[bpe->specials[i].id];
		if (piece->size <= size && memcmp(bpe->pieces.block + piece->start, text, piece->size) == 0)
			return &bpe->specials[i];
	}
	return NULL;
}

/* Does this token eat the white space beside it? */
static bool strips(const struct bpe_special *special, enum bpe_added added)
{
	switch (added) {
	case BPE_ADDED_STRIP: /* the control tokens' own declaration counts in 4.33, too */
		return special->strip || !special->control;
	case BPE_ADDED_KEEP:
		return false;
	default:
		return special->strip;
	}
}

static int encode_split(const struct bpe *bpe, const char *text, size_t size,
    const struct bpe_options *options, struct ids *ids)
{
	size_t start = 0;
	bool strip_start = false, first = true;
	for (size_t at = 0; at <= size; at++) {
		const struct bpe_special *special =
		    at < size ? special_here(bpe, text + at, size - at) : NULL;
		if (!special && at < size)
			continue;
		const char *segment = text + start;
		size_t length = at - start;
		if (strip_start) {
			size_t blanks = blank_at_start(segment, length);
			segment += blanks;
			length -= blanks;
		}
		strip_start = special && strips(special, options->added);
		if (strip_start)
			length = blank_trim_end(segment, length);
		if (length > 0 && bpe_merge(bpe, segment, length, first || !options->modern, ids))
			return -1;
		if (!special)
			break;
		if (ids_add(ids, special->id))
			return -1;
		first = false;
		start = at + bpe->pieces.at[special->id].size;
		at = start - 1;
	}
	return 0;
}

int bpe_encode(const struct bpe *bpe, const char *text, size_t size,
    const struct bpe_options *options, struct ids *ids)
{
	size_t valid = utf8_valid_prefix(text, size);
	if (valid != size)
		return error_input("the text is not valid UTF-8 at byte %zu", valid);
	if ((options->bos && bpe->bos < 0) || (options->eos && bpe->eos < 0))
		return error_input("the tokenizer has no %s token", bpe->bos < 0 ? "begin" : "end");
	if (options->bos && ids_add(ids, bpe->bos))
		return -1;
	if (options->plain ? bpe_merge(bpe, text, size, true, ids)
	                   : encode_split(bpe, text, size, options, ids))
		return -1;
	return options->eos ? ids_add(ids, bpe->eos) : 0;
}
