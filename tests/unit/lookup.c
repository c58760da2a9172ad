/* lookup - guesses: what followed the same tokens before, the nearest place, repetitions, and that
 * there are fewer guesses where they are wrong. */
#include "model/lookup.h"
#include "tap.h"

#include <string.h>

static struct lookup lookup;

static void begin(const int32_t *ids, size_t count)
{
	lookup_begin(&lookup);
	if (lookup_add(&lookup, ids, count) != 0)
		TAP_OK(false, "no memory");
}

static bool guesses(size_t most, const int32_t *wanted, size_t count)
{
	int32_t ids[LOOKUP_MOST];
	return lookup_guess(&lookup, most, ids) == count &&
	       (count == 0 || memcmp(ids, wanted, count * sizeof *ids) == 0);
}
#define GUESS(most, ...)                                                                           \
	guesses(most, (const int32_t[]){ __VA_ARGS__ },                                                \
	    sizeof(const int32_t[]){ __VA_ARGS__ } / sizeof(int32_t))

static void test_places(void)
{
	const int32_t nothing[] = { 1, 2, 3, 4 };
	begin(nothing, 4);
	TAP_OK(guesses(8, NULL, 0), "where nothing repeats itself nothing is guessed");
	begin(nothing, 1);
	TAP_OK(guesses(8, NULL, 0), "nor behind a single token");
	begin(nothing, 0);
	TAP_OK(guesses(8, NULL, 0), "nor behind none");
	const int32_t again[] = { 7, 1, 2, 30, 31, 32, 33, 34, 9, 2, 40, 7, 1, 2 };
	begin(again, 14);
	TAP_OK(GUESS(3, 30, 31, 32), "the place with the longest likeness goes before the nearest");
	const int32_t twice[] = { 1, 2, 30, 1, 2, 40, 41, 1, 2 };
	begin(twice, 9);
	TAP_OK(GUESS(2, 40, 41), "of equal places the nearest");
	const int32_t circle[] = { 9, 5, 6, 5, 6 };
	begin(circle, 5);
	TAP_OK(GUESS(4, 5, 6, 5, 6), "what repeats itself goes on doing so");
	const int32_t picture[] = { -1, 3, -2, -3, 3 };
	begin(picture, 5);
	TAP_OK(guesses(4, NULL, 0), "rows of a picture are not guessed");
	const int32_t behind[] = { 3, 4, -2, -3, 3 };
	begin(behind, 5);
	TAP_OK(GUESS(4, 4), "and end a guess");
}

static void test_learning(void)
{
	int32_t ids[LOOKUP_MOST], same[40];
	for (int i = 0; i < 40; i++)
		same[i] = 5;
	begin(same, 40);
	size_t first = lookup_guess(&lookup, 100, ids), more;
	lookup_learn(&lookup, first, first);
	more = lookup_guess(&lookup, 100, ids);
	TAP_OK(first > 0 && more > first, "right guesses: longer ones (%zu, then %zu)", first, more);
	for (int i = 0; i < 5; i++)
		lookup_learn(&lookup, more, more);
	TAP_OK(lookup_guess(&lookup, 100, ids) == LOOKUP_MOST, "up to %d", LOOKUP_MOST);
	TAP_OK(lookup_guess(&lookup, 2, ids) == 2, "but not more than is asked for");
	size_t guessed = 0;
	for (int i = 0; i < 100; i++) {
		size_t now = lookup_guess(&lookup, 100, ids);
		guessed += now;
		lookup_learn(&lookup, now, 0);
	}
	TAP_OK(guessed < 40, "wrong guesses: hardly any more (%zu tokens in 100 steps)", guessed);
	for (int i = 0; i < 20 && lookup_guess(&lookup, 100, ids) == 0; i++)
		continue;
	lookup_learn(&lookup, 1, 1);
	TAP_OK(lookup_guess(&lookup, 100, ids) > 1, "until one is right");
}

int main(void)
{
	test_places();
	test_learning();
	lookup_clear(&lookup);
	return tap_finish();
}
