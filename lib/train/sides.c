/* sides.c - words that a mirrored picture would make wrong (see sides.h). */
#include "train/sides.h"
#include "train/examples.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_letter(char c)
{
	return isalpha((unsigned char)c) != 0;
}

static bool has_word(const char *text, const char *word)
{
	size_t size = strlen(word);
	for (const char *at = text; *at; at++)
		if (strncasecmp(at, word, size) == 0 && !is_letter(at[size]) &&
		    (at == text || !is_letter(at[-1])))
			return true;
	return false;
}

static bool speaks(const char *text)
{
	return text && (has_word(text, "left") || has_word(text, "right") || strstr(text, "左") ||
	                   strstr(text, "右"));
}

bool sides_spoken(const struct example *example)
{
	bool spoken = false;
	for (int language = 0; language < EXAMPLE_LANGUAGES; language++) {
		spoken |= speaks(example->caption[language]);
		for (size_t i = 0; i < example->wrong_count[language]; i++)
			spoken |= speaks(example->wrong[language][i]);
	}
	for (size_t i = 0; i < example->turn_count; i++)
		spoken |= speaks(example->turns[i].question) || speaks(example->turns[i].answer);
	return spoken;
}
