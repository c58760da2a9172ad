/* toy_weights.h - model files of a few random tensors, for tests of training. Static, as reference.h.
 */
#ifndef ZV_TESTS_TOY_WEIGHTS_H
#define ZV_TESTS_TOY_WEIGHTS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/write.h"

struct toy_tensor {
	const char *name;
	char dtype;           /* 'B': a file */
	size_t rows, columns; /* rows 0: of one dimension */
};

/* Uniform in [-1, 1). */
static inline float toy_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (float)(*state >> 8) * 0x1p-23f - 1.0f;
}

static inline float *toy_values(size_t count, uint32_t *state)
{
	float *values = memory_allocate(count, sizeof *values);
	if (!values)
		exit(2);
	for (size_t i = 0; i < count; i++)
		values[i] = toy_random(state);
	return values;
}

static inline void toy_put(struct writer *writer, const char *key, const char *name, char dtype,
    const struct toy_tensor *tensor, const char *meta, const void *payload)
{
	struct record record;
	uint64_t shape[2] = { tensor->rows ? tensor->rows : tensor->columns, tensor->columns };
	record_tensor(&record, name, dtype, tensor->rows ? 2 : 1, shape);
	record.meta = meta;
	record.meta_size = meta ? strlen(meta) : 0;
	if (record_set_key(&record, key) < 0 || writer_put(writer, &record, payload) < 0) {
		printf("# %s\n", error_text());
		exit(2);
	}
}

/* directory/part.zv with these words and tensors of random values. */
static inline void toy_write(const char *directory, const char *part, const char *words,
    const struct toy_tensor *tensors, size_t count, uint32_t seed)
{
	char path[300];
	const struct toy_tensor none = { "config", 'B', 0, 0 };
	mkdir(directory, 0777); /* that it may exist already is fine; writing tells the rest */
	snprintf(path, sizeof path, "%s/%s.zv", directory, part);
	struct writer *writer = writer_open(path, WRITER_BARE);
	if (!writer)
		exit(2);
	toy_put(writer, "config", part, 'B', &none, words, "");
	for (size_t i = 0; i < count; i++) {
		const struct toy_tensor *tensor = &tensors[i];
		size_t elements = (tensor->rows ? tensor->rows : 1) * tensor->columns;
		float *values = toy_values(elements, &seed), *stored = toy_values(elements, &seed);
		bool file = tensor->dtype == 'B';
		if (!file)
			dtype_from_f32(tensor->dtype, values, stored, elements);
		toy_put(writer, tensor->name, file ? "bytes" : "values", tensor->dtype, tensor, NULL,
		    file ? values : stored);
		memory_release(values);
		memory_release(stored);
	}
	if (writer_finish(writer) < 0)
		exit(2);
}

#endif
