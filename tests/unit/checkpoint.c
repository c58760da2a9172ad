/* checkpoint.c - unit tests of lib/stream/checkpoint.c on a file that is written here: finding,
 * reading any range, and reading again what was forgotten. Real and hostile files:
 * tests/golden/checkpoints.t and tests/format/foreign.t.
 */
#include "base/error.h"
#include "base/memory.h"
#include "stream/checkpoint.h"
#include "stream/safetensors.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 300, COLUMNS = 101 };

/* model.safetensors with "b" [300, 101] of i32 0, 1, 2, ..., "a" scalar i32 7 and "none" [0]. */
static bool write_file(void)
{
	static const struct safetensors_entry entries[] = { { "b", 'i', 2, { ROWS, COLUMNS } },
		{ "a", 'i', 0, { 0 } }, { "none", 'i', 1, { 0 } } };
	uint8_t *header;
	size_t size;
	if (safetensors_format(entries, 3, NULL, 0, &header, &size) < 0)
		return false;
	FILE *file = fopen("model.safetensors", "wb");
	if (!file)
		return false;
	fwrite(header, 1, size, file);
	for (int32_t i = 0; i < ROWS * COLUMNS; i++)
		fwrite(&i, sizeof i, 1, file);
	fwrite(&(int32_t){ 7 }, sizeof(int32_t), 1, file);
	memory_release(header);
	return fclose(file) == 0;
}

/* Are elements first..first+count-1 of "b" what was written? */
static bool read_range(const struct checkpoint *checkpoint, uint64_t first, uint64_t count)
{
	static int32_t values[ROWS * COLUMNS];
	if (checkpoint_read(checkpoint, checkpoint_find(checkpoint, "b"), first, count, values) < 0)
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (values[i] != (int32_t)(first + i))
			return false;
	return true;
}

static void test_reading(const struct checkpoint *checkpoint)
{
	const struct checkpoint_tensor *b = checkpoint_find(checkpoint, "b");
	const struct checkpoint_tensor *a = checkpoint_find(checkpoint, "a");
	const struct checkpoint_tensor *none = checkpoint_find(checkpoint, "none");
	TAP_OK(checkpoint_count(checkpoint) == 3 && a && b && none, "three tensors by name");
	TAP_OK(!checkpoint_find(checkpoint, "c") && !checkpoint_find(checkpoint, "") &&
	           !checkpoint_find(checkpoint, "bb"),
	    "and no others");
	TAP_OK(checkpoint_at(checkpoint, 0) == b && b->shape[0] == ROWS && b->strides[0] == COLUMNS &&
	           b->elements == ROWS * COLUMNS && b->contiguous && b->dtype == 'i',
	    "the first one's shape");
	TAP_OK(strcmp(checkpoint_file(checkpoint, b), "./model.safetensors") == 0, "its file");
	int32_t value = 0;
	TAP_OK(checkpoint_read(checkpoint, a, 0, 1, &value) == 0 && value == 7, "a scalar");
	TAP_OK(checkpoint_read(checkpoint, none, 0, 0, &value) == 0, "no elements");
	TAP_OK(read_range(checkpoint, 0, ROWS * COLUMNS), "all of it");
	TAP_OK(read_range(checkpoint, 12345, 678), "a part of it");
	TAP_OK(!read_range(checkpoint, 0, ROWS * COLUMNS + 1) && error_kind() == ERROR_INPUT &&
	           strstr(error_text(), "\"b\" has no elements 0 to 30301"),
	    "more than there is: %s", error_text());
	TAP_OK(!read_range(checkpoint, UINT64_MAX, 2), "a range that wraps: %s", error_text());
	checkpoint_forget(checkpoint, b);
	checkpoint_forget(checkpoint, a);
	checkpoint_forget(checkpoint, none);
	TAP_OK(read_range(checkpoint, 0, ROWS * COLUMNS), "all of it again after it was forgotten");
}

int main(void)
{
	if (!TAP_OK(write_file(), "a file is made: %s", error_text()))
		return tap_finish();
	struct checkpoint *checkpoint = checkpoint_open(".");
	if (TAP_OK(checkpoint, "the directory is opened: %s", error_text()))
		test_reading(checkpoint);
	checkpoint_close(checkpoint);
	checkpoint_close(NULL);
	TAP_OK(!checkpoint_open("absent") && error_kind() == ERROR_SYSTEM &&
	           strstr(error_text(), "absent: cannot open: No such file"),
	    "a path that is not there: %s", error_text());
	TAP_OK(!checkpoint_open("/dev/null") && strstr(error_text(), "not a regular file"),
	    "a device: %s", error_text());
	remove("model.safetensors");
	TAP_OK(!checkpoint_open(".") && strstr(error_text(), "has no model.safetensors"),
	    "a directory without weights: %s", error_text());
	return tap_finish();
}
