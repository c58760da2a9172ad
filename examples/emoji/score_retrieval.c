/* score_retrieval.c - the text of each picture among all texts, and the picture of each text among
 * all pictures, by features that zv-qformer --contrast and --text wrote: a picture and a text are as
 * alike as the largest product of one of the picture's rows with the text's.
 */
#include "score.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/read.h"

enum { FEATURES_MOST = 50000, LANES = 8 };

struct feature {
	char *key;
	float *rows; /* count x width */
	size_t count, width;
};

struct features {
	struct feature *items;
	size_t count, room;
};

static void features_clear(struct features *features)
{
	for (size_t i = 0; i < features->count; i++) {
		memory_release(features->items[i].key);
		memory_release(features->items[i].rows);
	}
	memory_release(features->items);
}

static int add(struct features *features, struct reader *reader, const struct record *record)
{
	int dimensions = record->dimensions;
	const void *payload = reader_payload(reader);
	size_t elements;
	if (!payload)
		return -1;
	if (strcmp(record->name, "itc") != 0 || dimensions < 1 || dimensions > 2 ||
	    !dtype_is_float(record->dtype))
		return error_input(
		    "\"%s\" has no features of zv-qformer --contrast or --text", record->key);
	if (features->count == FEATURES_MOST)
		return error_input("more than %d records", FEATURES_MOST);
	if (memory_grow((void **)&features->items, &features->room, features->count + 1,
	        sizeof(struct feature)) != 0)
		return -1;
	struct feature *feature = &features->items[features->count++];
	*feature = (struct feature){ .count = dimensions == 2 ? (size_t)record->shape[0] : 1,
		.width = (size_t)record->shape[dimensions - 1] };
	feature->key = memory_text(record->key, strlen(record->key));
	if (!checked_multiply(feature->count, feature->width, &elements) || elements == 0)
		return error_input("\"%s\" has no features", record->key);
	if (!feature->key || !(feature->rows = memory_allocate(elements, sizeof(float))))
		return -1;
	dtype_to_f32(record->dtype, payload, feature->rows, elements);
	for (size_t i = 0; i < elements; i++)
		if (!isfinite(feature->rows[i]))
			return error_input("\"%s\" has features that are no numbers", record->key);
	return 0;
}

static int compare_features(const void *a, const void *b)
{
	const struct feature *one = a, *other = b;
	return strcmp(one->key, other->key);
}

static int features_read(const char *path, struct features *features)
{
	struct record record;
	int found;
	struct reader *reader = reader_open(path);
	if (!reader)
		return -1;
	while ((found = reader_next(reader, &record)) > 0) {
		if (record.kind != RECORD_TENSOR)
			found = error_input("\"%s\" failed upstream", record.key);
		else if (add(features, reader, &record) != 0)
			found = -1;
		if (found < 0)
			break;
	}
	reader_close(reader);
	if (found == 0 && features->count == 0)
		found = error_input("no features");
	if (found < 0)
		return error_context("%s", path);
	qsort(features->items, features->count, sizeof(struct feature), compare_features);
	return 0;
}

/* A text for each picture, all of one width. */
static int check(const struct features *pictures, const struct features *texts)
{
	for (size_t i = 0; i < pictures->count || i < texts->count; i++) {
		const struct feature *picture = &pictures->items[i], *text = &texts->items[i];
		if (i == pictures->count || i == texts->count || compare_features(picture, text) != 0)
			return error_input("pictures and texts do not have the same keys: see \"%s\"",
			    i < pictures->count ? picture->key : text->key);
		if (i > 0 && compare_features(picture, picture - 1) == 0)
			return error_input("two records have the key \"%s\"", picture->key);
		if (picture->width != texts->items[0].width || text->width != texts->items[0].width ||
		    text->count != 1)
			return error_input("shapes of \"%s\" do not fit", picture->key);
	}
	return 0;
}

/* In a fixed order of sums, so that ties are the same everywhere. */
static float product(const float *a, const float *b, size_t n)
{
	float sums[LANES] = { 0 }, sum = 0;
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t lane = 0; lane < LANES; lane++)
			sums[lane] += a[i + lane] * b[i + lane];
	for (size_t lane = 0; lane < LANES; lane++)
		sum += sums[lane];
	for (; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static float likeness(const struct feature *picture, const struct feature *text)
{
	float most = -INFINITY;
	for (size_t i = 0; i < picture->count; i++) {
		float value = product(picture->rows + i * picture->width, text->rows, text->width);
		most = value > most ? value : most;
	}
	return most;
}

/* Which of n values, stride apart, number `right` is: 0 the largest; of equals the first counts
 * as larger. */
static size_t rank(const float *values, size_t stride, size_t n, size_t right)
{
	size_t before = 0;
	float own = values[right * stride];
	for (size_t i = 0; i < n; i++) {
		float value = values[i * stride];
		before += value > own || (value == own && i < right);
	}
	return before;
}

static int count_ranks(const float *table, size_t n, const char *column, struct report *report)
{
	static const size_t tops[] = { 1, 5, 10 };
	static const char *const names[2][3] = { { "text R@1", "text R@5", "text R@10" },
		{ "picture R@1", "picture R@5", "picture R@10" } };
	for (int way = 0; way < 2; way++) {
		size_t right[3] = { 0 };
		for (size_t i = 0; i < n; i++) {
			size_t place = way == 0 ? rank(table + i * n, 1, n, i) : rank(table + i, n, n, i);
			for (int top = 0; top < 3; top++)
				right[top] += place < tops[top];
		}
		for (int top = 0; top < 3; top++) {
			double chance = tops[top] < n ? (double)tops[top] / (double)n : 1;
			if (report_share(report, names[way][top], column, right[top], n, chance) != 0)
				return -1;
		}
	}
	return 0;
}

static int compute(const struct features *pictures, const struct features *texts,
    const char *column, struct report *report)
{
	size_t n = pictures->count;
	float *table = memory_allocate(n * n, sizeof *table);
	if (!table)
		return -1;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			table[i * n + j] = likeness(&pictures->items[i], &texts->items[j]);
	report->title = "retrieval";
	int status = count_ranks(table, n, column, report);
	memory_release(table);
	return status;
}

int score_retrieval(
    const char *pictures, const char *texts, enum score_language language, struct report *report)
{
	struct features seen = { 0 }, said = { 0 };
	int status = features_read(pictures, &seen);
	if (status == 0)
		status = features_read(texts, &said);
	if (status == 0)
		status = check(&seen, &said);
	if (status == 0)
		status = compute(&seen, &said, score_languages[language], report);
	features_clear(&seen);
	features_clear(&said);
	return status;
}
