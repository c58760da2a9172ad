/* picture.c - fuzz target: any file decodes within the limits, or is refused with a reason; what
 * passes strictly passes otherwise too; what decodes can be resized.
 */
#include "base/error.h"
#include "image/picture.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct picture_options options = picture_defaults();
	struct picture picture, small, again;
	const char *warning;
	options.pixels_most = 1 << 18;
	options.memory_most = 16 << 20;
	options.scans_most = 20;
	options.blend = size % 2;
	options.partial = size % 3 == 0;
	error_clear();
	if (picture_decode(data, size, &options, &picture, &warning) < 0) {
		if (!error_text()[0] || picture.pixels)
			abort();
		return 0;
	}
	if ((uint64_t)picture.width * picture.height > options.pixels_most)
		abort();
	options.strict = true;
	bool strictly = picture_decode(data, size, &options, &again, NULL) == 0;
	if (strictly == (warning != NULL))
		abort();
	if (strictly &&
	    memcmp(again.pixels, picture.pixels, (size_t)picture.width * picture.height * 3) != 0)
		abort();
	if (picture_resample(&picture, 14, 14, (enum picture_filter)(size % 4), &small) < 0)
		abort();
	picture_clear(&small);
	picture_clear(&again);
	picture_clear(&picture);
	return 0;
}
