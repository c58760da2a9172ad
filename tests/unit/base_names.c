/* base_names.c - operands and lists in order, shards that cover every name exactly once. */
#include "base/error.h"
#include "base/names.h"
#include "base/program.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void make_list(const char *bytes, size_t size)
{
	FILE *file = fopen("list", "w");
	if (!file)
		abort();
	fwrite(bytes, 1, size, file);
	fclose(file);
}

/* All names joined by '|' into text; the last return value of names_next(). */
static int collect(char **operands, int count, bool default_stdin, char text[200])
{
	text[0] = '\0';
	struct names *names = names_open(operands, count, default_stdin);
	if (!names)
		return -2;
	const char *name;
	int found;
	while ((found = names_next(names, &name)) > 0 && strlen(text) + strlen(name) < 190) {
		strcat(text, name);
		strcat(text, "|");
	}
	names_close(names);
	return found;
}

static void test_operands(void)
{
	char text[200], a[] = "a", dash[] = "-", blank[] = "c d", *operands[] = { a, dash, blank };
	TAP_OK(
	    collect(operands, 3, true, text) == 0 && !strcmp(text, "a|-|c d|"), "operands: %s", text);
	TAP_OK(collect(operands, 0, true, text) == 0 && !strcmp(text, "-|"), "none: standard input");
	TAP_OK(collect(operands, 0, false, text) == 0 && !strcmp(text, ""), "or nothing");
}

static void test_lists(void)
{
	char text[200], a[] = "a", *operands[] = { a };
	struct names *names;
	const char *name;
	common.files_from = "list";
	make_list("x y\n\n'z'\r\nlast", 14);
	TAP_OK(collect(operands, 1, true, text) == 0 && !strcmp(text, "a|x y|'z'\r|last|"),
	    "operands, then lines as they are");
	names = names_open(operands, 1, true);
	TAP_OK(names && names_total(names) == 0 && names_count(names) == 4 &&
	           names_next(names, &name) == 1 && !strcmp(name, "a"),
	    "four are counted without taking one away");
	names_close(names);
	make_list("\n\n", 2);
	TAP_OK(collect(operands, 0, true, text) == 0 && !strcmp(text, ""), "a list of empty lines");
	make_list("", 0);
	TAP_OK(collect(operands, 0, true, text) == 0 && !strcmp(text, ""), "an empty list is no name");
	make_list("a\0b\n", 4);
	TAP_OK(collect(operands, 0, true, text) == -1, "a zero byte in a line: %s", error_text());
	common.null = true;
	make_list("a\nb\0\0c", 6);
	TAP_OK(collect(operands, 0, true, text) == 0 && !strcmp(text, "a\nb|c|"), "-0 takes newlines");
	common.null = false;
	static char longer[5000];
	memset(longer, 'n', sizeof longer);
	make_list(longer, 4095);
	names = names_open(NULL, 0, false);
	TAP_OK(names && names_next(names, &name) == 1 && strlen(name) == 4095, "4095 bytes are a name");
	names_close(names);
	make_list(longer, 4096);
	TAP_OK(collect(NULL, 0, false, text) == -1, "4096 are not: %s", error_text());
	common.files_from = "/dev/zero";
	TAP_OK(collect(NULL, 0, false, text) == -1 && strstr(error_text(), "line 1 is not a file name"),
	    "a line that never ends: %s", error_text());
	common.files_from = ".";
	TAP_OK(collect(NULL, 0, false, text) == -1 && error_kind() == ERROR_SYSTEM, "a folder: %s",
	    error_text());
	common.files_from = "absent";
	TAP_OK(collect(NULL, 0, false, text) == -2 && error_kind() == ERROR_SYSTEM, "no list: %s",
	    error_text());
	common.files_from = NULL;
}

static void test_shards(void)
{
	char *operands[23], names_of[23][8];
	for (int i = 0; i < 23; i++) {
		snprintf(names_of[i], sizeof names_of[i], "n%d", i);
		operands[i] = names_of[i];
	}
	for (int64_t shards = 1; shards <= 30; shards += 4) {
		int taken[23] = { 0 };
		bool totals = true;
		for (int64_t shard = 1; shard <= shards; shard++) {
			common.shard = shard;
			common.shards = shards;
			struct names *names = names_open(operands, 23, false);
			size_t total = names ? names_total(names) : 0, count = 0;
			const char *name;
			while (names && names_next(names, &name) > 0) {
				for (int i = 0; i < 23; i++)
					taken[i] += name == operands[i];
				count++;
			}
			totals = totals && count == total;
			names_close(names);
		}
		bool once = true;
		for (int i = 0; i < 23; i++)
			once = once && taken[i] == 1;
		TAP_OK(once, "%d shards take every name once", (int)shards);
		TAP_OK(totals, "and know how many");
	}
	common.shard = common.shards = 1;
}

static void test_shards_of_names(void)
{
	char text[200], photo[] = "photo.jpg", cat[] = "cat.jpg", dog[] = "dog.jpg", new[] = "new.jpg";
	char *before[] = { photo, cat, dog }, *after[] = { new, dog, photo };
	common.shards = 5; /* XXH64 modulo 5 is 3, 2, 3 */
	common.shard = 4;
	TAP_OK(collect(before, 3, false, text) == 0 && !strcmp(text, "photo.jpg|dog.jpg|"),
	    "the hash of a name is its shard: %s", text);
	TAP_OK(collect(after, 3, false, text) == 0 && strstr(text, "dog.jpg|photo.jpg|"),
	    "whatever else is there: %s", text);
	make_list("cat.jpg\ndog.jpg\n", 16);
	common.files_from = "list";
	TAP_OK(collect(before, 1, false, text) == 0 && !strcmp(text, "photo.jpg|dog.jpg|"),
	    "operand or line: %s", text);
	common.files_from = NULL;
	common.shard = common.shards = 1;
}

int main(void)
{
	test_operands();
	test_lists();
	test_shards();
	test_shards_of_names();
	return tap_finish();
}
