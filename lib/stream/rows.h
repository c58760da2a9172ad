/* rows.h - the numbers that stages hand on, as they are stored: f32, bf16, f16 (or f64), or int8
 * with a scale for each row, which is two parts of one sample (zvt(5), "Rows of int8"):
 *
 *     NAME        i8   [..., rows, width]   -127 .. 127
 *     NAME.scale  f32  [..., rows]          value = scale[row] * i8
 *
 * All programs read and write such tensors through this file.
 */
#ifndef ZV_STREAM_ROWS_H
#define ZV_STREAM_ROWS_H

#include "stream/sample.h"

/* "f32", "bf16", "f16", "int8", NULL: for --dtype. The letter of one of them ('b' for int8), or 0;
 * and its name. */
extern const char *const rows_types[];
char rows_type(const char *name);
const char *rows_type_name(char dtype);

/* Rows in memory: a payload, or a part of one. */
struct rows {
	char dtype;         /* e E f d, or b with scales */
	size_t count;       /* product of all dimensions but the last */
	size_t width;       /* the last dimension */
	const void *values; /* of any alignment, like: */
	const void *scales; /* [count] f32; NULL unless dtype is b */
};

/* Is it a tensor that rows_open() may take: floats, or i8 that has its scales behind it? */
bool rows_are_numbers(const struct record *record);
/* Is second the scales of first? By their names; whether the shapes fit is rows_open()'s. */
bool rows_are_scales(const struct record *first, const struct record *second);
/* What the scales of a tensor are called. */
void rows_scale_name(const char *name, char scale_name[RECORD_NAME_MOST + 1]);

/* View a tensor (scale: the record behind it and its payload, or NULL). 0, or -1 with ERROR_INPUT:
 * neither floats nor i8 with scales, no dimension, other shapes, a scale that is not finite. */
int rows_open(struct rows *rows, const struct record *record, const void *payload,
    const struct record *scale, const void *scale_payload);

/* The tensor called name in a sample: 1 with *part, 0 if there is none (nothing is recorded), -1. */
int rows_find(
    struct sample *sample, const char *name, struct rows *rows, const struct sample_part **part);

/* Rows first .. first + count - 1 as f32 [count][width]. */
void rows_get(const struct rows *rows, size_t first, size_t count, float *target);

/* A reader stands at *record: when that is int8, read its scales as well and make of both a record
 * of f32 without meta, whose values are *values (memory_release). Of another record nothing, *values
 * NULL; of i8 without scales *values is its payload, and the record behind it comes next. 0 or -1. */
int rows_join(struct reader *reader, struct record *record, void **values);

/* Numbers ready to be written: one record, or two. The buffers are kept for the next ones. */
struct rows_stored {
	struct record records[2];
	void *payloads[2];
	int count;
	size_t room[2];
};

/* Store the f32 values of like (with its key, shape, maker, meta, source and MORE; its dtype does
 * not count) as dtype, a letter of rows_type(). 0, or -1: memory, or a scalar as int8. */
int rows_store(
    struct rows_stored *stored, char dtype, const struct record *like, const float *values);
void rows_clear(struct rows_stored *stored);

/* One row to int8: values [width] and its scale. */
void rows_quantise(const float *row, size_t width, int8_t *values, float *scale);

#endif
