/* compare.c - comparing tensors (see compare.h): two passes over chunks of doubles, one for the
 * largest magnitudes and one for the differences. */
#include "stream/compare.h"
#include "base/dtype.h"
#include "base/error.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 2048 };

/* n elements from first on as doubles. f16, bf16 and f32 are exact in float and in double. */
static void load(char dtype, const void *payload, uint64_t first, size_t n, double *values)
{
	const uint8_t *at = (const uint8_t *)payload + first * dtype_size(dtype);
	float narrow[CHUNK];
	if (dtype == 'f' || dtype == 'e' || dtype == 'E') {
		dtype_to_f32(dtype, at, narrow, n);
		for (size_t i = 0; i < n; i++)
			values[i] = (double)narrow[i];
		return;
	}
	for (size_t i = 0; i < n; i++)
		values[i] = dtype_element(dtype, at, i);
}

static double largest_magnitude(char dtype, const void *payload, uint64_t elements)
{
	double values[CHUNK], largest = 0;
	for (uint64_t first = 0; first < elements; first += CHUNK) {
		size_t n = elements - first < CHUNK ? (size_t)(elements - first) : CHUNK;
		load(dtype, payload, first, n, values);
		for (size_t i = 0; i < n; i++)
			if (isfinite(values[i]) && fabs(values[i]) > largest)
				largest = fabs(values[i]);
	}
	return largest;
}

/* How far apart two values are: 0 for equal ones and for two NaNs, infinite where only one is
 * finite or they are infinite with other signs. */
static double distance(double a, double b)
{
	if (a == b || (isnan(a) && isnan(b)))
		return 0;
	return isfinite(a) && isfinite(b) ? fmin(fabs(a - b), DBL_MAX) : (double)INFINITY;
}

/* 64-bit integers have more digits than a double: the difference is taken before it is rounded. */
static double whole_distance(char dtype, const uint8_t *a, const uint8_t *b)
{
	uint64_t first, second;
	memcpy(&first, a, sizeof first);
	memcpy(&second, b, sizeof second);
	bool greater = dtype == 'q' ? (int64_t)first > (int64_t)second : first > second;
	return (double)(greater ? first - second : second - first);
}

/* Products of the two vectors, each divided by its largest magnitude so that no square overflows
 * or vanishes. Without a cosine: what only one side has as a finite number. */
struct sums {
	double a_largest, b_largest;
	double ab, aa, bb;
	bool undefined;
};

static void add_products(struct sums *sums, double a, double b)
{
	if (!isfinite(a) || !isfinite(b)) {
		sums->undefined |= distance(a, b) > 0;
		return;
	}
	a = sums->a_largest > 0 ? a / sums->a_largest : 0;
	b = sums->b_largest > 0 ? b / sums->b_largest : 0;
	sums->ab += a * b;
	sums->aa += a * a;
	sums->bb += b * b;
}

static double cosine_of(const struct sums *sums)
{
	if (sums->undefined)
		return (double)NAN;
	if (sums->aa == 0 && sums->bb == 0)
		return 1;
	double length = sqrt(sums->aa) * sqrt(sums->bb);
	return length > 0 ? fmax(-1, fmin(1, sums->ab / length)) : 0;
}

/* Take one pair of elements that are apart into the comparison; b is the reference's. */
static void take_pair(struct comparison *comparison, uint64_t at, double apart, double b)
{
	if (apart > comparison->absolute) {
		comparison->absolute = apart;
		comparison->absolute_at = at;
	}
	double relative = apart == 0 ? 0 : apart / fabs(b); /* infinite where b is zero */
	if (isnan(relative))
		relative = (double)INFINITY;
	if (relative > comparison->relative) {
		comparison->relative = relative;
		comparison->relative_at = at;
	}
}

static bool is_comparable(const struct record *a, const struct record *b, bool exact)
{
	char a_shape[200], b_shape[200];
	if (a->dimensions != b->dimensions || memcmp(a->shape, b->shape, sizeof a->shape) != 0) {
		error_input(
		    "shape %s against %s", record_shape_text(a, a_shape), record_shape_text(b, b_shape));
		return false;
	}
	if (a->dtype == b->dtype)
		return true;
	if (!exact && dtype_is_float(a->dtype) && dtype_is_float(b->dtype))
		return true;
	error_input("dtype %s against %s", dtype_name(a->dtype), dtype_name(b->dtype));
	return false;
}

/* The difference that is allowed from b. An infinite reference allows nothing but itself. */
static double allowed_from(const struct tolerance *tolerance, double b, double largest)
{
	if (!isfinite(b))
		return 0;
	double allowed =
	    tolerance->absolute + tolerance->relative * fabs(b) + tolerance->scale * largest;
	return fmin(allowed, DBL_MAX);
}

/* All pairs of elements; the sums know the largest magnitudes. */
static void compare_elements(const struct record *a, const uint8_t *a_payload,
    const struct record *b, const uint8_t *b_payload, const struct tolerance *tolerance,
    struct sums *sums, struct comparison *comparison)
{
	double a_values[CHUNK], b_values[CHUNK];
	bool exact = !tolerance->given || !dtype_is_float(a->dtype);
	bool is_long = a->dtype == 'q' || a->dtype == 'Q';
	size_t size = dtype_size(a->dtype);
	for (uint64_t first = 0; first < comparison->elements; first += CHUNK) {
		uint64_t left = comparison->elements - first;
		size_t n = left < CHUNK ? (size_t)left : CHUNK;
		load(a->dtype, a_payload, first, n, a_values);
		load(b->dtype, b_payload, first, n, b_values);
		for (size_t i = 0; i < n; i++) {
			size_t at = (size_t)(first + i) * size; /* in both if they are of one dtype */
			double apart = is_long ? whole_distance(a->dtype, a_payload + at, b_payload + at)
			                       : distance(a_values[i], b_values[i]);
			bool outside;
			if (exact)
				outside = memcmp(a_payload + at, b_payload + at, size) != 0 &&
				          !(isnan(a_values[i]) && isnan(b_values[i]));
			else
				outside = !(apart <= allowed_from(tolerance, b_values[i], sums->b_largest));
			comparison->outside += outside;
			take_pair(comparison, first + i, apart, b_values[i]);
			add_products(sums, a_values[i], b_values[i]);
		}
	}
}

int compare_tensors(const struct record *a, const void *a_payload, const struct record *b,
    const void *b_payload, const struct tolerance *tolerance, struct comparison *comparison)
{
	struct sums sums = { 0 };
	memset(comparison, 0, sizeof *comparison);
	if (!is_comparable(a, b, !tolerance->given) || record_elements(a, &comparison->elements) < 0)
		return -1;
	if (a->dtype == b->dtype &&
	    (a->payload_size == 0 || memcmp(a_payload, b_payload, (size_t)a->payload_size) == 0)) {
		comparison->same = true;
		comparison->cosine = 1;
		return 0;
	}
	sums.a_largest = largest_magnitude(a->dtype, a_payload, comparison->elements);
	sums.b_largest = largest_magnitude(b->dtype, b_payload, comparison->elements);
	compare_elements(a, a_payload, b, b_payload, tolerance, &sums, comparison);
	comparison->scale = comparison->absolute == 0 ? 0 : comparison->absolute / sums.b_largest;
	comparison->cosine = cosine_of(&sums);
	comparison->same = comparison->outside == 0;
	return 0;
}

const char *compare_place(const struct record *record, uint64_t at, char *text)
{
	enum { ROOM = 200 };
	uint64_t places[RECORD_DIMENSIONS] = { 0 };
	size_t used = 0;
	for (int i = record->dimensions; i-- > 0;) {
		places[i] = record->shape[i] ? at % record->shape[i] : 0;
		at = record->shape[i] ? at / record->shape[i] : 0;
	}
	text[0] = '\0';
	for (int i = 0; i < record->dimensions && used < ROOM; i++)
		used += (size_t)snprintf(
		    text + used, ROOM - used, i ? ",%llu" : "%llu", (unsigned long long)places[i]);
	if (record->dimensions == 0)
		snprintf(text, ROOM, "0");
	return text;
}
