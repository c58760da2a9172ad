/* kernels.c - the table of kernels for the settled CPU level (see kernels.h). */
#include "num/kernels.h"
#include "base/cpu.h"

const struct kernels *kernels_get(void)
{
#if defined(__x86_64__)
	switch (cpu_level()) {
	case CPU_AMX:
	case CPU_AVX512:
		return &kernels_avx512;
	case CPU_AVX2:
		return &kernels_avx2;
	case CPU_REF:
		break;
	}
#endif
	return &kernels_ref;
}
