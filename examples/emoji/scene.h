/* scene.h - what stands where: objects on a nameable background, and what can be said about them. */
#ifndef EMOJI_SCENE_H
#define EMOJI_SCENE_H

#include <stdbool.h>

#include "draw.h"
#include "kinds.h"

enum { SCENE_SIDE = 112, WINDOW_SIDE = 56, PATCH = 14 };

struct object {
	int kind, size, turn;    /* size: place in size_pixels */
	int x, y, width, height; /* of what is drawn, in pixels from the top left */
};

/* Added to a colour: a slope, stripes, noise. */
struct backdrop {
	int colour, red_green_blue[3];
	int slope, slope_x, slope_y;        /* strength (0: none) and direction, -1, 0, 1 each */
	int stripes, period, stripe_course; /* strength (0: none), pixels, 0..3 */
	int noise, noise_x, noise_y;        /* strength (0: none), place in the tile of noise */
};

struct scene {
	int side;
	struct backdrop backdrop;
	struct object objects[OBJECTS_MOST]; /* from left to right */
	int count;
	int quality; /* of the JPEG */
};

enum split { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, SPLIT_UNSEEN };

struct scene_options {
	int least, most; /* objects */
	bool unseen;     /* with a reserved pair of kinds; else without any */
};

/* 0 or -1 recorded (memory). */
int scene_draw(struct kinds *kinds, const struct scene_options *options, struct random *random,
    struct scene *scene);

/* One object at most 52 pixels long, as far from the middle as spread thousandths of its room. */
int window_draw(struct kinds *kinds, int spread, struct random *random, struct scene *scene);

/* --- what can be said ------------------------------------------------------------------------ */

enum direction { LEFT, RIGHT, ABOVE, BELOW, UNCLEAR };

/* Where a is, seen from b: along the larger distance, if that is clear. */
enum direction scene_direction(const struct object *a, const struct object *b);
enum direction direction_inverse(enum direction direction);

/* How far a stands in a direction from b, middle to middle, in half pixels. */
int scene_distance(const struct object *a, const struct object *b, enum direction direction);

/* Zone of the middle, 0..8 by rows from the top left; false when it is near a border of zones. */
bool scene_zone(const struct scene *scene, const struct object *object, int *zone);

/* Objects of one kind, in the order of their first instance from left to right. */
struct group {
	int kind, count, first;
};
int scene_groups(const struct scene *scene, struct group groups[OBJECTS_MOST]);
int scene_kind_count(const struct scene *scene, int kind);

#endif
