/* index.h - FILE.zvi: where each key of a stream file lies (zvi(5)). Sorted text, looked up by
 * binary search in the mapped file; what it leads to is always verified.
 */
#ifndef ZV_STREAM_INDEX_H
#define ZV_STREAM_INDEX_H

#include "stream/read.h"

struct index;

/* Write path + ".zvi" (atomically) for the stream file at path; a file whose E record is missing
 * or whose records are damaged is refused. 0 or -1. */
int index_make(const char *path);

/* Open path + ".zvi". NULL with ERROR_INPUT when it is absent, damaged or stale ("index is stale;
 * run zv-index"): its lines are counted, and the end record of the stream file, which is opened too,
 * is read and compared. */
struct index *index_open(const char *path);

/* Append the places of all records with this key, failed items included, to the array *places of
 * *count elements (memory_release it in the end). 0 or -1. */
int index_places(struct index *index, const char *key, struct reader_place **places, size_t *count,
    size_t *capacity);

/* Read the record at place, which must have this key unless key is NULL: 0 with record, whose meta
 * is valid until the next call, and *payload (the caller's, memory_release), or -1 when what lies
 * there is damaged or another record. */
int index_read(struct index *index, const struct reader_place *place, const char *key,
    struct record *record, void **payload);

/* What the stream file's end record says of all its records: other contents, another number. */
uint64_t index_checksum(const struct index *index);

void index_close(struct index *index);

#endif
