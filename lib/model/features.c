/* features.c - what zv-encode hands to the Q-Former (see features.h). */
#include "model/features.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/maker.h"
#include "stream/rows.h"

#include <string.h>

float *features_read(struct sample *sample, size_t width, const struct digest *weights,
    const struct sample_part **part, size_t *tokens)
{
	struct rows rows;
	size_t elements;
	char shape[256];
	int found = rows_find(sample, "vit", &rows, part);
	if (found == 0)
		error_input("holds no patch features but \"%s\": zv-encode makes them",
		    sample->parts[0].record.name);
	if (found <= 0)
		return NULL;
	const struct record *record = &(*part)->record;
	if (record->dimensions != 2 || record->shape[0] == 0 || record->shape[1] != width) {
		error_input("features are %s %s where tokens x %zu floats are wanted",
		    record_shape_text(record, shape), rows_type_name(record->dtype), width);
		return NULL;
	}
	if (maker_expect(record, "weights", weights))
		return NULL;
	if (!checked_multiply(rows.count, width, &elements)) {
		error_memory(SIZE_MAX);
		return NULL;
	}
	float *features = memory_allocate(elements, sizeof *features);
	if (features)
		rows_get(&rows, 0, rows.count, features);
	*tokens = rows.count;
	return features;
}

int features_question(struct sample *sample, char **question)
{
	const struct sample_part *part = sample_find(sample, "question");
	*question = NULL;
	if (!part)
		return 0;
	size_t size = (size_t)part->record.payload_size;
	if (part->record.dtype != 'B' || utf8_valid_prefix(part->payload, size) != size ||
	    memchr(part->payload, '\0', size))
		return error_input("the question is no UTF-8 text");
	*question = memory_text(part->payload, size);
	return *question ? 0 : -1;
}
