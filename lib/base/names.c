/* names.c - iterate over operands and name lists (see names.h). */
#define _GNU_SOURCE
#include "base/names.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/line.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_SIZE = 4096 };

struct names {
	char **operands;
	int count, next;
	bool use_stdin; /* the single name "-" is still to come */
	FILE *list;     /* NULL: none, or at its end */
	char *line;
	size_t line_capacity;
	uint64_t line_number;
};

struct names *names_open(char **operands, int count, bool default_stdin)
{
	struct names *names = memory_allocate_zero(1, sizeof *names);
	if (!names)
		return NULL;
	names->operands = operands;
	names->count = count;
	names->use_stdin = default_stdin && count == 0 && !common.files_from;
	if (common.files_from) {
		bool standard = strcmp(common.files_from, "-") == 0;
		names->list = standard ? stdin : fopen(common.files_from, "re");
		if (!names->list) {
			error_system("cannot open list \"%s\":", common.files_from);
			memory_release(names);
			return NULL;
		}
	}
	return names;
}

/* The next name of the list into *name: 1, 0 at its end, -1. */
static int next_from_list(struct names *names, const char **name)
{
	for (;;) {
		size_t length;
		int found = line_read(names->list, common.null ? '\0' : '\n', NAME_SIZE - 1, &names->line,
		    &names->line_capacity, &length);
		if (found < 0 && error_kind() == ERROR_SYSTEM)
			return error_context("list \"%s\"", common.files_from);
		if (found == 0) {
			if (names->list != stdin)
				fclose(names->list);
			names->list = NULL;
			return 0;
		}
		names->line_number++;
		if (found > 0 && names->line_number == 1 && !common.null) {
			size_t mark = utf8_mark(names->line, length);
			memmove(names->line, names->line + mark, length + 1 - mark);
			length -= mark;
		}
		if (found > 0 && length == 0)
			continue;
		if (found < 0 || strlen(names->line) != length)
			return error_input("list \"%s\": line %llu is not a file name (%s)", common.files_from,
			    (unsigned long long)names->line_number,
			    found < 0 ? "too long" : "holds a zero byte");
		*name = names->line;
		return 1;
	}
}

/* The name alone decides, so that names that come or go leave the others in their shards. */
static bool in_shard(const char *name)
{
	return common.shards == 1 ||
	       checksum_of(name, strlen(name)) % (uint64_t)common.shards == (uint64_t)common.shard - 1;
}

int names_next(struct names *names, const char **name)
{
	for (;;) {
		if (names->use_stdin) {
			names->use_stdin = false;
			*name = "-";
		} else if (names->next < names->count) {
			*name = names->operands[names->next++];
		} else if (names->list) {
			int found = next_from_list(names, name);
			if (found <= 0)
				return found;
		} else {
			return 0;
		}
		if (in_shard(*name))
			return 1;
	}
}

size_t names_total(const struct names *names)
{
	if (common.files_from)
		return 0;
	size_t total = names->use_stdin && in_shard("-");
	for (int i = 0; i < names->count; i++)
		total += in_shard(names->operands[i]);
	return total;
}

size_t names_count(const struct names *names)
{
	struct stat status;
	const char *name;
	size_t count = 0;
	if (!common.files_from)
		return names_total(names);
	if (!names->list || fstat(fileno(names->list), &status) < 0 || !S_ISREG(status.st_mode) ||
	    names->list == stdin)
		return 0;
	struct names *again = names_open(names->operands, names->count, names->use_stdin);
	int found = 0;
	while (again && (found = names_next(again, &name)) > 0)
		count++;
	names_close(again);
	return found < 0 ? 0 : count;
}

void names_close(struct names *names)
{
	if (!names)
		return;
	if (names->list && names->list != stdin)
		fclose(names->list);
	memory_release(names->line);
	memory_release(names);
}
