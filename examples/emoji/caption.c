/* caption.c - statements about scenes, said in several ways, and statements made wrong. */
#include "wording.h"

#include <stdio.h>

enum { RELATION_PERCENT = 60 };

const char *const wrong_names[WRONGS] = { "kind", "colour", "count", "relation" };

/* Two single objects that stand clearly to each other, the first pair from a random start. */
static void draw_relation(
    const struct scene *scene, struct random *random, struct statement *statement)
{
	int pairs = scene->count * scene->count, start = draw_below(random, pairs);
	for (int i = 0; i < pairs; i++) {
		int pair = (start + i) % pairs;
		const struct object *a = &scene->objects[pair / scene->count];
		const struct object *b = &scene->objects[pair % scene->count];
		enum direction direction = scene_direction(a, b);
		if (a == b || direction == UNCLEAR || scene_kind_count(scene, a->kind) > 1 ||
		    scene_kind_count(scene, b->kind) > 1)
			continue;
		statement->direction = direction;
		statement->a = a->kind;
		statement->b = b->kind;
		return;
	}
}

void statement_draw(const struct scene *scene, struct random *random, struct statement *statement)
{
	*statement = (struct statement){ .colour = scene->backdrop.colour, .direction = UNCLEAR };
	statement->group_count = scene_groups(scene, statement->groups);
	if (draw_percent(random, RELATION_PERCENT))
		draw_relation(scene, random, statement);
}

static void add_list(struct text *text, const struct kinds *kinds,
    const struct statement *statement, enum language language)
{
	static const char *const between[LANGUAGES] = { ", ", "、" }, *const last[LANGUAGES] = {
		" and ", "和"
	};
	for (int i = 0; i < statement->group_count; i++) {
		if (i > 0)
			text_add(
			    text, "%s", i == statement->group_count - 1 ? last[language] : between[language]);
		add_counted(text, kinds, statement->groups[i].kind, statement->groups[i].count, language);
	}
}

/* The first letter of English sentences. */
static void capitalise(struct text *text, size_t at)
{
	char *letter = text->bytes + at;
	if (*letter >= 'a' && *letter <= 'z')
		*letter = (char)(*letter - 'a' + 'A');
}

static void add_relation(struct text *text, const struct kinds *kinds,
    const struct statement *statement, enum language language)
{
	static const char *const places[LANGUAGES][4] = { { "to the left of", "to the right of",
		                                                  "above", "below" },
		{ "左边", "右边", "上面", "下面" } };
	const char *a = kind_name(kinds, statement->a, language);
	const char *b = kind_name(kinds, statement->b, language);
	const char *place = places[language][statement->direction];
	if (language == ENGLISH)
		text_add(text, " The %s is %s the %s.", a, place, b);
	else
		text_add(text, "%s在%s的%s。", a, b, place);
}

static void say_english(const struct kinds *kinds, const struct statement *statement, int wording,
    const char *colour, struct text *text)
{
	static const char *const before[WORDINGS] = { "", "There %s ", "A picture of ", "We see " };
	bool one = statement->groups[0].count == 1;
	if (wording == 1)
		text_add(text, "There %s ", one ? "is" : "are");
	else
		text_add(text, "%s", before[wording]);
	add_list(text, kinds, statement, ENGLISH);
	text_add(text, " on a%s %s background.", colour[0] == 'o' ? "n" : "", colour);
	capitalise(text, 0);
}

static void say_chinese(const struct kinds *kinds, const struct statement *statement, int wording,
    const char *colour, struct text *text)
{
	static const char *const before[WORDINGS] = { "%s背景上有", "图中有", "", "%s的背景，上面有" };
	static const char *const behind[WORDINGS] = { "。", "，背景是%s。", "，背景是%s的。", "。" };
	char part[64];
	const char *format = before[wording], *at;
	for (int i = 0; i < 2; i++, format = behind[wording]) {
		if (i == 1)
			add_list(text, kinds, statement, CHINESE);
		for (at = format; *at && !(at[0] == '%' && at[1] == 's'); at++)
			;
		snprintf(part, sizeof part, "%.*s", (int)(at - format), format);
		text_add(text, "%s", part);
		if (*at)
			text_add(text, "%s%s", colour, at + 2);
	}
}

void statement_say(const struct kinds *kinds, const struct statement *statement,
    enum language language, int wording, struct text *text)
{
	const char *colour = colour_names[language][statement->colour];
	text_begin(text);
	if (language == ENGLISH)
		say_english(kinds, statement, wording, colour, text);
	else
		say_chinese(kinds, statement, wording, colour, text);
	if (statement->direction != UNCLEAR)
		add_relation(text, kinds, statement, language);
}

/* --- made wrong ------------------------------------------------------------------------------- */

/* A kind that is not there and stands in no reserved pair with those that are. */
static int draw_absent(
    const struct kinds *kinds, struct random *random, const struct statement *statement)
{
	for (;;) {
		int kind = draw_below(random, kinds->count);
		bool fits = true;
		for (int i = 0; i < statement->group_count; i++)
			if (statement->groups[i].kind == kind ||
			    kinds_reserved(kinds, statement->groups[i].kind, kind))
				fits = false;
		if (fits)
			return kind;
	}
}

bool statement_spoil(
    const struct kinds *kinds, enum wrong wrong, struct random *random, struct statement *statement)
{
	struct group *group = &statement->groups[draw_below(random, statement->group_count)];
	int other;
	switch (wrong) {
	case WRONG_KIND:
		other = draw_absent(kinds, random, statement);
		statement->a = statement->a == group->kind ? other : statement->a;
		statement->b = statement->b == group->kind ? other : statement->b;
		group->kind = other;
		return true;
	case WRONG_COLOUR:
		statement->colour = (statement->colour + draw_between(random, 1, COLOURS - 1)) % COLOURS;
		return true;
	case WRONG_COUNT:
		if (group->count == 1 || (group->count < OBJECTS_MOST && draw_percent(random, 50)))
			group->count++;
		else
			group->count--;
		return true;
	default:
		if (statement->direction == UNCLEAR)
			return false;
		statement->direction = direction_inverse(statement->direction);
		return true;
	}
}

/* --- windows ---------------------------------------------------------------------------------- */

void window_say(const struct kinds *kinds, const struct scene *scene, enum language language,
    bool article, bool coloured, int wording, struct text *text)
{
	int kind = scene->objects[0].kind;
	text_begin(text);
	if (coloured) {
		struct statement statement = { .group_count = 1,
			.colour = scene->backdrop.colour,
			.direction = UNCLEAR,
			.groups = { { kind, 1, 0 } } };
		statement_say(kinds, &statement, language, wording, text);
	} else if (article) {
		add_counted(text, kinds, kind, 1, language);
	} else {
		text_add(text, "%s", kind_name(kinds, kind, language));
	}
}
