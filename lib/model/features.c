/* features.c - what zv-encode hands to the Q-Former (see features.h). */
#include "model/features.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/maker.h"

#include <string.h>

float *features_read(const struct sample_part *part, size_t width, const struct digest *weights)
{
	const struct record *record = &part->record;
	char shape[256];
	uint64_t elements;
	if (!dtype_is_float(record->dtype) || record->dimensions != 2 || record->shape[0] == 0 ||
	    record->shape[1] != width) {
		error_input("features are %s %s where tokens x %zu floats are wanted",
		    record_shape_text(record, shape), dtype_name(record->dtype), width);
		return NULL;
	}
	if (maker_expect(record, "weights", weights) || record_elements(record, &elements))
		return NULL;
	float *features = memory_allocate((size_t)elements, sizeof *features);
	if (features)
		dtype_to_f32(record->dtype, part->payload, features, (size_t)elements);
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
