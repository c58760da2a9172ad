/* export_text.c - numbers of a payload as text (see export_text.h). */
#include "stream/export_text.h"
#include "base/dtype.h"
#include "base/textout.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { NUMBER_SIZE = 40 };

/* One element as text; json: a spelling that JSON knows. */
static void format_number(
    char text[NUMBER_SIZE], char dtype, const uint8_t *payload, size_t i, bool json)
{
	int64_t whole;
	uint64_t natural;
	double real;
	switch (dtype) {
	case 'q': /* 64-bit numbers do not fit into a double */
		memcpy(&whole, payload + 8 * i, sizeof whole);
		snprintf(text, NUMBER_SIZE, "%" PRId64, whole);
		return;
	case 'Q':
		memcpy(&natural, payload + 8 * i, sizeof natural);
		snprintf(text, NUMBER_SIZE, "%" PRIu64, natural);
		return;
	case '?':
		if (json)
			snprintf(text, NUMBER_SIZE, "%s", payload[i] ? "true" : "false");
		else
			snprintf(text, NUMBER_SIZE, "%d", payload[i] != 0);
		return;
	default:
		real = dtype_element(dtype, payload, i);
		if (json && !isfinite(real))
			snprintf(text, NUMBER_SIZE, "null");
		else if (json && real == 0 && signbit(real)) /* "-0" would be read back as an integer */
			snprintf(text, NUMBER_SIZE, "-0.0");
		else
			snprintf(text, NUMBER_SIZE, dtype == 'd' ? "%.17g" : "%.9g", real);
	}
}

/* Elements, and how many make a row (1 for a scalar). */
static void count_elements(const struct record *record, size_t *elements, size_t *row)
{
	*elements = (size_t)record->payload_size / dtype_size(record->dtype);
	*row = record->dimensions > 0 ? (size_t)record->shape[record->dimensions - 1] : 1;
}

void export_put_text(FILE *stream, const struct record *record, const void *payload)
{
	size_t elements, row;
	count_elements(record, &elements, &row);
	char text[NUMBER_SIZE];
	for (size_t i = 0; i < elements; i++) {
		if (i % row == 0) {
			textout_field(stream, record->key, strlen(record->key));
			putc('\t', stream);
		}
		format_number(text, record->dtype, payload, i, false);
		fputs(text, stream);
		putc((i + 1) % row == 0 ? '\n' : ' ', stream);
	}
}

void export_put_json(FILE *stream, const struct record *record, const void *payload)
{
	size_t elements, row;
	count_elements(record, &elements, &row);
	char text[NUMBER_SIZE];
	fputs("{\"key\":", stream);
	textout_json(stream, record->key, strlen(record->key));
	fputs(",\"name\":", stream);
	textout_json(stream, record->name, strlen(record->name));
	fputs(",\"dtype\":\"", stream);
	fputs(dtype_name(record->dtype), stream);
	fputs("\",\"shape\":[", stream);
	for (int i = 0; i < record->dimensions; i++) {
		snprintf(text, sizeof text, "%s%" PRIu64, i > 0 ? "," : "", record->shape[i]);
		fputs(text, stream);
	}
	fputs("],\"data\":[", stream);
	for (size_t i = 0; i < elements; i++) {
		if (i > 0)
			putc(',', stream);
		format_number(text, record->dtype, payload, i, true);
		fputs(text, stream);
	}
	fputs("]}\n", stream);
}
