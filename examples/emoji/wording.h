/* wording.h - what is said about scenes, in English and Chinese. */
#ifndef EMOJI_WORDING_H
#define EMOJI_WORDING_H

#include "scene.h"

enum language { ENGLISH, CHINESE, LANGUAGES };
extern const char *const language_codes[LANGUAGES]; /* "en", "zh" */

enum { TEXT_ROOM = 1024 };

/* Text that grows at its end and never past its room. */
struct text {
	char bytes[TEXT_ROOM];
	size_t length;
};
void text_begin(struct text *text);
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- words --------------------------------------------------------------------------------- */

extern const char *const colour_names[LANGUAGES][COLOURS];
extern const char *const zone_names[LANGUAGES][ZONES];
extern const char *const number_words[LANGUAGES][OBJECTS_MOST + 2]; /* 0 .. 5; "none" at 0 */

const char *kind_name(const struct kinds *kinds, int kind, enum language language);

/* "a cat" or "two cats"; "一个猫" or "两个猫". */
void add_counted(
    struct text *text, const struct kinds *kinds, int kind, int count, enum language language);

/* --- captions ------------------------------------------------------------------------------- */

/* What a caption says; can be altered, so that it no longer fits. */
struct statement {
	struct group groups[OBJECTS_MOST];
	int group_count;
	int colour;
	enum direction direction; /* of the kind a as seen from b; UNCLEAR: no such sentence */
	int a, b;
};

/* Groups, colour and, in three of five where there is one, a relation of two single objects. */
void statement_draw(const struct scene *scene, struct random *random, struct statement *statement);

enum { WORDINGS = 4 }; /* of captions, in each language */
void statement_say(const struct kinds *kinds, const struct statement *statement,
    enum language language, int wording, struct text *text);

enum wrong { WRONG_KIND, WRONG_COLOUR, WRONG_COUNT, WRONG_RELATION, WRONGS };
extern const char *const wrong_names[WRONGS];

/* Make one thing of a statement wrong. False where there is nothing of that sort. */
bool statement_spoil(const struct kinds *kinds, enum wrong wrong, struct random *random,
    struct statement *statement);

/* A window's text; *coloured: it speaks of the background. */
void window_say(const struct kinds *kinds, const struct scene *scene, enum language language,
    bool article, bool coloured, int wording, struct text *text);

/* --- questions ------------------------------------------------------------------------------ */

enum question_type {
	ASK_WHAT,
	ASK_WHERE,
	ASK_COUNT,
	ASK_TOTAL,
	ASK_COLOUR,
	ASK_EXISTS,
	ASK_RELATION,
	ASK_BIGGER,
	ASK_CAPTION,
	QUESTION_TYPES
};
extern const char *const question_names[QUESTION_TYPES];

struct question {
	enum question_type type;
	enum language language;
	struct text question, answer;
};

/* Ask about a scene. False where such a question has no clear answer. */
bool question_draw(const struct kinds *kinds, const struct scene *scene, enum question_type type,
    enum language language, struct random *random, struct question *question);

/* Up to most questions of different types (but captions), in a random order. Their number. */
enum { QUESTIONS_LEAST = 4, QUESTIONS_MOST = 6 };
int questions_draw(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question questions[QUESTIONS_MOST]);

/* A conversation of two to four turns in one language. The number of turns. */
enum { TURNS_MOST = 4 };
int dialogue_draw(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question turns[TURNS_MOST]);

#endif
