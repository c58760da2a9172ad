/* caption_prompts.h - questions that ask for a caption (spec 7.5): a list a language, built in or
 * from a file with lines "en TAB text" and "zh TAB text".
 */
#ifndef ZV_TRAIN_CAPTION_PROMPTS_H
#define ZV_TRAIN_CAPTION_PROMPTS_H

#include <stddef.h>
#include <stdint.h>

#include "train/examples.h"

struct caption_prompts {
	char **texts[EXAMPLE_LANGUAGES];
	size_t count[EXAMPLE_LANGUAGES], capacity[EXAMPLE_LANGUAGES];
};

/* path NULL: those built in. 0 or -1; caption_prompts_close() is fine in either case. */
int caption_prompts_open(struct caption_prompts *prompts, const char *path);
void caption_prompts_close(struct caption_prompts *prompts);

/* One of a language, chosen by a number in [0, 1). */
const char *caption_prompt(
    const struct caption_prompts *prompts, enum example_language language, double draw);

/* What language a text is in: Chinese if it has a Chinese character. */
enum example_language caption_language(const char *text);

#endif
