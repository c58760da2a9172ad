/* cpu.c - the CPU's level and ZV_CPU (see cpu.h). */
#define _DEFAULT_SOURCE /* syscall */
#include "base/cpu.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static struct {
	bool started, forced;
	enum cpu_level level;
} cpu;

static const char *const names[] = { "ref", "avx2", "avx512", "amx" };

#if defined(__x86_64__)
/* Asked of the CPU itself: clang 14 does not know the word for __builtin_cpu_supports(). */
static bool has_f16c(void)
{
	unsigned a, b, c, d;
	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

#if defined(__x86_64__)
static bool has_bf16(void)
{
	unsigned a, b, c, d;
	return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
}

/* AMX's tiles, bf16 and int8, whose state the system saves once a process has asked for it: a right of
 * the whole process. */
static bool has_amx(void)
{
	enum { ASK = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
	const unsigned amx = 1u << 22 | 1u << 24 | 1u << 25, os_saves = 1u << 27;
	const uint32_t tiles = 1u << 17 | 1u << TILE_DATA;
	unsigned a, b, c, d;
	uint32_t low, high;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & os_saves))
		return false;
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & amx) != amx)
		return false;
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & tiles) == tiles && syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
}
#endif

/* What the CPU has and the operating system saves. */
static enum cpu_level detect(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
		return CPU_REF;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
		return __builtin_cpu_supports("avx512vnni") && has_bf16() && has_amx() ? CPU_AMX
		                                                                       : CPU_AVX512;
	return CPU_AVX2;
#else
	return CPU_REF;
#endif
}

int cpu_start(void)
{
	if (cpu.started)
		return 0;
	enum cpu_level best = detect(), level = best;
	const char *wanted = getenv("ZV_CPU");
	if (wanted && wanted[0]) {
		level = CPU_REF;
		while (level <= CPU_AMX && strcmp(names[level], wanted) != 0)
			level++;
		if (level > CPU_AMX)
			return error_system("ZV_CPU: \"%s\" is none of ref, avx2, avx512, amx", wanted);
		if (level > best)
			return error_system(
			    "ZV_CPU: this CPU has no %s, the most it can is %s", wanted, names[best]);
		cpu.forced = true;
	}
	cpu.level = level;
	cpu.started = true;
	return 0;
}

enum cpu_level cpu_level(void)
{
	return cpu.level;
}

int cpu_forced(void)
{
	return cpu.forced;
}

int cpu_has_vnni(void)
{
#if defined(__x86_64__)
	return cpu.level >= CPU_AVX512 && __builtin_cpu_supports("avx512vnni");
#else
	return 0;
#endif
}

int cpu_has_bf16(void)
{
#if defined(__x86_64__)
	return cpu.level >= CPU_AVX512 && has_bf16();
#else
	return 0;
#endif
}

const char *cpu_level_name(enum cpu_level level)
{
	return names[level];
}
