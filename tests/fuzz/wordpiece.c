/* wordpiece.c - fuzz target: any text through WordPiece and the clean-up; any bytes as vocab.txt.
 * The first byte chooses: a text for the small vocabulary, or a vocabulary.
 */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/cleanup.h"
#include "text/wordpiece.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct wordpiece *wordpiece, const char *text, size_t size)
{
	struct ids ids = { 0 };
	char *decoded;
	size_t decoded_size;
	bool valid = utf8_valid_prefix(text, size) == size;
	if ((wordpiece_encode(wordpiece, text, size, &ids) == 0) != valid)
		abort();
	if (wordpiece_decode(wordpiece, ids.at, ids.count, 0, &decoded, &decoded_size) != 0)
		abort();
	memory_release(decoded);
	ids.count = 0;
	if (wordpiece_encode_framed(wordpiece, text, size, 8, size & 1, &ids) == 0 &&
	    (ids.count < 2 || ids.count > 8))
		abort();
	ids_clear(&ids);
}

static void clean(const char *text, size_t size)
{
	for (int kind = CLEANUP_NONE; kind <= CLEANUP_QUESTION; kind++) {
		char *once, *twice;
		size_t once_size, twice_size;
		if (cleanup_text((enum cleanup_kind)kind, text, size, NULL, &once, &once_size) != 0)
			continue;
		if (strlen(once) > once_size || utf8_valid_prefix(once, once_size) != once_size ||
		    cleanup_text((enum cleanup_kind)kind, once, once_size, "x", &twice, &twice_size) != 0 ||
		    twice_size < 1)
			abort();
		memory_release(once);
		memory_release(twice);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char list[] =
	    "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##a\n##b\nab\n##ba\n,\n\xe4\xbd\xa0\ni\n";
	static struct wordpiece *small;
	if (!small && !(small = wordpiece_open(list, sizeof list - 1, "13\tkeep\t[DEC]\n", 14)))
		abort();
	if (size == 0)
		return 0;
	const char *text = (const char *)data + 1;
	if (data[0] & 1) {
		struct wordpiece *wordpiece = wordpiece_open(text, size - 1, NULL, 0);
		if (wordpiece)
			use(wordpiece, "a [CLS] ab ,b\xe4\xbd\xa0", 15);
		wordpiece_close(wordpiece);
	} else {
		use(small, text, size - 1);
		clean(text, size - 1);
	}
	return 0;
}
