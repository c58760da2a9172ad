/* kernels_packed.c - the table of packed kernels for this CPU (see kernels_packed.h). */
#include "num/kernels_packed.h"
#include "base/cpu.h"

const struct packed_kernels *packed_kernels_get(void)
{
#if defined(__x86_64__)
	switch (cpu_level()) {
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
