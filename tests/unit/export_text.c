/* export_text.c - unit tests of lib/stream/export_text.c: whole numbers beyond 2^53, digits that
 * bring the same float back, keys with TABs.
 */
#include "stream/export_text.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The text of one record, for free(). */
static char *text_of(char dtype, uint64_t count, const void *payload, const char *key, bool json)
{
	struct record record;
	char *text = NULL;
	size_t size = 0;
	record_tensor(&record, "x", dtype, 1, &count);
	snprintf(record.key, sizeof record.key, "%s", key);
	FILE *stream = open_memstream(&text, &size);
	if (json)
		export_put_json(stream, &record, payload);
	else
		export_put_text(stream, &record, payload);
	fclose(stream);
	return text;
}

static void expect(char dtype, uint64_t count, const void *payload, bool json, const char *wanted)
{
	char *text = text_of(dtype, count, payload, "k", json);
	if (!TAP_OK(strstr(text, wanted), "%c as %s", dtype, json ? "JSON" : "text"))
		printf("# %s\n# is not %s\n", text, wanted);
	free(text);
}

int main(void)
{
	static const int64_t whole[] = { INT64_MIN, INT64_MAX, 9007199254740993 };
	static const uint64_t natural[] = { UINT64_MAX };
	expect('q', 3, whole, false, "k\t-9223372036854775808 9223372036854775807 9007199254740993\n");
	expect('q', 3, whole, true, "[-9223372036854775808,9223372036854775807,9007199254740993]");
	expect('Q', 1, natural, false, "k\t18446744073709551615\n");
	expect('Q', 1, natural, true, "[18446744073709551615]");
	expect('d', 1, &(double){ NAN }, true, "[null]");
	expect('f', 1, &(float){ -INFINITY }, false, "k\t-inf\n");
	bool same = true;
	for (uint32_t bits = 1; bits < 0x7f800000; bits += 104729 * 7) {
		float value;
		memcpy(&value, &bits, sizeof value);
		char *text = text_of('f', 1, &value, "k", false);
		same = same && strtof(text + 2, NULL) == value;
		free(text);
	}
	TAP_OK(same, "nine digits bring every f32 back");
	char *text = text_of('f', 1, &(float){ 1 }, "a\tb\\\n", false);
	TAP_OK(strcmp(text, "a\\tb\\\\\\n\t1\n") == 0, "a key with TAB, backslash and newline");
	free(text);
	return tap_finish();
}
