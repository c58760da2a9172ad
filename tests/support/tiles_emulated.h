/* tiles_emulated.h - AMX in plain C, for tests of kernels_tiles.h: the tiles, their configuration, and
 * the instructions with the sums in the order and with the rounding of Intel's manual (Software
 * Developer's Manual, volume 2: TDPBF16PS, TDPBSSD, TILELOADD, TILESTORED). What would be a fault
 * there ends the test.
 */
#ifndef ZV_TESTS_TILES_EMULATED_H
#define ZV_TESTS_TILES_EMULATED_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool configured;
	size_t rows[8];
	uint8_t data[8][16][64];
	size_t uses[8]; /* instructions that wrote the tile, so that a test sees which were used */
} emulated;

static void emulated_fault(const char *text)
{
	printf("Bail out! tiles: %s\n", text);
	exit(2);
}

static void tiles_shape(size_t first, size_t second)
{
	const size_t rows[8] = { first, first, second, second, first, second, 16, 16 };
	if (first < 1 || first > 16 || second < 1 || second > 16)
		emulated_fault("a shape of no or too many rows");
	/* ldtilecfg zeroes the tiles; here they are filled with what shows when it is read. */
	memset(emulated.data, 0x7f, sizeof emulated.data);
	memcpy(emulated.rows, rows, sizeof rows);
	emulated.configured = true;
}

static void tiles_end(void)
{
	emulated.configured = false;
}

static void emulated_need(size_t tile)
{
	if (!emulated.configured || tile > 7)
		emulated_fault("used without a configuration");
}

static void emulated_written(size_t tile)
{
	/* rows behind the tile's become zeros */
	memset(emulated.data[tile][emulated.rows[tile]], 0, (16 - emulated.rows[tile]) * 64);
	emulated.uses[tile]++;
}

static void tile_zero(size_t tile)
{
	emulated_need(tile);
	memset(emulated.data[tile], 0, sizeof emulated.data[tile]);
	emulated_written(tile);
}

static void tile_load(size_t tile, const void *from, size_t row)
{
	emulated_need(tile);
	for (size_t r = 0; r < emulated.rows[tile]; r++)
		memcpy(emulated.data[tile][r], (const uint8_t *)from + r * row, 64);
	if (emulated.rows[tile] < 16)
		emulated_written(tile);
	else
		emulated.uses[tile]++;
}

static void tile_store(size_t tile, void *to, size_t row)
{
	emulated_need(tile);
	for (size_t r = 0; r < emulated.rows[tile]; r++)
		memcpy((uint8_t *)to + r * row, emulated.data[tile][r], 64);
}

/* Denormals are zeros. */
static float emulated_flush(float x)
{
	return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static float emulated_brain(const uint8_t *row, size_t i)
{
	uint16_t brain;
	memcpy(&brain, row + i * sizeof brain, sizeof brain);
	uint32_t bits = (uint32_t)brain << 16;
	float value;
	memcpy(&value, &bits, sizeof value);
	return emulated_flush(value);
}

static float emulated_fma(float a, float b, float c)
{
	return emulated_flush(fmaf(a, b, emulated_flush(c)));
}

static void tile_dot_bf16(size_t sums)
{
	size_t a = 4 + sums / 2, b = 6 + sums % 2;
	emulated_need(sums);
	if (emulated.rows[sums] != emulated.rows[a] || emulated.rows[b] != 16)
		emulated_fault("shapes that do not belong together");
	for (size_t m = 0; m < emulated.rows[sums]; m++) {
		float part[32] = { 0 };
		for (size_t k = 0; k < 16; k++)
			for (size_t n = 0; n < 32; n++)
				part[n] = emulated_fma(emulated_brain(emulated.data[a][m], 2 * k + n % 2),
				    emulated_brain(emulated.data[b][k], n), part[n]);
		for (size_t n = 0; n < 16; n++) {
			float old, sum = emulated_flush(part[2 * n] + part[2 * n + 1]);
			memcpy(&old, &emulated.data[sums][m][4 * n], sizeof old);
			sum = emulated_flush(emulated_flush(old) + sum);
			memcpy(&emulated.data[sums][m][4 * n], &sum, sizeof sum);
		}
	}
	emulated_written(sums % 8);
}

static void tile_dot_int8(size_t sums)
{
	size_t a = 4 + sums / 2, b = 6 + sums % 2;
	emulated_need(sums);
	if (emulated.rows[sums] != emulated.rows[a] || emulated.rows[b] != 16)
		emulated_fault("shapes that do not belong together");
	for (size_t m = 0; m < emulated.rows[sums]; m++)
		for (size_t n = 0; n < 16; n++) {
			uint32_t sum;
			memcpy(&sum, &emulated.data[sums][m][4 * n], sizeof sum);
			for (size_t k = 0; k < 64; k++)
				sum += (uint32_t)((int8_t)emulated.data[a][m][k] *
				                  (int8_t)emulated.data[b][k / 4][4 * n + k % 4]);
			memcpy(&emulated.data[sums][m][4 * n], &sum, sizeof sum);
		}
	emulated_written(sums % 8);
}

#endif
