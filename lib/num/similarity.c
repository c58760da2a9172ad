/* similarity.c - the table of similarity kernels for the settled CPU level (see similarity.h). */
#include "num/similarity.h"
#include "base/cpu.h"

const struct similarity *similarity_get(void)
{
#if defined(__x86_64__)
	switch (cpu_level()) {
	case CPU_AMX:
	case CPU_AVX512:
		return &similarity_avx512;
	case CPU_AVX2:
		return &similarity_avx2;
	case CPU_REF:
		break;
	}
#endif
	return &similarity_ref;
}
