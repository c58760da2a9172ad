/* words.c - the words of both languages, and text that grows. */
#include "wording.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const language_codes[LANGUAGES] = { "en", "zh" };

const char *const colour_names[LANGUAGES][COLOURS] = {
	{ "white", "black", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink",
	    "brown", "turquoise" },
	{ "白色", "黑色", "灰色", "红色", "橙色", "黄色", "绿色", "蓝色", "紫色", "粉色", "棕色",
	    "青色" },
};

const char *const zone_names[LANGUAGES][ZONES] = {
	{ "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom",
	    "bottom right" },
	{ "左上角", "上方", "右上角", "左边", "中间", "右边", "左下角", "下方", "右下角" },
};

const char *const number_words[LANGUAGES][OBJECTS_MOST + 2] = {
	{ "none", "one", "two", "three", "four", "five" },
	{ "没有", "一个", "两个", "三个", "四个", "五个" },
};

void text_begin(struct text *text)
{
	text->length = 0;
	text->bytes[0] = 0;
}

void text_add(struct text *text, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	size_t room = TEXT_ROOM - text->length;
	int length = vsnprintf(text->bytes + text->length, room, format, list);
	va_end(list);
	if (length > 0)
		text->length += (size_t)length < room ? (size_t)length : room - 1;
}

const char *kind_name(const struct kinds *kinds, int kind, enum language language)
{
	const struct name *name = &kinds->items[kind].name;
	return language == ENGLISH ? name->english : name->chinese;
}

/* "an owl", "a unicorn", "an hourglass" */
static const char *article(const char *name)
{
	static const char *const consonant[] = { "uni", "eu", "one", "use", "uku" };
	static const char *const vowel[] = { "hour", "x-ray" };
	for (size_t i = 0; i < sizeof vowel / sizeof *vowel; i++)
		if (strncmp(name, vowel[i], strlen(vowel[i])) == 0)
			return "an";
	for (size_t i = 0; i < sizeof consonant / sizeof *consonant; i++)
		if (strncmp(name, consonant[i], strlen(consonant[i])) == 0)
			return "a";
	return strchr("aeiouAEIOU", name[0]) ? "an" : "a";
}

void add_counted(
    struct text *text, const struct kinds *kinds, int kind, int count, enum language language)
{
	const struct name *name = &kinds->items[kind].name;
	if (language == CHINESE)
		text_add(text, "%s%s", number_words[CHINESE][count], name->chinese);
	else if (count == 1)
		text_add(text, "%s %s", article(name->english), name->english);
	else
		text_add(text, "%s %s", number_words[ENGLISH][count], name->plural);
}
