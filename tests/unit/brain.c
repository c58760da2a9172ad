/* brain - products of bf16: the kernels of every level against the portable ones byte for byte, the
 * linear layer against sums in double, packing against the layout's own.
 */
#include "tap.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/dtype.h"
#include "base/memory.h"
#include "base/packed.h"
#include "levels.h"
#include "num/brain.h"
#include "num/kernels_brain.h"

static uint32_t state = 11;

static float even(void)
{
	state = state * 1664525u + 1013904223u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = memory_allocate_zero(count, size);
	if (!memory)
		exit(2);
	return memory;
}

static float *values(size_t count)
{
	float *x = allocate(count, sizeof *x);
	for (size_t i = 0; i < count; i++)
		x[i] = even();
	return x;
}

static uint8_t *pack(const float *w, size_t rows, size_t columns)
{
	size_t blocks, block;
	if (!packed_size(PACKED_BF16, rows, columns, &blocks, &block))
		exit(2);
	uint8_t *data = allocate(blocks, block);
	for (size_t i = 0; i < blocks; i++) {
		size_t first = i * PACKED_ROWS, left = rows - first;
		if (packed_put(PACKED_BF16, w + first * columns, left < PACKED_ROWS ? left : PACKED_ROWS,
		        columns, data + i * block) < 0)
			exit(2);
	}
	return data;
}

/* Values that rounding could get wrong: halves between two bf16, the largest ones, the least normal
 * and those below it, infinity, NaN of any payload. */
static const uint32_t odd_bits[] = { 0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f7f7fff,
	0x7f7f8000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fffffff, 0x7fc00000, 0x00800000, 0x007fffff,
	0x007f8000, 0x00000001, 0x00000000, 0xff800000, 0xffffffff, 0x80000001, 0x807fffff,
	0xbf808000 };
enum { ODD = sizeof odd_bits / sizeof odd_bits[0] };

/* What bf16 is, said in another way than by adding to the bits. */
static uint16_t nearest(uint32_t bits)
{
	uint32_t magnitude = bits & 0x7fffffff, lower = bits >> 16, rest = bits & 0xffff;
	if (magnitude > 0x7f800000)
		return (uint16_t)(lower | 0x40);
	if (magnitude < 0x00800000)
		return (uint16_t)(lower & 0x8000);
	bool up = rest > 0x8000 || (rest == 0x8000 && lower % 2 == 1);
	return (uint16_t)(lower + up);
}

static void check_narrow(const struct brain_kernels *kernels, const char *level)
{
	static const size_t sizes[] = { 1, 7, 16, 17, 63, 64, 65, 257 };
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		size_t n = sizes[s], columns = packed_columns(n), wrong = 0;
		float *x = values(n);
		uint16_t *got = allocate(columns + 1, sizeof *got);
		for (size_t i = 0; i < n; i++)
			if (i % 2 == 0)
				memcpy(&x[i], &odd_bits[(i / 2 + s) % ODD], sizeof x[i]);
		memset(got, 0x55, (columns + 1) * sizeof *got);
		kernels->narrow(x, n, got);
		for (size_t i = 0; i < columns; i++) {
			uint32_t bits = 0;
			if (i < n)
				memcpy(&bits, &x[i], sizeof bits);
			wrong += got[i] != nearest(bits) || (i < n && packed_brain(x[i]) != got[i]);
		}
		TAP_OK(wrong == 0 && got[columns] == 0x5555, "%s: %zu values to bf16", level, n);
		memory_release(x);
		memory_release(got);
	}
}

/* Kinds of activations: ordinary ones, with NaN and infinity, and such as overflow a sum. */
enum kind { ORDINARY, SPECIAL, HUGE_ONES, KINDS };

static void fill(enum kind kind, uint16_t *x, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		x[i] = bf16_from_f32(even());
		if (kind == SPECIAL && i % 97 == 13)
			x[i] = i % 2 ? 0x7fc0 : 0xff80;
		if (kind == HUGE_ONES && i % 5 == 0)
			x[i] = i % 2 ? 0x7f00 : 0xff00;
	}
}

static bool same_floats(const float *a, const float *b, size_t count)
{
	bool same = true;
	for (size_t i = 0; i < count; i++)
		same = same && (memcmp(&a[i], &b[i], sizeof a[i]) == 0 || (isnan(a[i]) && isnan(b[i])));
	return same;
}

/* A panel in one piece by the portable kernel, and cut in two along its lines by the other; what lies
 * beside the outputs stays. */
static bool panel_is_right(
    const struct brain_kernels *kernels, enum kind kind, size_t rows, size_t count, size_t steps)
{
	enum { BESIDE = 3 };
	size_t lines = steps * BRAIN_LINES, columns = lines * PACKED_PAIR;
	size_t y_row = count * PACKED_ROWS + BESIDE, size = rows * y_row;
	float *w = values(count * PACKED_ROWS * columns), *start = values(size);
	float *wanted = allocate(size, sizeof *wanted), *got = allocate(size, sizeof *got);
	uint8_t *blocks = pack(w, count * PACKED_ROWS, columns);
	uint16_t *x = allocate(rows, columns * sizeof *x);
	fill(kind, x, rows * columns);
	struct brain_panel panel = { blocks, packed_block(PACKED_BF16, columns), count, x, columns,
		rows, lines, wanted, y_row, steps % 2 == 0 };
	memcpy(wanted, start, size * sizeof *start);
	memcpy(got, start, size * sizeof *start);
	brain_ref.panel(&panel);
	panel.y = got;
	panel.lines = steps / 2 * BRAIN_LINES;
	if (panel.lines > 0)
		kernels->panel(&panel);
	panel.blocks += panel.lines * PACKED_LINE;
	panel.x += panel.lines * PACKED_PAIR;
	panel.add = panel.add || panel.lines > 0;
	panel.lines = lines - panel.lines;
	kernels->panel(&panel);
	bool same = same_floats(wanted, got, size);
	memory_release(w);
	memory_release(start);
	memory_release(wanted);
	memory_release(got);
	memory_release(blocks);
	memory_release(x);
	return same;
}

static void check_panels(const struct brain_kernels *kernels, const char *level)
{
	static const size_t rows[] = { 1, 2, 3, 5, 6, 7, 12, 13, 31, 67 };
	for (enum kind kind = ORDINARY; kind < KINDS; kind++)
		for (size_t count = 1; count <= 8; count++) {
			size_t wrong = 0;
			for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
				for (size_t steps = 1; steps <= 9; steps += 4)
					wrong += !panel_is_right(kernels, kind, rows[r], count, steps + count % 2);
			TAP_OK(wrong == 0, "%s: %zu blocks, kind %d: the bytes of the portable kernel", level,
			    count, (int)kind);
		}
}

static void check_kernels(const struct brain_kernels *kernels, const char *level)
{
	check_narrow(kernels, level);
	check_panels(kernels, level);
}

/* brain_pack() gives what the layout's own code gives, from any dtype. */
static void check_packing(size_t out, size_t in)
{
	size_t blocks, block;
	float *w = values(out * in), *back = allocate(out * in, sizeof *back);
	void *stored = allocate(out * in, sizeof *w);
	packed_size(PACKED_BF16, out, in, &blocks, &block);
	uint8_t *got = allocate(blocks, block);
	for (const char *dtype = "feE"; *dtype; dtype++) {
		dtype_from_f32(*dtype, w, stored, out * in);
		dtype_to_f32(*dtype, stored, w, out * in);
		uint8_t *wanted = pack(w, out, in);
		memset(got, 0x55, blocks * block);
		TAP_OK(brain_pack(&(struct linear){ stored, *dtype, out, in, NULL }, got) == 0 &&
		           memcmp(got, wanted, blocks * block) == 0,
		    "%zu x %zu of dtype %c is packed", out, in, *dtype);
		memory_release(wanted);
	}
	packed_get(PACKED_BF16, got, in, 0, out, back);
	TAP_OK(memcmp(back, w, out * in * sizeof *w) == 0, "and is read back");
	memory_release(w);
	memory_release(back);
	memory_release(stored);
	memory_release(got);
}

static void round_all(float *x, size_t count)
{
	for (size_t i = 0; i < count; i++)
		x[i] = f32_from_bf16(packed_brain(x[i]));
}

static double gelu_of(double x)
{
	return 0.5 * x * erfc(-x / sqrt(2));
}

/* What linear_forward() gives with packed bf16, all endings, against double over the rounded values:
 * the error relative to the sum of magnitudes. Then two layers at once. */
static double linear_error(struct findings *findings, size_t rows, size_t in, size_t out)
{
	float *w = values(out * in), *bias = values(out), *x = values(rows * in);
	float *start = values(rows * out), *y = allocate(rows * out, sizeof *y);
	uint8_t *data = pack(w, out, in);
	struct linear linear = { data, PACKED_BF16, out, in, bias };
	double worst = 0;
	round_all(w, out * in);
	for (enum linear_then then = LINEAR_STORE; then <= LINEAR_ADD; then++) {
		memcpy(y, start, rows * out * sizeof *y);
		if (linear_forward(&linear, x, 1, rows, y, then) < 0)
			exit(2);
		findings_digest(findings, y, rows * out * sizeof *y);
		for (size_t i = 0; i < rows * out; i++) {
			double sum = (double)bias[i % out], magnitude = 1;
			for (size_t k = 0; k < in; k++) {
				double term = (double)f32_from_bf16(packed_brain(x[i / out * in + k])) *
				              (double)w[i % out * in + k];
				sum += term;
				magnitude += fabs(term);
			}
			sum = then == LINEAR_GELU ? gelu_of(sum) : sum;
			sum += then == LINEAR_ADD ? (double)start[i] : 0;
			worst = fmax(worst, fabs((double)y[i] - sum) / magnitude);
		}
	}
	memory_release(w);
	memory_release(bias);
	memory_release(x);
	memory_release(start);
	memory_release(y);
	memory_release(data);
	return worst;
}

/* Two layers at once give the bytes of one after the other: between them there is bf16 either way. A
 * row alone has its bytes. */
static double pair_error(
    struct findings *findings, size_t rows, size_t in, size_t middle, size_t out)
{
	float *w = values(middle * in), *v = values(out * middle), *x = values(rows * in);
	float *hidden = allocate(rows * middle, sizeof *hidden);
	float *y = allocate(rows * out, sizeof *y), *both = allocate(rows * out, sizeof *both);
	float *bias = values(middle);
	uint8_t *w_data = pack(w, middle, in), *v_data = pack(v, out, middle);
	struct linear first = { w_data, PACKED_BF16, middle, in, bias };
	struct linear second = { v_data, PACKED_BF16, out, middle, NULL };
	int failed = linear_forward(&first, x, 1, rows, hidden, LINEAR_GELU);
	failed += linear_forward(&second, hidden, 1, rows, y, LINEAR_STORE);
	failed += brain_pair(&first, &second, x, rows, both, LINEAR_STORE);
	double error = failed < 0 || memcmp(y, both, rows * out * sizeof *y) != 0;
	failed += brain_pair(&first, &second, x + (rows - 1) * in, 1, y, LINEAR_STORE);
	error += failed < 0 || memcmp(y, both + (rows - 1) * out, out * sizeof *y) != 0;
	findings_digest(findings, both, rows * out * sizeof *both);
	memory_release(w);
	memory_release(v);
	memory_release(x);
	memory_release(hidden);
	memory_release(y);
	memory_release(both);
	memory_release(bias);
	memory_release(w_data);
	memory_release(v_data);
	return error;
}

static void check_layers(struct findings *findings)
{
	static const size_t shapes[][3] = { { 1, 1, 1 }, { 1, 67, 61 }, { 7, 128, 16 },
		{ 31, 300, 257 }, { 257, 96, 129 }, { 601, 65, 47 }, { 5, 3100, 33 } };
	state = 5;
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		findings_error(
		    findings, 0, linear_error(findings, shapes[i][0], shapes[i][1], shapes[i][2]));
	findings_error(findings, 1, pair_error(findings, 1, 5, 7, 3));
	findings_error(findings, 1, pair_error(findings, 67, 130, 257, 61));
	findings_error(findings, 1, pair_error(findings, 2400, 16, 33, 17));
}

int main(void)
{
	static const char *const names[] = { "linear layers against double",
		"two layers at once, and a row alone: the same bytes" };
	static const double bounds[] = { 1e-6, 0 };
	levels_check(check_layers, names, bounds, 2);
	if (product_start() < 0)
		return 2;
	check_kernels(&brain_ref, "ref");
#if defined(__x86_64__)
	if (cpu_level() >= CPU_AVX2)
		check_kernels(&brain_avx2, "avx2");
	if (cpu_level() >= CPU_AVX512)
		check_kernels(&brain_avx512, "avx512");
	if (cpu_has_bf16())
		check_kernels(&brain_bf16, "bf16");
#endif
	check_packing(1, 1);
	check_packing(33, 65);
	check_packing(64, 257);
	return tap_finish();
}
