/* safetensors.c - unit tests of lib/stream/safetensors.c: what is written is read again. What must
 * be refused is in tests/format/foreign.t.
 */
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/safetensors.h"
#include "tap.h"

#include <string.h>

/* Header of entries and bytes of zeros behind it, in one block. */
static uint8_t *make_file(const struct safetensors_entry *entries, size_t count,
    const char *metadata, size_t data_size, size_t *size)
{
	uint8_t *header, *file;
	size_t header_size;
	if (safetensors_format(
	        entries, count, metadata, metadata ? strlen(metadata) : 0, &header, &header_size) < 0)
		return NULL;
	*size = header_size + data_size;
	file = memory_allocate_zero(*size, 1);
	if (file)
		memcpy(file, header, header_size);
	memory_release(header);
	return file;
}

static void test_round_trip(void)
{
	static const char letters[] = "feEdqihbQIHB?";
	struct safetensors_entry entries[sizeof letters] = { 0 };
	static const char *const names[] = { "a", "\"quoted\"\\", "\xe7\x90\x83", "d", "e", "f", "g",
		"h", "i", "j", "k", "l", "m" };
	size_t count = strlen(letters), data_size = 0, size = 0;
	for (size_t i = 0; i < count; i++) {
		entries[i] = (struct safetensors_entry){ names[i], letters[i], (int)(i % 4), { 0 } };
		size_t elements = 1;
		for (size_t k = 0; k < i % 4; k++)
			elements *= (size_t)(entries[i].shape[k] = k + i % 3);
		data_size += elements * dtype_size(letters[i]);
	}
	uint8_t *file = make_file(entries, count, NULL, data_size, &size);
	struct tensor_list list = { 0 };
	TAP_OK(file && safetensors_parse(file, size, 3, &list) == 0, "every dtype: %s", error_text());
	TAP_OK(list.count == count, "%zu tensors", list.count);
	uint64_t place = size - data_size;
	for (size_t i = 0; i < list.count; i++) {
		const struct checkpoint_tensor *tensor = &list.tensors[i];
		bool found = false;
		for (size_t k = 0; k < count; k++)
			if (strcmp(names[k], tensor->name) == 0)
				found = tensor->dtype == letters[k] &&
				        tensor->dimensions == entries[k].dimensions &&
				        memcmp(tensor->shape, entries[k].shape, sizeof tensor->shape) == 0;
		TAP_OK(found && tensor->offset == place && tensor->file == 3 && tensor->contiguous,
		    "%s is what was written", tensor->name);
		place += tensor->elements * dtype_size(tensor->dtype);
	}
	TAP_OK((size - data_size) % 8 == 0, "the data is aligned to 8");
	tensor_list_release(&list);
	memory_release(file);
}

static void test_metadata(void)
{
	struct safetensors_entry entry = { "w", 'f', 1, { 2 } };
	size_t size = 0;
	uint8_t *file = make_file(&entry, 1, "stage=vit\nno word\nwidth=48", 8, &size);
	struct tensor_list list = { 0 };
	TAP_OK(file && safetensors_parse(file, size, 0, &list) == 0 && list.count == 1,
	    "words become metadata: %s", error_text());
	static const char wanted[] =
	    "{\"__metadata__\":{\"format\":\"pt\",\"stage\":\"vit\",\"width\":\"48\"},\"w\":";
	TAP_OK(file && memcmp(file + 8, wanted, sizeof wanted - 1) == 0, "the header's text");
	tensor_list_release(&list);
	memory_release(file);
	file = make_file(NULL, 0, NULL, 0, &size);
	TAP_OK(file && safetensors_parse(file, size, 0, &list) == 0 && list.count == 0, "no tensors");
	memory_release(file);
}

static void test_refusals(void)
{
	struct safetensors_entry entries[] = { { "a", 'f', 1, { 2 } }, { "b", 'f', 1, { 2 } },
		{ "a", 'f', 1, { 2 } } };
	size_t size;
	TAP_OK(!make_file(entries, 3, NULL, 0, &size) && strstr(error_text(), "\"a\""),
	    "a name twice: %s", error_text());
	entries[2].name = "__metadata__";
	TAP_OK(!make_file(entries, 3, NULL, 0, &size), "a name that is taken: %s", error_text());
	entries[2] =
	    (struct safetensors_entry){ "c", 'f', 2, { (uint64_t)1 << 40, (uint64_t)1 << 40 } };
	TAP_OK(!make_file(entries, 3, NULL, 0, &size), "too large: %s", error_text());
}

int main(void)
{
	test_round_trip();
	test_metadata();
	test_refusals();
	return tap_finish();
}
