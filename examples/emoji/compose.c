/* compose.c - painting: background, objects over it, JPEG by libjpeg. */
#include "compose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "base/error.h"
#include "base/memory.h"

enum {
	TILE = 256, /* side of the tile of noise */
	COVER_PERCENT = 35,
	OPAQUE = 128, /* alpha from which a pixel belongs to an object */
	FILE_ROOM = 1 << 17,
};

struct canvas {
	struct jpeg_compress_struct jpeg;
	struct jpeg_error_mgr errors;
	int8_t noise[TILE][TILE][3];
	uint8_t pixels[SCENE_SIDE * SCENE_SIDE * 3];
	int8_t owner[SCENE_SIDE * SCENE_SIDE]; /* object on top of a pixel, -1: none */
	unsigned char file[FILE_ROOM];
};

struct canvas *canvas_open(void)
{
	struct canvas *canvas = memory_allocate_zero(1, sizeof *canvas);
	if (!canvas)
		return NULL;
	canvas->jpeg.err = jpeg_std_error(&canvas->errors);
	jpeg_create_compress(&canvas->jpeg);
	uint32_t block[4] = { 0 }, counter[4] = { 0 };
	const uint32_t key[2] = { 0x6E6F6973, 0 }; /* "nois" */
	int8_t *values = &canvas->noise[0][0][0];
	for (size_t i = 0; i < sizeof canvas->noise; i++) {
		if (i % sizeof block == 0) {
			counter[0] = (uint32_t)i;
			random_block(counter, key, block);
		}
		values[i] = (int8_t)((int)(block[i / 4 % 4] >> 8 * (i % 4) & 255) - 128);
	}
	return canvas;
}

void canvas_close(struct canvas *canvas)
{
	if (canvas)
		jpeg_destroy_compress(&canvas->jpeg);
	memory_release(canvas);
}

static uint8_t clamp(int value)
{
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* What slope and stripes add at (x, y). */
static int relief(const struct backdrop *backdrop, int side, int x, int y)
{
	int sum = 0;
	if (backdrop->slope) {
		int along = backdrop->slope_x * (2 * x - side + 1) + backdrop->slope_y * (2 * y - side + 1);
		sum += backdrop->slope * along / (side * (abs(backdrop->slope_x) + abs(backdrop->slope_y)));
	}
	if (backdrop->stripes) {
		const int courses[4] = { x, y, x + y, x - y + side };
		int half = backdrop->period / 2;
		sum += courses[backdrop->stripe_course] / half % 2 ? backdrop->stripes : -backdrop->stripes;
	}
	return sum;
}

static void paint_backdrop(struct canvas *canvas, const struct backdrop *backdrop, int side)
{
	for (int y = 0; y < side; y++) {
		uint8_t *row = canvas->pixels + (size_t)(3 * side * y);
		int8_t(*noise)[3] = canvas->noise[(y + backdrop->noise_y) % TILE];
		for (int x = 0; x < side; x++) {
			int add = relief(backdrop, side, x, y);
			const int8_t *grain = noise[(x + backdrop->noise_x) % TILE];
			for (int c = 0; c < 3; c++)
				row[3 * x + c] =
				    clamp(backdrop->red_green_blue[c] + add + grain[c] * backdrop->noise / 128);
		}
	}
}

static void paint_object(struct canvas *canvas, int side, const struct object *object, int number,
    const struct strike *strike)
{
	for (int y = 0; y < object->height; y++) {
		const uint8_t *from = strike->pixels + (size_t)(4 * strike->width * y);
		size_t at = (size_t)((object->y + y) * side + object->x);
		for (int x = 0; x < object->width; x++, from += 4, at++) {
			uint8_t *to = canvas->pixels + 3 * at;
			for (int c = 0; c < 3; c++)
				to[c] = clamp(from[c] + (to[c] * (255 - from[3]) + 127) / 255);
			if (from[3] >= OPAQUE)
				canvas->owner[at] = (int8_t)number;
		}
	}
}

int canvas_paint(struct canvas *canvas, struct kinds *kinds, const struct scene *scene)
{
	paint_backdrop(canvas, &scene->backdrop, scene->side);
	memset(canvas->owner, -1, sizeof canvas->owner);
	for (int i = 0; i < scene->count; i++) {
		const struct object *object = &scene->objects[i];
		const struct strike *strike =
		    kinds_picture(kinds, object->kind, object->size, object->turn);
		if (!strike)
			return -1;
		paint_object(canvas, scene->side, object, i, strike);
	}
	return 0;
}

/* Pixels of each object on top in the patch at (left, top). */
static void patch_cover(const struct canvas *canvas, const struct scene *scene, int left, int top,
    int covered[OBJECTS_MOST])
{
	memset(covered, 0, OBJECTS_MOST * sizeof *covered);
	for (int y = top; y < top + PATCH; y++)
		for (int x = left; x < left + PATCH; x++) {
			int owner = canvas->owner[y * scene->side + x];
			if (owner >= 0)
				covered[owner]++;
		}
}

int canvas_patches(
    const struct canvas *canvas, const struct scene *scene, int patches[PATCHES_MOST])
{
	int columns = scene->side / PATCH, count = columns * columns;
	int most[OBJECTS_MOST] = { 0 }, place[OBJECTS_MOST] = { 0 };
	bool shown[OBJECTS_MOST] = { false };
	for (int i = 0; i < count; i++) {
		int covered[OBJECTS_MOST], best = 0;
		patch_cover(canvas, scene, i % columns * PATCH, i / columns * PATCH, covered);
		for (int j = 0; j < scene->count; j++) {
			best = covered[j] > covered[best] ? j : best;
			place[j] = covered[j] > most[j] ? i : place[j];
			most[j] = covered[j] > most[j] ? covered[j] : most[j];
		}
		bool enough = 100 * covered[best] >= COVER_PERCENT * PATCH * PATCH;
		patches[i] = enough ? scene->objects[best].kind : -1;
		shown[best] |= enough;
	}
	for (int j = 0; j < scene->count; j++) /* thin ones have the patch that shows most of them */
		if (!shown[j] && most[j] > 0 && patches[place[j]] < 0)
			patches[place[j]] = scene->objects[j].kind;
	return count;
}

int canvas_write(struct canvas *canvas, const struct scene *scene, const char *path)
{
	struct jpeg_compress_struct *jpeg = &canvas->jpeg;
	unsigned char *bytes = canvas->file;
	unsigned long size = sizeof canvas->file;
	jpeg_mem_dest(jpeg, &bytes, &size);
	jpeg->image_width = jpeg->image_height = (JDIMENSION)scene->side;
	jpeg->input_components = 3;
	jpeg->in_color_space = JCS_RGB;
	jpeg_set_defaults(jpeg);
	jpeg_set_quality(jpeg, scene->quality, TRUE);
	jpeg->dct_method = JDCT_ISLOW; /* the same bytes with and without vector instructions */
	jpeg_start_compress(jpeg, TRUE);
	while (jpeg->next_scanline < jpeg->image_height) {
		JSAMPROW row = canvas->pixels + 3 * (size_t)scene->side * jpeg->next_scanline;
		jpeg_write_scanlines(jpeg, &row, 1);
	}
	jpeg_finish_compress(jpeg);
	FILE *file = fopen(path, "wb");
	int status = file && fwrite(bytes, 1, size, file) == size ? 0 : -1;
	if (file && fclose(file) != 0)
		status = -1;
	if (bytes != canvas->file)
		free(bytes);
	return status == 0 ? 0 : error_system("%s:", path);
}
