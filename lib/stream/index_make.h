/* index_make.h - writing FILE.zvi (zvi(5)): of a whole file, or of an index and what was appended
 * since.
 */
#ifndef ZV_STREAM_INDEX_MAKE_H
#define ZV_STREAM_INDEX_MAKE_H

#include "stream/read.h"

/* Write path + ".zvi" (atomically) for the stream file at path; a file whose E record is missing
 * or whose records are damaged is refused. 0 or -1. */
int index_make(const char *path);

/* path + ".zvi" (memory_release), or NULL. */
char *index_make_path(const char *path);

/* Records to be indexed. */
struct index_list;
struct index_list *index_list_new(void);          /* NULL: out of memory */
void index_list_release(struct index_list *list); /* NULL is fine */
size_t index_list_count(const struct index_list *list);
void index_list_cut(struct index_list *list, size_t count); /* drop all but the first */

/* Add a record, whose place is final; they come in the order of the file. part: its number in its
 * sample. 0 or -1. */
int index_list_add(
    struct index_list *list, const struct record *record, struct reader_place place, int part);
/* The reader stands at a record whose payload was read or skipped: add it. Several of one frame
 * learn their length from the last of them. 0 or -1. */
int index_list_take(
    struct index_list *list, const struct reader *reader, const struct record *record);

/* Lines of an index (without its first line); those of items at limit or behind it do not count. */
struct index_base {
	const char *text;
	size_t size;
	uint64_t limit;
};

/* Does the file at path have the index that index_list_write() would write? 1; 0: it has none; or -1
 * with a recorded error: it has another. */
int index_list_compare(
    const struct index_list *list, const char *path, uint64_t file_size, uint64_t chain);

/* Write the index of the file at path, which has these bytes and ends with this end record: the
 * lines of base and the list. 0 or -1. */
int index_list_write(const struct index_list *list, const struct index_base *base, const char *path,
    uint64_t file_size, uint64_t chain);

#endif
