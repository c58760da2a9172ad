/* packed.c - packed matrices: sizes, packing, unpacking (see packed.h). */
#include "base/packed.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

enum {
	NIBBLE_MOST = 15,
	LANES = 8,                   /* values that are fitted side by side */
	HALF_LINE = PACKED_LINE / 2, /* bytes of 16 f16: the minima lie behind the scales */
};

static const struct {
	char type;
	const char *name, *layout;
} types[] = {
	{ PACKED_INT8, "int8", "int8-16x4" },
	{ PACKED_INT4, "int4", "int4-16x4" },
	{ PACKED_BF16, "bf16", "bf16-16x2" },
};
enum { TYPES = sizeof types / sizeof types[0] };

bool packed_is(char type)
{
	return type == PACKED_INT8 || type == PACKED_INT4 || type == PACKED_BF16;
}

/* Of a packed type. */
static size_t place_of(char type)
{
	return type == PACKED_INT8 ? 0 : type == PACKED_INT4 ? 1 : 2;
}

const char *packed_name(char type)
{
	return types[place_of(type)].name;
}

const char *packed_layout(char type)
{
	return types[place_of(type)].layout;
}

char packed_from_layout(const char *layout)
{
	for (size_t i = 0; i < TYPES; i++)
		if (strcmp(types[i].layout, layout) == 0)
			return types[i].type;
	return 0;
}

size_t packed_columns(size_t columns)
{
	return (columns + PACKED_FILL - 1) / PACKED_FILL * PACKED_FILL;
}

size_t packed_groups(size_t columns)
{
	return (columns + PACKED_GROUP - 1) / PACKED_GROUP;
}

bool packed_size(char type, size_t rows, size_t columns, size_t *blocks, size_t *block)
{
	size_t filled, total;
	if (!checked_round_up(rows, PACKED_ROWS, &filled) ||
	    !checked_round_up(columns, PACKED_GROUP, &total) ||
	    !checked_multiply(total, 2 * PACKED_ROWS, &total) ||
	    !checked_multiply(total, filled / PACKED_ROWS, &total))
		return false;
	*blocks = filled / PACKED_ROWS;
	*block = packed_block(type, columns);
	return true;
}

size_t packed_block(char type, size_t columns)
{
	size_t filled = packed_columns(columns);
	if (type == PACKED_INT8)
		return PACKED_LINE + PACKED_ROWS * filled;
	if (type == PACKED_BF16)
		return PACKED_ROWS * filled * sizeof(uint16_t);
	return packed_groups(columns) * PACKED_LINE + PACKED_ROWS / 2 * filled;
}

/* Where group g of an int4 block begins: all groups before it are whole. */
static size_t group_offset(size_t g)
{
	return g * (PACKED_LINE + PACKED_ROWS * PACKED_GROUP / 2);
}

/* The nibble line of a column of its group; which half of the byte is column / 4 % 2. */
static size_t nibble_offset(size_t row, size_t column)
{
	return PACKED_LINE + column / (2 * PACKED_STEP) * PACKED_LINE + row * PACKED_STEP +
	       column % PACKED_STEP;
}

static size_t byte_offset(size_t row, size_t column)
{
	return PACKED_LINE + column / PACKED_STEP * PACKED_LINE + row * PACKED_STEP +
	       column % PACKED_STEP;
}

static void put_int8(const float *values, size_t columns, size_t row, uint8_t *block)
{
	float most = 0;
	for (size_t i = 0; i < columns; i++)
		most = fabsf(values[i]) > most ? fabsf(values[i]) : most;
	/* What is near the end of f32's range has no scale with all its digits. */
	float scale = most < 0x1p-100f ? 0 : most / PACKED_MOST;
	memcpy(block + row * sizeof scale, &scale, sizeof scale);
	for (size_t i = 0; i < columns && scale > 0; i++)
		block[byte_offset(row, i)] = (uint8_t)(int8_t)lrintf(values[i] / scale);
}

uint16_t packed_brain(float x)
{
	return fabsf(x) < 0x1p-126f ? (uint16_t)(signbit(x) ? 0x8000 : 0) : bf16_from_f32(x);
}

/* Where the column of a row of bf16 is in its block. */
static size_t brain_offset(size_t row, size_t column)
{
	return column / PACKED_PAIR * PACKED_LINE +
	       (row * PACKED_PAIR + column % PACKED_PAIR) * sizeof(uint16_t);
}

static int put_bf16(const float *values, size_t columns, size_t row, uint8_t *block)
{
	for (size_t i = 0; i < columns; i++) {
		uint16_t brain = packed_brain(values[i]);
		if (!isfinite(f32_from_bf16(brain)))
			return error_input("a value is too large for bf16");
		memcpy(block + brain_offset(row, i), &brain, sizeof brain);
	}
	return 0;
}

static void get_bf16(const uint8_t *block, size_t columns, size_t row, float *values)
{
	for (size_t i = 0; i < columns; i++) {
		uint16_t brain;
		memcpy(&brain, block + brain_offset(row, i), sizeof brain);
		values[i] = f32_from_bf16(brain);
	}
}

/* The next f16 above (or below) what half stands for. */
static uint16_t half_next(uint16_t half, bool up)
{
	bool negative = half >> 15;
	if ((half & 0x7fff) == 0)
		return up ? 0x0001 : 0x8001;
	return (uint16_t)(up != negative ? half + 1 : half - 1);
}

/* The f16 nearest to value on its upper or lower side. */
static uint16_t half_toward(float value, bool up)
{
	uint16_t half = f16_from_f32(value);
	float got = f32_from_f16(half);
	if (up ? got < value : got > value)
		half = half_next(half, up);
	return half;
}

/* A scale and a minimum of int4, as f16 and as what these stand for. */
struct grid {
	uint16_t halves[2];
	float scale, minimum, inverse; /* of the scale; 0 if that has none */
};

static void set_grid(struct grid *grid, float scale, float minimum)
{
	float inverse = 1 / scale;
	grid->scale = scale;
	grid->minimum = minimum;
	grid->inverse = scale > 0 && isfinite(inverse) ? inverse : 0;
}

/* The nibbles nearest to values, a line of lanes at a time, which compilers make vectors of. They are
 * rounded (to nearest even) by adding a number that leaves no digits behind the point. A grid without a
 * scale has an inverse of 0, which makes NaN of an infinite distance: that counts as 0. */
static void nibbles_of(const struct grid *grid, const float *values, float *nibbles)
{
	const float magic = 0x1.8p23f;
	for (int i = 0; i < LANES; i++) {
		float place = (values[i] - grid->minimum) * grid->inverse + magic - magic;
		place = place > 0 ? place : 0;
		nibbles[i] = place < NIBBLE_MOST ? place : NIBBLE_MOST;
	}
}

static double add_lanes(const double *lanes)
{
	double sum = 0;
	for (int i = 0; i < LANES; i++)
		sum += lanes[i];
	return sum;
}

/* A group of values, filled up to whole lines of lanes by ones that are counted in no sum. */
struct group {
	float values[PACKED_GROUP];
	double counted[PACKED_GROUP]; /* 1, or 0 */
	size_t columns, filled;
	double sum;
};

static void set_group(struct group *group, const float *values, size_t columns)
{
	group->columns = columns;
	group->filled = (columns + LANES - 1) / LANES * LANES;
	group->sum = 0;
	for (size_t i = 0; i < group->filled; i++) {
		group->values[i] = values[i < columns ? i : 0];
		group->counted[i] = i < columns;
		group->sum += i < columns ? (double)values[i] : 0;
	}
}

/* The sum of squares of what is lost; infinite where f16 cannot hold the grid. */
static double grid_loss(const struct grid *grid, const struct group *group)
{
	double loss[LANES] = { 0 };
	float nibbles[LANES];
	if (!isfinite(grid->scale) || !isfinite(grid->minimum))
		return (double)INFINITY;
	for (size_t at = 0; at < group->filled; at += LANES) {
		nibbles_of(grid, group->values + at, nibbles);
		for (int i = 0; i < LANES; i++) {
			double apart = (double)(grid->minimum + grid->scale * nibbles[i]) -
			               (double)group->values[at + (size_t)i];
			loss[i] += apart * apart * group->counted[at + (size_t)i];
		}
	}
	return add_lanes(loss);
}

/* Move scale and minimum to where the values, with the nibbles that they have now, lie best: the
 * least squares of a straight line. */
static void fit_grid(struct grid *grid, const struct group *group)
{
	double lanes[3][LANES] = { { 0 } };
	float nibbles[LANES];
	for (size_t at = 0; at < group->filled; at += LANES) {
		nibbles_of(grid, group->values + at, nibbles);
		for (int i = 0; i < LANES; i++) {
			double nibble = (double)nibbles[i] * group->counted[at + (size_t)i];
			lanes[0][i] += nibble;
			lanes[1][i] += nibble * nibble;
			lanes[2][i] += (double)group->values[at + (size_t)i] * nibble;
		}
	}
	double count = (double)group->columns, q = add_lanes(lanes[0]);
	double spread = count * add_lanes(lanes[1]) - q * q;
	if (spread <= 0)
		return;
	double scale = (count * add_lanes(lanes[2]) - q * group->sum) / spread;
	set_grid(grid, (float)scale, (float)((group->sum - scale * q) / count));
}

static void round_grid(struct grid *grid)
{
	grid->halves[0] = f16_from_f32(grid->scale);
	grid->halves[1] = f16_from_f32(grid->minimum);
	set_grid(grid, f32_from_f16(grid->halves[0]), f32_from_f16(grid->halves[1]));
}

/* The minimum rounded down and the scale up, so that 0..15 reach over all values. */
static struct grid whole_grid(float least, float most)
{
	struct grid grid;
	grid.halves[1] = half_toward(least, false);
	float minimum = f32_from_f16(grid.halves[1]);
	grid.halves[0] = half_toward((most - minimum) / NIBBLE_MOST, true);
	set_grid(&grid, f32_from_f16(grid.halves[0]), minimum);
	return grid;
}

/* The grid over all values, or one that leaves out some at either end if that loses less: a tenth
 * less error than the first alone with weights of LLaMA's kind (SPEED.md). */
static struct grid best_grid(const struct group *group)
{
	enum { FITS = 2 };
	static const float cuts[] = { 0, 0.06f };
	const float *values = group->values;
	float least = values[0], most = values[0];
	for (size_t i = 1; i < group->columns; i++) {
		least = values[i] < least ? values[i] : least;
		most = values[i] > most ? values[i] : most;
	}
	struct grid best = whole_grid(least, most);
	double loss = grid_loss(&best, group);
	for (size_t i = 0; i < 4 && loss > 0 && isfinite(loss); i++) {
		float low = least + (most - least) * cuts[i / 2];
		float high = most - (most - least) * cuts[i % 2];
		struct grid grid;
		set_grid(&grid, (high - low) / NIBBLE_MOST, low);
		for (int fit = 0; fit < FITS; fit++)
			fit_grid(&grid, group);
		round_grid(&grid);
		double own = grid_loss(&grid, group);
		if (own < loss) {
			best = grid;
			loss = own;
		}
	}
	return best;
}

static int put_group(const float *values, size_t columns, size_t row, uint8_t *block)
{
	struct group group;
	set_group(&group, values, columns);
	struct grid grid = best_grid(&group);
	if (!isfinite(grid.minimum) || !isfinite(grid.scale))
		return error_input("a value is too large for int4, at most 65504");
	memcpy(block + row * sizeof grid.halves[0], &grid.halves[0], sizeof grid.halves[0]);
	memcpy(block + HALF_LINE + row * sizeof grid.halves[1], &grid.halves[1], sizeof grid.halves[1]);
	float nibbles[PACKED_GROUP];
	for (size_t at = 0; at < group.filled; at += LANES)
		nibbles_of(&grid, group.values + at, nibbles + at);
	for (size_t i = 0; i < columns; i++)
		block[nibble_offset(row, i)] |=
		    (uint8_t)((unsigned)nibbles[i] << (i / PACKED_STEP % 2 * 4));
	return 0;
}

int packed_put(char type, const float *values, size_t rows, size_t columns, uint8_t *block)
{
	memset(block, 0, packed_block(type, columns));
	for (size_t row = 0; row < rows; row++, values += columns) {
		for (size_t i = 0; i < columns; i++)
			if (!isfinite(values[i]))
				return error_input(
				    "a value is not finite, which %s cannot hold", packed_name(type));
		if (type == PACKED_INT8)
			put_int8(values, columns, row, block);
		if (type == PACKED_BF16 && put_bf16(values, columns, row, block) < 0)
			return -1;
		for (size_t at = 0; at < columns && type == PACKED_INT4; at += PACKED_GROUP) {
			size_t left = columns - at;
			if (put_group(values + at, left < PACKED_GROUP ? left : PACKED_GROUP, row,
			        block + group_offset(at / PACKED_GROUP)) < 0)
				return -1;
		}
	}
	return 0;
}

static float half_at(const uint8_t *halves, size_t i)
{
	uint16_t half;
	memcpy(&half, halves + i * sizeof half, sizeof half);
	return f32_from_f16(half);
}

/* Row `row` of a block; columns that are no whole line come last. */
static void get_int8(const uint8_t *block, size_t columns, size_t row, float *values)
{
	float scale;
	memcpy(&scale, block + row * sizeof scale, sizeof scale);
	const uint8_t *line = block + PACKED_LINE + row * PACKED_STEP;
	size_t i = 0;
	for (; i + PACKED_STEP <= columns; i += PACKED_STEP, line += PACKED_LINE)
		for (size_t k = 0; k < PACKED_STEP; k++)
			values[i + k] = scale * (float)(int8_t)line[k];
	for (size_t k = 0; i + k < columns; k++)
		values[i + k] = scale * (float)(int8_t)line[k];
}

/* Up to 2 * PACKED_STEP columns of a line of nibbles. */
static void get_nibbles(
    const uint8_t *line, size_t count, float scale, float minimum, float *values)
{
	for (size_t k = 0; k < count && k < PACKED_STEP; k++)
		values[k] = minimum + scale * (float)(line[k] & 0xf);
	for (size_t k = PACKED_STEP; k < count; k++)
		values[k] = minimum + scale * (float)(line[k - PACKED_STEP] >> 4);
}

static void get_int4(const uint8_t *block, size_t columns, size_t row, float *values)
{
	enum { STEP = 2 * PACKED_STEP };
	for (size_t at = 0; at < columns; at += PACKED_GROUP) {
		const uint8_t *group = block + group_offset(at / PACKED_GROUP);
		float scale = half_at(group, row), minimum = half_at(group + HALF_LINE, row);
		const uint8_t *line = group + PACKED_LINE + row * PACKED_STEP;
		size_t end = columns - at < PACKED_GROUP ? columns : at + PACKED_GROUP, i = at;
		for (; i + STEP <= end; i += STEP, line += PACKED_LINE)
			get_nibbles(line, STEP, scale, minimum, values + i);
		if (i < end)
			get_nibbles(line, end - i, scale, minimum, values + i);
	}
}

void packed_get(
    char type, const void *data, size_t columns, size_t first, size_t count, float *values)
{
	size_t size = packed_block(type, columns);
	for (size_t row = first; row < first + count; row++, values += columns) {
		const uint8_t *block = (const uint8_t *)data + row / PACKED_ROWS * size;
		if (type == PACKED_INT8)
			get_int8(block, columns, row % PACKED_ROWS, values);
		else if (type == PACKED_BF16)
			get_bf16(block, columns, row % PACKED_ROWS, values);
		else
			get_int4(block, columns, row % PACKED_ROWS, values);
	}
}

/* Of the 16 f32, 32 f16 or 32 bf16 in a line. */
static size_t line_not_finite(char type, const uint8_t *line)
{
	size_t count = 0;
	for (size_t i = 0; i < PACKED_ROWS && type == PACKED_INT8; i++) {
		float scale;
		memcpy(&scale, line + i * sizeof scale, sizeof scale);
		count += !isfinite(scale);
	}
	for (size_t i = 0; i < 2 * PACKED_ROWS && type == PACKED_INT4; i++)
		count += !isfinite(half_at(line, i));
	for (size_t i = 0; i < 2 * PACKED_ROWS && type == PACKED_BF16; i++) {
		uint16_t brain;
		memcpy(&brain, line + i * sizeof brain, sizeof brain);
		count += !isfinite(f32_from_bf16(brain));
	}
	return count;
}

size_t packed_not_finite(char type, const void *data, size_t blocks, size_t columns)
{
	const uint8_t *block = data;
	size_t count = 0, size = packed_block(type, columns);
	size_t step = type == PACKED_BF16 ? PACKED_LINE : type == PACKED_INT4 ? group_offset(1) : size;
	for (size_t i = 0; i < blocks; i++, block += size)
		for (size_t at = 0; at < size; at += step)
			count += line_not_finite(type, block + at);
	return count;
}
