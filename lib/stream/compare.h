/* compare.h - how far one tensor is from another. */
#ifndef ZV_STREAM_COMPARE_H
#define ZV_STREAM_COMPARE_H

#include "stream/record.h"

/* |a - b| <= absolute + relative * |b| + scale * max|b| for every element, where b is the
 * reference. Not given: the bytes must be equal, except that any NaN equals any NaN. A given one of
 * zero compares by value: 0 equals -0, and floats of different dtypes may be equal. */
struct tolerance {
	bool given;
	double absolute, relative, scale;
};

struct comparison {
	bool same;
	uint64_t elements, outside; /* elements that break the tolerance */
	double absolute, relative;  /* the largest; infinite where only one side is finite */
	uint64_t absolute_at, relative_at;
	double scale; /* absolute / max|b| */
	double
	    cosine; /* of the two as vectors; 1 if both are zero, NaN where only one side is finite */
};

/* Compare payloads a and b of two records of the same shape. Integers and bools are compared
 * exactly whatever the tolerance. -1 with ERROR_INPUT that says why when dtypes or shapes cannot
 * be compared: other shapes, an integer against a float, other dtypes without any tolerance. */
int compare_tensors(const struct record *a, const void *a_payload, const struct record *b,
    const void *b_payload, const struct tolerance *tolerance, struct comparison *comparison);

/* Element at of the record's shape as "3,0,17" into text (at least 200 bytes); returns text. */
const char *compare_place(const struct record *record, uint64_t at, char *text);

#endif
