/* index.h - FILE.zvi: where each key of a stream file lies (zvi(5)). Sorted text, looked up by
 * binary search in the mapped file; what it leads to is always verified.
 */
#ifndef ZV_STREAM_INDEX_H
#define ZV_STREAM_INDEX_H

#include <stdbool.h>

#include "stream/index_make.h"
#include "stream/index_text.h"
#include "stream/read.h"
#include "stream/sample.h"

struct index;

/* Open path + ".zvi". NULL with ERROR_INPUT when it is absent, damaged or stale ("index is stale;
 * run zv-index"): its lines are counted, and the end record of the stream file, which is opened too,
 * is read and compared. */
struct index *index_open(const char *path);

/* The same for a file that may have grown since: its first index_size() bytes are those that the
 * index was made of, as far as their last end record can tell. */
struct index *index_open_grown(const char *path);
uint64_t index_size(const struct index *index);

/* The same for a file that is known to be damaged, perhaps at its end: nothing of it is compared. */
struct index *index_open_damaged(const char *path);

/* How many lines there are, and all of them in their order, *at = 0 to begin with: 1 with *line,
 * whose texts live as long as the index, 0 at the end, -1. */
size_t index_lines(const struct index *index);
int index_next(const struct index *index, size_t *at, struct index_line *line);

/* All its lines, for an index that goes on where this one ends. */
struct index_base index_base(const struct index *index);

/* Does an end record close what lies in front of limit, the last tensor of which is in this line? */
bool index_is_closed(const struct index *index, const struct index_line *last, uint64_t limit);

/* Append the places of all samples with this key, failed items included, to the array *places of
 * *count elements (memory_release it in the end). 0 or -1. */
int index_places(struct index *index, const char *key, struct reader_place **places, size_t *count,
    size_t *capacity);

/* Read the sample that begins at place, which must have this key unless key is NULL: 0, and it is the
 * caller's (sample_clear), or -1 when what lies there is damaged or another record. */
int index_read(
    struct index *index, const struct reader_place *place, const char *key, struct sample *sample);

/* What the stream file's end record says of all its records: other contents, another number. */
uint64_t index_checksum(const struct index *index);

void index_close(struct index *index);

#endif
