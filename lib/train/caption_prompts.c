/* caption_prompts.c - questions that ask for a caption (see caption_prompts.h). */
#include "train/caption_prompts.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/lines.h"

#include <stdio.h>
#include <string.h>

/* Lines "en TAB text" or "zh TAB text", as a file of one's own has them. */
static const char builtin[] =
#include "train/caption_prompts.inc" /* made of caption_prompts.tsv by the Makefile */
    ;

static int add(struct caption_prompts *prompts, int language, const char *text)
{
	size_t *count = &prompts->count[language];
	if (memory_grow((void **)&prompts->texts[language], &prompts->capacity[language], *count + 1,
	        sizeof **prompts->texts) < 0)
		return -1;
	char *copy = memory_text(text, strlen(text));
	if (!copy)
		return -1;
	prompts->texts[language][(*count)++] = copy;
	return 0;
}

static int add_builtin(struct caption_prompts *prompts, int language)
{
	const char *const key = language == EXAMPLE_ENGLISH ? "en\t" : "zh\t";
	for (const char *line = builtin; *line;) {
		char text[256];
		size_t size = strcspn(line, "\n");
		snprintf(text, sizeof text, "%.*s", (int)(size - 3), line + 3);
		if (strncmp(line, key, 3) == 0 && add(prompts, language, text) < 0)
			return -1;
		line += size + 1;
	}
	return 0;
}

static int add_line(struct caption_prompts *prompts, const struct lines *line)
{
	if (strcmp(line->key, "en") == 0)
		return add(prompts, EXAMPLE_ENGLISH, line->text);
	if (strcmp(line->key, "zh") == 0)
		return add(prompts, EXAMPLE_CHINESE, line->text);
	return error_input(
	    "line %zu: the language is \"%.20s\", not en or zh", line->number, line->key);
}

static int read_file(struct caption_prompts *prompts, const char *path)
{
	struct lines lines;
	int status;
	if (lines_open(&lines, path, LINES_KEYED) < 0)
		return error_context("%s", path);
	while ((status = lines_next(&lines)) > 0)
		if (add_line(prompts, &lines) < 0) {
			status = -1;
			break;
		}
	lines_close(&lines);
	return status < 0 ? error_context("%s", path) : 0;
}

int caption_prompts_open(struct caption_prompts *prompts, const char *path)
{
	*prompts = (struct caption_prompts){ .count = { 0 } };
	if (path && read_file(prompts, path) < 0)
		return -1;
	/* a language that the file leaves out has those built in */
	for (int language = 0; language < EXAMPLE_LANGUAGES; language++)
		if (prompts->count[language] == 0 && add_builtin(prompts, language) < 0)
			return -1;
	return 0;
}

void caption_prompts_close(struct caption_prompts *prompts)
{
	for (int language = 0; language < EXAMPLE_LANGUAGES; language++) {
		for (size_t i = 0; i < prompts->count[language]; i++)
			memory_release(prompts->texts[language][i]);
		memory_release(prompts->texts[language]);
	}
	*prompts = (struct caption_prompts){ .count = { 0 } };
}

const char *caption_prompt(
    const struct caption_prompts *prompts, enum example_language language, double draw)
{
	return prompts->texts[language][(size_t)(draw * (double)prompts->count[language])];
}

enum example_language caption_language(const char *text)
{
	size_t size = strlen(text);
	for (size_t i = 0; i < size;) {
		uint32_t code;
		int length = utf8_decode((const uint8_t *)text + i, size - i, &code);
		if (length <= 0)
			break;
		if (code >= 0x2E80 && code < 0xFB00)
			return EXAMPLE_CHINESE;
		i += (size_t)length;
	}
	return EXAMPLE_ENGLISH;
}
