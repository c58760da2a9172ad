/* lookup.c - guesses out of what is there, see lookup.h. */
#include "model/lookup.h"

enum {
	DEEPEST = 4, /* tokens that two places are compared by, the last one first */
	FIRST_REACH = 4,
	PAUSE_MOST = 8,
};

void lookup_begin(struct lookup *lookup)
{
	lookup->known.count = 0;
	lookup->reach = FIRST_REACH;
	lookup->misses = lookup->pause = 0;
}

void lookup_clear(struct lookup *lookup)
{
	ids_clear(&lookup->known);
	*lookup = (struct lookup){ 0 };
}

int lookup_add(struct lookup *lookup, const int32_t *ids, size_t count)
{
	return ids_append(&lookup->known, ids, count);
}

/* How many tokens in front of place `end` are those at the sequence's end. */
static size_t alike(const struct ids *known, size_t end)
{
	size_t n = 0;
	while (n < DEEPEST && n < end && known->at[end - 1 - n] >= 0 &&
	       known->at[end - 1 - n] == known->at[known->count - 1 - n])
		n++;
	return n;
}

/* The last place in front of which most of the last tokens stand too, or 0. */
static size_t find(const struct ids *known)
{
	size_t best = 0, found = 0;
	for (size_t end = known->count; --end > 0 && best < DEEPEST;) {
		size_t n = alike(known, end);
		if (n > best) {
			best = n;
			found = end;
		}
	}
	return found;
}

size_t lookup_guess(struct lookup *lookup, size_t most, int32_t ids[LOOKUP_MOST])
{
	const struct ids *known = &lookup->known;
	if (lookup->pause > 0) {
		lookup->pause--;
		return 0;
	}
	size_t place = known->count > 1 ? find(known) : 0, count = 0;
	most = most < lookup->reach ? most : lookup->reach;
	/* what repeats itself up to the end goes on repeating itself: place < known->count */
	for (size_t at = place; place > 0 && count < most; at++, count++) {
		ids[count] = at < known->count ? known->at[at] : ids[at - known->count];
		if (ids[count] < 0)
			break;
	}
	return count;
}

void lookup_learn(struct lookup *lookup, size_t guessed, size_t right)
{
	if (guessed == 0)
		return;
	lookup->misses = right > 0 ? 0 : lookup->misses + 1;
	if (right == guessed)
		lookup->reach = 2 * lookup->reach < LOOKUP_MOST ? 2 * lookup->reach : LOOKUP_MOST;
	else
		lookup->reach = right + 1;
	if (lookup->misses > 1)
		lookup->pause = lookup->misses < PAUSE_MOST ? lookup->misses : PAUSE_MOST;
}
