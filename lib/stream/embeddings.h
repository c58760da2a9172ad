/* embeddings.h - vectors in an SQLite database in the layout of the command `llm`: a table
 * "collections" (id, name, model) and a table "embeddings" (collection_id, id, embedding: f32
 * little-endian, metadata: JSON, ...), so that `llm similar` works on them.
 *
 * What a record is beside its numbers stands in metadata, {"name","shape","maker","source"}, and
 * the makers' texts in a table of our own, "zv_makers": f32 records come back as they were.
 */
#ifndef ZV_STREAM_EMBEDDINGS_H
#define ZV_STREAM_EMBEDDINGS_H

#include <stdbool.h>

#include "stream/record.h"
#include "stream/vectors.h"

struct embeddings;

const char *embeddings_library(void); /* "sqlite 3.40.1" */

/* Add to the database at path, which is made if there is none, in one transaction: the collection
 * appears, or grows, whole or not at all. model (NULL: "zv/NAME/WEIGHTS" of the first record) is
 * what a new collection says made it. NULL with a recorded error. */
struct embeddings *embeddings_append(const char *path, const char *collection, const char *model);

/* Add one vector under its record's key (KEY#ROW where the record has several); an entry of that
 * id is replaced. 0, or -1: ERROR_INPUT when it does not belong to the others (length, model), or
 * ERROR_SYSTEM. */
int embeddings_add(struct embeddings *embeddings, const struct vectors *vector);

/* Make all visible: 0, or -1 with nothing changed. Releases embeddings in both cases. */
int embeddings_commit(struct embeddings *embeddings);

/* Forget it, or end reading; a new database is removed. NULL is fine. */
void embeddings_close(struct embeddings *embeddings);

/* Remove a database that is being made; async-signal-safe, for output_clean_up_also(). */
void embeddings_clean_up(void);

/* Read a collection (NULL: the only one there is); vectors larger than most bytes are refused. */
struct embeddings *embeddings_open(const char *path, const char *collection, size_t most);

/* The next one, in the order in which they were added: 1, 0 at the end, -1 with ERROR_INPUT. The
 * payload and meta are valid until the next call. With whole, the key of a row of a record is the
 * record's, not KEY#ROW. */
int embeddings_next(
    struct embeddings *embeddings, bool whole, struct record *record, const void **payload);

#endif
