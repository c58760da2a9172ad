/* tiles.c - the check of the kernels by tiles (see tiles.h). */
#include "num/tiles.h"
#include "base/cpu.h"
#include "base/message.h"

#include <math.h>
#include <string.h>

enum {
	BLOCKS = 3,
	COLUMNS = 3 * PACKED_FILL, /* a group and half of one */
	GROUPS = 2,
	VALUES = TILES_ROWS * COLUMNS,
};

/* Small products: operands, and the results of both. */
struct trial {
	uint32_t state;
	_Alignas(64) uint8_t blocks[BLOCKS * 2 * PACKED_ROWS * COLUMNS];
	uint16_t brains[2 * VALUES];
	int8_t bytes[VALUES];
	float scale[TILES_ROWS * GROUPS], sum[TILES_ROWS * GROUPS];
	float wanted[2 * TILES_ROWS * BLOCKS * PACKED_ROWS], got[2 * TILES_ROWS * BLOCKS * PACKED_ROWS];
};

static uint32_t next(struct trial *trial)
{
	trial->state = trial->state * 1664525u + 1013904223u;
	return trial->state >> 16;
}

/* A bf16 between 1/2 and 2, of either sign. */
static uint16_t next_brain(struct trial *trial)
{
	uint32_t bits = next(trial);
	return (uint16_t)(0x3f00 + bits % 0x100 + (bits & 0x8000));
}

static bool brain_is_right(const struct tile_kernels *kernels, struct trial *trial, size_t rows)
{
	size_t y_row = (size_t)BLOCKS * PACKED_ROWS, count = rows * y_row;
	struct brain_panel panel = { trial->blocks, packed_block(PACKED_BF16, COLUMNS), BLOCKS,
		trial->brains, COLUMNS, rows, COLUMNS / PACKED_PAIR, trial->wanted, y_row, false };
	for (size_t i = 0; i < sizeof trial->blocks; i += sizeof(uint16_t)) {
		uint16_t brain = next_brain(trial);
		memcpy(trial->blocks + i, &brain, sizeof brain);
	}
	for (size_t i = 0; i < rows * COLUMNS; i++)
		trial->brains[i] = next_brain(trial);
	brain_ref.panel(&panel);
	panel.y = trial->got;
	kernels->brain(&panel);
	bool right = true;
	for (size_t i = 0; i < count; i++) /* another order of sums of 192 products up to 4 */
		right = right && fabsf(trial->got[i] - trial->wanted[i]) <= 1e-3f;
	return right;
}

static bool packed_is_right(
    const struct tile_kernels *kernels, struct trial *trial, char type, size_t rows)
{
	struct packed_tile tile = { trial->blocks, trial->bytes, trial->scale, trial->sum, rows,
		COLUMNS, GROUPS, trial->wanted };
	float scale = 0.01f;
	for (size_t i = 0; i < packed_block(type, COLUMNS); i++)
		trial->blocks[i] = (uint8_t)next(trial);
	for (size_t i = 0; i < PACKED_ROWS && type == PACKED_INT8; i++)
		memcpy(trial->blocks + i * sizeof scale, &scale, sizeof scale);
	for (size_t i = 0; i < 2 * PACKED_ROWS && type == PACKED_INT4;
	     i++) /* of both groups, below 1 */
		for (size_t g = 0; g < GROUPS; g++)
			trial->blocks[g * (PACKED_LINE + PACKED_ROWS * PACKED_GROUP / 2) + 2 * i + 1] = 0x2c;
	for (size_t i = 0; i < rows * COLUMNS; i++)
		trial->bytes[i] = (int8_t)((int)(next(trial) % 255) - PACKED_MOST);
	for (size_t i = 0; i < rows * GROUPS; i++) {
		trial->scale[i] = (float)(next(trial) % 100) * 0.01f;
		trial->sum[i] = (float)(next(trial) % 1000);
	}
	(type == PACKED_INT8 ? packed_ref.int8 : packed_ref.int4)(&tile);
	tile.y = trial->got;
	(type == PACKED_INT8 ? kernels->int8 : kernels->int4)(&tile);
	kernels->end();
	return memcmp(trial->got, trial->wanted, rows * PACKED_ROWS * sizeof *trial->got) == 0;
}

bool tiles_are_right(const struct tile_kernels *kernels)
{
	static const size_t rows[] = { 1, 16, 17, 32, 33, 53 };
	static struct trial trial;
	bool right = true;
	trial.state = 1;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		right = right && brain_is_right(kernels, &trial, rows[i]);
		if (rows[i] <= TILES_ROWS)
			right = right && packed_is_right(kernels, &trial, PACKED_INT8, rows[i]) &&
			        packed_is_right(kernels, &trial, PACKED_INT4, rows[i]);
	}
	return right;
}

bool tiles_usable(void)
{
#if defined(__x86_64__)
	static enum { UNKNOWN, RIGHT, WRONG } found;
	if (cpu_level() < CPU_AMX)
		return false;
	if (found == UNKNOWN) {
		found = tiles_are_right(&tiles_amx) ? RIGHT : WRONG;
		if (found == WRONG)
			message_note(NULL, "AMX of this CPU does not compute what it should; AVX-512 is used. "
			                   "Please report this with the output of --version");
	}
	return found == RIGHT;
#else
	return false;
#endif
}
