/* index_text.h - the text of FILE.zvi (zvi(5)): pure functions over memory, which may be hostile. */
#ifndef ZV_STREAM_INDEX_TEXT_H
#define ZV_STREAM_INDEX_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

enum { INDEX_LINE_MOST = 2048 };

/* "#zvi 2 <size of FILE> <records> <chain>" */
struct index_head {
	uint64_t file_size, records, chain;
	size_t size; /* of the line, with its end: the entries begin here */
};

/* One entry; key and name point into the text. */
struct index_line {
	const char *key, *name;
	size_t key_size, name_size, size; /* size: of the whole entry, which begins at key */
	uint64_t offset, length, skip;
	char dtype;
	unsigned part; /* its number in its sample, 0.. */
	struct digest maker, source;
};

/* 0, or -1 with ERROR_INPUT. */
int index_text_head(const char *text, size_t size, struct index_head *head);

/* The entry at offset at; *next is where the following one begins. 0, or -1 with ERROR_INPUT. */
int index_text_line(
    const char *text, size_t size, size_t at, struct index_line *line, size_t *next);

/* Go through all entries, which begin at head->size: there are head->records of them, in ascending
 * order without repetition, each within the file. *last becomes that of the item which begins last
 * in the file (all zero: no entries). 0, or -1 with ERROR_INPUT. */
int index_text_check(
    const char *text, size_t size, const struct index_head *head, struct index_line *last);

/* Where the first entry with this key is, or the first behind it (size: none), by binary search
 * in entries that begin at first. Any text is survived; one that is not sorted misleads. */
size_t index_text_find(const char *text, size_t size, size_t first, const char *key);

#endif
