/* template.h - prompt templates: how a dialogue about a picture becomes the text that a language
 * model was trained to answer. Templates are data files that users can add, see zv-template(5).
 *
 *     struct template *template = template_open("ziya", model_directory);
 *     struct template_prompt prompt = { 0 };
 *     template_render(template, turns, count, true, &prompt);
 *     for each segment: segment.image: the soft prompt goes here
 *                       else: options = template_options(template, segment, BPE_ADDED_MODEL, false);
 *                             bpe_encode(bpe, segment.text, segment.size, &options, &ids);
 *     template_prompt_clear(&prompt);
 */
#ifndef ZV_TEXT_TEMPLATE_H
#define ZV_TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "text/bpe.h"

struct template;

/* Find and read a template: a path if name holds '/' or ends in ".template"; else
 * model_directory/NAME.template (NULL: not looked at); else the built-in of that name: ziya,
 * vicuna, minigpt4, plain. NULL with a recorded error that lists the built-in names. */
struct template *template_open(const char *name, const char *model_directory);

/* Parse a template from memory. NULL with a recorded error that names the line. */
struct template *template_parse(const char *text, size_t size);

void template_close(struct template *template); /* NULL is fine */

/* One question with its answer; answer NULL: the model is to write it (last turn only). */
struct template_turn {
	const char *question; /* zero-terminated UTF-8 */
	const char *answer;
};

/* A run of the prompt: the image's soft prompt, or text that is tokenised on its own. */
struct template_segment {
	bool image; /* text is empty */
	char *text; /* size bytes and a zero byte; owned by the prompt */
	size_t size;
	bool bos; /* <s> in front */
};

struct template_prompt {
	struct template_segment *segments;
	size_t count, capacity;
};

/* Append the segments of a dialogue of count turns to prompt; the picture, if there is one,
 * belongs to the first turn. Only the first text segment may carry bos. A segment without text
 * stays only if it carries bos. 0, or -1: memory. */
int template_render(const struct template *template, const struct template_turn *turns,
    size_t count, bool image, struct template_prompt *prompt);
void template_prompt_clear(struct template_prompt *prompt);

/* How to tokenise a text segment: bos as the segment says; added tokens and prefix as the
 * template says, or, where it says nothing, as the caller does. */
struct bpe_options template_options(const struct template *template,
    const struct template_segment *segment, enum bpe_added added, bool modern);

/* Texts that end an answer (besides eos): i = 0.. until NULL. They are not part of the answer. */
const char *template_stop(const struct template *template, size_t i);

/* Does an answer end with </s> in training? */
bool template_answer_eos(const struct template *template);

/* The built-in templates: the i-th name and its file's text, NULL behind the last. */
const char *template_builtin(size_t i, const char **text);

#endif
