/* optimiser.c - the table for the settled CPU level, and that of portable C (see optimiser.h). */
#include "num/optimiser.h"
#include "base/cpu.h"

#include <math.h>

static void adamw(
    const struct adamw_factors *factors, float *w, const float *g, float *m, float *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float gradient = factors->clip * g[i];
		m[i] = factors->beta1 * m[i] + factors->rest1 * gradient;
		v[i] = factors->beta2 * v[i] + factors->rest2 * (gradient * gradient);
		float size = factors->root * sqrtf(v[i]) + factors->eps;
		w[i] = factors->keep * w[i] - factors->rate * (m[i] / size);
	}
}

static void average(float *y, const float *x, float share, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += share * (x[i] - y[i]);
}

static double squares(const float *x, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	return sum;
}

const struct optimiser optimiser_ref = { adamw, average, squares };

const struct optimiser *optimiser_get(void)
{
#if defined(__x86_64__)
	switch (cpu_level()) {
	case CPU_AMX:
	case CPU_AVX512:
		return &optimiser_avx512;
	case CPU_AVX2:
		return &optimiser_avx2;
	case CPU_REF:
		break;
	}
#endif
	return &optimiser_ref;
}
