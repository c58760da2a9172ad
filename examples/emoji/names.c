/* names.c - candidates from emoji-test.txt, their names from CLDR's annotations, English plurals. */
#include "names.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"

enum { FILE_MOST = 16 << 20, TEXT_MOST = 160 };

void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		memory_release(names->items[i].english);
		memory_release(names->items[i].plural);
		memory_release(names->items[i].chinese);
	}
	memory_release(names->items);
	*names = (struct names){ 0 };
}

static struct name *find(struct names *names, uint32_t code)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->items[i].code == code)
			return &names->items[i];
	return NULL;
}

/* --- the list ------------------------------------------------------------------------------- */

/* Groups that show things; of the smileys hearts and costumes. */
static bool wanted_group(const char *group, const char *subgroup)
{
	static const char *const groups[] = { "Animals & Nature", "Food & Drink", "Travel & Places",
		"Activities", "Objects" };
	if (strcmp(subgroup, "mail") == 0)
		return false;
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
		if (strcmp(group, groups[i]) == 0)
			return true;
	return strcmp(subgroup, "heart") == 0 || strcmp(subgroup, "face-costume") == 0;
}

/* Clock faces and moon phases differ by a hand or a shadow. */
static bool left_out(uint32_t code)
{
	return (code >= 0x1F550 && code <= 0x1F567) || (code >= 0x1F311 && code <= 0x1F31D) ||
	       (code >= 0x1F3FB && code <= 0x1F3FF);
}

/* "1F415 ; fully-qualified # ..." with one code point, U+FE0F aside, to *code. */
static bool single_code(const char *line, uint32_t *code)
{
	char *end;
	unsigned long first = strtoul(line, &end, 16), second = 0;
	if (end == line)
		return false;
	char *rest = end;
	second = strtoul(rest, &end, 16);
	if (end != rest && second != 0xFE0F)
		return false;
	rest = end;
	strtoul(rest, &end, 16);
	if (end != rest)
		return false;
	end += strspn(end, " ;");
	*code = (uint32_t)first;
	return strncmp(end, "fully-qualified", strlen("fully-qualified")) == 0;
}

static void keep_rest(const char *line, const char *head, char *text, size_t size)
{
	if (strncmp(line, head, strlen(head)) == 0)
		snprintf(text, size, "%s", line + strlen(head));
}

static int read_list(const char *path, struct names *names)
{
	char *bytes, *next, group[64] = "", subgroup[64] = "";
	size_t size;
	if (file_read(path, FILE_MOST, &bytes, &size) != 0)
		return error_context("%s", path);
	int status = 0;
	for (char *line = bytes; line && *line && status == 0; line = next) {
		if ((next = strchr(line, '\n')))
			*next++ = 0;
		keep_rest(line, "# group: ", group, sizeof group);
		keep_rest(line, "# subgroup: ", subgroup, sizeof subgroup);
		uint32_t code;
		if (*line == '#' || !single_code(line, &code) || !wanted_group(group, subgroup) ||
		    left_out(code) || find(names, code))
			continue;
		status = memory_grow(
		    (void **)&names->items, &names->room, names->count + 1, sizeof *names->items);
		if (status == 0)
			names->items[names->count++] = (struct name){ .code = code };
	}
	memory_release(bytes);
	return status;
}

/* --- annotations ---------------------------------------------------------------------------- */

/* The value of an attribute in a tag that ends at end: <annotation cp="X" type="tts">. */
static bool attribute(
    const char *tag, const char *end, const char *name, const char **value, size_t *size)
{
	size_t length = strlen(name);
	for (const char *at = tag; at + length + 2 < end; at++)
		if (at[-1] == ' ' && strncmp(at, name, length) == 0 &&
		    strncmp(at + length, "=\"", 2) == 0) {
			*value = at + length + 2;
			const char *quote = memchr(*value, '"', (size_t)(end - *value));
			*size = quote ? (size_t)(quote - *value) : 0;
			return quote != NULL;
		}
	return false;
}

/* The one code point of a cp attribute; 0 if there are more. */
static uint32_t one_code(const char *bytes, size_t size)
{
	uint32_t code;
	int length = size ? utf8_decode((const uint8_t *)bytes, size, &code) : 0;
	return length > 0 && (size_t)length == size ? code : 0;
}

/* Short names (type="tts") of one language to the names that have none. */
static int read_annotations(const char *folder, const char *language, struct names *names)
{
	char path[512], *bytes;
	size_t size, found = 0;
	snprintf(path, sizeof path, "%s/%s.xml", folder, language);
	if (file_read(path, FILE_MOST, &bytes, &size) != 0)
		return error_context("%s", path);
	for (const char *tag = bytes; (tag = strstr(tag, "<annotation ")) != NULL;) {
		const char *end = strchr(tag, '>'), *text, *cp, *type;
		size_t cp_size, type_size;
		tag += strlen("<annotation ");
		if (!end || !attribute(tag, end, "cp", &cp, &cp_size) ||
		    !attribute(tag, end, "type", &type, &type_size) || type_size != 3 ||
		    memcmp(type, "tts", 3) != 0)
			continue;
		struct name *name = find(names, one_code(cp, cp_size));
		text = end + 1;
		const char *stop = strchr(text, '<');
		if (!name || !stop || (size_t)(stop - text) >= TEXT_MOST)
			continue;
		char **to = strcmp(language, "en") == 0 ? &name->english : &name->chinese;
		if (!*to && !(*to = memory_text(text, (size_t)(stop - text)))) {
			memory_release(bytes);
			return -1;
		}
		found++;
	}
	memory_release(bytes);
	return found ? 0 : error_input("%s: no short names", path);
}

/* --- exceptions and what cannot be used ------------------------------------------------------- */

static int replace(char **text, const char *other)
{
	char *copy = memory_text(other, strlen(other));
	if (!copy)
		return -1;
	memory_release(*text);
	*text = copy;
	return 0;
}

static const struct name_exception *exception_of(uint32_t code)
{
	for (size_t i = 0; i < name_exception_count; i++)
		if (name_exceptions[i].code == code)
			return &name_exceptions[i];
	return NULL;
}

/* Letters, single blanks, hyphens and apostrophes. */
static bool plain_english(const char *text)
{
	for (const char *at = text; *at; at++)
		if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == ' ' ||
		        *at == '-' || *at == '\''))
			return false;
	return *text != 0;
}

static bool plain_chinese(const char *text)
{
	uint32_t code;
	size_t left = strlen(text);
	bool any = left > 0;
	for (int length; left > 0; text += length, left -= (size_t)length) {
		length = utf8_decode((const uint8_t *)text, left, &code);
		if (length <= 0 || code < 0x4E00 || code > 0x9FFF)
			return false;
	}
	return any;
}

/* "woman’s boot" with the apostrophe of a keyboard. */
static void plain_apostrophes(char *text)
{
	for (char *at; (at = strstr(text, "\xE2\x80\x99")) != NULL;) {
		*at = '\'';
		memmove(at + 1, at + 3, strlen(at + 3) + 1);
	}
}

/* Finish one name; *usable says whether it can be used at all. */
static int finish(struct name *name, bool *usable)
{
	const struct name_exception *exception = exception_of(name->code);
	*usable = name->english && name->chinese && (!exception || exception->english);
	if (!*usable)
		return 0;
	if (exception && exception->english[0] && replace(&name->english, exception->english) != 0)
		return -1;
	if (exception && exception->chinese && replace(&name->chinese, exception->chinese) != 0)
		return -1;
	plain_apostrophes(name->english);
	*usable = plain_english(name->english) && plain_chinese(name->chinese);
	char text[TEXT_MOST + 8];
	if (exception && exception->plural)
		snprintf(text, sizeof text, "%s", exception->plural);
	else
		names_plural(name->english, text, sizeof text);
	return replace(&name->plural, text);
}

static bool name_taken(const struct names *names, const struct name *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i].english, name->english) == 0 ||
		    strcmp(names->items[i].chinese, name->chinese) == 0)
			return true;
	return false;
}

int names_read(const struct names_paths *paths, struct names *names)
{
	*names = (struct names){ 0 };
	int status = read_list(paths->list, names);
	if (status == 0)
		status = read_annotations(paths->annotations, "en", names);
	if (status == 0)
		status = read_annotations(paths->annotations, "zh", names);
	size_t all = names->count;
	names->count = 0; /* those that stay move to the front */
	for (size_t i = 0; i < all; i++) {
		struct name name = names->items[i];
		bool usable = false;
		if (status == 0)
			status = finish(&name, &usable);
		names->items[i] = name;
		if (status == 0 && usable && !name_taken(names, &name)) {
			names->items[i] = names->items[names->count];
			names->items[names->count++] = name;
		} else {
			memory_release(name.english);
			memory_release(name.plural);
			memory_release(name.chinese);
		}
	}
	if (status != 0)
		names_clear(names);
	return status;
}

/* --- plurals -------------------------------------------------------------------------------- */

static bool ends(const char *word, size_t length, const char *tail)
{
	size_t size = strlen(tail);
	return length >= size && memcmp(word + length - size, tail, size) == 0;
}

/* Ending of the noun word[length]: how many letters go, and what comes. */
static const char *plural_ending(const char *word, size_t length, size_t *cut)
{
	static const struct {
		const char *tail;
		size_t cut;
		const char *ending;
	} rules[] = { { "deer", 0, "" }, { "bison", 0, "" }, { "sheep", 0, "" }, { "fish", 0, "" },
		{ "sushi", 0, "" }, { "mouse", 4, "ice" }, { "ox", 0, "en" }, { "goose", 4, "eese" },
		{ "leaf", 1, "ves" }, { "loaf", 1, "ves" }, { "knife", 2, "ves" }, { "wolf", 1, "ves" },
		{ "scarf", 1, "ves" }, { "snowman", 2, "en" }, { "potato", 0, "es" }, { "tomato", 0, "es" },
		{ "volcano", 0, "es" }, { "mosquito", 0, "es" }, { "buffalo", 0, "es" },
		{ "mango", 0, "es" }, { "ay", 0, "s" }, { "ey", 0, "s" }, { "oy", 0, "s" },
		{ "uy", 0, "s" }, { "y", 1, "ies" }, { "s", 0, "es" }, { "x", 0, "es" }, { "z", 0, "es" },
		{ "ch", 0, "es" }, { "sh", 0, "es" }, { "", 0, "s" } };
	size_t i = 0;
	/* "fox" and "box" end in "ox" too; the rule is for the word alone */
	while (!ends(word, length, rules[i].tail) || (strcmp(rules[i].tail, "ox") == 0 && length != 2))
		i++;
	*cut = rules[i].cut;
	return rules[i].ending;
}

void names_plural(const char *singular, char *text, size_t size)
{
	static const char *const after[] = { " of ", " with ", " in ", " on ", " at ", " behind ",
		" tilted " };
	size_t head = strlen(singular); /* the noun ends where a preposition begins */
	for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
		const char *at = strstr(singular, after[i]);
		if (at && (size_t)(at - singular) < head)
			head = (size_t)(at - singular);
	}
	size_t word = head, cut;
	while (word > 0 && singular[word - 1] != ' ')
		word--;
	const char *ending = plural_ending(singular + word, head - word, &cut);
	snprintf(text, size, "%.*s%s%s", (int)(head - cut), singular, ending, singular + head);
}
