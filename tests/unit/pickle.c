/* pickle.c - unit tests of lib/stream/pickle.c: values come out as they are, memory is bounded by
 * the input, and the list of names is what it should be. Hostile pickles: tests/format/foreign.t.
 */
#include "base/error.h"
#include "base/memory.h"
#include "stream/pickle.h"
#include "stream/pickle_names.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

static int run(const char *bytes, size_t size, struct pickle *pickle)
{
	return pickle_run((const uint8_t *)bytes, size, pickle);
}

static void test_numbers(void)
{
	static const struct {
		const char *bytes;
		size_t size;
		int64_t value;
	} cases[] = { { "\x80\2K\xff.", 5, 255 }, { "\x80\2M\xff\xff.", 6, 65535 },
		{ "\x80\2J\xff\xff\xff\xff.", 8, -1 }, { "\x80\2J\0\0\0\x80.", 8, INT32_MIN },
		{ "\x80\2\x8a\0.", 5, 0 }, { "\x80\2\x8a\1\xff.", 6, -1 },
		{ "\x80\2\x8a\2\xff\0.", 7, 255 }, { "\x80\2\x8a\x8\0\0\0\0\0\0\0\x80.", 13, INT64_MIN } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pickle pickle;
		int status = run(cases[i].bytes, cases[i].size, &pickle);
		TAP_OK(status == 0 && pickle.values[pickle.root].kind == PICKLE_WHOLE &&
		           pickle.values[pickle.root].whole == cases[i].value &&
		           pickle.used == cases[i].size,
		    "number %zu: %lld", i, (long long)cases[i].value);
		pickle_release(&pickle);
	}
}

static void test_containers(void)
{
	static const char bytes[] = "\x80\2}(X\1\0\0\0aK\1X\1\0\0\0b](K\2K\3eu.";
	struct pickle pickle;
	TAP_OK(run(bytes, sizeof bytes - 1, &pickle) == 0, "a dictionary: %s", error_text());
	const struct pickle_value *root = &pickle.values[pickle.root];
	TAP_OK(root->kind == PICKLE_DICT && root->count == 4, "two keys and values");
	const struct pickle_cell *cell = &pickle.cells[root->cells.first];
	TAP_OK(pickle_is_text(&pickle, cell->value, "a") && !pickle_is_text(&pickle, cell->value, "ab"),
	    "the first key");
	cell = &pickle.cells[cell->next];
	TAP_OK(pickle.values[cell->value].whole == 1, "the first value");
	cell = &pickle.cells[cell->next];
	cell = &pickle.cells[cell->next];
	const struct pickle_value *list = &pickle.values[cell->value];
	TAP_OK(list->kind == PICKLE_LIST && list->count == 2 && cell->next == PICKLE_END,
	    "the second value is a list, and the last");
	pickle_release(&pickle);
}

/* A pickle of size bytes of one opcode, ended by STOP. */
static void test_bound(uint8_t opcode)
{
	enum { SIZE = 1 << 20 };
	uint8_t *bytes = memory_allocate(SIZE, 1);
	struct pickle pickle;
	memset(bytes, opcode, SIZE);
	memcpy(bytes, "\x80\2", 2);
	bytes[SIZE - 1] = '.';
	int status = pickle_run(bytes, SIZE, &pickle);
	size_t used =
	    pickle.value_capacity * sizeof *pickle.values + pickle.cell_capacity * sizeof *pickle.cells;
	TAP_OK(status < 0 && used <= (size_t)48 * SIZE, "1 MB of 0x%02x takes %zu bytes: %s", opcode,
	    used, error_text());
	pickle_release(&pickle);
	memory_release(bytes);
}

static void test_names(void)
{
	static const struct {
		const char *module, *name;
	} known[] = { { "collections", "OrderedDict" }, { "torch._utils", "_rebuild_tensor_v2" },
		{ "torch._utils", "_rebuild_parameter" } };
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		TAP_OK(pickle_name_find(known[i].module, strlen(known[i].module), known[i].name,
		           strlen(known[i].name)) == (int)i,
		    "%s %s", known[i].module, known[i].name);
	static const char dtypes[] = "feEdqihbB?";
	static const char *const storages[] = { "Float", "Half", "BFloat16", "Double", "Long", "Int",
		"Short", "Char", "Byte", "Bool" };
	for (size_t i = 0; i < sizeof storages / sizeof *storages; i++) {
		char name[32];
		int size = snprintf(name, sizeof name, "%sStorage", storages[i]);
		int number = pickle_name_find("torch", 5, name, (size_t)size);
		TAP_OK(number >= 0 && pickle_name_storage((uint8_t)number) == dtypes[i], "torch %s", name);
	}
	TAP_OK(pickle_name_find("torch", 5, "FloatStorag", 11) < 0, "a name that is cut off");
	TAP_OK(pickle_name_find("torch\0x", 7, "FloatStorage", 12) < 0, "a module with a zero byte");
}

int main(void)
{
	test_numbers();
	test_containers();
	static const uint8_t opcodes[] = { 'N', ']', '}', ')', '(', 0x88, 0x94, 0x85, 'a', 't' };
	for (size_t i = 0; i < sizeof opcodes; i++)
		test_bound(opcodes[i]);
	test_names();
	return tap_finish();
}
