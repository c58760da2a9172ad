/* exif.c - find tag 0x0112 in the first directory of a TIFF structure (see exif.h; TIFF 6.0
 * section 2, EXIF 2.3 section 4.6.4). Damage is no error: a picture is worth more than its tags.
 */
#include "image/exif.h"

#include <stdbool.h>
#include <string.h>

enum {
	TAG_ORIENTATION = 0x0112,
	TYPE_BYTE = 1,
	TYPE_SHORT = 3,
	TYPE_LONG = 4,
	ENTRY_SIZE = 12, /* tag 2, type 2, count 4, value or offset 4 */
};

struct tiff {
	const uint8_t *bytes;
	size_t size;
	bool big; /* byte order "MM" */
};

/* Both need at + 2 or at + 4 <= size. */
static uint32_t read_u16(const struct tiff *tiff, size_t at)
{
	const uint8_t *b = tiff->bytes + at;
	return tiff->big ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

static uint32_t read_u32(const struct tiff *tiff, size_t at)
{
	uint32_t first = read_u16(tiff, at), second = read_u16(tiff, at + 2);
	return tiff->big ? first << 16 | second : second << 16 | first;
}

/* The value of the entry at this offset if it is one orientation, else 0. */
static int entry_orientation(const struct tiff *tiff, size_t at)
{
	if (read_u16(tiff, at) != TAG_ORIENTATION || read_u32(tiff, at + 4) != 1)
		return 0;
	uint32_t value;
	switch (read_u16(tiff, at + 2)) {
	case TYPE_BYTE:
		value = tiff->bytes[at + 8];
		break;
	case TYPE_SHORT:
		value = read_u16(tiff, at + 8);
		break;
	case TYPE_LONG:
		value = read_u32(tiff, at + 8);
		break;
	default:
		return 0;
	}
	return value >= 1 && value <= 8 ? (int)value : 0;
}

int exif_orientation(const uint8_t *bytes, size_t size)
{
	if (size >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) {
		bytes += 6;
		size -= 6;
	}
	struct tiff tiff = { .bytes = bytes, .size = size };
	if (size < 8)
		return 0;
	if (memcmp(bytes, "MM\0*", 4) == 0)
		tiff.big = true;
	else if (memcmp(bytes, "II*\0", 4) != 0)
		return 0;
	size_t directory = read_u32(&tiff, 4);
	if (directory > size || size - directory < 2)
		return 0;
	size_t count = read_u16(&tiff, directory);
	size_t room = (size - directory - 2) / ENTRY_SIZE;
	if (count > room)
		count = room;
	int orientation = 0; /* the last entry wins, as in Pillow */
	for (size_t i = 0; i < count; i++) {
		int found = entry_orientation(&tiff, directory + 2 + i * ENTRY_SIZE);
		if (found)
			orientation = found;
	}
	return orientation;
}
