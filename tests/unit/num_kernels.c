/* num_kernels - every CPU level that runs here against the portable kernels and libm. */
#include "tap.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/cpu.h"
#include "num/kernels.h"

enum { MOST = 700 };

static uint32_t state = 1;

static float next(float scale)
{
	state = state * 1664525u + 1013904223u;
	return ((float)(state >> 8) * 0x1p-23f - 1.0f) * scale;
}

static void fill(float *x, size_t n, float scale)
{
	for (size_t i = 0; i < n; i++)
		x[i] = next(scale);
}

/* Largest difference over the largest magnitude. */
static double off(const float *got, const float *wanted, size_t n)
{
	double most = 0, scale = 1e-30;
	for (size_t i = 0; i < n; i++) {
		double difference = fabs((double)got[i] - (double)wanted[i]);
		if (!(difference <= most))
			most = difference;
		if (fabs((double)wanted[i]) > scale)
			scale = fabs((double)wanted[i]);
	}
	return isnan(most) ? INFINITY : most / scale;
}

/* gelu and silu over the whole range: relative error against libm in double. */
static void check_functions(const struct kernels *kernels, const char *level)
{
	double gelu_most = 0, silu_most = 0;
	for (int step = -120000; step < 120000; step += 16) {
		float x[16], gelu[16], silu[16], ones[16];
		for (int i = 0; i < 16; i++) {
			x[i] = gelu[i] = silu[i] = (float)(step + i) * 1e-4f;
			ones[i] = 1;
		}
		kernels->gelu(gelu, NULL, 16);
		kernels->silu_multiply(silu, ones, 16);
		for (int i = 0; i < 16; i++) {
			double at = (double)x[i], right = 0.5 * at * erfc(-at / sqrt(2));
			double gelu_off = fabs((double)gelu[i] - right);
			/* Far below zero gelu is next to nothing; above -5 the error is relative. */
			gelu_off /= at > -5 && right != 0 ? fabs(right) : 1;
			gelu_most = fmax(gelu_most, gelu_off);
			right = at / (1 + exp(-at));
			if (right != 0)
				silu_most = fmax(silu_most, fabs(((double)silu[i] - right) / right));
		}
	}
	TAP_OK(gelu_most <= 3e-6, "%s: gelu in [-12, 12] (%.1e)", level, gelu_most);
	TAP_OK(silu_most <= 1e-6, "%s: silu in [-12, 12] (%.1e)", level, silu_most);
}

/* Inputs that are far out or no numbers. */
static void check_extremes(const struct kernels *kernels, const char *level)
{
	float x[5] = { NAN, 1e30f, -1e30f, 200, -200 }, ones[5] = { 1, 1, 1, 1, 1 }, y[5];
	memcpy(y, x, sizeof y);
	kernels->gelu(y, NULL, 5);
	TAP_OK(isnan(y[0]) && y[1] == 1e30f && y[3] == 200 && fabsf(y[4]) < 1e-6f,
	    "%s: gelu far out, NaN stays", level);
	memcpy(y, x, sizeof y);
	kernels->silu_multiply(y, ones, 5);
	TAP_OK(isnan(y[0]) && y[1] == 1e30f && y[3] == 200 && fabsf(y[4]) < 1e-6f,
	    "%s: silu far out, NaN stays", level);
	float scores[3] = { 3e4f, -3e4f, 3e4f };
	kernels->softmax(scores, 1, 3);
	TAP_OK(scores[0] == 0.5f && scores[1] < 1e-37f && scores[2] == 0.5f,
	    "%s: softmax of large scores", level);
}

/* Rows of every length up to MOST, against the portable kernels. */
static void check_rows(const struct kernels *kernels, const char *level)
{
	static float x[MOST], weight[MOST], bias[MOST], a[MOST], b[MOST];
	double norm = 0, rms = 0, soft = 0, dot = 0, scaled = 0, activation = 0;
	for (size_t n = 1; n <= MOST; n += n < 70 ? 1 : 63) {
		fill(x, n, 3);
		fill(weight, n, 1);
		fill(bias, n, 1);
		kernels_ref.layernorm(a, x, weight, bias, 1e-6f, n);
		kernels->layernorm(b, x, weight, bias, 1e-6f, n);
		norm = fmax(norm, off(b, a, n));
		kernels_ref.rmsnorm(a, x, weight, 1e-6f, n);
		kernels->rmsnorm(b, x, weight, 1e-6f, n);
		rms = fmax(rms, off(b, a, n));
		memcpy(a, x, n * sizeof *a);
		memcpy(b, x, n * sizeof *b);
		kernels_ref.softmax(a, 1.7f, n);
		kernels->softmax(b, 1.7f, n);
		soft = fmax(soft, off(b, a, n));
		dot = fmax(
		    dot, fabs((double)kernels->dot(x, weight, n) - (double)kernels_ref.dot(x, weight, n)) /
		             (double)n);
		memcpy(a, x, n * sizeof *a);
		memcpy(b, x, n * sizeof *b);
		kernels_ref.add_scaled(a, weight, 0.3f, n);
		kernels->add_scaled(b, weight, 0.3f, n);
		kernels_ref.add(a, bias, n);
		kernels->add(b, bias, n);
		scaled = fmax(scaled, off(b, a, n));
		kernels_ref.gelu(a, bias, n);
		kernels->gelu(b, bias, n);
		kernels_ref.silu_multiply(a, weight, n);
		kernels->silu_multiply(b, weight, n);
		activation = fmax(activation, off(b, a, n));
	}
	TAP_OK(norm <= 3e-6, "%s: layernorm (%.1e)", level, norm);
	TAP_OK(rms <= 1e-6, "%s: rmsnorm (%.1e)", level, rms);
	TAP_OK(soft <= 1e-6, "%s: softmax (%.1e)", level, soft);
	TAP_OK(dot <= 1e-6, "%s: dot (%.1e)", level, dot);
	TAP_OK(scaled <= 1e-6, "%s: add and add_scaled (%.1e)", level, scaled);
	TAP_OK(activation <= 2e-6, "%s: gelu and silu of rows (%.1e)", level, activation);
}

/* Tiles of every size and dtype; a row's sums do not depend on the rows beside it. */
static void check_tiles(const struct kernels *kernels, const char *level)
{
	static const char dtypes[] = "feE";
	static float x[KERNELS_TILE * MOST], w[KERNELS_TILE * MOST];
	static uint16_t narrow[KERNELS_TILE * MOST];
	double most = 0;
	int differ = 0;
	for (const char *dtype = dtypes; *dtype; dtype++)
		for (size_t n = 1; n < 200; n += n < 40 ? 1 : 37)
			for (size_t rows = 1; rows <= KERNELS_TILE; rows++)
				for (size_t outs = 1; outs <= KERNELS_TILE; outs++) {
					float got[KERNELS_TILE][8], wanted[KERNELS_TILE][8], one[8];
					const void *weight = *dtype == 'f' ? (const void *)w : narrow;
					fill(x, rows * n, 1);
					fill(w, outs * n, 1);
					if (*dtype != 'f')
						dtype_from_f32(*dtype, w, narrow, outs * n);
					kernels_ref.dot_tile(wanted[0], 8, x, rows, *dtype, weight, outs, n);
					kernels->dot_tile(got[0], 8, x, rows, *dtype, weight, outs, n);
					for (size_t r = 0; r < rows; r++) {
						for (size_t o = 0; o < outs; o++)
							most = fmax(
							    most, fabs((double)got[r][o] - (double)wanted[r][o]) / (double)n);
						kernels->dot_tile(one, 8, x + r * n, 1, *dtype, weight, outs, n);
						differ += memcmp(one, got[r], outs * sizeof *one) != 0;
					}
				}
	TAP_OK(most <= 1e-6, "%s: dot_tile (%.1e)", level, most);
	TAP_OK(differ == 0, "%s: a row alone has the bytes it has in a tile", level);
}

/* All 65536 patterns of both 16-bit types become the f32 that dtype.h gives. */
static void check_widen(const struct kernels *kernels, const char *level)
{
	static uint16_t all[65536];
	static float got[65536];
	for (size_t i = 0; i < 65536; i++)
		all[i] = (uint16_t)i;
	for (const char *dtype = "eE"; *dtype; dtype++) {
		size_t wrong = 0;
		kernels->widen(*dtype, all, got, 65536);
		for (size_t i = 0; i < 65536; i++) {
			float wanted = *dtype == 'e' ? f32_from_f16(all[i]) : f32_from_bf16(all[i]);
			wrong += isnan(wanted) ? !isnan(got[i]) : memcmp(&wanted, &got[i], 4) != 0;
		}
		TAP_OK(wrong == 0, "%s: widen %s", level, dtype_name(*dtype));
	}
	kernels->widen('E', all + 1, got, 21);
	TAP_OK(got[20] == f32_from_bf16(21), "%s: widen an odd number at an odd place", level);
}

int main(void)
{
	static const struct kernels *const tables[] = { &kernels_ref, &kernels_avx2, &kernels_avx512 };
	cpu_start();
	for (enum cpu_level level = CPU_REF; level <= CPU_AVX512; level++) {
		const char *name = cpu_level_name(level);
		if (level > cpu_level()) {
			tap_skip(name, "this CPU does not have it");
			continue;
		}
		check_functions(tables[level], name);
		check_extremes(tables[level], name);
		check_rows(tables[level], name);
		check_tiles(tables[level], name);
		check_widen(tables[level], name);
	}
	return tap_finish();
}
