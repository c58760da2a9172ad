/* score_answers.c - answers to questions, by type and language, beside who always gives the answer
 * that is commonest for that type.
 */
#include "score.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"

enum { TYPES_MOST = 32, ALL = SCORE_LANGUAGES };

static const char *const columns[SCORE_LANGUAGES + 1] = { "en", "zh", "all" };

struct tally {
	size_t asked, right;
	double guessed; /* answers that chance has right */
};

struct type {
	const char *name;
	struct tally tallies[SCORE_LANGUAGES + 1];
};

/* Is c at the end of an answer that counts as the same without it? */
static size_t trailing(const char *text, size_t size)
{
	static const char *const ends[] = { " ", ".", "\t", "\n", "。", "！", "!" };
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t length = strlen(ends[i]);
		if (size >= length && memcmp(text + size - length, ends[i], length) == 0)
			return length;
	}
	return 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Equal but for capitals, blanks around and a full stop. */
static bool same(const char *a, const char *b)
{
	a += strspn(a, " \t\n");
	b += strspn(b, " \t\n");
	size_t size = strlen(a), other = strlen(b), cut;
	while ((cut = trailing(a, size)) > 0)
		size -= cut;
	while ((cut = trailing(b, other)) > 0)
		other -= cut;
	if (size != other)
		return false;
	for (size_t i = 0; i < size; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

static struct type *find_type(struct type *types, int *count, const char *name)
{
	for (int i = 0; i < *count; i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	if (*count == TYPES_MOST) {
		error_input("more than %d types of questions", TYPES_MOST);
		return NULL;
	}
	types[*count] = (struct type){ .name = name };
	return &types[(*count)++];
}

static int compare_types(const void *a, const void *b)
{
	const struct type *one = a, *other = b;
	return strcmp(one->name, other->name);
}

static void add(struct tally *tally, const struct tally *more)
{
	tally->asked += more->asked;
	tally->right += more->right;
	tally->guessed += more->guessed;
}

/* What the commonest answer would have right. Of two things that the question names one is bigger:
 * who takes either has half of them. */
static void find_chance(
    const struct questions *questions, struct type *type, int language, const char **texts)
{
	struct tally *tally = &type->tallies[language];
	size_t count = 0;
	for (size_t i = 0; i < questions->count; i++) {
		const struct question *question = &questions->items[i];
		if ((int)question->language == language && strcmp(question->type, type->name) == 0)
			texts[count++] = question->answer;
	}
	tally->guessed = (double)commonest(texts, count);
	if (strcmp(type->name, "bigger") == 0 && tally->guessed < 0.5 * (double)count)
		tally->guessed = 0.5 * (double)count;
}

static int write_tally(
    struct report *report, const char *name, const char *column, const struct tally *tally)
{
	if (tally->asked == 0)
		return 0;
	return report_share(
	    report, name, column, tally->right, tally->asked, tally->guessed / (double)tally->asked);
}

static int write_types(struct type *types, int count, struct report *report)
{
	struct type all = { .name = "all" };
	for (int i = 0; i < count; i++)
		for (int j = 0; j < SCORE_LANGUAGES; j++) {
			add(&types[i].tallies[ALL], &types[i].tallies[j]);
			add(&all.tallies[j], &types[i].tallies[j]);
			add(&all.tallies[ALL], &types[i].tallies[j]);
		}
	report->title = "questions";
	for (int i = 0; i <= count; i++) {
		const struct type *type = i < count ? &types[i] : &all;
		for (int j = 0; j <= ALL; j++)
			if (write_tally(report, type->name, columns[j], &type->tallies[j]) != 0)
				return -1;
	}
	return 0;
}

/* The answer to a question: that in its place among those of its picture. */
static const char *answer_to(const struct answers *answers, const struct question *question)
{
	size_t count;
	const struct answer *first = answers_find(answers, question->image, &count);
	return question->place < count ? first[question->place].text : NULL;
}

int score_answers(
    const struct questions *questions, const struct answers *answers, struct report *report)
{
	struct type types[TYPES_MOST];
	int count = 0;
	size_t missing = 0;
	for (size_t i = 0; i < questions->count; i++) {
		const struct question *question = &questions->items[i];
		struct type *type = find_type(types, &count, question->type);
		if (!type)
			return -1;
		const char *answer = answer_to(answers, question);
		struct tally *tally = &type->tallies[question->language];
		tally->asked++;
		missing += !answer;
		tally->right += answer && same(answer, question->answer);
	}
	const char **texts = memory_allocate(questions->count, sizeof *texts);
	if (!texts)
		return -1;
	for (int i = 0; i < count; i++)
		for (int language = 0; language < SCORE_LANGUAGES; language++)
			find_chance(questions, &types[i], language, texts);
	memory_release(texts);
	qsort(types, (size_t)count, sizeof *types, compare_types);
	if (missing > 0)
		message_note(NULL, "%zu of %zu questions have no answer", missing, questions->count);
	return write_types(types, count, report);
}
