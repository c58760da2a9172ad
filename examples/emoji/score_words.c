/* score_words.c - names of kinds, colours, numbers and places, found in a text by longest match. */
#include "score.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "text/lines.h"

enum { FIELDS = 5, CLASSES_MOST = 100000 }; /* number, group, English, Chinese, plural */

const char *const score_languages[] = { "en", "zh", NULL };

static int add(struct words *words, enum score_language language, const char *text,
    enum word_sort sort, int value)
{
	size_t *count = &words->count[language], size = strlen(text);
	if (size == 0)
		return 0;
	if (memory_grow((void **)&words->items[language], &words->room[language], *count + 1,
	        sizeof(struct word)) != 0)
		return -1;
	char *copy = memory_text(text, size);
	if (!copy)
		return -1;
	words->items[language][(*count)++] = (struct word){ copy, size, sort, value };
	return 0;
}

/* What is said with the names. */
static int add_fixed(struct words *words)
{
	static const char *const places[SCORE_LANGUAGES][4] = { { "to the left of", "to the right of",
		                                                        "above", "below" },
		{ "左边", "右边", "上面", "下面" } };
	int status = add(words, SCORE_ENGLISH, "a", WORD_NUMBER, 1) |
	             add(words, SCORE_ENGLISH, "an", WORD_NUMBER, 1);
	for (int language = 0; language < SCORE_LANGUAGES; language++)
		for (int place = 0; place < 4; place++)
			status |= add(words, language, places[language][place], WORD_PLACE, place);
	return status ? -1 : 0;
}

/* A line of the table, split at its TABs in place. */
static int add_class(struct words *words, char *line, int *numbers)
{
	char *fields[FIELDS], *rest = line;
	int64_t class;
	for (int i = 0; i < FIELDS; i++) {
		fields[i] = rest;
		char *tab = strchr(rest, '\t');
		if (!tab && i < FIELDS - 1)
			return error_input("%d columns, but %d are wanted", i + 1, FIELDS);
		rest = tab ? tab + 1 : rest + strlen(rest);
		if (tab)
			*tab = 0;
	}
	if (number_whole(fields[0], 0, CLASSES_MOST, &class) != 0)
		return error_context("number of the class");
	enum word_sort sort;
	int value = (int)class;
	if (strcmp(fields[1], "kind") == 0)
		sort = WORD_KIND;
	else if (strcmp(fields[1], "colour") == 0)
		sort = WORD_COLOUR;
	else if (strcmp(fields[1], "number") == 0)
		sort = WORD_NUMBER, value = ++*numbers;
	else
		return 0;
	if (add(words, SCORE_ENGLISH, fields[2], sort, value) != 0 ||
	    add(words, SCORE_CHINESE, fields[3], sort, value) != 0)
		return -1;
	/* "sheep" is its own plural */
	if (strcmp(fields[2], fields[4]) != 0)
		return add(words, SCORE_ENGLISH, fields[4], sort, value);
	return 0;
}

/* By first byte, the longest first; a kind before a colour of the same name. */
static int compare(const void *a, const void *b)
{
	const struct word *one = a, *other = b;
	unsigned char first = (unsigned char)one->text[0], second = (unsigned char)other->text[0];
	if (first != second)
		return first < second ? -1 : 1;
	if (one->size != other->size)
		return one->size > other->size ? -1 : 1;
	int order = strcmp(one->text, other->text);
	return order ? order : (int)one->sort - (int)other->sort;
}

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

int words_read(const char *path, struct words *words)
{
	struct lines lines;
	int status, numbers = 0;
	*words = (struct words){ 0 };
	if (lines_open(&lines, path, LINES_RAW) != 0)
		return -1;
	while ((status = lines_next(&lines)) > 0)
		if (add_class(words, lines.text, &numbers) != 0) {
			status = error_context("line %zu", lines.number);
			break;
		}
	lines_close(&lines);
	if (status == 0)
		status = add_fixed(words);
	for (int language = 0; language < SCORE_LANGUAGES && status == 0; language++) {
		for (size_t i = 0; i < words->count[language]; i++)
			lower(words->items[language][i].text);
		qsort(words->items[language], words->count[language], sizeof(struct word), compare);
	}
	if (status != 0)
		words_clear(words);
	return status;
}

void words_clear(struct words *words)
{
	for (int language = 0; language < SCORE_LANGUAGES; language++) {
		for (size_t i = 0; i < words->count[language]; i++)
			memory_release(words->items[language][i].text);
		memory_release(words->items[language]);
	}
	*words = (struct words){ 0 };
}

int words_colour(const struct words *words, const char *name)
{
	for (size_t i = 0; i < words->count[SCORE_ENGLISH]; i++) {
		const struct word *word = &words->items[SCORE_ENGLISH][i];
		if (word->sort == WORD_COLOUR && strcmp(word->text, name) == 0)
			return word->value;
	}
	return -1;
}

static bool in_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '\'';
}

const struct word *words_match(
    const struct words *words, enum score_language language, const char *text, size_t at)
{
	const struct word *items = words->items[language];
	size_t low = 0, high = words->count[language];
	bool whole = language == SCORE_ENGLISH;
	if (!text[at] || (whole && at > 0 && in_word(text[at - 1])))
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if ((unsigned char)items[middle].text[0] < (unsigned char)text[at])
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < words->count[language] && items[low].text[0] == text[at]; low++)
		if (strncmp(items[low].text, text + at, items[low].size) == 0 &&
		    !(whole && in_word(text[at + items[low].size])))
			return &items[low];
	return NULL;
}
