/* json.c - fuzz target: whatever is accepted can be walked to its leaves. */
#include "stream/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct json *value, int depth)
{
	int64_t whole;
	double number;
	bool truth;
	size_t length = 0;
	const char *text = json_text(value, &length);
	if (depth > JSON_DEPTH_MOST + 1 || (text && strlen(text) != length))
		abort();
	json_whole(value, -5, 1000, &whole);
	json_number(value, &number);
	json_bool(value, &truth);
	if (json_kind(value) == JSON_KIND_ARRAY)
		for (size_t i = 0; i < json_count(value); i++)
			look(json_item(value, i), depth + 1);
	size_t members = 0;
	for (struct json_walk walk = json_walk_start(value); json_walk_next(&walk); members++) {
		if (json_member(value, walk.key) != walk.value)
			abort();
		look(walk.value, depth + 1);
	}
	if (json_kind(value) == JSON_KIND_OBJECT && members != json_count(value))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *root = json_parse(data, size);
	if (root)
		look(root, 0);
	json_release(root);
	return 0;
}
