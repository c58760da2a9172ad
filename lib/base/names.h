/* names.h - the names a program works on: operands, a list (-T, -0), or standard input; --shard
 * takes those whose XXH64 modulo n is i - 1 (zv(7)).
 */
#ifndef ZV_BASE_NAMES_H
#define ZV_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct names;

/* operands[0..count-1], then the names in common.files_from if given ("-": standard input), by
 * lines or, with common.null, by zero bytes. With neither operands nor list and default_stdin,
 * the one name is "-". NULL with a recorded error. operands must outlive the iterator. */
struct names *names_open(char **operands, int count, bool default_stdin);

/* 1 and the next name (valid until the next call), 0 at the end, -1 with a recorded error: a
 * list that cannot be read, a name with a zero byte or longer than 4095 bytes. Empty lines are
 * passed over. */
int names_next(struct names *names, const char **name);

/* How many names there are in all when that is known without reading ahead, else 0. */
size_t names_total(const struct names *names);

/* The same, and a list in a regular file is read to its end for that: for progress. */
size_t names_count(const struct names *names);

void names_close(struct names *names);

#endif
