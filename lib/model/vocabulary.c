/* vocabulary.c - opening the tokenizers in model files (see vocabulary.h). */
#include "model/vocabulary.h"
#include "base/error.h"

/* A byte file inside the model file; empty if there is none. */
static struct weight find_bytes(const struct model_file *file, const char *key)
{
	struct weight bytes;
	if (model_file_find(file, key, &bytes) && (bytes.dtype == 'B' || bytes.dtype == 'b'))
		return bytes;
	return (struct weight){ 0 };
}

/* A tokenizer's file and its added tokens, undamaged. 0, or -1 where it is not in the model file:
 * absent says what to do. */
static int find_tokenizer(const struct model_file *file, const char *key, const char *absent,
    struct weight *bytes, struct weight *added)
{
	if (model_file_verify(file, key) < 0 || model_file_verify(file, "added_tokens") < 0)
		return -1;
	*bytes = find_bytes(file, key);
	*added = find_bytes(file, "added_tokens");
	return bytes->data ? 0 : error_system("there is no %s in it; %s", key, absent);
}

struct bpe *vocabulary_bpe(const struct model_file *llm)
{
	struct weight model, added;
	if (find_tokenizer(
	        llm, "tokenizer.model", "import the language model with its files", &model, &added) < 0)
		return NULL;
	struct bpe *bpe = bpe_open(model.data, model.bytes, added.data, added.bytes);
	if (!bpe) {
		error_context("tokenizer.model");
		error_as(ERROR_SYSTEM);
	}
	return bpe;
}

struct wordpiece *vocabulary_wordpiece(const struct model_file *qformer)
{
	struct weight list, added;
	if (find_tokenizer(qformer, "vocab.txt", "this model's Q-Former reads no text", &list, &added) <
	    0)
		return NULL;
	struct wordpiece *wordpiece = wordpiece_open(list.data, list.bytes, added.data, added.bytes);
	if (!wordpiece) {
		error_context("vocab.txt");
		error_as(ERROR_SYSTEM);
	}
	return wordpiece;
}
