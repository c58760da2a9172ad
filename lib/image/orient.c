/* orient.c - turn a picture upright by its EXIF orientation (EXIF 2.3, 4.6.4 A).
 */
#include "image/decoder.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

enum { TILE = 32 }; /* pixels: rows of source and target of a tile stay in the L1 cache */

/* Where the upright picture takes its pixel (x, y) from: source + origin + x*dx + y*dy pixels. */
struct turn {
	ptrdiff_t origin, dx, dy;
};

/* Orientations: 1 as is, 2 mirrored left-right, 3 by 180 degrees, 4 mirrored up-down, 5 transposed,
 * 6 to be turned by 90 degrees clockwise, 7 transposed over the other diagonal, 8 to be turned by
 * 270 degrees. w and h are those of the stored picture. */
static struct turn find_turn(int orientation, ptrdiff_t w, ptrdiff_t h)
{
	switch (orientation) {
	case 2:
		return (struct turn){ w - 1, -1, w };
	case 3:
		return (struct turn){ w * h - 1, -1, -w };
	case 4:
		return (struct turn){ w * (h - 1), 1, -w };
	case 5:
		return (struct turn){ 0, w, 1 };
	case 6:
		return (struct turn){ w * (h - 1), -w, 1 };
	case 7:
		return (struct turn){ w * h - 1, -w, -1 };
	default: /* 8 */
		return (struct turn){ w - 1, w, -1 };
	}
}

static void copy_tile(const struct picture *source, struct picture *target, struct turn turn,
    uint32_t left, uint32_t top)
{
	uint32_t right = left + TILE < target->width ? left + TILE : target->width;
	uint32_t bottom = top + TILE < target->height ? top + TILE : target->height;
	for (uint32_t y = top; y < bottom; y++) {
		ptrdiff_t from = turn.origin + (ptrdiff_t)left * turn.dx + (ptrdiff_t)y * turn.dy;
		const uint8_t *in = source->pixels + from * 3;
		uint8_t *out = target->pixels + ((size_t)y * target->width + left) * 3;
		for (uint32_t x = left; x < right; x++, in += turn.dx * 3, out += 3) {
			out[0] = in[0];
			out[1] = in[1];
			out[2] = in[2];
		}
	}
}

int picture_turn(struct picture *picture, int orientation)
{
	if (orientation < 2 || orientation > 8)
		return 0;
	bool across = orientation >= 5; /* width and height change places */
	struct picture upright = {
		.width = across ? picture->height : picture->width,
		.height = across ? picture->width : picture->height,
	};
	size_t pixels;
	if (!checked_multiply(upright.width, upright.height, &pixels))
		return error_memory(SIZE_MAX);
	upright.pixels = memory_allocate(pixels, 3);
	if (!upright.pixels)
		return -1;
	struct turn turn = find_turn(orientation, picture->width, picture->height);
	for (uint32_t top = 0; top < upright.height; top += TILE)
		for (uint32_t left = 0; left < upright.width; left += TILE)
			copy_tile(picture, &upright, turn, left, top);
	picture_clear(picture);
	*picture = upright;
	return 0;
}
