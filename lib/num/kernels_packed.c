/* kernels_packed.c - the table of packed kernels for this CPU (see kernels_packed.h). */
#include "num/kernels_packed.h"
#include "base/cpu.h"
#include "num/tiles.h"

const struct packed_kernels *packed_kernels_get(void)
{
#if defined(__x86_64__)
	static struct packed_kernels tiled;
	switch (cpu_level()) {
	case CPU_AMX:
		if (tiles_usable()) {
			tiled = (struct packed_kernels){ packed_vnni.quantise, tiles_amx.int8, tiles_amx.int4,
				TILES_ROWS, tiles_amx.end };
			return &tiled;
		}
		return &packed_vnni;
	case CPU_AVX512:
		return cpu_has_vnni() ? &packed_vnni : &packed_avx512;
	case CPU_AVX2:
		return &packed_avx2;
	case CPU_REF:
		break;
	}
#endif
	return &packed_ref;
}
