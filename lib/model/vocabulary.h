/* vocabulary.h - the tokenizers that a model's files carry. */
#ifndef ZV_MODEL_VOCABULARY_H
#define ZV_MODEL_VOCABULARY_H

#include "stream/model_file.h"
#include "text/bpe.h"
#include "text/wordpiece.h"

/* tokenizer.model and added_tokens of llm.zv. NULL with a recorded ERROR_SYSTEM. */
struct bpe *vocabulary_bpe(const struct model_file *llm);

/* vocab.txt and added_tokens of qformer.zv. NULL with a recorded ERROR_SYSTEM. */
struct wordpiece *vocabulary_wordpiece(const struct model_file *qformer);

#endif
