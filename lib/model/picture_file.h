/* picture_file.h - the whole bytes of a picture file, and what earlier runs left in a feature file.
 */
#ifndef ZV_MODEL_PICTURE_FILE_H
#define ZV_MODEL_PICTURE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "stream/record.h"

/* Read a regular file, or standard input for "-", into *bytes (memory_release). Files that do not
 * begin like a picture are refused after their first bytes; 1 GiB at most. 0 or -1. */
int picture_file_read(const char *name, uint8_t **bytes, size_t *size);

/* The key of a picture called name: 0, or -1 with ERROR_INPUT when no record may have this key;
 * key is then a legible stand-in (bytes as \xNN, a long one cut). */
int picture_file_key(const char *name, char key[RECORD_KEY_MOST + 1]);

/* What a feature file holds: for --append. */
struct known_pictures;

/* Read all of path. A file that does not exist holds nothing. Only records of this maker count.
 * NULL with a recorded error. */
struct known_pictures *known_pictures_read(const char *path, const struct digest *maker);
bool known_pictures_has(
    const struct known_pictures *known, const char *key, const struct digest *source);
/* Does it hold this failure of this key? */
bool known_pictures_failed(const struct known_pictures *known, const char *key, const char *reason);
bool known_pictures_exist(const struct known_pictures *known); /* was there a file? */
void known_pictures_release(struct known_pictures *known);     /* NULL is fine */

#endif
