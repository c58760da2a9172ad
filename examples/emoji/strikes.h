/* strikes.h - the bitmaps of a colour font, cut to what is drawn; scaled and turned copies of them. */
#ifndef EMOJI_STRIKES_H
#define EMOJI_STRIKES_H

#include <stdint.h>

/* Red, green, blue, multiplied by alpha, and alpha; row by row. */
struct strike {
	int width, height;
	uint8_t *pixels; /* [height][width][4] */
};

struct font;
/* NULL recorded. */
struct font *font_open(const char *path);
void font_close(struct font *font);

/* The bitmap of a code point. 1; 0 when the font has none; -1 recorded. */
int font_strike(struct font *font, uint32_t code, struct strike *strike);

/* Degrees that a strike can be turned by. */
enum { TURNS = 5, TURN_NONE = 2 };
extern const int turn_degrees[TURNS];

/* The strike turned, cut to what is drawn. 0 or -1 recorded. */
int strike_turn(const struct strike *strike, int turn, struct strike *turned);

/* The strike with its longer side made side pixels. 0 or -1 recorded. */
int strike_fit(const struct strike *strike, int side, struct strike *fitted);

void strike_clear(struct strike *strike);

#endif
