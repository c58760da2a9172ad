/* packed.h - matrices of weights as int8, int4 or bf16, in one layout each, which kernels of every
 * level read where it lies in the mapped file (zv-model(5), "Packed matrices").
 *
 * 16 rows (outputs) are a block; blocks follow each other. Columns are taken by 4: a line of 64
 * bytes holds 4 columns of the 16 rows, which is what vpdpbusd multiplies with one broadcast of 4
 * activations, and 16 such lines are a tile of AMX:
 *
 *     line l     byte 0    1      2      3      4    5      ...  63
 *                row 0 ----------------------   row 1 ---   ...  row 15
 *                col 4l  4l+1   4l+2   4l+3   4l   4l+1   ...  4l+3
 *
 * The columns are filled up to a multiple of 64; filling, in columns and in rows, is zero bytes.
 *
 * int8: a block is its scales, 16 f32 (a line), then the lines. w = scale[row] * value, value being
 * signed, -127..127.
 *
 *     | 16 f32 scales | line 0 | line 1 | ... | line columns/4 - 1 |
 *
 * int4: a block is groups of 128 columns (the last may have 64): a line of 16 f16 scales and 16 f16
 * minima, then lines of nibbles, each of which is two lines as above: the low nibbles are line 2j,
 * the high ones line 2j + 1. w = minimum[row] + scale[row] * nibble.
 *
 *     | 16 f16 scales, 16 f16 minima | nibbles of lines 0, 1 | ... | of lines 30, 31 | next group ...
 *
 * bf16: a block is lines alone, each of 2 columns of the 16 rows, which is what vdpbf16ps multiplies
 * with one broadcast of 2 activations; 16 lines are a tile of AMX here too. Values too small for a
 * normal f32 are zeros, which is how these instructions read them.
 */
#ifndef ZV_BASE_PACKED_H
#define ZV_BASE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PACKED_INT8 = '8', /* in the place of a dtype's letter (dtype.h), in memory only */
	PACKED_INT4 = '4',
	PACKED_BF16 = 'P',
	PACKED_ROWS = 16,   /* of a block */
	PACKED_STEP = 4,    /* columns of a line ... */
	PACKED_PAIR = 2,    /* ... and of one of bf16 */
	PACKED_LINE = 64,   /* bytes */
	PACKED_FILL = 64,   /* columns are filled up to a multiple of it */
	PACKED_GROUP = 128, /* columns that share a scale and a minimum of int4 */
	PACKED_MOST = 127,  /* the largest magnitude of an int8 value */
};

bool packed_is(char type);

/* "int8", "int4", "bf16". */
const char *packed_name(char type);

/* How the layout is called in a file: "int8-16x4", "int4-16x4", "bf16-16x2"; the second gives the
 * type back, or 0. */
const char *packed_layout(char type);
char packed_from_layout(const char *layout);

/* Columns with their filling; groups of them. For columns that a matrix in memory has. */
size_t packed_columns(size_t columns);
size_t packed_groups(size_t columns);

/* Blocks of a matrix and bytes of each. False: the product does not fit in size_t. */
bool packed_size(char type, size_t rows, size_t columns, size_t *blocks, size_t *block);

/* Bytes of one block of a matrix that is in memory. */
size_t packed_block(char type, size_t columns);

/* Make one block of `rows` rows (at most 16) [rows][columns]. 0, or -1 with ERROR_INPUT: a value
 * that is not finite, or too large for the f16 of int4. */
int packed_put(char type, const float *values, size_t rows, size_t columns, uint8_t *block);

/* Rows first.. of the matrix at data as f32 [count][columns]. */
void packed_get(
    char type, const void *data, size_t columns, size_t first, size_t count, float *values);

/* x as the two bytes of bf16 that a block holds: rounded to the nearest, ties to even. */
uint16_t packed_brain(float x);

/* Scales and minima, or values of bf16, that are infinite or NaN. */
size_t packed_not_finite(char type, const void *data, size_t blocks, size_t columns);

#endif
