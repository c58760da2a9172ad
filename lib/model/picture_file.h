/* picture_file.h - the whole bytes of a picture file, and the key that its features go by. */
#ifndef ZV_MODEL_PICTURE_FILE_H
#define ZV_MODEL_PICTURE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "stream/record.h"

/* Read a regular file, or standard input for "-", into *bytes (memory_release). Files that do not
 * begin like a picture are refused after their first bytes; 1 GiB at most. 0 or -1. */
int picture_file_read(const char *name, uint8_t **bytes, size_t *size);

/* The key of a picture called name: 0, or -1 with ERROR_INPUT when no record may have this key;
 * key is then a legible stand-in (bytes as \xNN, a long one cut). */
int picture_file_key(const char *name, char key[RECORD_KEY_MOST + 1]);

#endif
