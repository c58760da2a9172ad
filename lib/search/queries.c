/* queries.c - batches of queries (see queries.h). */
#include "search/queries.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/program.h"
#include "stream/rows.h"

#include <stdio.h>
#include <string.h>

enum { VALUES_MOST = 16 << 20 /* numbers of a batch, but for one query */ };

static struct query *add(struct queries *queries, const char *key, size_t size)
{
	if (memory_grow(
	        (void **)&queries->all, &queries->capacity, queries->count + 1, sizeof *queries->all))
		return NULL;
	struct query *query = &queries->all[queries->count];
	*query = (struct query){ .key = memory_text(key, size) };
	if (!query->key)
		return NULL;
	queries->count++;
	return query;
}

static enum queries_state add_failure(struct queries *queries, const char *key, const char *reason)
{
	struct query *query = add(queries, key, strlen(key));
	if (!query)
		return QUERIES_TROUBLE;
	query->failure = memory_text(reason, strlen(reason));
	return query->failure ? QUERIES_TAKEN : QUERIES_TROUBLE;
}

/* A query that cannot be compared, for the recorded reason. */
static enum queries_state fail(struct queries *queries, const char *key)
{
	char reason[1024];
	if (error_kind() != ERROR_INPUT)
		return QUERIES_TROUBLE;
	snprintf(reason, sizeof reason, "%s", error_text());
	return add_failure(queries, key, reason);
}

static enum queries_state take_failed(struct queries *queries, const struct sample_part *part)
{
	char reason[1024];
	size_t size = part->record.payload_size < sizeof reason - 1 ? (size_t)part->record.payload_size
	                                                            : sizeof reason - 1;
	memcpy(reason, part->payload, size);
	reason[size] = '\0';
	return add_failure(queries, part->record.key, reason);
}

/* The vectors of a sample: 1, 0 if there are none, -1 with a recorded error. */
static int find_rows(
    struct sample *sample, const char *name, struct rows *rows, const struct sample_part **part)
{
	for (int i = 0; !name && i < sample->count; i++) {
		const struct record *record = &sample->parts[i].record;
		bool scaled =
		    i + 1 < sample->count && rows_are_scales(record, &sample->parts[i + 1].record);
		if (rows_are_numbers(record) && record->dimensions > 0 && (record->dtype != 'b' || scaled))
			name = record->name;
	}
	return name ? rows_find(sample, name, rows, part) : 0;
}

/* All queries are of one model: 0, or -1 with ERROR_INPUT. */
static int check_kind(struct queries *queries, const struct record *record, size_t width)
{
	char weights[BANK_WEIGHTS_SIZE];
	struct bank_kind *kind = &queries->kind;
	bank_weights(record, weights);
	if (kind->width == 0) {
		kind->width = width;
		if (!common.any_maker)
			memcpy(kind->weights, weights, sizeof weights);
	}
	if (kind->width != width)
		return error_input(
		    "has vectors of %zu numbers, the queries before it have %zu", width, kind->width);
	if (kind->weights[0] && weights[0] && strcmp(weights, kind->weights) != 0)
		return error_input("was made with other weights than the queries before it; --any-maker "
		                   "takes it all the same");
	return 0;
}

static bool has_room(const struct queries *queries, size_t vectors, size_t width)
{
	const struct scan_queries *now = &queries->vectors;
	if (now->count == 0)
		return true;
	return now->vectors == vectors && !queries_full(queries) &&
	       (now->count + 1) * vectors * width <= VALUES_MOST;
}

bool queries_full(const struct queries *queries)
{
	return queries->count >= queries->most;
}

/* One query with its vectors, from a row on, which are of the right kind. */
static int add_vectors(struct queries *queries, const char *key, size_t key_size,
    const struct rows *rows, size_t first, size_t vectors, size_t width)
{
	struct scan_queries *now = &queries->vectors;
	size_t size = vectors * width, total;
	if (!checked_multiply(now->count + 1, size, &total) ||
	    memory_grow((void **)&now->values, &queries->value_capacity, total, sizeof *now->values))
		return -1;
	struct query *query = add(queries, key, key_size);
	if (!query)
		return -1;
	float *to = now->values + now->count * size;
	rows_get(rows, first, vectors, to);
	if (queries->cosine)
		scan_normalise(to, vectors, width);
	now->vectors = vectors;
	now->width = width;
	query->number = now->count++;
	return 0;
}

/* The rows of a stack from *row on. */
static enum queries_state take_rows(struct queries *queries, const struct record *matrix,
    const struct rows *numbers, const struct sample_part *keys, size_t *row, size_t vectors,
    size_t width)
{
	const char *at = keys->payload, *end = at + keys->record.payload_size;
	uint64_t rows = matrix->shape[0];
	for (uint64_t i = 0; i < rows; i++) {
		const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		if (!newline || newline == at || newline - at > RECORD_KEY_MOST) {
			error_input(
			    "a stack of %llu rows has other keys than one for each", (unsigned long long)rows);
			return fail(queries, matrix->key);
		}
		if (i >= *row) {
			if (!has_room(queries, vectors, width) || queries_full(queries))
				return QUERIES_FULL;
			if (add_vectors(queries, at, (size_t)(newline - at), numbers, (size_t)i * vectors,
			        vectors, width))
				return QUERIES_TROUBLE;
			*row = (size_t)i + 1;
		}
		at = newline + 1;
	}
	return QUERIES_TAKEN;
}

enum queries_state queries_take(struct queries *queries, struct sample *sample, size_t *row)
{
	const char *key = sample->parts[0].record.key;
	const struct sample_part *keys = sample_find(sample, "keys");
	const struct sample_part *part;
	struct rows rows;
	size_t vectors, width;
	if (sample->parts[0].record.kind == RECORD_FAILED)
		return take_failed(queries, &sample->parts[0]);
	int found = find_rows(sample, queries->name, &rows, &part);
	if (found == 0)
		error_input("holds no vectors but \"%s\"", sample->parts[0].record.name);
	if (found <= 0)
		return fail(queries, key);
	bool stacked = keys && keys != part && keys->record.dtype == 'B' && part->record.dimensions > 1;
	if (bank_shape(&part->record, stacked, &vectors, &width) ||
	    check_kind(queries, &part->record, width))
		return fail(queries, key);
	if (stacked)
		return take_rows(queries, &part->record, &rows, keys, row, vectors, width);
	if (!has_room(queries, vectors, width))
		return QUERIES_FULL;
	return add_vectors(queries, key, strlen(key), &rows, 0, vectors, width) ? QUERIES_TROUBLE
	                                                                        : QUERIES_TAKEN;
}

void queries_clear(struct queries *queries)
{
	for (size_t i = 0; i < queries->count; i++) {
		memory_release(queries->all[i].key);
		memory_release(queries->all[i].failure);
	}
	queries->count = queries->vectors.count = 0;
}

void queries_release(struct queries *queries)
{
	queries_clear(queries);
	memory_release(queries->all);
	memory_release(queries->vectors.values);
	queries->all = NULL;
	queries->vectors.values = NULL;
	queries->capacity = queries->value_capacity = 0;
}
