/* kernels_brain.c - the table of bf16 kernels for this CPU (see kernels_brain.h). */
#include "num/kernels_brain.h"
#include "base/cpu.h"
#include "num/tiles.h"

const struct brain_kernels *brain_kernels_get(void)
{
#if defined(__x86_64__)
	static struct brain_kernels tiled;
	switch (cpu_level()) {
	case CPU_AMX:
		if (tiles_usable()) {
			tiled = (struct brain_kernels){ brain_bf16.narrow, tiles_amx.brain };
			return &tiled;
		}
		return &brain_bf16;
	case CPU_AVX512:
		return cpu_has_bf16() ? &brain_bf16 : &brain_avx512;
	case CPU_AVX2:
		return &brain_avx2;
	case CPU_REF:
		break;
	}
#endif
	return &brain_ref;
}
