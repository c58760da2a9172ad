/* template.c - fuzz target: any bytes as a prompt template. What parses renders, with and without a
 * picture, to whole segments.
 */
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void render(const struct template *template, size_t count, bool image)
{
	static const struct template_turn turns[] = { { " one? ", "yes {answer}" }, { "two", NULL } };
	struct template_prompt prompt = { 0 };
	size_t pictures = 0, begins = 0;
	if (template_render(template, turns, count, image, &prompt) == 0) {
		for (size_t i = 0; i < prompt.count; i++) {
			const struct template_segment *segment = &prompt.segments[i];
			pictures += segment->image;
			begins += segment->bos;
			if (strlen(segment->text) > segment->size || (segment->image && segment->size > 0))
				abort();
			template_options(template, segment, BPE_ADDED_MODEL, false);
		}
		if (pictures != (image ? 1 : 0) || begins > 1)
			abort();
	}
	template_prompt_clear(&prompt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct template *template = template_parse((const char *)data, size);
	if (!template)
		return 0;
	for (size_t count = 0; count <= 2; count++) {
		/* a dialogue without turns has no place for a picture inside */
		render(template, count, count > 0);
		render(template, count, false);
	}
	for (size_t i = 0; template_stop(template, i); i++)
		if (template_stop(template, i)[0] == '\0')
			abort();
	template_close(template);
	return 0;
}
