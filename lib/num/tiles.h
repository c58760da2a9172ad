/* tiles.h - the kernels by tiles of AMX (kernels_tiles.h), and a check of them: no part of them has run
 * on a CPU with AMX before it is released, so it is checked where it first does.
 */
#ifndef ZV_NUM_TILES_H
#define ZV_NUM_TILES_H

#include <stdbool.h>
#include <stddef.h>

#include "num/kernels_brain.h"
#include "num/kernels_packed.h"

enum { TILES_ROWS = 32 }; /* rows of activations in a packed_tile here, at most */

struct tile_kernels {
	void (*brain)(const struct brain_panel *panel);
	void (*int8)(const struct packed_tile *tile);
	void (*int4)(const struct packed_tile *tile);
	void (*end)(void); /* behind a number of int8 or int4 */
};

extern const struct tile_kernels tiles_amx;

/* Do they compute what the portable kernels do? Small products of every shape of tile. */
bool tiles_are_right(const struct tile_kernels *kernels);

/* May AMX be used: the level is CPU_AMX, and the check, done once, was good. If it was not, a remark
 * says so. On the main thread. */
bool tiles_usable(void);

#endif
