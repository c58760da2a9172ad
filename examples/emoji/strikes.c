/* strikes.c - FreeType's colour bitmaps, trimmed; turned and scaled with alpha premultiplied, so that
 * no rim of another colour appears.
 */
#include "strikes.h"

#include <string.h>

#include <ft2build.h>
#include FT_FREETYPE_H

#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"

enum { ALPHA_LEAST = 8, UNIT = 1 << 16 }; /* fainter pixels are no part; fixed point of turning */

const int turn_degrees[TURNS] = { -20, -10, 0, 10, 20 };
/* cos and sin times UNIT, from a table so that no libm has a say */
static const int32_t turn_cos[TURNS] = { 61584, 64540, 65536, 64540, 61584 };
static const int32_t turn_sin[TURNS] = { -22415, -11380, 0, 11380, 22415 };

struct font {
	FT_Library library;
	FT_Face face;
};

void font_close(struct font *font)
{
	if (!font)
		return;
	if (font->face)
		FT_Done_Face(font->face);
	if (font->library)
		FT_Done_FreeType(font->library);
	memory_release(font);
}

struct font *font_open(const char *path)
{
	struct font *font = memory_allocate_zero(1, sizeof *font);
	if (!font)
		return NULL;
	if (FT_Init_FreeType(&font->library) != 0)
		error_system("FreeType does not start");
	else if (FT_New_Face(font->library, path, 0, &font->face) != 0)
		error_system("%s: no font that can be read", path);
	else if (font->face->num_fixed_sizes < 1 || FT_Select_Size(font->face, 0) != 0)
		error_system("%s: a font without bitmaps", path);
	else
		return font;
	font_close(font);
	return NULL;
}

void strike_clear(struct strike *strike)
{
	memory_release(strike->pixels);
	*strike = (struct strike){ 0 };
}

static int strike_make(int width, int height, struct strike *strike)
{
	*strike = (struct strike){ width, height, NULL };
	strike->pixels = memory_allocate_zero((size_t)width * (size_t)height, 4);
	return strike->pixels ? 0 : -1;
}

static uint8_t *pixel(const struct strike *strike, int x, int y)
{
	return strike->pixels + 4 * ((size_t)y * (size_t)strike->width + (size_t)x);
}

/* Cut away rows and columns without anything drawn. 1; 0 when nothing is left; -1 recorded. */
static int trim(struct strike *strike)
{
	int left = strike->width, right = -1, top = strike->height, bottom = -1;
	for (int y = 0; y < strike->height; y++)
		for (int x = 0; x < strike->width; x++)
			if (pixel(strike, x, y)[3] >= ALPHA_LEAST) {
				left = x < left ? x : left;
				right = x > right ? x : right;
				top = y < top ? y : top;
				bottom = y;
			}
	if (right < 0)
		return 0;
	struct strike cut;
	if (strike_make(right - left + 1, bottom - top + 1, &cut) != 0)
		return -1;
	for (int y = 0; y < cut.height; y++)
		memcpy(pixel(&cut, 0, y), pixel(strike, left, top + y), 4 * (size_t)cut.width);
	strike_clear(strike);
	*strike = cut;
	return 1;
}

int font_strike(struct font *font, uint32_t code, struct strike *strike)
{
	*strike = (struct strike){ 0 };
	FT_UInt glyph = FT_Get_Char_Index(font->face, code);
	if (glyph == 0 || FT_Load_Glyph(font->face, glyph, FT_LOAD_COLOR) != 0)
		return 0;
	const FT_Bitmap *bitmap = &font->face->glyph->bitmap;
	if (bitmap->pixel_mode != FT_PIXEL_MODE_BGRA || bitmap->width == 0 || bitmap->rows == 0)
		return 0;
	if (strike_make((int)bitmap->width, (int)bitmap->rows, strike) != 0)
		return -1;
	for (int y = 0; y < strike->height; y++) {
		const uint8_t *from = bitmap->buffer + (ptrdiff_t)y * bitmap->pitch;
		for (int x = 0; x < strike->width; x++, from += 4) {
			uint8_t *to = pixel(strike, x, y);
			to[0] = from[2];
			to[1] = from[1];
			to[2] = from[0];
			to[3] = from[3];
		}
	}
	int status = trim(strike);
	if (status != 1)
		strike_clear(strike);
	return status;
}

/* --- turning and scaling ---------------------------------------------------------------------- */

/* Bilinear value at (x, y), fixed point, counted from the middle of pixel (0, 0); nothing outside. */
static void sample(const struct strike *strike, int64_t x, int64_t y, uint8_t value[4])
{
	int left = (int)(x >> 16), top = (int)(y >> 16);
	int64_t fx = x & (UNIT - 1), fy = y & (UNIT - 1), sum[4] = { 0 };
	for (int i = 0; i < 4; i++) {
		int px = left + (i & 1), py = top + (i >> 1);
		if (px < 0 || py < 0 || px >= strike->width || py >= strike->height)
			continue;
		int64_t weight = (i & 1 ? fx : UNIT - fx) * (i >> 1 ? fy : UNIT - fy);
		const uint8_t *from = pixel(strike, px, py);
		for (int c = 0; c < 4; c++)
			sum[c] += weight * from[c];
	}
	for (int c = 0; c < 4; c++)
		value[c] = (uint8_t)((sum[c] + ((int64_t)1 << 31)) >> 32);
}

int strike_turn(const struct strike *strike, int turn, struct strike *turned)
{
	int side = strike->width + strike->height; /* room for any turn */
	if (strike_make(side, side, turned) != 0)
		return -1;
	int64_t cosine = turn_cos[turn], sine = turn_sin[turn];
	for (int y = 0; y < side; y++)
		for (int x = 0; x < side; x++) {
			/* twice the distances from the middles, which are whole numbers */
			int64_t dx = 2 * x - (side - 1), dy = 2 * y - (side - 1);
			sample(strike, (cosine * dx + sine * dy + (int64_t)(strike->width - 1) * UNIT) / 2,
			    (cosine * dy - sine * dx + (int64_t)(strike->height - 1) * UNIT) / 2,
			    pixel(turned, x, y));
		}
	int status = trim(turned);
	if (status != 1)
		strike_clear(turned);
	return status == 1 ? 0 : status < 0 ? -1 : error_input("a picture of nothing");
}

/* One plane of three of a strike as a picture: its colours, or its alpha three times. */
static int plane(const struct strike *strike, int alpha, struct picture *picture)
{
	picture->width = (uint32_t)strike->width;
	picture->height = (uint32_t)strike->height;
	size_t count = (size_t)strike->width * (size_t)strike->height;
	picture->pixels = memory_allocate(count, 3);
	if (!picture->pixels)
		return -1;
	for (size_t i = 0; i < count; i++)
		for (int c = 0; c < 3; c++)
			picture->pixels[3 * i + (size_t)c] = strike->pixels[4 * i + (size_t)(alpha ? 3 : c)];
	return 0;
}

static int scale(const struct strike *strike, int width, int height, struct strike *scaled)
{
	struct picture from[2] = { { 0 } }, to[2] = { { 0 } };
	int status = strike_make(width, height, scaled);
	for (int i = 0; i < 2 && status == 0; i++) {
		status = plane(strike, i, &from[i]);
		if (status == 0)
			status = picture_resample(
			    &from[i], (uint32_t)width, (uint32_t)height, PICTURE_BILINEAR, &to[i]);
	}
	size_t count = status == 0 ? (size_t)width * (size_t)height : 0;
	for (size_t i = 0; i < count; i++) {
		uint8_t *pixels = scaled->pixels + 4 * i, alpha = to[1].pixels[3 * i];
		for (int c = 0; c < 3; c++) {
			uint8_t colour = to[0].pixels[3 * i + (size_t)c];
			pixels[c] = colour < alpha ? colour : alpha;
		}
		pixels[3] = alpha;
	}
	for (int i = 0; i < 2; i++) {
		picture_clear(&from[i]);
		picture_clear(&to[i]);
	}
	if (status != 0)
		strike_clear(scaled);
	return status;
}

int strike_fit(const struct strike *strike, int side, struct strike *fitted)
{
	int longest = strike->width > strike->height ? strike->width : strike->height;
	int width = (strike->width * side + longest / 2) / longest;
	int height = (strike->height * side + longest / 2) / longest;
	return scale(strike, width < 1 ? 1 : width, height < 1 ? 1 : height, fitted);
}
