/* kinds.c - choosing kinds that can be told apart, and the cache of their pictures. */
#include "kinds.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

enum { THUMB = 16, GREYS = 2, THUMB_VALUES = GREYS * THUMB * THUMB * 3, RESERVED_ONE_IN = 20 };

const int size_pixels[SIZES] = { 26, 30, 34, 39, 45, 52, 60, 69, 79 };

static void kind_clear(struct kind *kind)
{
	for (int turn = 0; turn < TURNS; turn++) {
		strike_clear(&kind->turned[turn]);
		for (int size = 0; size < SIZES; size++)
			strike_clear(&kind->copies[size][turn]);
	}
	memory_release(kind->name.english);
	memory_release(kind->name.plural);
	memory_release(kind->name.chinese);
}

void kinds_clear(struct kinds *kinds)
{
	for (int i = 0; i < kinds->count; i++)
		kind_clear(&kinds->items[i]);
	memory_release(kinds->items);
	*kinds = (struct kinds){ 0 };
}

/* --- which look alike ------------------------------------------------------------------------- */

/* A small picture over a dark and over a light grey, in the middle of a square. */
static int thumbnail(const struct strike *strike, uint8_t *values)
{
	static const int greys[GREYS] = { 64, 192 };
	struct strike small;
	if (strike_fit(strike, THUMB, &small) != 0)
		return -1;
	int left = (THUMB - small.width) / 2, top = (THUMB - small.height) / 2;
	for (int grey = 0; grey < GREYS; grey++) {
		uint8_t *square = values + (size_t)grey * THUMB * THUMB * 3;
		memset(square, greys[grey], THUMB * THUMB * 3);
		for (int y = 0; y < small.height; y++)
			for (int x = 0; x < small.width; x++) {
				const uint8_t *from = small.pixels + 4 * (y * small.width + x);
				uint8_t *to = square + 3 * ((top + y) * THUMB + left + x);
				for (int c = 0; c < 3; c++)
					to[c] = (uint8_t)(from[c] + (to[c] * (255 - from[3]) + 127) / 255);
			}
	}
	strike_clear(&small);
	return 0;
}

static uint32_t distance(const uint8_t *a, const uint8_t *b)
{
	uint32_t sum = 0;
	for (int i = 0; i < THUMB_VALUES; i++) {
		int difference = a[i] - b[i];
		sum += (uint32_t)(difference * difference);
	}
	return sum;
}

/* Of two kinds that look alike the one with the longer name goes, of equal names the later. */
static int worse(const struct kinds *kinds, int a, int b)
{
	size_t first = strlen(kinds->items[a].name.english);
	size_t second = strlen(kinds->items[b].name.english);
	return first > second ? a : b;
}

/* The closest pair among those that are left, from[i] the nearest later neighbour of i. */
static uint32_t closest_pair(
    const uint32_t *distances, const bool *gone, int count, int *one, int *other)
{
	uint32_t least = UINT32_MAX;
	for (int i = 0; i < count; i++)
		for (int j = i + 1; j < count && !gone[i]; j++)
			if (!gone[j] && distances[(size_t)i * (size_t)count + (size_t)j] < least) {
				least = distances[(size_t)i * (size_t)count + (size_t)j];
				*one = i;
				*other = j;
			}
	return least;
}

static int root(uint64_t n)
{
	uint64_t r = 0;
	while ((r + 1) * (r + 1) <= n)
		r++;
	return (int)r;
}

static void keep_apart(struct kinds *kinds, const uint32_t *distances, bool *gone, int wanted)
{
	int count = kinds->count, one = 0, other = 0;
	for (int left = count; left > wanted; left--) {
		closest_pair(distances, gone, count, &one, &other);
		gone[worse(kinds, one, other)] = true;
	}
	uint64_t least = closest_pair(distances, gone, count, &one, &other);
	kinds->closest = root(least * 1000000 / ((uint64_t)THUMB_VALUES * 255 * 255));
	kinds->count = 0;
	for (int i = 0; i < count; i++)
		if (gone[i])
			kind_clear(&kinds->items[i]);
		else
			kinds->items[kinds->count++] = kinds->items[i];
}

static int separate(struct kinds *kinds, int wanted)
{
	size_t count = (size_t)kinds->count;
	if (kinds->count < wanted)
		return error_input(
		    "%d kinds are wanted, but only %zu have names and pictures", wanted, count);
	uint8_t *values = memory_allocate(count, THUMB_VALUES);
	uint32_t *distances = memory_allocate(count * count, sizeof *distances);
	bool *gone = memory_allocate_zero(count, sizeof *gone);
	int status = values && distances && gone ? 0 : -1;
	for (size_t i = 0; i < count && status == 0; i++)
		status = thumbnail(&kinds->items[i].turned[TURN_NONE], values + i * THUMB_VALUES);
	for (size_t i = 0; i < count && status == 0; i++)
		for (size_t j = i + 1; j < count; j++)
			distances[i * count + j] =
			    distance(values + i * THUMB_VALUES, values + j * THUMB_VALUES);
	if (status == 0)
		keep_apart(kinds, distances, gone, wanted);
	memory_release(values);
	memory_release(distances);
	memory_release(gone);
	return status;
}

/* --- reading ------------------------------------------------------------------------------- */

int kinds_read(const struct kinds_paths *paths, int count, struct kinds *kinds)
{
	struct names names;
	*kinds = (struct kinds){ 0 };
	if (names_read(&paths->names, &names) != 0)
		return -1;
	struct font *font = font_open(paths->font);
	kinds->items = memory_allocate_zero(names.count, sizeof *kinds->items);
	int status = font && kinds->items ? 0 : -1;
	for (size_t i = 0; i < names.count && status == 0; i++) {
		struct strike strike;
		int there = font_strike(font, names.items[i].code, &strike);
		if (there < 0)
			status = -1;
		else if (there) {
			kinds->items[kinds->count++] = (struct kind){ .name = names.items[i] };
			kinds->items[kinds->count - 1].turned[TURN_NONE] = strike;
			names.items[i] = (struct name){ 0 }; /* the kind owns the texts now */
		}
	}
	if (status == 0)
		status = separate(kinds, count);
	font_close(font);
	names_clear(&names);
	if (status != 0)
		kinds_clear(kinds);
	return status;
}

const struct strike *kinds_picture(struct kinds *kinds, int kind, int size, int turn)
{
	struct strike *turned = kinds->items[kind].turned;
	struct strike *copy = &kinds->items[kind].copies[size][turn];
	if (!turned[turn].pixels && strike_turn(&turned[TURN_NONE], turn, &turned[turn]) != 0)
		return NULL;
	if (!copy->pixels && strike_fit(&turned[turn], size_pixels[size], copy) != 0)
		return NULL;
	return copy;
}

bool kinds_reserved(const struct kinds *kinds, int a, int b)
{
	uint32_t one = kinds->items[a].name.code, other = kinds->items[b].name.code, block[4];
	const uint32_t counter[4] = { one < other ? one : other, one < other ? other : one, 0, 0 };
	const uint32_t key[2] = { 0x70616972, 0 }; /* "pair" */
	random_block(counter, key, block);
	return a != b && block[0] % RESERVED_ONE_IN == 0;
}

/* --- classes ------------------------------------------------------------------------------- */

int class_none(const struct kinds *kinds)
{
	return kinds->count;
}

int class_zone(const struct kinds *kinds, int zone)
{
	return kinds->count + 1 + zone;
}

int class_colour(const struct kinds *kinds, int colour)
{
	return class_zone(kinds, ZONES) + colour;
}

int class_number(const struct kinds *kinds, int objects)
{
	return class_colour(kinds, COLOURS) + objects - 1;
}

int class_size(const struct kinds *kinds, int size)
{
	return class_number(kinds, OBJECTS_MOST + 1) + size * SIZE_CLASSES / SIZES;
}
