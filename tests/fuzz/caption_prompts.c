/* caption_prompts.c - fuzz target: any bytes as a file of questions that ask for a caption; what is
 * taken has a question in each language whatever is drawn.
 */
#define _GNU_SOURCE
#include "fuzz_file.h"
#include "train/caption_prompts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const double draws[] = { 0, 0.25, 0.5, 0x1.fffffffffffffp-1 };
	struct caption_prompts prompts;
	if (caption_prompts_open(&prompts, fuzz_file(data, size)) == 0)
		for (int language = 0; language < EXAMPLE_LANGUAGES; language++)
			for (size_t i = 0; i < sizeof draws / sizeof draws[0]; i++) {
				const char *text =
				    caption_prompt(&prompts, (enum example_language)language, draws[i]);
				if (caption_language(text) >= EXAMPLE_LANGUAGES)
					abort();
			}
	caption_prompts_close(&prompts);
	error_clear();
	return 0;
}
