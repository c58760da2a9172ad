/* score_captions.c - captions against the scenes: which kinds, colours, numbers and places they
 * name. Names are found by longest match, so that one with "and" in it stays whole.
 */
#include "score.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"

enum { NAMED_MOST = 64, RELATIONS_MOST = 16, KINDS_MOST = 4 /* that are told apart */ };

/* What a caption says. */
struct reading {
	struct {
		int kind, number; /* number 0: none was said */
	} named[NAMED_MOST];
	int count, colour; /* class; -1: none, -2: several */
	struct {
		int a, b, place;
	} relations[RELATIONS_MOST];
	int relation_count;
};

static void note_kind(struct reading *reading, int kind, int number)
{
	int i = 0;
	while (i < reading->count && reading->named[i].kind != kind)
		i++;
	if (i == NAMED_MOST)
		return;
	if (i == reading->count) {
		reading->named[reading->count++].kind = kind;
		reading->named[i].number = 0;
	}
	if (reading->named[i].number == 0)
		reading->named[i].number = number;
}

static void note_relation(struct reading *reading, int a, int b, int place)
{
	if (a < 0 || b < 0 || reading->relation_count == RELATIONS_MOST)
		return;
	reading->relations[reading->relation_count].a = a;
	reading->relations[reading->relation_count].b = b;
	reading->relations[reading->relation_count++].place = place;
}

/* English: "the A is PLACE the B"; Chinese: "A在B的PLACE". */
struct progress {
	int last, before; /* kinds of this sentence; -1: none yet */
	int place;        /* English: waits for its second kind; -1: none */
	int number;       /* said just before; 0: none */
};

static void take_word(struct reading *reading, struct progress *now, enum score_language language,
    const struct word *word)
{
	if (word->sort == WORD_KIND) {
		note_kind(reading, word->value, now->number);
		if (now->place >= 0)
			note_relation(reading, now->last, word->value, now->place);
		now->place = -1;
		now->before = now->last;
		now->last = word->value;
	} else if (word->sort == WORD_COLOUR) {
		bool same = reading->colour == -1 || reading->colour == word->value;
		reading->colour = same ? word->value : -2;
	} else if (word->sort == WORD_PLACE && language == SCORE_ENGLISH) {
		now->place = word->value;
	} else if (word->sort == WORD_PLACE) {
		note_relation(reading, now->before, now->last, word->value);
	}
	now->number = word->sort == WORD_NUMBER ? word->value : 0;
}

static void read_caption(const struct words *words, enum score_language language, const char *text,
    struct reading *reading)
{
	static const struct progress start = { -1, -1, -1, 0 };
	static const char stop[] = "。";
	struct progress now = start;
	*reading = (struct reading){ .colour = -1 };
	for (size_t at = 0; text[at];) {
		const struct word *word = words_match(words, language, text, at);
		if (word) {
			take_word(reading, &now, language, word);
			at += word->size;
			continue;
		}
		if (text[at] == '.' || strncmp(text + at, stop, strlen(stop)) == 0)
			now = start;
		if (text[at] != ' ')
			now.number = 0;
		/* on to the next character */
		for (at++; ((unsigned char)text[at] & 0xC0) == 0x80;)
			at++;
	}
}

/* --- against the scene ----------------------------------------------------------------------- */

static int kind_count(const struct truth *truth, int kind)
{
	int count = 0;
	for (int i = 0; i < truth->count; i++)
		count += truth->objects[i].kind == kind;
	return count;
}

/* Is this the first object of its kind? */
static bool leads(const struct truth *truth, int i)
{
	for (int j = 0; j < i; j++)
		if (truth->objects[j].kind == truth->objects[i].kind)
			return false;
	return true;
}

static const struct truth_object *only(const struct truth *truth, int kind)
{
	for (int i = 0; i < truth->count; i++)
		if (truth->objects[i].kind == kind && kind_count(truth, kind) == 1)
			return &truth->objects[i];
	return NULL;
}

/* Along the larger distance, as in what the scenes' captions say. */
static bool is_true(const struct truth *truth, int a, int b, int place)
{
	const struct truth_object *one = only(truth, a), *other = only(truth, b);
	if (!one || !other || one == other)
		return false;
	int x = one->x - other->x, y = one->y - other->y;
	int far_x = x < 0 ? -x : x, far_y = y < 0 ? -y : y;
	if (far_x >= far_y)
		return place == (x < 0 ? PLACE_LEFT : PLACE_RIGHT);
	return place == (y < 0 ? PLACE_ABOVE : PLACE_BELOW);
}

struct tally {
	size_t scenes, exact, colour, whole;
	size_t kinds, named, found, numbers; /* there; said; both; with the right number */
	size_t relations, relations_true;
	size_t by_kinds[KINDS_MOST + 1], exact_by_kinds[KINDS_MOST + 1]; /* in the scene */
};

static void compare(const struct truth *truth, const struct reading *reading, struct tally *tally)
{
	size_t kinds = 0, found = 0, numbers = 0;
	for (int i = 0; i < truth->count; i++)
		kinds += leads(truth, i);
	for (int i = 0; i < reading->count; i++) {
		int count = kind_count(truth, reading->named[i].kind);
		found += count > 0;
		numbers += count > 0 && reading->named[i].number == count;
	}
	bool exact = found == kinds && (size_t)reading->count == kinds;
	bool colour = reading->colour == truth->colour;
	size_t right = 0;
	for (int i = 0; i < reading->relation_count; i++)
		right += is_true(
		    truth, reading->relations[i].a, reading->relations[i].b, reading->relations[i].place);
	tally->scenes++;
	tally->kinds += kinds;
	tally->named += (size_t)reading->count;
	tally->found += found;
	tally->numbers += numbers;
	tally->exact += exact;
	tally->by_kinds[kinds < KINDS_MOST ? kinds : KINDS_MOST]++;
	tally->exact_by_kinds[kinds < KINDS_MOST ? kinds : KINDS_MOST] += exact;
	tally->colour += colour;
	tally->relations += (size_t)reading->relation_count;
	tally->relations_true += right;
	tally->whole += exact && colour && numbers == kinds && right == (size_t)reading->relation_count;
}

/* --- chance: who always says the same -------------------------------------------------------- */

enum { SET_ROOM = OBJECTS_CAP * 8 };

struct chances {
	double exact, named, precision, colour, number;
};

/* The kinds of a scene in order, as text. */
static void set_text(const struct truth *truth, char text[SET_ROOM])
{
	int at = 0, last = -1;
	text[0] = 0;
	for (;;) {
		int next = -1;
		for (int i = 0; i < truth->count; i++) {
			int kind = truth->objects[i].kind;
			if (kind > last && (next < 0 || kind < next))
				next = kind;
		}
		if (next < 0 || at > SET_ROOM - 16)
			return;
		at += snprintf(text + at, (size_t)(SET_ROOM - at), "%d ", next);
		last = next;
	}
}

struct texts {
	char (*bytes)[SET_ROOM];
	const char **pointers;
	size_t count;
};

static void texts_clear(struct texts *texts)
{
	memory_release(texts->bytes);
	memory_release(texts->pointers);
}

static int texts_open(struct texts *texts, size_t most)
{
	*texts = (struct texts){ 0 };
	texts->bytes = memory_allocate(most, SET_ROOM);
	texts->pointers = memory_allocate(most, sizeof *texts->pointers);
	return texts->bytes && texts->pointers ? 0 : -1;
}

static char *texts_next(struct texts *texts)
{
	texts->pointers[texts->count] = texts->bytes[texts->count];
	return texts->bytes[texts->count++];
}

static double share(struct texts *texts, size_t of)
{
	size_t most = commonest(texts->pointers, texts->count);
	texts->count = 0;
	return of > 0 ? (double)most / (double)of : 0;
}

static int find_chances(const struct truths *truths, struct chances *chances)
{
	size_t objects = 1;
	struct texts kinds = { 0 }, numbers = { 0 };
	for (size_t i = 0; i < truths->count; i++)
		objects += (size_t)truths->items[i].count;
	if (texts_open(&kinds, objects) != 0 || texts_open(&numbers, objects) != 0) {
		texts_clear(&kinds);
		texts_clear(&numbers);
		return -1;
	}
	for (size_t i = 0; i < truths->count; i++)
		set_text(&truths->items[i], texts_next(&kinds));
	chances->exact = share(&kinds, truths->count);
	for (size_t i = 0; i < truths->count; i++)
		snprintf(texts_next(&kinds), SET_ROOM, "%d", truths->items[i].colour);
	chances->colour = share(&kinds, truths->count);
	for (size_t i = 0; i < truths->count; i++)
		for (int j = 0; j < truths->items[i].count; j++) {
			const struct truth *truth = &truths->items[i];
			if (!leads(truth, j))
				continue;
			int kind = truth->objects[j].kind;
			snprintf(texts_next(&kinds), SET_ROOM, "%d", kind);
			snprintf(texts_next(&numbers), SET_ROOM, "%d", kind_count(truth, kind));
		}
	size_t groups = kinds.count;
	chances->number = share(&numbers, groups);
	chances->named = share(&kinds, groups);
	chances->precision =
	    truths->count > 0 ? chances->named * (double)groups / (double)truths->count : 0;
	texts_clear(&kinds);
	texts_clear(&numbers);
	return 0;
}

/* --- all ------------------------------------------------------------------------------------- */

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

static int judge(const struct words *words, const struct truth *truth, const char *answer,
    enum score_language language, struct tally *tally)
{
	struct reading reading;
	char *text = memory_text(answer, strlen(answer));
	if (!text)
		return -1;
	lower(text);
	read_caption(words, language, text, &reading);
	compare(truth, &reading, tally);
	memory_release(text);
	return 0;
}

/* Exact sets by how many kinds there are, and of all with two or more: what scenes with unseen
 * pairs, which have two at least, are to be compared with. */
static int write_by_kinds(const struct tally *tally, const char *column, struct report *report)
{
	static const char *const names[KINDS_MOST + 1] = { "exact, 2 or more", "exact, 1 kind",
		"exact, 2 kinds", "exact, 3 kinds", "exact, 4 kinds" };
	int status = 0;
	for (int i = 1; i <= KINDS_MOST; i++)
		status |= report_share(
		    report, names[i], column, tally->exact_by_kinds[i], tally->by_kinds[i], -1);
	return status | report_share(report, names[0], column, tally->exact - tally->exact_by_kinds[1],
	                    tally->scenes - tally->by_kinds[1], -1);
}

static int write_tally(const struct tally *tally, const struct chances *chances, double bleu,
    double cider, const char *column, struct report *report)
{
	report->title = "captions";
	int status =
	    report_share(report, "exact set", column, tally->exact, tally->scenes, chances->exact) |
	    write_by_kinds(tally, column, report) |
	    report_share(report, "objects named", column, tally->found, tally->kinds, chances->named) |
	    report_share(
	        report, "named rightly", column, tally->found, tally->named, chances->precision) |
	    report_share(report, "number", column, tally->numbers, tally->found, chances->number) |
	    report_share(report, "colour", column, tally->colour, tally->scenes, chances->colour) |
	    report_share(report, "relation true", column, tally->relations_true, tally->relations, -1) |
	    report_share(report, "all right", column, tally->whole, tally->scenes, -1) |
	    report_number(report, "BLEU-4", column, bleu) |
	    report_number(report, "CIDEr", column, cider);
	return status ? -1 : 0;
}

static int add_sentences(struct sentences *sentences, size_t item, const char *caption,
    const struct truth *truth, enum score_language language)
{
	int status = sentences_add(sentences, item, false, caption);
	for (int i = 0; i < truth->reference_count[language] && status == 0; i++)
		status = sentences_add(sentences, item, true, truth->references[language][i]);
	return status;
}

int score_captions(const struct words *words, const struct truths *truths,
    const struct answers *answers, enum score_language language, struct report *report)
{
	struct tally tally = { 0 };
	struct chances chances = { 0 };
	double bleu, cider;
	size_t missing = 0, count;
	int status = find_chances(truths, &chances);
	struct sentences *sentences = sentences_open(language);
	if (!sentences)
		return -1;
	for (size_t i = 0; i < truths->count && status == 0; i++) {
		const struct truth *truth = &truths->items[i];
		const struct answer *answer = answers_find(answers, truth->image, &count);
		const char *text = count > 0 ? answer->text : "";
		missing += count == 0;
		status = judge(words, truth, text, language, &tally) |
		         add_sentences(sentences, i, text, truth, language);
	}
	if (status == 0)
		status = sentences_score(sentences, &bleu, &cider);
	sentences_close(sentences);
	if (status != 0)
		return -1;
	if (missing > 0)
		message_note(NULL, "%zu of %zu scenes have no caption", missing, truths->count);
	return write_tally(&tally, &chances, bleu, cider, score_languages[language], report);
}
