/* ending.h - how names end: ".zv", ".weight". */
#ifndef ZV_BASE_ENDING_H
#define ZV_BASE_ENDING_H

#include <stdbool.h>
#include <stddef.h>

/* Does the name end so, with something in front? */
bool ending_is(const char *name, const char *end);
/* The same for a name of size bytes; *stem: how many of them are in front. */
bool ending_stem(const char *name, size_t size, const char *end, size_t *stem);

#endif
