/* language.h - all that a model directory says about language: the LLM, its tokenizer, the prompt
 * template meant for it. */
#ifndef ZV_MODEL_LANGUAGE_H
#define ZV_MODEL_LANGUAGE_H

#include <stdbool.h>

#include "base/hash.h"
#include "model/prompt.h"

struct llama;
struct model_file;
struct sample;

struct language {
	struct llama *llama;
	const struct model_file *file; /* llm.zv */
	struct digest fingerprint;     /* of it */
	struct bpe *bpe;
	struct template *template; /* NULL: raw */
	bool unnamed;              /* a soft prompt was taken that does not name its LLM */
	struct prompt_rules rules; /* bpe, template, modern as the model says; the rest is free */
};

/* Open llm.zv of the model with its tokenizer. template: a name or file, NULL: the model's own
 * ("plain" if it names none); raw: no template. 0, or -1 with a recorded error. */
int language_open(struct language *language, const char *model, const char *template, bool raw);
/* Apply LoRA adapters, one upon the other. 0, or -1 with an ERROR_SYSTEM that names the file. */
int language_adapt(struct language *language, const char *const *paths, int count);
void language_close(struct language *language);

/* The texts that end an answer: the template's, then count more. A new array of pointers to them
 * (memory_release). NULL: memory. */
const char **language_stops(
    const struct language *language, const char *const *more, size_t count, size_t *stop_count);

/* The soft prompt of a sample to new rows [*rows][width] in f32. Refuses (ERROR_INPUT) other
 * shapes, a record of no maker or a forged one, and one that says it was made for another LLM
 (--any-maker takes them). One whose maker names no LLM is taken, and unnamed is set: its Q-Former
 was imported alone. NULL with a recorded error. */
float *language_soft_prompt(struct language *language, struct sample *sample, size_t *rows);

/* The recorded error is about an input for soft prompts. If it is a terminal or begins as no
 * stream, somebody may want to ask without pictures: add how. */
void language_explain_input(void);

#endif
