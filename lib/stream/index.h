/* index.h - FILE.zvi: where each key of a stream file lies (zvt(5), "Index"). Sorted text, looked
 * up by binary search in the mapped file; what it leads to is always verified.
 */
#ifndef ZV_STREAM_INDEX_H
#define ZV_STREAM_INDEX_H

#include "stream/read.h"

struct index;

/* Write path + ".zvi" (atomically) for the stream file at path; a file whose E record is missing
 * or whose records are damaged is refused. 0 or -1. */
int index_make(const char *path);

/* Open path + ".zvi". NULL with ERROR_INPUT when it is absent, damaged or stale ("index is stale;
 * run zv-index"). The stream file itself is opened too. */
struct index *index_open(const char *path);

/* The last record with this key (and name, unless NULL): 1 with record and *payload (the caller's,
 * memory_release), 0 if the index has none, -1 when what lies there is damaged or another record.
 * record->meta is valid until the next call. */
int index_find(
    struct index *index, const char *key, const char *name, struct record *record, void **payload);

void index_close(struct index *index);

#endif
