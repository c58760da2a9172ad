/* output.h - where results go: standard output, or a file that appears whole or not at all.
 * A regular (or new) FILE is written as a temporary beside it (O_EXCL), synced, renamed, and
 * its directory synced; an unfinished temporary is removed on failure and on INT, TERM and HUP.
 * An existing FILE that is no regular file (a pipe, /dev/null) is written in place.
 * Up to OUTPUT_MOST outputs can be open at once (zv-cat --split, zv-import).
 */
#ifndef ZV_BASE_OUTPUT_H
#define ZV_BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUTPUT_MOST = 16 };

struct output;

/* path NULL or "-": standard output. NULL with a recorded ERROR_SYSTEM on failure. */
struct output *output_open(const char *path);

/* Write on in place from the end of an open regular file, which path names in messages. The
 * descriptor stays the caller's, and so does what is in the file when the output is abandoned. */
struct output *output_open_end(const char *path, int descriptor);

/* Write all of bytes. Each call that is not to a regular file becomes one write(2), so that a
 * reader sees whole records at once; to a regular file small writes are gathered. A reader that
 * has gone away ends the process by SIGPIPE without a message. 0, or -1 with ERROR_SYSTEM. */
int output_write(struct output *output, const void *bytes, size_t size);

/* Let go of what was gathered: whatever ends the program, it is in the file. 0, or -1 with
 * ERROR_SYSTEM. */
int output_flush(struct output *output);

/* The same, and on the disk. */
int output_sync(struct output *output);

/* Overwrite size bytes at offset that were written before (regular files only). 0 or -1. */
int output_patch(struct output *output, uint64_t offset, const void *bytes, size_t size);

bool output_is_regular(const struct output *output);
bool output_is_terminal(const struct output *output);
const char *output_name(const struct output *output); /* "standard output" or the path */

/* Make the result visible: flush, fsync, rename, fsync the directory; close. 0, or -1 with the
 * old file untouched and the temporary removed, also when the program has reported trouble
 * (message_status() is EXIT_TROUBLE). Releases output in both cases. */
int output_commit(struct output *output);

/* Forget the result: the old file stays as it was. Releases output. NULL is fine. */
void output_abandon(struct output *output);

/* Remove all temporaries now; async-signal-safe. For program.c. */
void output_clean_up(void);

/* What else output_clean_up() has to remove: an async-signal-safe function, or NULL. One place. */
void output_clean_up_also(void (*also)(void));

#endif
