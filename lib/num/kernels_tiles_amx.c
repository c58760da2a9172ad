/* kernels_tiles_amx.c - the kernels by tiles with AMX (see kernels_tiles.h). Instructions are written
 * out: the intrinsic of gcc 12 for ldtilecfg says that it reads 8 bytes of the 64, so that the
 * compiler may leave out the stores before it.
 */
#if defined(__x86_64__)

#include "num/tiles.h"

#include <stddef.h>
#include <stdint.h>

struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* What the tiles of this thread are set to: rows of the first and second kind; 0: to nothing. */
static _Thread_local uint8_t shape[2];

static void tiles_shape(size_t first, size_t second)
{
	const uint8_t rows[8] = { (uint8_t)first, (uint8_t)first, (uint8_t)second, (uint8_t)second,
		(uint8_t)first, (uint8_t)second, 16, 16 };
	struct tile_config config = { .palette = 1 };
	if (shape[0] == first && shape[1] == second)
		return;
	for (int i = 0; i < 8; i++) {
		config.row_bytes[i] = 64;
		config.rows[i] = rows[i];
	}
	__asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory");
	shape[0] = (uint8_t)first;
	shape[1] = (uint8_t)second;
}

static void tiles_end(void)
{
	__asm__ volatile("tilerelease" ::: "memory");
	shape[0] = shape[1] = 0;
}

/* A tile's number is part of the instruction. All callers give numbers that the compiler knows. */
static inline __attribute__((always_inline)) void tile_zero(size_t tile)
{
	switch (tile) {
	case 0:
		__asm__ volatile("tilezero %%tmm0" ::: "memory");
		break;
	case 1:
		__asm__ volatile("tilezero %%tmm1" ::: "memory");
		break;
	case 2:
		__asm__ volatile("tilezero %%tmm2" ::: "memory");
		break;
	default:
		__asm__ volatile("tilezero %%tmm3" ::: "memory");
	}
}

static inline __attribute__((always_inline)) void tile_load(
    size_t tile, const void *from, size_t row)
{
	switch (tile) {
	case 0:
		__asm__ volatile("tileloadd (%0,%1,1), %%tmm0" ::"r"(from), "r"(row) : "memory");
		break;
	case 1:
		__asm__ volatile("tileloadd (%0,%1,1), %%tmm1" ::"r"(from), "r"(row) : "memory");
		break;
	case 2:
		__asm__ volatile("tileloadd (%0,%1,1), %%tmm2" ::"r"(from), "r"(row) : "memory");
		break;
	case 3:
		__asm__ volatile("tileloadd (%0,%1,1), %%tmm3" ::"r"(from), "r"(row) : "memory");
		break;
	case 4:
		__asm__ volatile("tileloadd (%0,%1,1), %%tmm4" ::"r"(from), "r"(row) : "memory");
		break;
	case 5:
		__asm__ volatile("tileloadd (%0,%1,1), %%tmm5" ::"r"(from), "r"(row) : "memory");
		break;
	case 6:
		__asm__ volatile("tileloadd (%0,%1,1), %%tmm6" ::"r"(from), "r"(row) : "memory");
		break;
	default:
		__asm__ volatile("tileloadd (%0,%1,1), %%tmm7" ::"r"(from), "r"(row) : "memory");
	}
}

static inline __attribute__((always_inline)) void tile_store(size_t tile, void *to, size_t row)
{
	switch (tile) {
	case 0:
		__asm__ volatile("tilestored %%tmm0, (%0,%1,1)" ::"r"(to), "r"(row) : "memory");
		break;
	case 1:
		__asm__ volatile("tilestored %%tmm1, (%0,%1,1)" ::"r"(to), "r"(row) : "memory");
		break;
	case 2:
		__asm__ volatile("tilestored %%tmm2, (%0,%1,1)" ::"r"(to), "r"(row) : "memory");
		break;
	default:
		__asm__ volatile("tilestored %%tmm3, (%0,%1,1)" ::"r"(to), "r"(row) : "memory");
	}
}

/* The order of the assembler: weights, activations, sums. */
static inline __attribute__((always_inline)) void tile_dot_bf16(size_t sums)
{
	switch (sums) {
	case 0:
		__asm__ volatile("tdpbf16ps %%tmm6, %%tmm4, %%tmm0" ::: "memory");
		break;
	case 1:
		__asm__ volatile("tdpbf16ps %%tmm7, %%tmm4, %%tmm1" ::: "memory");
		break;
	case 2:
		__asm__ volatile("tdpbf16ps %%tmm6, %%tmm5, %%tmm2" ::: "memory");
		break;
	default:
		__asm__ volatile("tdpbf16ps %%tmm7, %%tmm5, %%tmm3" ::: "memory");
	}
}

/* Signed times signed. */
static inline __attribute__((always_inline)) void tile_dot_int8(size_t sums)
{
	if (sums == 0)
		__asm__ volatile("tdpbssd %%tmm6, %%tmm4, %%tmm0" ::: "memory");
	else
		__asm__ volatile("tdpbssd %%tmm6, %%tmm5, %%tmm2" ::: "memory");
}

#include "num/kernels_tiles.h"

const struct tile_kernels tiles_amx = { tiles_brain, tiles_int8, tiles_int4, tiles_end };

#endif
