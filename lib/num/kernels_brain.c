/* kernels_brain.c - the table of bf16 kernels for this CPU (see kernels_brain.h). */
#include "num/kernels_brain.h"
#include "base/cpu.h"

const struct brain_kernels *brain_kernels_get(void)
{
#if defined(__x86_64__)
	switch (cpu_level()) {
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
