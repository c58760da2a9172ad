/* names.h - which emoji there are and what they are called: Unicode's emoji-test.txt (groups), CLDR's
 * annotations (short names in English and Chinese) and the exceptions in exceptions.c.
 */
#ifndef EMOJI_NAMES_H
#define EMOJI_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct name {
	uint32_t code;
	char *english, *plural, *chinese;
};

struct names {
	struct name *items; /* in the order of emoji-test.txt */
	size_t count, room;
};

struct names_paths {
	const char *list;        /* .../emoji/emoji-test.txt */
	const char *annotations; /* folder with en.xml and zh.xml */
};

/* Candidates: of the groups of things, with a name of letters in both languages that no other has. 0,
 * or -1 recorded. */
int names_read(const struct names_paths *paths, struct names *names);
void names_clear(struct names *names);

/* The plural of an English noun phrase to text of size bytes: "bag of money" -> "bags of money". */
void names_plural(const char *singular, char *text, size_t size);

/* Better names than CLDR's: what a person would say. */
struct name_exception {
	uint32_t code;
	const char *english; /* NULL: the emoji is left out; "": as CLDR has it */
	const char *plural;  /* NULL: by rule */
	const char *chinese; /* NULL: as CLDR has it */
};
extern const struct name_exception name_exceptions[];
extern const size_t name_exception_count;

#endif
