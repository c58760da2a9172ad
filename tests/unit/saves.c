/* saves.c - the save stack: order, tags, addresses that stay, memory that is kept, marks.
 */
#include "tap.h"
#include "train/saves.h"

#include "base/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TENSORS = 300 };

static size_t count_of(size_t round, size_t i)
{
	return (i * 7919 + round * 104729) % 60000;
}

/* Push tensors full of their number, then pop them in reverse: everything is still there. */
static bool round_trip(struct saves *saves, size_t round)
{
	float *kept[TENSORS];
	bool right = true;
	for (size_t i = 0; i < TENSORS; i++) {
		size_t count = count_of(round, i);
		if (!(kept[i] = saves_push(saves, i % 2 ? "odd" : "even", count)))
			return false;
		right = right && (uintptr_t)kept[i] % 64 == 0;
		for (size_t k = 0; k < count; k++)
			kept[i][k] = (float)i;
	}
	for (size_t i = TENSORS; i-- > 0;) {
		size_t count = count_of(round, i);
		float *values = saves_pop(saves, i % 2 ? "odd" : "even", count);
		right = right && values == kept[i];
		for (size_t k = 0; right && k < count; k++)
			right = values[k] == (float)i;
	}
	return right && saves_mark(saves) == 0;
}

static void test_tags(struct saves *saves)
{
	TAP_OK(!saves_pop(saves, "x", 1) && error_kind() == ERROR_SYSTEM, "nothing to pop is told");
	float *x = saves_push(saves, "x", 10);
	TAP_OK(!saves_pop(saves, "y", 10) && strstr(error_text(), "\"x\" (10) where \"y\" (10)"),
	    "another tag is told: %s", error_text());
	TAP_OK(!saves_pop(saves, "x", 11), "another count is told");
	TAP_OK(x && saves_pop(saves, "x", 10) == x, "and what is there stays");
	TAP_OK(!saves_push(saves, "x", SIZE_MAX / 2) && !saves_push(saves, "x", SIZE_MAX),
	    "sizes that no memory has are refused");
}

static void test_marks(struct saves *saves)
{
	float *first = saves_push(saves, "first", 5);
	size_t mark = saves_mark(saves);
	float *second = saves_push(saves, "second", 5000000);
	saves_push(saves, "third", 7);
	saves_reset(saves, mark);
	TAP_OK(saves_push(saves, "second", 5000000) == second, "a mark gives the memory free again");
	saves_reset(saves, mark);
	TAP_OK(saves_pop(saves, "first", 5) == first, "and what was before it stays");
}

int main(void)
{
	struct saves *saves = saves_new();
	if (!saves)
		return 2;
	for (size_t round = 0; round < 4; round++)
		TAP_OK(round_trip(saves, round), "%d tensors come back, round %zu", TENSORS, round + 1);
	size_t most = 0, sum = 0;
	for (size_t round = 0; round < 4; round++, sum = 0) {
		for (size_t i = 0; i < TENSORS; i++)
			sum += (count_of(round, i) + 15) / 16 * 64;
		most = sum > most ? sum : most;
	}
	TAP_OK(saves_most(saves) == most, "the most in use is told");
	test_tags(saves);
	test_marks(saves);
	saves_release(saves);
	saves_release(NULL);
	return tap_finish();
}
