/* example_line.c - fuzz target: any bytes as a line of training data. What is taken keeps the
 * limits and holds texts; what is refused leaves nothing behind.
 */
#include "base/error.h"
#include "train/example_line.h"
#include "train/examples.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_classes(const int32_t *classes, size_t count)
{
	if (count > EXAMPLE_LABELS_MOST)
		abort();
	for (size_t i = 0; i < count; i++)
		if (classes[i] < -1 || classes[i] > EXAMPLE_CLASS_MOST)
			abort();
}

static void check(const struct example *example)
{
	size_t bytes = example->text ? strlen(example->text) : 0;
	if (example->turn_count > EXAMPLE_TURNS_MOST || (example->key && !example->image_id))
		abort();
	for (size_t i = 0; i < example->turn_count; i++)
		bytes += strlen(example->turns[i].question) + strlen(example->turns[i].answer);
	for (int language = 0; language < EXAMPLE_LANGUAGES; language++) {
		if (example->wrong_count[language] > EXAMPLE_WRONG_MOST)
			abort();
		for (size_t i = 0; i < example->wrong_count[language]; i++)
			bytes += strlen(example->wrong[language][i]);
		bytes += example->caption[language] ? strlen(example->caption[language]) : 0;
	}
	check_classes(&example->kind, 1);
	check_classes(example->kinds, example->kind_count);
	check_classes(example->patches, example->patch_count);
	if (bytes > (size_t)1 << 24)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct example example, again;
	int result = example_parse((const char *)data, size, &example);
	if (result < 0 && (error_kind() != ERROR_INPUT || !error_text()[0]))
		abort();
	if (result == 0) {
		check(&example);
		if (example_parse((const char *)data, size, &again) < 0 ||
		    again.turn_count != example.turn_count)
			abort();
		example_clear(&again);
	}
	example_clear(&example); /* cleared already if it was refused: that is fine */
	error_clear();
	return 0;
}
