/* tiles - the kernels by tiles of AMX over emulated tiles: integers have the bytes of the portable
 * kernels, bf16 those of the order that the manual states, in every shape of tile; the check at first
 * use finds what is wrong. On a CPU with AMX its own tiles against the emulated ones.
 */
#include "tap.h"
#include "tiles_emulated.h"

#include "base/cpu.h"
#include "base/dtype.h"
#include "base/memory.h"
#include "num/kernels_tiles.h"
#include "num/tiles.h"

static const struct tile_kernels emulated_kernels = { tiles_brain, tiles_int8, tiles_int4,
	tiles_end };

static uint32_t state = 3;

static uint32_t next(void)
{
	state = state * 1664525u + 1013904223u;
	return state >> 8;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = memory_allocate_zero(count, size);
	if (!memory)
		exit(2);
	return memory;
}

/* Ordinary values; NaN and infinity among them; values whose products, or themselves, are denormal. */
enum kind { ORDINARY, SPECIAL, SMALL, KINDS };

static uint16_t brain_of(enum kind kind, size_t i)
{
	float value = (float)next() * 0x1p-23f - 1.0f;
	if (kind == SPECIAL && i % 89 == 3)
		return i % 2 ? 0x7fc1 : i % 3 ? 0x7f80 : 0xff80;
	if (kind == SMALL)
		value *= i % 7 == 0 ? 0x1p-127f : 0x1p-63f;
	return bf16_from_f32(value);
}

/* A panel and all that belongs to it. */
struct work {
	struct brain_panel panel;
	uint8_t *blocks;
	uint16_t *x;
	size_t size; /* of y */
};

static void make(struct work *work, enum kind kind, size_t rows, size_t count, size_t lines)
{
	size_t columns = lines * PACKED_PAIR, beside = 5, values = count * PACKED_ROWS * columns;
	work->blocks = allocate(values, sizeof(uint16_t));
	work->x = allocate(rows * columns, sizeof *work->x);
	work->panel = (struct brain_panel){ work->blocks, packed_block(PACKED_BF16, columns), count,
		work->x, columns, rows, lines, NULL, count * PACKED_ROWS + beside, false };
	work->size = rows * work->panel.y_row;
	for (size_t i = 0; i < values; i++) {
		uint16_t brain = brain_of(kind, i);
		memcpy(work->blocks + i * sizeof brain, &brain, sizeof brain);
	}
	for (size_t i = 0; i < rows * columns; i++)
		work->x[i] = brain_of(kind, i);
}

static void release(struct work *work)
{
	memory_release(work->blocks);
	memory_release(work->x);
}

static float weight_at(const struct brain_panel *panel, size_t out, size_t column)
{
	uint16_t brain;
	const uint8_t *line =
	    panel->blocks + out / PACKED_ROWS * panel->block + column / PACKED_PAIR * PACKED_LINE;
	memcpy(&brain, line + (out % PACKED_ROWS * PACKED_PAIR + column % PACKED_PAIR) * sizeof brain,
	    sizeof brain);
	return emulated_flush(f32_from_bf16(brain));
}

/* One output as kernels_tiles.h says it: by 32 columns, even and odd ones apart. */
static float output_of(const struct brain_panel *panel, size_t row, size_t out, float start)
{
	float total = start;
	for (size_t first = 0; first < panel->lines * PACKED_PAIR; first += 32) {
		float part[2] = { 0, 0 };
		for (size_t i = first; i < first + 32; i++) {
			float x = emulated_flush(f32_from_bf16(panel->x[row * panel->x_row + i]));
			part[i % 2] = emulated_fma(x, weight_at(panel, out, i), part[i % 2]);
		}
		total = emulated_flush(emulated_flush(total) + emulated_flush(part[0] + part[1]));
	}
	return total;
}

static bool same(const float *a, const float *b, size_t count)
{
	bool all = true;
	for (size_t i = 0; i < count; i++)
		all = all && (memcmp(&a[i], &b[i], sizeof a[i]) == 0 || (isnan(a[i]) && isnan(b[i])));
	return all;
}

/* In one piece and in two, stored and added; what lies beside the outputs stays. */
static bool brain_is_right(
    const struct tile_kernels *kernels, enum kind kind, size_t rows, size_t count, size_t lines)
{
	struct work work;
	make(&work, kind, rows, count, lines);
	float *wanted = allocate(work.size, sizeof *wanted), *got = allocate(work.size, sizeof *got);
	size_t y_row = work.panel.y_row;
	for (size_t i = 0; i < work.size; i++) {
		got[i] = wanted[i] = (float)next() * 0x1p-23f;
		size_t row = i / y_row, out = i % y_row;
		if (out < count * PACKED_ROWS)
			wanted[i] = output_of(&work.panel, row, out, lines % 64 == 0 ? wanted[i] : 0);
	}
	struct brain_panel part = work.panel;
	part.y = got;
	part.add = lines % 64 == 0;
	if (lines > BRAIN_LINES) {
		part.lines = BRAIN_LINES;
		kernels->brain(&part);
		part.blocks += BRAIN_LINES * PACKED_LINE;
		part.x += BRAIN_LINES * PACKED_PAIR;
		part.lines = lines - BRAIN_LINES;
		part.add = true;
	}
	kernels->brain(&part);
	bool right = same(got, wanted, work.size);
	memory_release(wanted);
	memory_release(got);
	release(&work);
	return right;
}

static void check_brain(const struct tile_kernels *kernels, const char *name)
{
	static const size_t rows[] = { 1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 67 };
	static const size_t lines[] = { 32, 64, 96, 288 }; /* the last: more than are taken at once */
	for (enum kind kind = ORDINARY; kind < KINDS; kind++)
		for (size_t count = 1; count <= 4; count++) {
			size_t wrong = 0;
			for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
				for (size_t l = 0; l < sizeof lines / sizeof lines[0]; l++)
					wrong += !brain_is_right(kernels, kind, rows[r], count, lines[l]);
			TAP_OK(wrong == 0, "%s: bf16, %zu blocks, kind %d (%zu wrong)", name, count, (int)kind,
			    wrong);
		}
}

/* 16 outputs by the kernel of every level: the same bytes, with hostile weights and activations. */
static size_t packed_wrong(const struct tile_kernels *kernels, char type, size_t n, size_t rows)
{
	size_t columns = packed_columns(n), groups = packed_groups(n), block = packed_block(type, n);
	float *x = allocate(rows * n, sizeof *x), *scale = allocate(2 * rows * groups, sizeof *scale);
	int8_t *narrow = allocate(rows, columns);
	uint8_t *weights = allocate(block, 1);
	float wanted[TILES_ROWS * PACKED_ROWS], got[TILES_ROWS * PACKED_ROWS];
	struct packed_tile tile = { weights, narrow, scale, scale + rows * groups, rows, columns,
		groups, wanted };
	for (size_t i = 0; i < PACKED_ROWS * n; i++)
		x[i % (rows * n)] = (float)next() * 0x1p-23f - 1.0f;
	packed_put(type, x, 1, n < rows * n ? n : rows * n, weights);
	for (size_t i = 0; i < block; i++) { /* bytes of any value but in the scales */
		size_t group = PACKED_LINE + PACKED_ROWS / 2 * PACKED_GROUP;
		if ((type == PACKED_INT8 ? i : i % group) >= PACKED_LINE)
			weights[i] = next() % 3 == 0 ? 0x80 : (uint8_t)next();
	}
	for (size_t i = 0; i < rows * n; i++)
		x[i] = i % 211 == 5 ? 300 : (float)next() * 0x1p-23f - 1.0f;
	x[n / 2] = NAN;
	for (size_t r = 0; r < rows; r++)
		packed_ref.quantise(
		    x + r * n, n, narrow + r * columns, scale + r * groups, scale + (rows + r) * groups);
	(type == PACKED_INT8 ? packed_ref.int8 : packed_ref.int4)(&tile);
	tile.y = got;
	memset(got, 0x55, sizeof got);
	(type == PACKED_INT8 ? kernels->int8 : kernels->int4)(&tile);
	kernels->end();
	size_t wrong = !same(got, wanted, rows * PACKED_ROWS);
	memory_release(x);
	memory_release(scale);
	memory_release(narrow);
	memory_release(weights);
	return wrong;
}

static void check_packed(const struct tile_kernels *kernels, const char *name)
{
	static const size_t sizes[] = { 1, 63, 64, 65, 128, 129, 192, 257, 640 };
	static const char types[] = { PACKED_INT8, PACKED_INT4 };
	for (size_t t = 0; t < sizeof types; t++)
		for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
			size_t wrong = 0;
			for (size_t rows = 1; rows <= TILES_ROWS; rows++)
				wrong += packed_wrong(kernels, types[t], sizes[s], rows);
			TAP_OK(wrong == 0,
			    "%s: %s of %zu columns, 1 to 32 rows: the bytes of the portable kernel", name,
			    packed_name(types[t]), sizes[s]);
		}
}

/* Kernels with a fault each. */
static void bad_brain(const struct brain_panel *panel)
{
	tiles_brain(panel);
	panel->y[(panel->rows - 1) * panel->y_row + 17] += panel->rows > 32 ? 0.01f : 0;
}

static void bad_int8(const struct packed_tile *tile)
{
	tiles_int8(tile);
	if (tile->rows == TILES_ROWS)
		tile->y[31 * PACKED_ROWS] = nextafterf(tile->y[31 * PACKED_ROWS], INFINITY);
}

static void bad_int4(const struct packed_tile *tile)
{
	tiles_int4(tile);
	if (tile->rows == 1)
		tile->y[15] = -tile->y[15];
}

static void check_check(void)
{
	struct tile_kernels bad = emulated_kernels;
	memset(emulated.uses, 0, sizeof emulated.uses);
	TAP_OK(tiles_are_right(&emulated_kernels), "the check passes what is right");
	bool all = true;
	for (int i = 0; i < 8; i++)
		all = all && emulated.uses[i] > 0;
	TAP_OK(all, "and has used every tile");
	bad.brain = bad_brain;
	TAP_OK(!tiles_are_right(&bad), "it finds a wrong sum of bf16");
	bad = emulated_kernels;
	bad.int8 = bad_int8;
	TAP_OK(!tiles_are_right(&bad), "one of int8");
	bad = emulated_kernels;
	bad.int4 = bad_int4;
	TAP_OK(!tiles_are_right(&bad), "and one of int4");
}

int main(void)
{
	check_brain(&emulated_kernels, "emulated");
	check_packed(&emulated_kernels, "emulated");
	check_check();
	if (cpu_start() < 0)
		return 2;
#if defined(__x86_64__)
	if (cpu_level() >= CPU_AMX) {
		check_brain(&tiles_amx, "AMX");
		check_packed(&tiles_amx, "AMX");
		TAP_OK(tiles_usable(), "AMX passes the check");
		return tap_finish();
	}
#endif
	tap_skip("AMX", "this CPU does not have it");
	TAP_OK(!tiles_usable(), "without AMX it is not usable");
	return tap_finish();
}
