/* import_pattern.c - pattern NUL name: bounded time and stack, whatever they are. */
#include "base/error.h"
#include "import/import_names.h"
#include "import/import_pattern.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2048];
	struct import_name name;
	if (size + 2 > sizeof text)
		return 0;
	memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	const char *second = text + strlen(text) + 1;
	if (second > text + size)
		second = text + size;
	import_pattern_match(text, second);
	import_name_map(second, (1U << IMPORT_PARTS) - 1, &name);
	error_clear();
	return 0;
}
