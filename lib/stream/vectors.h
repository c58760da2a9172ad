/* vectors.h - a record with several rows (the 32 query vectors of a picture) as what indexes of
 * single vectors take: one vector for the record, or one for each row.
 *
 *     if (vectors_begin(&vectors, form, &record, payload) == 0)
 *         while (vectors_next(&vectors))
 *             ...vectors.record, vectors.payload, vectors.row...
 *     vectors_end(&vectors);
 */
#ifndef ZV_STREAM_VECTORS_H
#define ZV_STREAM_VECTORS_H

#include "stream/record.h"

enum vectors_form {
	VECTORS_AS_IS, /* the record in its shape */
	VECTORS_FLAT,  /* all numbers in one row */
	VECTORS_MEAN,  /* f32: the direction of the rows' mean, of length 1; a single row as it is */
	VECTORS_ROWS,  /* each row of the last dimension by itself */
};

struct vectors {
	struct record record; /* what to take now */
	const void *payload;
	uint64_t row, rows; /* its number among the rows of one record, from 0 */
	int dimensions;     /* the shape of what the numbers are: as they came, but for MEAN and ROWS */
	uint64_t shape[RECORD_DIMENSIONS];
	/* private */
	void *unpacked, *mean;
	char *meta;
};

/* A packed matrix (packed_record.h) is f32 first. 0, or -1: ERROR_INPUT when the record has no
 * vectors (no numbers, no direction), or memory. vectors_end() in both cases. */
int vectors_begin(struct vectors *vectors, enum vectors_form form, const struct record *record,
    const void *payload);
bool vectors_next(struct vectors *vectors);
void vectors_end(struct vectors *vectors);

#endif
