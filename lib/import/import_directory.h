/* import_directory.h - a directory that appears whole or not at all: built as .NAME.PID.part
 * beside its place, synced, renamed; removed on failure and by the signal handler. Errors do not
 * name the directory: the caller does.
 */
#ifndef ZV_IMPORT_IMPORT_DIRECTORY_H
#define ZV_IMPORT_IMPORT_DIRECTORY_H

#include <stdbool.h>

/* Begin to build what will become path; one at a time. An existing directory is refused unless
 * force is set and it holds nothing but files of the names given (NULL-terminated) to be
 * replaced. 0 or -1. */
int import_directory_begin(const char *path, bool force, const char *const *names);

/* The path at which to write the file called name; it will be removed if the directory is. NULL
 * with a recorded error. Valid until the next call for the same name. */
const char *import_directory_file(const char *name);

/* Put the directory in its place. 0, or -1 with everything removed and the old one as it was. */
int import_directory_commit(void);

/* Remove everything; async-signal-safe. Nothing happens when nothing is being built. */
void import_directory_abandon(void);

#endif
