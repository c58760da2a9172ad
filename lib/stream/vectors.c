/* vectors.c - rows of records as single vectors (see vectors.h). */
#include "stream/vectors.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/maker.h"
#include "stream/packed_record.h"

#include <math.h>
#include <string.h>

/* The sums of the columns over all rows, in double. */
static void add_rows(const struct record *record, const void *payload, uint64_t rows, size_t width,
    float *row, double *sums)
{
	const uint8_t *at = payload;
	for (uint64_t i = 0; i < rows; i++, at += width * dtype_size(record->dtype)) {
		dtype_to_f32(record->dtype, at, row, width);
		for (size_t j = 0; j < width; j++)
			sums[j] += row[j];
	}
}

/* s / |s|, which is the direction of the mean as well. */
static int scale(const double *sums, size_t width, float *mean)
{
	double square = 0;
	for (size_t j = 0; j < width; j++)
		square += sums[j] * sums[j];
	if (!(square > 0) || !isfinite(square))
		return error_input("its rows have no mean direction");
	for (size_t j = 0; j < width; j++)
		mean[j] = (float)(sums[j] / sqrt(square));
	return 0;
}

/* Other numbers than those of its maker: the maker's text says so in one more line. */
static int mark_maker(struct vectors *vectors)
{
	static const char line[] = "vectors=mean\n";
	struct record *record = &vectors->record;
	bool honest = maker_is_honest(record);
	record->maker = (struct digest){ { 0 } };
	if (!honest || record->meta_size > RECORD_META_MOST - sizeof line)
		return 0;
	size_t size = record->meta_size;
	vectors->meta = memory_allocate(RECORD_META_MOST, 1);
	if (!vectors->meta)
		return -1;
	memcpy(vectors->meta, record->meta, size);
	memcpy(vectors->meta + size, line, sizeof line - 1);
	record->meta = vectors->meta;
	record->meta_size = size + sizeof line - 1;
	record->maker = digest_of(record->meta, record->meta_size);
	return 0;
}

static int take_mean(struct vectors *vectors, uint64_t rows, size_t width)
{
	struct record *record = &vectors->record;
	if (!dtype_is_float(record->dtype))
		return error_input("whole numbers (%s) have no mean vector", dtype_name(record->dtype));
	double *sums = memory_allocate_zero(width, sizeof *sums);
	float *row = memory_allocate(width, sizeof *row);
	vectors->mean = memory_allocate(width, sizeof(float));
	int result = sums && row && vectors->mean ? 0 : -1;
	if (result == 0) {
		add_rows(record, vectors->payload, rows, width, row, sums);
		result = scale(sums, width, vectors->mean);
	}
	memory_release(sums);
	memory_release(row);
	record->dtype = 'f';
	vectors->payload = vectors->mean;
	return result < 0 ? -1 : mark_maker(vectors);
}

int vectors_begin(struct vectors *vectors, enum vectors_form form, const struct record *record,
    const void *payload)
{
	*vectors = (struct vectors){ .record = *record, .payload = payload, .row = UINT64_MAX };
	struct record *now = &vectors->record;
	uint64_t elements;
	if (packed_record_unpack(now, payload, &vectors->unpacked) < 0)
		return -1;
	if (vectors->unpacked)
		vectors->payload = vectors->unpacked;
	vectors->rows = 1;
	vectors->dimensions = now->dimensions;
	memcpy(vectors->shape, now->shape, sizeof now->shape);
	if (form == VECTORS_AS_IS)
		return 0;
	if (record_elements(now, &elements) < 0)
		return -1;
	if (elements == 0)
		return error_input("has no numbers, so it is no vector");
	uint64_t width = form == VECTORS_FLAT  ? elements
	                 : now->dimensions > 0 ? now->shape[now->dimensions - 1]
	                                       : 1;
	uint64_t rows = elements / width;
	if (form == VECTORS_MEAN && rows > 1 && take_mean(vectors, rows, (size_t)width) < 0)
		return -1;
	if (form == VECTORS_ROWS)
		vectors->rows = rows;
	now->dimensions = 1;
	now->shape[0] = width;
	if (form != VECTORS_FLAT) {
		vectors->dimensions = 1;
		vectors->shape[0] = width;
	}
	now->payload_size = width * dtype_size(now->dtype);
	return 0;
}

bool vectors_next(struct vectors *vectors)
{
	/* before the first row: all ones, which one more makes 0 */
	if (vectors->row != UINT64_MAX)
		vectors->payload = (const uint8_t *)vectors->payload + vectors->record.payload_size;
	return ++vectors->row < vectors->rows;
}

void vectors_end(struct vectors *vectors)
{
	memory_release(vectors->unpacked);
	memory_release(vectors->mean);
	memory_release(vectors->meta);
}
