/* known_pictures.h - what a feature file holds from earlier runs, for zv-encode --append: pictures
 * that are done, and pictures that failed and are tried again.
 */
#ifndef ZV_MODEL_KNOWN_PICTURES_H
#define ZV_MODEL_KNOWN_PICTURES_H

#include <stdbool.h>

#include "base/hash.h"
#include "stream/write.h"

struct known_pictures;

/* Read all of path, and lock it against another --append until it is released. A file that does
 * not exist holds nothing. Only features of this maker count. NULL with a recorded error. */
struct known_pictures *known_pictures_read(const char *path, const struct digest *maker);
bool known_pictures_exist(const struct known_pictures *known); /* was there a file? */

/* Does it hold features of this key, made from these bytes? From any thread. */
bool known_pictures_has(
    const struct known_pictures *known, const char *key, const struct digest *source);
/* Does it hold a failure of this key for this reason? */
bool known_pictures_failed(const struct known_pictures *known, const char *key, const char *reason);
/* A failure of this key is out of date, it is not to be kept. Was there one? */
bool known_pictures_resolve(struct known_pictures *known, const char *key);

/* Copy the file to the beginning of writer's output: as it is when it holds no failure, otherwise
 * without them. 0 or -1. */
int known_pictures_copy(const struct known_pictures *known, struct writer *writer);
/* Write the failures that still stand, one for each key. 0 or -1. */
int known_pictures_put_failures(const struct known_pictures *known, struct writer *writer);

void known_pictures_release(struct known_pictures *known); /* NULL is fine */

#endif
