/* tokenizer_model.c - fuzz target: any bytes as tokenizer.model and list of added tokens. What opens
 * must encode and decode. The input is the model, a line "----", and the list.
 */
#include "base/memory.h"
#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct bpe *bpe)
{
	static const char text[] = "the  cat\n<bot> \xe4\xbd\xa0\xe5\xa5\xbd</s> z\0y ";
	struct bpe_options options = { .added = BPE_ADDED_STRIP };
	struct ids ids = { 0 };
	char *decoded;
	size_t decoded_size;
	if (bpe_encode(bpe, text, sizeof text - 1, &options, &ids) == 0) {
		for (size_t i = 0; i < ids.count; i++)
			if (!bpe_piece(bpe, ids.at[i]))
				abort();
		for (int skip = 0; skip < 2; skip++) {
			if (bpe_decode(bpe, ids.at, ids.count, skip, &decoded, &decoded_size) != 0)
				abort();
			memory_release(decoded);
		}
	}
	ids_clear(&ids);
	/* every id may come out of a model, in any order */
	struct bpe_stream stream = { 0 };
	char *out = malloc(bpe_piece_most(bpe) + 8);
	for (int32_t id = bpe_size(bpe) + 1; out && id >= -1; id--)
		if (bpe_stream_next(bpe, &stream, id, out) > bpe_piece_most(bpe) + 8)
			abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "\n----\n";
	const char *added = NULL;
	size_t model_size = size;
	for (size_t i = 0; size >= sizeof mark - 1 && i <= size - (sizeof mark - 1); i++)
		if (memcmp(data + i, mark, sizeof mark - 1) == 0) {
			model_size = i;
			added = (const char *)data + i + sizeof mark - 1;
			break;
		}
	size_t added_size = added ? size - model_size - (sizeof mark - 1) : 0;
	struct bpe *bpe = bpe_open(data, model_size, added, added_size);
	if (bpe)
		use(bpe);
	bpe_close(bpe);
	return 0;
}
