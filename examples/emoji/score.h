/* score.h - how good captions, answers and features for search are: what the parts of emoji-score
 * share. Scenes and questions are those that emoji-scenes wrote, names those of its classes.tsv.
 */
#ifndef EMOJI_SCORE_H
#define EMOJI_SCORE_H

#include <stdbool.h>
#include <stddef.h>

enum score_language { SCORE_ENGLISH, SCORE_CHINESE, SCORE_LANGUAGES };
extern const char *const score_languages[]; /* "en", "zh", NULL */

/* --- names of things (score_words.c) --------------------------------------------------------- */

enum word_sort { WORD_KIND, WORD_COLOUR, WORD_NUMBER, WORD_PLACE };
enum word_place { PLACE_LEFT, PLACE_RIGHT, PLACE_ABOVE, PLACE_BELOW };

struct word {
	char *text;
	size_t size;
	enum word_sort sort;
	int value; /* class of a kind or a colour, a number, a place */
};

struct words {
	struct word *items[SCORE_LANGUAGES]; /* by first byte, longest first */
	size_t count[SCORE_LANGUAGES], room[SCORE_LANGUAGES];
};

/* Read classes.tsv. 0, or -1 recorded. */
int words_read(const char *path, struct words *words);
void words_clear(struct words *words);

/* The class of a colour by its English name; -1: none such. */
int words_colour(const struct words *words, const char *name);

/* The longest name that begins at text[at] (English: whole words only, text in lower case); NULL:
 * none does. */
const struct word *words_match(
    const struct words *words, enum score_language language, const char *text, size_t at);

/* --- what is asked for and what was answered (score_set.c) ------------------------------------ */

enum { OBJECTS_CAP = 64, REFERENCES_CAP = 64 }; /* of a scene */

struct truth_object {
	int kind, x, y; /* class; twice its middle in pixels */
};
struct truth {
	char *image, *captions[SCORE_LANGUAGES];
	char *references[SCORE_LANGUAGES][REFERENCES_CAP]; /* all captions that fit */
	int reference_count[SCORE_LANGUAGES];
	struct truth_object objects[OBJECTS_CAP];
	int count, colour;
};
struct truths {
	struct truth *items;
	size_t count, room;
};

/* Read at most `most` scenes (0: all) of SET.jsonl. words NULL: without what they show. */
int truths_read(const char *path, size_t most, const struct words *words, struct truths *truths);
void truths_clear(struct truths *truths);

struct question {
	char *image, *question, *answer, *type;
	enum score_language language;
	size_t place; /* among the questions about its picture */
};
struct questions {
	struct question *items;
	size_t count, room;
};

/* Read the questions of SET-instruct.jsonl about the first `most` pictures (0: all), the first
 * `each` of a picture (0: all); dialogues and wishes for a description are left out. */
int questions_read(const char *path, size_t most, size_t each, struct questions *questions);
void questions_clear(struct questions *questions);

/* Lines "key TAB text" as zv-generate writes them, sorted by key, in their order within a key. */
struct answer {
	char *key, *text;
	size_t number; /* of the line */
};
struct answers {
	struct answer *items;
	size_t count, room;
};
int answers_read(const char *path, struct answers *answers);
void answers_clear(struct answers *answers);

/* The first answer of a key, and how many it has. */
const struct answer *answers_find(const struct answers *answers, const char *key, size_t *count);

/* How often the commonest of n texts occurs; sorts them. */
size_t commonest(const char **texts, size_t n);

/* --- sentences (score_sentences.c) ------------------------------------------------------------ */

/* Items (pictures) with a sentence to judge and references, as tokens. */
struct sentences;
struct sentences *sentences_open(enum score_language language);
void sentences_close(struct sentences *sentences);

/* Add a sentence to item (0, 1, ...); the one to judge, or a reference. */
int sentences_add(struct sentences *sentences, size_t item, bool reference, const char *text);

/* BLEU-4 of the corpus and CIDEr-D; 0, or -1 recorded. */
int sentences_score(struct sentences *sentences, double *bleu, double *cider);

/* --- results (score_report.c) ----------------------------------------------------------------- */

enum { REPORT_ROWS_MOST = 256 };

struct report_row {
	char measure[32], column[8];
	double value, chance; /* chance < 0: there is none */
	bool share;           /* else a number, as it is */
	size_t count;         /* of what it is a share */
};
struct report {
	const char *title;
	struct report_row rows[REPORT_ROWS_MOST];
	int count;
};
/* A number by itself. 0, or -1 recorded: too many rows. */
int report_number(struct report *report, const char *measure, const char *column, double value);

/* The same for right of count. */
int report_share(struct report *report, const char *measure, const char *column, size_t right,
    size_t count, double chance);

/* A table, or lines "title TAB column TAB measure TAB value TAB chance TAB count". */
void report_write(const struct report *report, bool tsv);

/* --- the measures ------------------------------------------------------------------------------ */

int score_captions(const struct words *words, const struct truths *truths,
    const struct answers *answers, enum score_language language, struct report *report);
int score_answers(
    const struct questions *questions, const struct answers *answers, struct report *report);
int score_retrieval(
    const char *pictures, const char *texts, enum score_language language, struct report *report);
int score_sentences(const struct answers *references, const struct answers *answers,
    enum score_language language, struct report *report);

#endif
