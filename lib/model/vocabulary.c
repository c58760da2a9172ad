/* vocabulary.c - opening the tokenizers in model files (see vocabulary.h). */
#include "model/vocabulary.h"
#include "base/error.h"

/* A byte file inside the model file: false if there is none. */
static bool find_bytes(const struct model_file *file, const char *key, struct weight *bytes)
{
	*bytes = (struct weight){ 0 };
	return model_file_find(file, key, bytes) && (bytes->dtype == 'B' || bytes->dtype == 'b');
}

struct bpe *vocabulary_bpe(const struct model_file *llm)
{
	struct weight model, added;
	if (!find_bytes(llm, "tokenizer.model", &model)) {
		error_system("there is no tokenizer.model in it; import the language model with its files");
		return NULL;
	}
	bool more = find_bytes(llm, "added_tokens", &added);
	struct bpe *bpe =
	    bpe_open(model.data, model.bytes, more ? added.data : NULL, more ? added.bytes : 0);
	if (!bpe) {
		error_context("tokenizer.model");
		error_as(ERROR_SYSTEM);
	}
	return bpe;
}

struct wordpiece *vocabulary_wordpiece(const struct model_file *qformer)
{
	struct weight list, added;
	if (!find_bytes(qformer, "vocab.txt", &list)) {
		error_system("there is no vocab.txt in it; this model's Q-Former reads no text");
		return NULL;
	}
	bool more = find_bytes(qformer, "added_tokens", &added);
	struct wordpiece *wordpiece =
	    wordpiece_open(list.data, list.bytes, more ? added.data : NULL, more ? added.bytes : 0);
	if (!wordpiece) {
		error_context("vocab.txt");
		error_as(ERROR_SYSTEM);
	}
	return wordpiece;
}
