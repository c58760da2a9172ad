/* recover.h - a stream file that a writer in place may have left unfinished (append.h), made whole:
 * what lies behind the last whole sample is cut off, and an end record closes the rest. Records
 * that are whole are never lost: where some lie behind damage the file is written anew without it.
 */
#ifndef ZV_STREAM_RECOVER_H
#define ZV_STREAM_RECOVER_H

#include <stdbool.h>

struct index;

/* The index of the locked file at path, open for reading and writing at descriptor; what has to be
 * mended is, with remarks. verify: all records are read, whatever the index says. NULL with a
 * recorded error, or, with *replaced set, when another file is in place now, which has to be opened
 * and locked in its turn. */
struct index *recover(const char *path, int descriptor, bool verify, bool *replaced);

#endif
