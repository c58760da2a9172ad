/* gradient_elements - activations and their gradients, sums, dropout and embeddings, at every CPU
 * level and thread count.
 */
#include "levels.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "num/gradient.h"

static uint32_t state = 5;

static float *values(size_t count, float scale)
{
	float *x = memory_allocate(count, sizeof *x);
	if (!x)
		exit(2);
	for (size_t i = 0; i < count; i++) {
		state = state * 1664525u + 1013904223u;
		x[i] = ((float)(state >> 8) * 0x1p-23f - 1.0f) * scale;
	}
	return x;
}

enum { GELU, GELU_SLOPE, SILU, SILU_SLOPE, EXTREMES, ADD, MASK, RATE, EMBEDDING, CHECKS };
static const char *const names[] = { "gelu", "gradient of gelu", "silu", "gradients of silu",
	"gradients far out", "rows_add", "dropout's mask is Philox", "dropout keeps 1 - rate",
	"gradient of an embedding" };
static const double bounds[] = { 1e-6, 1e-6, 2e-6, 3e-6, 1e-6, 0, 0, 4, 2e-6 };

static double gelu(double x)
{
	return 0.5 * x * erfc(-x / sqrt(2));
}

static double silu(double gate, double up)
{
	return gate / (1 + exp(-gate)) * up;
}

static void check_gelu(size_t count, struct findings *findings)
{
	float *x = values(count, 8), *y = values(count, 1), *dy = values(count, 1);
	float *given = values(count, 1);
	const double step = 1e-5;
	memcpy(given, dy, count * sizeof *dy);
	gelu_forward(x, count, y);
	gelu_backward(x, count, dy);
	for (size_t i = 0; i < count; i++) {
		double at = (double)x[i], slope = (gelu(at + step) - gelu(at - step)) / (2 * step);
		findings_error(findings, GELU, fabs((double)y[i] - gelu(at)) / 4);
		findings_error(findings, GELU_SLOPE, fabs((double)dy[i] - (double)given[i] * slope));
	}
	findings_digest(findings, y, count * sizeof *y);
	findings_digest(findings, dy, count * sizeof *dy);
	memory_release(x);
	memory_release(y);
	memory_release(dy);
	memory_release(given);
}

static void check_silu(size_t count, struct findings *findings)
{
	float *gate = values(count, 9), *up = values(count, 2), *y = values(count, 1);
	float *dy = values(count, 1), *dgate = values(count, 1), *dup = values(count, 1);
	const double step = 1e-5;
	memcpy(dup, dy, count * sizeof *dy);
	silu_forward(gate, up, count, y);
	silu_backward(gate, up, count, dup, dgate, dup);
	for (size_t i = 0; i < count; i++) {
		double g = (double)gate[i], u = (double)up[i], d = (double)dy[i];
		double slope = (silu(g + step, u) - silu(g - step, u)) / (2 * step);
		findings_error(findings, SILU, fabs((double)y[i] - silu(g, u)) / 9);
		findings_error(findings, SILU_SLOPE, fabs((double)dgate[i] - d * slope));
		findings_error(findings, SILU_SLOPE, fabs((double)dup[i] - d * silu(g, 1)) / 4);
	}
	findings_digest(findings, y, count * sizeof *y);
	findings_digest(findings, dgate, count * sizeof *dgate);
	findings_digest(findings, dup, count * sizeof *dup);
	memory_release(gate);
	memory_release(up);
	memory_release(y);
	memory_release(dy);
	memory_release(dgate);
	memory_release(dup);
}

/* Slopes 0 and 1 far from zero, half at zero; what is no number stays none. */
static void check_extremes(struct findings *findings)
{
	enum { COUNT = 6 };
	static const float x[COUNT] = { -1e30f, -90, 0, 90, 1e30f, NAN };
	static const double slopes[COUNT] = { 0, 0, 0.5, 1, 1, 0 };
	float dy[COUNT] = { 1, 1, 1, 1, 1, 1 }, up[COUNT] = { 1, 1, 1, 1, 1, 1 };
	float dgate[COUNT], dup[COUNT];
	silu_backward(x, up, COUNT, dy, dgate, dup);
	gelu_backward(x, COUNT, dy);
	for (size_t i = 0; i + 1 < COUNT; i++) {
		findings_error(findings, EXTREMES, fabs((double)dy[i] - slopes[i]));
		findings_error(findings, EXTREMES, fabs((double)dgate[i] - slopes[i]));
	}
	findings_error(findings, EXTREMES, !isnan(dy[5]) || !isnan(dgate[5]) || !isnan(dup[5]));
}

static void check_add(size_t count, struct findings *findings)
{
	float *x = values(count, 1), *y = values(count, 1), *sum = values(count, 1);
	memcpy(sum, y, count * sizeof *y);
	rows_add(sum, x, count);
	for (size_t i = 0; i < count; i++)
		findings_error(findings, ADD, sum[i] != x[i] + y[i]);
	memory_release(x);
	memory_release(y);
	memory_release(sum);
}

/* The mask by the definition in kernels.h, from random_block(). */
static bool kept(size_t i, float rate, uint64_t seed, uint64_t step, uint32_t place)
{
	uint32_t counter[4] = { (uint32_t)(i / 64 * 16 + i % 16), place + 1, (uint32_t)step,
		(uint32_t)(step >> 32) };
	uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) }, block[4];
	random_block(counter, key, block);
	return block[i % 64 / 16] >= (uint32_t)((double)rate * 0x1p32);
}

static void check_dropout(size_t count, float rate, struct findings *findings)
{
	const uint64_t seed = 0x123456789abcdef0u, step = 0xfedcba9876543210u;
	float *x = values(count, 1), *y = values(count, 1);
	size_t left = 0;
	memcpy(y, x, count * sizeof *x);
	dropout_rows(y, count, rate, seed, step, 77);
	for (size_t i = 0; i < count; i++) {
		bool keep = kept(i, rate, seed, step, 77);
		float wanted = keep ? x[i] * (1.0f / (1.0f - rate)) : 0;
		findings_error(findings, MASK, y[i] != wanted);
		left += keep;
	}
	/* In standard deviations of the binomial distribution. */
	double expected = (double)count * (1 - (double)rate);
	findings_error(
	    findings, RATE, fabs((double)left - expected) / sqrt(expected * (double)rate + 1));
	findings_digest(findings, y, count * sizeof *y);
	memcpy(y, x, count * sizeof *x);
	dropout_rows(y, count, 0, seed, step, 77);
	findings_error(findings, MASK, memcmp(x, y, count * sizeof *x) != 0);
	memory_release(x);
	memory_release(y);
}

static void check_embedding(size_t count, size_t n, struct findings *findings)
{
	enum { IDS = 7 };
	float *drows = values(count * n, 1), *table = values(IDS * n, 1);
	int32_t *ids = memory_allocate(count, sizeof *ids);
	double *wanted = memory_allocate(IDS * n, sizeof *wanted);
	if (!ids || !wanted)
		exit(2);
	for (size_t i = 0; i < IDS * n; i++)
		wanted[i] = (double)table[i];
	for (size_t i = 0; i < count; i++) {
		ids[i] = (int32_t)(i * i % IDS);
		for (size_t j = 0; j < n; j++)
			wanted[(size_t)ids[i] * n + j] += (double)drows[i * n + j];
	}
	findings_error(findings, EMBEDDING, embedding_backward(ids, count, drows, n, table) < 0);
	for (size_t i = 0; i < IDS * n; i++)
		findings_error(
		    findings, EMBEDDING, fabs((double)table[i] - wanted[i]) / sqrt((double)count + 1));
	findings_digest(findings, table, IDS * n * sizeof *table);
	memory_release(drows);
	memory_release(table);
	memory_release(ids);
	memory_release(wanted);
}

static void work(struct findings *findings)
{
	static const size_t counts[] = { 1, 15, 17, 64, 127, 1031, 30011 };
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		check_gelu(counts[i], findings);
		check_silu(counts[i], findings);
		check_add(counts[i], findings);
		check_dropout(counts[i], 0.1f, findings);
		check_dropout(counts[i], 0.75f, findings);
	}
	check_extremes(findings);
	check_embedding(1, 1, findings);
	check_embedding(301, 97, findings);
	check_embedding(40, 192, findings);
}

int main(void)
{
	levels_check(work, names, bounds, CHECKS);
	return tap_finish();
}
