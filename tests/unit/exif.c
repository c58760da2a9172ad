/* exif.c - unit tests of image/exif: both byte orders, all values, every cut, damage. */
#include "image/exif.h"
#include "tap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A TIFF block with one entry. big: byte order MM. Returns its size. */
static size_t build(uint8_t *block, bool big, unsigned type, unsigned value)
{
	static const uint8_t little_head[] = { 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01 };
	static const uint8_t big_head[] = { 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12 };
	memcpy(block, big ? big_head : little_head, 12);
	memset(block + 12, 0, 14);
	block[big ? 13 : 12] = (uint8_t)type;
	block[big ? 17 : 14] = 1;
	size_t width = type == 1 ? 1 : type == 3 ? 2 : 4;
	block[18 + (big ? width - 1 : 0)] = (uint8_t)value;
	return 26; /* with the offset of the next directory */
}

static void test_values(void)
{
	uint8_t block[32];
	bool right = true;
	for (int big = 0; big < 2; big++)
		for (unsigned value = 0; value < 12; value++) {
			size_t size = build(block, big, 3, value);
			right = right &&
			        exif_orientation(block, size) == (value >= 1 && value <= 8 ? (int)value : 0);
		}
	TAP_OK(right, "values 1..8 are orientations in both byte orders, others are not");
	right = true;
	for (int big = 0; big < 2; big++)
		for (unsigned type = 0; type < 14; type++) {
			size_t size = build(block, big, type, 6);
			bool number = type == 1 || type == 3 || type == 4;
			right = right && exif_orientation(block, size) == (number ? 6 : 0);
		}
	TAP_OK(right, "byte, short and long are read, other types are not");
}

static void test_prefix(void)
{
	uint8_t block[40] = "Exif\0";
	size_t size = build(block + 6, true, 3, 8);
	TAP_OK(exif_orientation(block, size + 6) == 8, "\"Exif\" and two zeros before the block");
}

/* Each prefix lies in memory of exactly its size, so that a checker sees any read behind it. */
static void test_cuts(void)
{
	uint8_t block[32];
	size_t size = build(block, false, 3, 6);
	bool right = true;
	for (size_t cut = 0; cut <= size; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		if (!exact)
			abort();
		memcpy(exact, block, cut);
		/* the entry is whole with 22 bytes */
		right = right && exif_orientation(exact, cut) == (cut >= 22 ? 6 : 0);
		free(exact);
	}
	TAP_OK(right, "a block cut anywhere says nothing, or the truth");
}

static void test_damage(void)
{
	uint8_t block[32];
	size_t size = build(block, false, 3, 6);
	block[8] = 0xff; /* 65535 entries */
	block[9] = 0xff;
	TAP_OK(exif_orientation(block, size) == 6, "a count of too many entries: those that are there");
	size = build(block, false, 3, 6);
	memset(block + 4, 0xff, 4);
	TAP_OK(exif_orientation(block, size) == 0, "a directory outside the block");
	size = build(block, false, 3, 6);
	block[14] = 2;
	TAP_OK(exif_orientation(block, size) == 0, "a count of two values");
	size = build(block, false, 3, 6);
	block[2] = 43;
	TAP_OK(exif_orientation(block, size) == 0, "no TIFF");
}

int main(void)
{
	test_values();
	test_prefix();
	test_cuts();
	test_damage();
	return tap_finish();
}
