/* exif.h - the one EXIF tag that matters to us: which way is up.
 */
#ifndef ZV_IMAGE_EXIF_H
#define ZV_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation 1..8 of an EXIF block (a TIFF header with its directory, with or without
 * "Exif\0\0" before it); 0 when it says none or is damaged. Pure. */
int exif_orientation(const uint8_t *bytes, size_t size);

#endif
