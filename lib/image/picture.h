/* picture.h - pictures: decode, upright, resize, normalise (spec 3.1).
 * Decoding gives the pixels of Pillow's convert("RGB"), resizing those of Pillow's resize().
 */
#ifndef ZV_IMAGE_PICTURE_H
#define ZV_IMAGE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 8-bit R, G, B, row by row, no gaps. */
struct picture {
	uint32_t width, height;
	uint8_t *pixels; /* width * height * 3 bytes, memory_release() through picture_clear() */
};

struct picture_options {
	uint64_t pixels_most; /* width * height at most; default 1 << 26 */
	int scans_most;       /* of a progressive JPEG; default 500 */
	uint64_t memory_most; /* bytes a decoder may take besides the pixels; default 512 MiB */
	bool orient;          /* turn upright by EXIF; default true */
	bool strict;          /* a decoder's warning is an error */
	bool partial;         /* a picture that ends early is a warning; what is missing is grey */
	bool blend;           /* blend transparency with background instead of dropping alpha */
	uint8_t background[3];
	/* Let the JPEG decoder leave out what a picture of this side does not show: it decodes at 1/2,
	 * 1/4 or 1/8, the smallest with both sides at least twice this. 0, the default: never. */
	uint32_t side_wanted;
};

struct picture_options picture_defaults(void);

enum { PICTURE_SIDE_MOST = 65535 }; /* pixels */

/* Do the first bytes of a file look like one of the formats? Needs 16 bytes, or the whole. */
bool picture_recognise(const uint8_t *bytes, size_t size);

/* Decode a JPEG, PNG, WebP or PNM of size bytes, told apart by content. 0 with picture filled, or
 * -1 with ERROR_INPUT ("not a picture (JPEG, PNG, WebP or PNM)", "truncated JPEG", ...) or
 * ERROR_SYSTEM (memory). *warning, if not NULL, is set to a text that stays valid until the
 * thread's next call when the decoder complained but gave a whole picture, else to NULL. */
int picture_decode(const uint8_t *bytes, size_t size, const struct picture_options *options,
    struct picture *picture, const char **warning);

enum picture_filter { PICTURE_BICUBIC, PICTURE_BILINEAR, PICTURE_LANCZOS, PICTURE_BOX };

/* Pillow's Image.resize() bit for bit: antialiased, two 8-bit passes, bicubic with a = -0.5. target
 * is allocated. 0, or -1: memory, or a size of 0. */
int picture_resample(const struct picture *source, uint32_t width, uint32_t height,
    enum picture_filter filter, struct picture *target);

/* Of R, G and B: what CLIP, and so BLIP-2, normalises by. */
extern const float picture_clip_mean[3], picture_clip_std[3];

/* (value / 255 - mean) / std to planes [3][height][width]. */
void picture_normalise(
    const struct picture *picture, const float mean[3], const float std[3], float *planes);

void picture_clear(struct picture *picture);

/* "libjpeg-turbo 2.1.5", ... for i = 0, 1, 2; NULL from 3 on. */
const char *picture_library(int i);

#endif
