/* index.c - fuzz target: the text of an index, walked through and searched. */
#include "stream/index_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "", "a", "b.jpg", "\xff" };
	struct index_head head;
	struct index_line line;
	char *text = malloc(size + !size); /* no zero byte behind it */
	if (!text)
		return 0;
	memcpy(text, data, size);
	if (index_text_head(text, size, &head) == 0) {
		size_t at = head.size;
		while (at < size && index_text_line(text, size, at, &line, &at) == 0)
			if (line.key < text || line.key + line.key_size > text + size || at > size)
				abort();
		for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
			size_t found = index_text_find(text, size, head.size, keys[i]);
			if (found < head.size || found > size ||
			    (found > head.size && found < size && text[found - 1] != '\n'))
				abort();
		}
	}
	free(text);
	return 0;
}
