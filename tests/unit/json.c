/* json.c - unit tests of lib/stream/json.c: values, limits, and the whole of JSONTestSuite. */
#include "base/error.h"
#include "base/memory.h"
#include "stream/json.h"
#include "tap.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json *parse(const char *text)
{
	return json_parse(text, strlen(text));
}

static void test_values(void)
{
	struct json *root =
	    parse("{\"b\":[1,-2.5,true,null,\"x\\u00e9\",{}],\"a\":9223372036854775807}");
	TAP_OK(json_kind(root) == JSON_KIND_OBJECT && json_count(root) == 2, "an object of two");
	const struct json *array = json_member(root, "b");
	TAP_OK(json_kind(array) == JSON_KIND_ARRAY && json_count(array) == 6, "an array of six");
	int64_t whole = 0;
	double real = 0;
	bool truth = false;
	size_t size = 0;
	TAP_OK(json_whole(json_item(array, 0), 1, 1, &whole) == 0 && whole == 1, "a whole number");
	TAP_OK(json_number(json_item(array, 1), &real) == 0 && real == -2.5, "a real number");
	TAP_OK(json_number(json_item(array, 0), &real) == 0 && real == 1, "a whole number is a number");
	TAP_OK(json_bool(json_item(array, 2), &truth) == 0 && truth, "true");
	TAP_OK(json_kind(json_item(array, 3)) == JSON_KIND_NULL, "null");
	const char *text = json_text(json_item(array, 4), &size);
	TAP_OK(text && size == 3 && strcmp(text, "x\xc3\xa9") == 0, "a text with an escape");
	TAP_OK(json_kind(json_item(array, 5)) == JSON_KIND_OBJECT, "an empty object");
	TAP_OK(!json_item(array, 6), "nothing behind the end");
	TAP_OK(json_whole(json_member(root, "a"), 0, INT64_MAX, &whole) == 0 && whole == INT64_MAX,
	    "the largest whole number");
	TAP_OK(json_whole(json_member(root, "a"), 0, 5, &whole) < 0 &&
	           strstr(error_text(), "9223372036854775807 is not between 0 and 5"),
	    "a range: %s", error_text());
	TAP_OK(json_whole(json_item(array, 1), 0, 5, &whole) < 0, "a real number is not whole");
	TAP_OK(json_bool(json_item(array, 0), &truth) < 0, "1 is not true");
	TAP_OK(json_number(json_item(array, 2), &real) < 0, "true is no number");
	TAP_OK(!json_text(array, NULL) && !json_text(NULL, NULL), "no text");
	TAP_OK(!json_member(array, "b") && !json_member(json_member(root, "none"), "b") &&
	           json_kind(NULL) == JSON_KIND_ABSENT && json_count(NULL) == 0,
	    "absent values can be chained");
	TAP_OK(json_whole(NULL, 0, 1, &whole) < 0 && strstr(error_text(), "not nothing"), "no value");
	struct json_walk walk = json_walk_start(root);
	TAP_OK(json_walk_next(&walk) && strcmp(walk.key, "b") == 0 && walk.key_size == 1 &&
	           walk.value == array,
	    "the first member is the first of the text");
	TAP_OK(json_walk_next(&walk) && strcmp(walk.key, "a") == 0 && !json_walk_next(&walk),
	    "the second member is the last");
	walk = json_walk_start(array);
	TAP_OK(!json_walk_next(&walk), "an array has no members");
	json_release(root);
	json_release(NULL);
}

/* depth opening brackets, then as many closing ones. */
static bool deep_is_taken(int depth)
{
	char text[2 * JSON_DEPTH_MOST + 8];
	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	struct json *root = json_parse(text, 2 * (size_t)depth);
	json_release(root);
	return root != NULL;
}

static void test_limits(void)
{
	static const char *const refused[] = { "", " ", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
		"\"\\u0000\"", "{\"\\u0000\":1}", "1e999", "99999999999999999999", "[1]]", "{} {}", "nul",
		"'a'", "\"\x01\"", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\xaf\"", "[1,]",
		"\xef\xbb\xbf{}" };
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct json *root = parse(refused[i]);
		TAP_OK(!root && error_kind() == ERROR_INPUT, "refused: %zu: %s", i, error_text());
		json_release(root);
	}
	TAP_OK(deep_is_taken(JSON_DEPTH_MOST), "as deep as allowed");
	TAP_OK(!deep_is_taken(JSON_DEPTH_MOST + 1), "too deep: %s", error_text());
	TAP_OK(!json_parse("1\0", 2) && !json_parse("\"\\\0\"", 4), "zero bytes are refused");
	struct json *root = parse("{\"a\":\n 1,\n x}");
	TAP_OK(!root && strstr(error_text(), "JSON line 3, column 2: "), "place: %s", error_text());
	root = json_parse("{\"a\": }", 7);
	TAP_OK(!root && strncmp(error_text(), "JSON column ", 12) == 0, "in a line alone: %s",
	    error_text());
	root = parse("\"[[[[\\\"[[\"");
	TAP_OK(
	    root && strcmp(json_text(root, NULL), "[[[[\"[[") == 0, "brackets in a text nest nothing");
	json_release(root);
	size_t size = 2 * ((size_t)JSON_VALUES_MOST + 2);
	char *many = memory_allocate(size, 1);
	for (size_t i = 0; many && i < size; i += 2)
		memcpy(many + i, i == 0 ? "[1" : ",1", 2);
	TAP_OK(many && !json_parse(many, size) && strstr(error_text(), "more than 4194304 values"),
	    "too many values: %s", error_text());
	memory_release(many);
	TAP_OK(!json_open("absent.json") && error_kind() == ERROR_SYSTEM, "a file that is not there");
	TAP_OK(!json_open("."), "a directory is refused: %s", error_text());
}

/* Valid texts that are refused on purpose: duplicate members, and NUL in texts. */
static bool is_stricter(const char *name)
{
	static const char *const names[] = { "y_object_duplicated_key.json",
		"y_object_duplicated_key_and_value.json", "y_object_escaped_null_in_key.json",
		"y_string_null_escape.json" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void test_suite(void)
{
	const char *folder = tap_shared("oracles/json/test_parsing");
	if (!folder) {
		tap_skip("JSONTestSuite", "no reference data");
		return;
	}
	char path[4608], directory[4096];
	snprintf(directory, sizeof directory, "%s", folder);
	DIR *files = opendir(directory);
	int valid = 0, invalid = 0, either = 0, wrong = 0;
	for (struct dirent *entry; files && (entry = readdir(files));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		struct json *root = json_open(path);
		bool wanted = entry->d_name[0] == 'y' && !is_stricter(entry->d_name);
		valid += entry->d_name[0] == 'y';
		invalid += entry->d_name[0] == 'n';
		either += entry->d_name[0] == 'i';
		if (entry->d_name[0] != 'i' && wanted != (root != NULL)) {
			printf("# %s: %s\n", entry->d_name, root ? "taken" : error_text());
			wrong++;
		}
		json_release(root);
	}
	if (files)
		closedir(files);
	TAP_OK(valid == 95 && invalid == 188 && either > 0 && wrong == 0,
	    "JSONTestSuite: %d valid, %d invalid, %d of either kind, %d wrong", valid, invalid, either,
	    wrong);
}

int main(void)
{
	test_values();
	test_limits();
	test_suite();
	return tap_finish();
}
