/* cpu.h - which kernels run here: the level of the CPU, or a lower one by ZV_CPU. */
#ifndef ZV_BASE_CPU_H
#define ZV_BASE_CPU_H

enum cpu_level {
	CPU_REF,    /* portable C */
	CPU_AVX2,   /* AVX2, FMA, F16C */
	CPU_AVX512, /* AVX-512 F, BW, VL, DQ */
	CPU_AMX,    /* that, VNNI, BF16, and AMX's tiles, bf16 and int8, as the system allows */
};

/* Settle the level once: the CPU's, or what ZV_CPU (ref, avx2, avx512, amx) asks for. 0, or -1 with
 * ERROR_SYSTEM when ZV_CPU names no level or one this CPU has not. */
int cpu_start(void);

/* The level settled by cpu_start(); CPU_REF before. */
enum cpu_level cpu_level(void);

/* Whether ZV_CPU chose the level, and not the CPU itself. */
int cpu_forced(void);

/* Whether the level is CPU_AVX512 or above and the CPU also has VNNI. */
int cpu_has_vnni(void);

/* The same for products of bf16. */
int cpu_has_bf16(void);

const char *cpu_level_name(enum cpu_level level);

#endif
