/* exif.c - fuzz target: any bytes give an orientation or none, with or without "Exif\0\0". */
#include "image/exif.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int orientation = exif_orientation(data, size);
	if (orientation < 0 || orientation > 8)
		abort();
	return 0;
}
