/* key_set.h - a set of keys that a user asked for, and which of them were found. */
#ifndef ZV_STREAM_KEY_SET_H
#define ZV_STREAM_KEY_SET_H

#include <stdbool.h>
#include <stddef.h>

struct key_set;

struct key_set *key_set_new(void); /* NULL: out of memory */
void key_set_release(struct key_set *set);

/* Add a key, or the lines of a file ("-": standard input; ended by zero bytes if null). 0 or -1. */
int key_set_add(struct key_set *set, const char *key, size_t size);
int key_set_add_file(struct key_set *set, const char *path, bool null);

/* Is key in the set? Marks it as found. */
bool key_set_has(struct key_set *set, const char *key);

/* The keys, i = 0.. until NULL, each once, sorted; *found tells of key_set_has(). */
const char *key_set_at(struct key_set *set, size_t i, bool *found);

#endif
