/* bench-machine.c - what the machine can do at most: multiply-adds from registers by each unit that
 * computes models' products, and reading memory.
 *
 *     bench-machine [--threads N] [--seconds S]
 *
 * Lines "NAME  MEDIAN  LEAST  MOST  what it is", in 10^9 operations (a multiply-add counts as two) or
 * bytes a second. "most-f32", "most-bf16" and "most-int8" are the best of the units for that
 * arithmetic: what `make bench` divides by. Units that the CPU lacks are left out.
 */
#define _GNU_SOURCE
#include "../support/bench.h"
#include "base/number.h"

#include <getopt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
	CHUNKS = 64, /* of a measurement, which the threads share */
	ROUNDS = 15,
	SUMS = 12, /* registers that are added to, more than latency times ports */
};

/* --- units ---------------------------------------------------------------------------------------*/

/* Turns of the loop; each adds to SUMS registers (AMX: to 4 tiles). */
struct unit {
	const char *name, *arithmetic, *what;
	double operations; /* of one turn */
	bool (*there)(void);
	void (*run)(long turns);
};

#if defined(__x86_64__)

/* Values of which no sum overflows or becomes denormal, whatever type they are taken for. */
static _Alignas(64) uint8_t operand[64];

static void fill_operand(void)
{
	for (int i = 0; i < 64; i++)
		operand[i] = (uint8_t)(i % 2 ? 0x3c : 0x11);
}

#define TIMES_12(register, text)                                                                   \
	text(register, 0) text(register, 1) text(register, 2) text(register, 3) text(register, 4)      \
	    text(register, 5) text(register, 6) text(register, 7) text(register, 8) text(register, 9)  \
	        text(register, 10) text(register, 11)
#define SUM_REGISTERS                                                                              \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
	    "xmm11", "xmm14", "xmm15", "cc", "memory"
#define CLEAR(register, i)    "vpxor %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n"
#define FMA(register, i)      "vfmadd231ps %%" #register "14, %%" #register "15, %%" #register #i "\n"
#define DOT_BF16(register, i) "vdpbf16ps %%" #register "14, %%" #register "15, %%" #register #i "\n"
#define DOT_INT8(register, i) "vpdpbusd %%" #register "14, %%" #register "15, %%" #register #i "\n"
#define LOOP(register, load, text)                                                                 \
	__asm__ volatile(                                                                              \
	    TIMES_12(register, CLEAR) load                                                             \
	    " (%1), %%" #register "14\n" load                                                          \
	                          " (%1), %%" #register "15\n"                                         \
	                                                "1:\n" TIMES_12(register, text) "dec %0\n"     \
	                                                                                "jnz 1b\n"     \
	                                                                                "vzeroupper\n" \
	    : "+r"(turns)                                                                              \
	    : "r"(operand)                                                                             \
	    : SUM_REGISTERS)

__attribute__((target("avx2,fma"))) static void run_avx2(long turns)
{
	LOOP(ymm, "vmovups", FMA);
}

__attribute__((target("avx512f"))) static void run_avx512(long turns)
{
	LOOP(zmm, "vmovups", FMA);
}

__attribute__((target("avx512f,avx512bf16"))) static void run_bf16(long turns)
{
	LOOP(zmm, "vmovups", DOT_BF16);
}

__attribute__((target("avx512f,avx512vnni"))) static void run_vnni(long turns)
{
	LOOP(zmm, "vmovups", DOT_INT8);
}

/* The whole struct is an operand: what fills it is not to be thought useless. */
struct tiles {
	uint8_t palette, start, reserved[14];
	uint16_t columns[16];
	uint8_t rows[16];
};

#define TILES(instruction)                                                                         \
	__asm__ volatile("ldtilecfg %1\n"                                                              \
	                 "tilezero %%tmm0\ntilezero %%tmm1\ntilezero %%tmm2\ntilezero %%tmm3\n"        \
	                 "tileloadd (%2,%3,1), %%tmm4\ntileloadd (%2,%3,1), %%tmm5\n"                  \
	                 "tileloadd (%2,%3,1), %%tmm6\ntileloadd (%2,%3,1), %%tmm7\n"                  \
	                 "1:\n" instruction " %%tmm6, %%tmm4, %%tmm0\n" instruction                    \
	                 " %%tmm7, %%tmm4, %%tmm1\n" instruction                                       \
	                 " %%tmm6, %%tmm5, %%tmm2\n" instruction " %%tmm7, %%tmm5, %%tmm3\n"           \
	                 "dec %0\n"                                                                    \
	                 "jnz 1b\n"                                                                    \
	                 "tilerelease\n"                                                               \
	                 : "+r"(turns)                                                                 \
	                 : "m"(tiles), "r"(operand), "r"((long)0)                                      \
	                 : "cc", "memory")

static struct tiles whole_tiles(void)
{
	struct tiles tiles = { .palette = 1 };
	for (int i = 0; i < 8; i++) {
		tiles.columns[i] = 64;
		tiles.rows[i] = 16;
	}
	return tiles;
}

__attribute__((target("amx-tile,amx-bf16"))) static void run_amx_bf16(long turns)
{
	const struct tiles tiles = whole_tiles();
	TILES("tdpbf16ps");
}

__attribute__((target("amx-tile,amx-int8"))) static void run_amx_int8(long turns)
{
	const struct tiles tiles = whole_tiles();
	TILES("tdpbssd");
}

static bool leaf_7(unsigned subleaf, int word, int bit)
{
	unsigned words[4] = { 0 };
	__cpuid_count(0, 0, words[0], words[1], words[2], words[3]);
	if (words[0] < 7)
		return false;
	__cpuid_count(7, subleaf, words[0], words[1], words[2], words[3]);
	return words[word] >> bit & 1;
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f");
}

static bool has_bf16(void)
{
	return has_avx512() && leaf_7(1, 0, 5);
}

static bool has_vnni(void)
{
	return has_avx512() && leaf_7(0, 2, 11);
}

/* Tiles are asked for, once, before threads start. */
static bool may_use_tiles(void)
{
	enum { ASK = 0x1023, TILE_DATA = 18 };
	static int granted = -1;
	if (granted < 0)
		granted = leaf_7(0, 3, 24) && syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
	return granted;
}

static bool has_amx_bf16(void)
{
	return may_use_tiles() && leaf_7(0, 3, 22);
}

static bool has_amx_int8(void)
{
	return may_use_tiles() && leaf_7(0, 3, 25);
}

static const struct unit units[] = {
	{ "fma-avx2", "f32", "f32 multiply-adds, AVX2", SUMS * 16, has_avx2, run_avx2 },
	{ "fma-avx512", "f32", "f32 multiply-adds, AVX-512", SUMS * 32, has_avx512, run_avx512 },
	{ "dot-bf16", "bf16", "bf16 dot products, AVX512-BF16", SUMS * 64, has_bf16, run_bf16 },
	{ "dot-int8", "int8", "int8 dot products, AVX512-VNNI", SUMS * 128, has_vnni, run_vnni },
	{ "amx-bf16", "bf16", "bf16 tiles, AMX", 4 * 16384, has_amx_bf16, run_amx_bf16 },
	{ "amx-int8", "int8", "int8 tiles, AMX", 4 * 32768, has_amx_int8, run_amx_int8 },
};

#else

static void fill_operand(void)
{
}

static bool always(void)
{
	return true;
}

/* What the compiler makes of plain C, with vectors where it has any at hand. */
static void run_plain(long turns)
{
	float sums[8 * SUMS] = { 0 };
	volatile float factor = 1e-3f;
	for (float f = factor; turns > 0; turns--)
		for (int i = 0; i < 8 * SUMS; i++)
			sums[i] = sums[i] * f + f;
	factor = sums[0];
}

static const struct unit units[] = {
	{ "plain", "f32", "f32 multiply-adds of portable C", SUMS * 16, always, run_plain },
};

#endif
enum { UNITS = sizeof units / sizeof units[0] };

static void run_chunk(void *context, size_t chunk, int worker)
{
	const struct unit *unit = context;
	(void)chunk, (void)worker;
	unit->run(200000);
}

static double time_unit(const struct unit *unit)
{
	double start = bench_now();
	threads_run(CHUNKS, run_chunk, (void *)(uintptr_t)unit);
	return 1e-9 * unit->operations * 200000 * CHUNKS / (bench_now() - start);
}

/* --- memory --------------------------------------------------------------------------------------*/

enum { PIECE = 4 << 20 }; /* bytes that a thread reads at a time */

struct memory {
	const uint8_t *bytes;
	size_t size;
	_Atomic uint64_t sum; /* that somebody wants what was read */
};

/* A line of the cache a turn, in two streams. */
static void read_piece(void *context, size_t piece, int worker)
{
	struct memory *memory = context;
	const uint64_t *words = (const uint64_t *)(const void *)(memory->bytes + piece * PIECE);
	const uint64_t *half = words + PIECE / 2 / sizeof *words;
	uint64_t a = 0, b = 0, c = 0, d = 0;
	(void)worker;
	for (size_t i = 0; i < PIECE / 2 / sizeof *words; i += 8) {
		a ^= words[i] ^ words[i + 2] ^ words[i + 4] ^ words[i + 6];
		b ^= words[i + 1] ^ words[i + 3] ^ words[i + 5] ^ words[i + 7];
		c ^= half[i] ^ half[i + 2] ^ half[i + 4] ^ half[i + 6];
		d ^= half[i + 1] ^ half[i + 3] ^ half[i + 5] ^ half[i + 7];
	}
	memory->sum ^= a ^ b ^ c ^ d;
}

/* Far more than any cache holds; huge pages, as models are mapped. */
static struct memory take_memory(void)
{
	struct memory memory = { .size = (size_t)1 << 30 };
	void *bytes =
	    mmap(NULL, memory.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED) {
		fprintf(stderr, "bench-machine: no memory to read\n");
		exit(2);
	}
	madvise(bytes, memory.size, MADV_HUGEPAGE);
	memset(bytes, 0x55, memory.size);
	memory.bytes = bytes;
	return memory;
}

static double time_read(struct memory *memory, bool alone)
{
	double start = bench_clock(CLOCK_MONOTONIC);
	if (alone)
		for (size_t piece = 0; piece < memory->size / PIECE; piece++)
			read_piece(memory, piece, 0);
	else
		threads_run(memory->size / PIECE, read_piece, memory);
	return 1e-9 * (double)memory->size / (bench_clock(CLOCK_MONOTONIC) - start);
}

/* --- results -------------------------------------------------------------------------------------*/

static void print_rate(const char *name, struct bench_times *rates, const char *what)
{
	double median = bench_median(rates);
	printf("%s\t%.1f\t%.1f\t%.1f\t%s\n", name, median, rates->seconds[0],
	    rates->seconds[rates->count - 1], what);
}

/* The best unit of each arithmetic; what has none of its own is computed as f32. */
static void print_most(struct bench_times rates[UNITS])
{
	static const char *const arithmetics[] = { "f32", "bf16", "int8" };
	double plain = 0;
	for (int a = 0; a < 3; a++) {
		double most = plain;
		const char *what = "as f32";
		for (int i = 0; i < UNITS; i++)
			if (rates[i].count && strcmp(units[i].arithmetic, arithmetics[a]) == 0 &&
			    bench_median(&rates[i]) > most) {
				most = bench_median(&rates[i]);
				what = units[i].what;
			}
		plain = a == 0 ? most : plain;
		printf("most-%s\t%.1f\t-\t-\t%s\n", arithmetics[a], most, what);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "threads", required_argument, NULL, 't' },
		{ "seconds", required_argument, NULL, 's' }, { 0 } };
	static struct bench_times rates[UNITS], reads[2];
	int64_t threads = threads_available();
	double seconds = 10;
	for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;)
		if ((letter == 't' && number_whole(optarg, 1, THREADS_MOST, &threads) < 0) ||
		    (letter == 's' && number_real(optarg, 0, 600, &seconds) < 0) || letter == '?') {
			fprintf(stderr, "usage: bench-machine [--threads N] [--seconds S]\n");
			return 2;
		}
	bool there[UNITS];
	for (int i = 0; i < UNITS; i++)
		there[i] = units[i].there();
	if (threads_start((int)threads) < 0)
		bench_fail("bench-machine");
	fill_operand();
	struct memory memory = take_memory();
	double end = bench_clock(CLOCK_MONOTONIC) + seconds;
	for (int round = 0; round < ROUNDS && (round < 3 || bench_clock(CLOCK_MONOTONIC) < end);
	     round++) {
		for (int i = 0; i < UNITS; i++)
			if (there[i])
				bench_add(&rates[i], time_unit(&units[i]));
		bench_add(&reads[0], time_read(&memory, true));
		bench_add(&reads[1], time_read(&memory, false));
	}
	for (int i = 0; i < UNITS; i++)
		if (there[i])
			print_rate(units[i].name, &rates[i], units[i].what);
	print_most(rates);
	print_rate("read-1", &reads[0], "reading memory, one thread");
	print_rate("read", &reads[1], "reading memory, all threads");
	threads_stop();
	return 0;
}
