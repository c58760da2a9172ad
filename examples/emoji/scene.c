/* scene.c - drawing layouts at random, and reading them. */
#include "scene.h"

#include <stdlib.h>
#include <string.h>

enum {
	PLACE_TRIES = 60,
	OVERLAP_PERCENT = 6, /* of the smaller box */
	APART = 8,           /* pixels between middles from left to right: the order is plain */
	REPEAT_PERCENT = 22,
	CLEAR = 14,       /* pixels that a direction needs */
	ZONE_MARGIN = 3,  /* pixels from a border of zones */
	WINDOW_SIZES = 6, /* of the sizes the first */
};

static const int shares[OBJECTS_MOST] = { 20, 30, 28, 22 }; /* of scenes with 1..4 objects */

static const int colours[COLOURS][3] = { { 240, 240, 240 }, { 26, 26, 26 }, { 132, 132, 132 },
	{ 206, 48, 48 }, { 240, 140, 44 }, { 244, 218, 70 }, { 66, 166, 78 }, { 54, 98, 212 },
	{ 132, 68, 176 }, { 246, 164, 196 }, { 118, 74, 44 }, { 84, 206, 214 } };

static void draw_backdrop(struct random *random, struct backdrop *backdrop)
{
	*backdrop = (struct backdrop){ .colour = draw_below(random, COLOURS) };
	int lighter = draw_between(random, -8, 8);
	for (int c = 0; c < 3; c++)
		backdrop->red_green_blue[c] =
		    colours[backdrop->colour][c] + lighter + draw_between(random, -6, 6);
	if (draw_percent(random, 60)) {
		backdrop->slope = draw_between(random, 6, 24);
		int course = draw_below(random, 8); /* of the nine, without the middle */
		course += course >= 4;
		backdrop->slope_x = course % 3 - 1;
		backdrop->slope_y = course / 3 - 1;
	}
	if (draw_percent(random, 40)) {
		backdrop->noise = draw_between(random, 4, 20);
		backdrop->noise_x = draw_below(random, 1 << 16);
		backdrop->noise_y = draw_below(random, 1 << 16);
	}
	if (draw_percent(random, 20)) {
		backdrop->stripes = draw_between(random, 5, 14);
		backdrop->period = draw_between(random, 6, 24);
		backdrop->stripe_course = draw_below(random, 4);
	}
}

static int draw_quality(struct random *random)
{
	return draw_percent(random, 80) ? draw_between(random, 50, 95) : 98;
}

/* --- kinds ------------------------------------------------------------------------------------ */

static bool kind_fits(const struct kinds *kinds, const struct object *objects, int count, int kind)
{
	for (int i = 0; i < count; i++)
		if (objects[i].kind == kind || kinds_reserved(kinds, objects[i].kind, kind))
			return false;
	return true;
}

static int draw_partner(const struct kinds *kinds, struct random *random, int kind)
{
	for (int tries = 0; tries < 100 * kinds->count; tries++) {
		int other = draw_below(random, kinds->count);
		if (kinds_reserved(kinds, kind, other))
			return other;
	}
	return -1;
}

/* False: no reserved pair begins with this kind. */
static bool draw_kinds(const struct kinds *kinds, bool unseen, struct random *random,
    struct object *objects, int count)
{
	for (int i = 0; i < count; i++) {
		int *kind = &objects[i].kind;
		if (unseen && i == 1) {
			if ((*kind = draw_partner(kinds, random, objects[0].kind)) < 0)
				return false;
		} else if (i > 0 && draw_percent(random, REPEAT_PERCENT)) {
			*kind = objects[draw_below(random, i)].kind;
		} else {
			bool fits;
			do {
				*kind = draw_below(random, kinds->count);
				fits = unseen || kind_fits(kinds, objects, i, *kind);
			} while (!fits);
		}
	}
	return true;
}

/* --- places ----------------------------------------------------------------------------------- */

static int middle_x(const struct object *object)
{
	return 2 * object->x + object->width;
}

static int middle_y(const struct object *object)
{
	return 2 * object->y + object->height;
}

static int shared_length(int a, int a_length, int b, int b_length)
{
	int begin = a > b ? a : b;
	int end = a + a_length < b + b_length ? a + a_length : b + b_length;
	return end > begin ? end - begin : 0;
}

static bool place_fits(const struct object *objects, int count, const struct object *object)
{
	for (int i = 0; i < count; i++) {
		const struct object *other = &objects[i];
		int shared = shared_length(object->x, object->width, other->x, other->width) *
		             shared_length(object->y, object->height, other->y, other->height);
		int area = object->width * object->height, area_other = other->width * other->height;
		if (100 * shared > OVERLAP_PERCENT * (area < area_other ? area : area_other) ||
		    abs(middle_x(object) - middle_x(other)) < 2 * APART)
			return false;
	}
	return true;
}

static int object_measure(struct kinds *kinds, struct object *object)
{
	const struct strike *picture = kinds_picture(kinds, object->kind, object->size, object->turn);
	if (!picture)
		return -1;
	object->width = picture->width;
	object->height = picture->height;
	return 0;
}

/* 1 when placed, 0 when there was no room. */
static int place(
    struct kinds *kinds, int side, struct random *random, struct object *objects, int i)
{
	struct object *object = &objects[i];
	object->turn = draw_below(random, TURNS);
	if (object_measure(kinds, object) != 0)
		return -1;
	for (int tries = 0; tries < PLACE_TRIES; tries++) {
		object->x = draw_between(random, 0, side - object->width);
		object->y = draw_between(random, 0, side - object->height);
		if (place_fits(objects, i, object))
			return 1;
	}
	return 0;
}

static int from_left(const void *a, const void *b)
{
	return middle_x(a) - middle_x(b);
}

static int draw_count(const struct scene_options *options, struct random *random)
{
	int least = options->unseen && options->least < 2 ? 2 : options->least;
	return least + draw_weighted(random, shares + least - 1, options->most - least + 1);
}

int scene_draw(struct kinds *kinds, const struct scene_options *options, struct random *random,
    struct scene *scene)
{
	static const int size_least[OBJECTS_MOST] = { 2, 1, 0, 0 },
	                 size_most[OBJECTS_MOST] = { 8, 6, 4, 4 };
	*scene = (struct scene){ .side = SCENE_SIDE };
	scene->count = draw_count(options, random);
	draw_backdrop(random, &scene->backdrop);
	scene->quality = draw_quality(random);
	while (!draw_kinds(kinds, options->unseen, random, scene->objects, scene->count))
		;
	for (int placed = 0; placed < scene->count;) {
		struct object *object = &scene->objects[placed];
		object->size =
		    draw_between(random, size_least[scene->count - 1], size_most[scene->count - 1]);
		int status = place(kinds, scene->side, random, scene->objects, placed);
		if (status < 0)
			return -1;
		placed = status ? placed + 1 : 0; /* no room: all are placed anew */
	}
	qsort(scene->objects, (size_t)scene->count, sizeof *scene->objects, from_left);
	return 0;
}

int window_draw(struct kinds *kinds, int spread, struct random *random, struct scene *scene)
{
	*scene = (struct scene){ .side = WINDOW_SIDE, .count = 1 };
	draw_backdrop(random, &scene->backdrop);
	scene->quality = draw_quality(random);
	struct object *object = scene->objects;
	object->kind = draw_below(random, kinds->count);
	object->size = draw_below(random, WINDOW_SIZES);
	object->turn = draw_below(random, TURNS);
	if (object_measure(kinds, object) != 0)
		return -1;
	int room_x = scene->side - object->width, room_y = scene->side - object->height;
	int from_middle_x = room_x * spread / 2000, from_middle_y = room_y * spread / 2000;
	object->x = room_x / 2 + draw_between(random, -from_middle_x, from_middle_x);
	object->y = room_y / 2 + draw_between(random, -from_middle_y, from_middle_y);
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

enum direction direction_inverse(enum direction direction)
{
	static const enum direction inverse[] = { RIGHT, LEFT, BELOW, ABOVE, UNCLEAR };
	return inverse[direction];
}

int scene_distance(const struct object *a, const struct object *b, enum direction direction)
{
	int x = middle_x(a) - middle_x(b), y = middle_y(a) - middle_y(b);
	return direction == LEFT ? -x : direction == RIGHT ? x : direction == ABOVE ? -y : y;
}

enum direction scene_direction(const struct object *a, const struct object *b)
{
	int x = middle_x(a) - middle_x(b), y = middle_y(a) - middle_y(b);
	int along = abs(x) > abs(y) ? abs(x) : abs(y), across = abs(x) > abs(y) ? abs(y) : abs(x);
	if (along <= 2 * CLEAR || 5 * across > 4 * along)
		return UNCLEAR;
	if (abs(x) > abs(y))
		return x < 0 ? LEFT : RIGHT;
	return y < 0 ? ABOVE : BELOW;
}

/* Third that a coordinate in half pixels lies in; clear: not near a border. */
static int third(int middle, int side, bool *clear)
{
	int place = 3 * middle, border = 2 * side; /* in sixths of a pixel */
	for (int i = 1; i <= 2; i++)
		if (abs(place - i * border) < 6 * ZONE_MARGIN)
			*clear = false;
	return place / border;
}

bool scene_zone(const struct scene *scene, const struct object *object, int *zone)
{
	bool clear = true;
	int column = third(middle_x(object), scene->side, &clear);
	*zone = 3 * third(middle_y(object), scene->side, &clear) + column;
	return clear;
}

int scene_groups(const struct scene *scene, struct group groups[OBJECTS_MOST])
{
	int count = 0;
	for (int i = 0; i < scene->count; i++) {
		int j = 0;
		while (j < count && groups[j].kind != scene->objects[i].kind)
			j++;
		if (j == count)
			groups[count++] = (struct group){ scene->objects[i].kind, 0, i };
		groups[j].count++;
	}
	return count;
}

int scene_kind_count(const struct scene *scene, int kind)
{
	int count = 0;
	for (int i = 0; i < scene->count; i++)
		count += scene->objects[i].kind == kind;
	return count;
}
