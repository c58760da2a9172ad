/* compose.h - scenes to pixels and JPEG, and which patch shows what. */
#ifndef EMOJI_COMPOSE_H
#define EMOJI_COMPOSE_H

#include "scene.h"

enum { PATCHES_MOST = (SCENE_SIDE / PATCH) * (SCENE_SIDE / PATCH) };

struct canvas;
struct canvas *canvas_open(void); /* NULL recorded */
void canvas_close(struct canvas *canvas);

/* Paint a scene. 0 or -1 recorded. */
int canvas_paint(struct canvas *canvas, struct kinds *kinds, const struct scene *scene);

/* The kind that covers at least 35 % of each patch painted, or -1, row by row; an object that covers
 * none so far has the patch that shows most of it. Their number. */
int canvas_patches(
    const struct canvas *canvas, const struct scene *scene, int patches[PATCHES_MOST]);

/* Write what was painted as a JPEG. 0 or -1 recorded. */
int canvas_write(struct canvas *canvas, const struct scene *scene, const char *path);

#endif
