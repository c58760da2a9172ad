/* reference.h - unit tests against the reference data: models through the importer, tensors of the
 * expected results, comparison within a tolerance. Static, so that only the tests that need the
 * models depend on them.
 */
#ifndef ZV_TESTS_REFERENCE_H
#define ZV_TESTS_REFERENCE_H

#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/import.h"
#include "stream/checkpoint.h"
#include "stream/json.h"

/* Import a reference model to a directory of its name below the current one, once. NULL: absent
 * (the caller skips). */
static inline const char *reference_import(const struct import_request *request, const char *name)
{
	static char directory[200];
	snprintf(directory, sizeof directory, "%s", name);
	struct import *import = import_open(request);
	bool done = import && import_write(import, directory, false) == 0;
	import_close(import);
	if (!TAP_OK(done, "%s is imported", name))
		printf("#   %s\n", error_text());
	return done ? directory : NULL;
}

/* The directory below zoo/A, imported. */
static inline const char *reference_model(const char *name)
{
	char path[200], source[4096];
	snprintf(path, sizeof path, "zoo/A/%s", name);
	const char *found = tap_shared(path);
	if (!found) {
		tap_skip(name, "no reference data");
		return NULL;
	}
	snprintf(source, sizeof source, "%s", found);
	const char *sources[] = { source };
	struct import_request request = { .sources = sources, .source_count = 1 };
	return reference_import(&request, name);
}

struct reference {
	struct checkpoint *tensors;
	struct json *json;
};

/* expected.safetensors and expected.json of a folder below the reference data. */
static inline struct reference reference_open(const char *folder)
{
	char path[200];
	struct reference reference = { 0 };
	snprintf(path, sizeof path, "%s/expected.safetensors", folder);
	const char *found = tap_shared(path);
	reference.tensors = found ? checkpoint_open(found) : NULL;
	snprintf(path, sizeof path, "%s/expected.json", folder);
	found = tap_shared(path);
	reference.json = found ? json_open(found) : NULL;
	return reference;
}

static inline void reference_close(struct reference *reference)
{
	checkpoint_close(reference->tensors);
	json_release(reference->json);
}

/* The values of a tensor as f32 (memory_release); NULL and a failed test if it is missing. */
static inline float *reference_values(
    const struct checkpoint *checkpoint, const char *name, size_t *count)
{
	const struct checkpoint_tensor *tensor = checkpoint ? checkpoint_find(checkpoint, name) : NULL;
	*count = 0;
	if (!tensor) {
		TAP_OK(false, "reference tensor %s is there", name);
		return NULL;
	}
	size_t n = (size_t)tensor->elements;
	void *raw = memory_allocate(n, 8);
	float *values = memory_allocate(n, sizeof *values);
	if (!raw || !values || checkpoint_read(checkpoint, tensor, 0, n, raw) < 0)
		exit(2);
	dtype_to_f32(tensor->dtype, raw, values, n);
	memory_release(raw);
	*count = n;
	return values;
}

/* Largest difference over the largest magnitude wanted; infinity if anything is not a number. */
static inline double reference_error(const float *got, const float *wanted, size_t count)
{
	double most = 0, scale = 0;
	for (size_t i = 0; i < count; i++) {
		double difference = fabs((double)got[i] - (double)wanted[i]);
		if (!(difference <= most))
			most = difference;
		if (fabs((double)wanted[i]) > scale)
			scale = fabs((double)wanted[i]);
	}
	return isnan(most) ? INFINITY : scale > 0 ? most / scale : most;
}

/* Compare count values with the tensor of this name: equal in number and within tolerance of its
 * largest magnitude. */
static inline void reference_compare(const struct checkpoint *checkpoint, const char *name,
    const float *got, size_t count, double tolerance)
{
	size_t wanted_count;
	float *wanted = reference_values(checkpoint, name, &wanted_count);
	if (!wanted)
		return;
	double error = wanted_count == count ? reference_error(got, wanted, count) : INFINITY;
	TAP_OK(error <= tolerance, "%s (%.1e of its maximum, at most %.0e)", name, error, tolerance);
	memory_release(wanted);
}

/* An array of whole numbers to ids; the count. */
static inline size_t reference_ids(const struct json *array, int32_t *ids, size_t most)
{
	size_t count = json_count(array);
	for (size_t i = 0; i < count && i < most; i++) {
		int64_t id = -1;
		json_whole(json_item(array, i), 0, INT32_MAX, &id);
		ids[i] = (int32_t)id;
	}
	return count < most ? count : most;
}

#endif
