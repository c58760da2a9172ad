/* kinds.h - the kinds of objects: well-separated emoji with a class number each, their pictures in
 * every size, and the classes behind them (zone, colour, number, size).
 */
#ifndef EMOJI_KINDS_H
#define EMOJI_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"
#include "strikes.h"

/* Longer sides of objects in pixels, each 1.15 times the one before. */
enum { SIZES = 9, SIZE_CLASSES = 3, ZONES = 9, COLOURS = 12, OBJECTS_MOST = 4 };
extern const int size_pixels[SIZES];

struct kind {
	struct name name;
	struct strike turned[TURNS]; /* in full size; made when first asked for, as copies is */
	struct strike copies[SIZES][TURNS];
};

struct kinds {
	struct kind *items; /* class number = place */
	int count;
	int closest; /* the least distance of two, in thousandths of the range (RMS) */
};

struct kinds_paths {
	struct names_paths names;
	const char *font;
};

/* Read names and font and keep the count kinds that look least alike. 0, or -1 recorded. */
int kinds_read(const struct kinds_paths *paths, int count, struct kinds *kinds);
void kinds_clear(struct kinds *kinds);

/* The picture of a kind in one of the sizes and turns; NULL recorded. */
const struct strike *kinds_picture(struct kinds *kinds, int kind, int size, int turn);

/* Is this pair of kinds kept out of training? One in twenty, by a hash of the two code points, so
 * that it stays so when kinds come and go. */
bool kinds_reserved(const struct kinds *kinds, int a, int b);

/* Class numbers: kinds, none, zones, colours, numbers of objects, sizes. */
int class_none(const struct kinds *kinds);
int class_zone(const struct kinds *kinds, int zone);
int class_colour(const struct kinds *kinds, int colour);
int class_number(const struct kinds *kinds, int objects);
int class_size(const struct kinds *kinds, int size); /* of a place in size_pixels */

#endif
