/* append.h - a stream file that is written on in place, with its index, under a lock: whatever ends
 * the program, the samples that were written whole are found again (recover.h).
 */
#ifndef ZV_STREAM_APPEND_H
#define ZV_STREAM_APPEND_H

#include "stream/index.h"

struct append;

/* Lock the file at path, which is made if it is not there, and mend what an interrupted writer left.
 * wait: until another one is done with it; otherwise that is an ERROR_SYSTEM. verify: read all
 * records. NULL with a recorded error. */
struct append *append_open(const char *path, bool wait, bool verify);

/* What the file held when it was opened. */
struct index *append_index(struct append *append);

/* Before anything is written: go on at limit instead of the end of the file. 0 or -1. */
int append_cut(struct append *append, uint64_t limit);

/* Write a record. Now and then end record and index are written, too. 0 or -1. */
int append_put(struct append *append, struct record *record, const void *payload);

/* Let go of what was gathered: whatever ends the program now, it is in the file. 0 or -1. */
int append_flush(struct append *append);

/* An end record, unless one was the last thing written. 0 or -1. */
int append_end(struct append *append);

/* End record and index. 0 or -1. Releases append, in whose place other processes may come now. */
int append_finish(struct append *append);

/* Leave the file as it is, with its whole samples; the next append_open() goes on. NULL is fine. */
void append_abandon(struct append *append);

#endif
