/* resize_rows.c - the resampler of resize.c for CPUs with wide vectors: a vector holds neighbouring
 * bytes of a row, and rows are added up with their weights. For the pass across, RESIZE_ROW rows of
 * the picture are turned on their side first, so that it too adds up rows (see resize.h).
 */
#include "image/resize.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"

#include <string.h>

const struct resize_kernels *resize_kernels_get(void)
{
#if defined(__x86_64__)
	switch (cpu_level()) {
	case CPU_AMX:
	case CPU_AVX512:
		return &resize_avx512;
	case CPU_AVX2:
		return &resize_avx2;
	case CPU_REF:
		break;
	}
#endif
	return NULL;
}

enum { TURN = 16 }; /* bytes: the side of what is turned at once */

struct rows {
	const struct resize_kernels *kernels;
	const struct picture *source;
	const struct resize_axis *across, *down;
	uint8_t *turned;    /* [source width + taps][3][RESIZE_ROW]: some rows on their side */
	uint8_t *narrow;    /* [out width][3][RESIZE_ROW]: the same after the pass across */
	uint8_t *between;   /* [source height, and as far as windows reach][between_row] */
	size_t between_row; /* 3 * out width, in whole pieces */
	uint8_t *line;      /* [between_row]: of the target */
};

/* Bytes 0 .. count - 1 of RESIZE_ROW rows, from the one numbered first on, to columns: byte i of
 * row r is at columns[i * RESIZE_ROW + r]. Rows behind the last are like it. */
static void turn_in(const struct rows *rows, uint32_t first, size_t count)
{
	const struct picture *source = rows->source;
	size_t row = (size_t)source->width * 3, whole = count / TURN * TURN;
	for (size_t r = 0; r < RESIZE_ROW; r += TURN) {
		const uint8_t *from = source->pixels + (first + r) * row;
		size_t done = 0;
		if (first + r + TURN <= source->height)
			for (; done < whole; done += TURN)
				rows->kernels->turn(
				    from + done, row, rows->turned + done * RESIZE_ROW + r, RESIZE_ROW);
		for (size_t i = 0; i < TURN; i++) {
			size_t y = first + r + i < source->height ? first + r + i : source->height - 1;
			for (size_t x = done; x < count; x++)
				rows->turned[x * RESIZE_ROW + r + i] = source->pixels[y * row + x];
		}
	}
}

/* Back: what was made of these rows to their places in between. */
static void turn_out(const struct rows *rows, uint32_t first)
{
	size_t count = (size_t)rows->across->out * 3, whole = count / TURN * TURN;
	for (size_t r = 0; r < RESIZE_ROW && first + r < rows->source->height; r += TURN) {
		uint8_t *to = rows->between + (first + r) * rows->between_row;
		size_t left = rows->source->height - first - r, done = 0;
		if (left >= TURN)
			for (; done < whole; done += TURN)
				rows->kernels->turn(
				    rows->narrow + done * RESIZE_ROW + r, RESIZE_ROW, to + done, rows->between_row);
		for (size_t i = 0; i < TURN && i < left; i++)
			for (size_t x = done; x < count; x++)
				to[i * rows->between_row + x] = rows->narrow[x * RESIZE_ROW + r + i];
	}
}

static void pass_across(const struct rows *rows)
{
	const struct resize_axis *axis = rows->across;
	for (uint32_t first = 0; first < rows->source->height; first += RESIZE_ROW) {
		turn_in(rows, first, (size_t)axis->in * 3);
		for (size_t x = 0; x < axis->out; x++)
			for (size_t c = 0; c < 3; c++) {
				const struct resize_window window = {
					rows->turned + ((size_t)axis->first[x] * 3 + c) * RESIZE_ROW, 3 * RESIZE_ROW,
					axis->taps, axis->high + x * axis->padded, axis->low + x * axis->padded
				};
				rows->kernels->weigh(&window, rows->narrow + (x * 3 + c) * RESIZE_ROW, RESIZE_ROW);
			}
		turn_out(rows, first);
	}
}

static void pass_down(const struct rows *rows, struct picture *target)
{
	const struct resize_axis *axis = rows->down;
	size_t row = (size_t)target->width * 3;
	for (size_t y = 0; y < axis->out; y++) {
		const struct resize_window window = {
			rows->between + (size_t)axis->first[y] * rows->between_row, rows->between_row,
			axis->taps, axis->high + y * axis->padded, axis->low + y * axis->padded
		};
		rows->kernels->weigh(&window, rows->line, rows->between_row);
		memcpy(target->pixels + y * row, rows->line, row);
	}
}

int resize_by_rows(const struct resize_kernels *kernels, const struct picture *source,
    const struct resize_axis *across, const struct resize_axis *down, struct picture *target)
{
	struct rows rows = { .kernels = kernels, .source = source, .across = across, .down = down };
	size_t turned, between;
	rows.between_row = ((size_t)across->out * 3 + RESIZE_ROW - 1) / RESIZE_ROW * RESIZE_ROW;
	/* what windows reach behind the picture meets zero weights */
	if (!checked_multiply(rows.between_row, source->height + down->taps, &between) ||
	    !checked_add(source->width, across->taps, &turned))
		return error_memory(SIZE_MAX);
	rows.turned = memory_allocate_zero(turned, (size_t)3 * RESIZE_ROW);
	rows.narrow = memory_allocate(across->out, (size_t)3 * RESIZE_ROW);
	rows.between = memory_allocate_zero(between, 1);
	rows.line = memory_allocate(rows.between_row, 1);
	int result = rows.turned && rows.narrow && rows.between && rows.line ? 0 : -1;
	if (result == 0) {
		pass_across(&rows);
		pass_down(&rows, target);
	}
	memory_release(rows.turned);
	memory_release(rows.narrow);
	memory_release(rows.between);
	memory_release(rows.line);
	return result;
}
