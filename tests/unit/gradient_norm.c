/* gradient_norm - gradients of layernorm, rmsnorm and unit rows against central differences of sums
 * in double, at every CPU level and thread count.
 */
#include "levels.h"

#include <math.h>

#include "base/memory.h"
#include "num/gradient.h"

static uint32_t state = 3;

static float *values(size_t count, float scale, float middle)
{
	float *x = memory_allocate(count, sizeof *x);
	if (!x)
		exit(2);
	for (size_t i = 0; i < count; i++) {
		state = state * 1664525u + 1013904223u;
		x[i] = ((float)(state >> 8) * 0x1p-23f - 1.0f) * scale + middle;
	}
	return x;
}

enum { INPUT, ADDED, IN_PLACE, WEIGHT, BIAS, UNIT, UNIT_INPUT, CHECKS };
static const char *const names[] = { "norms: gradient of the input", "norms: added to it",
	"norms: in place of dy", "norms: gradient of the weight", "norms: gradient of the bias",
	"unit rows", "unit rows: gradient" };
static const double bounds[] = { 3e-6, 3e-6, 0, 3e-6, 3e-6, 2e-7, 3e-6 };

enum kind { LAYER, ROOT, LENGTH };

struct rows {
	enum kind kind;
	size_t rows, n;
	float *x, *dy, *weight, *bias;
	float eps;
};

/* Sum of y dy of one row, with element at of the row moved by step. */
static double objective(const struct rows *rows, size_t row, size_t at, double step)
{
	const float *x = rows->x + row * rows->n, *dy = rows->dy + row * rows->n;
	double mean = 0, squares = 0, sum = 0, n = (double)rows->n;
	for (size_t i = 0; i < rows->n && rows->kind == LAYER; i++)
		mean += ((double)x[i] + (i == at ? step : 0)) / n;
	for (size_t i = 0; i < rows->n; i++)
		squares += pow((double)x[i] + (i == at ? step : 0) - mean, 2);
	double inverse = rows->kind == LENGTH ? 1 / fmax(sqrt(squares), 1e-12)
	                                      : 1 / sqrt(squares / n + (double)rows->eps);
	for (size_t i = 0; i < rows->n; i++) {
		double normal = ((double)x[i] + (i == at ? step : 0) - mean) * inverse;
		if (rows->kind != LENGTH)
			normal *= (double)rows->weight[i];
		sum += normal * (double)dy[i];
	}
	return sum;
}

static double slope(const struct rows *rows, size_t row, size_t at)
{
	double step = 1e-5;
	return (objective(rows, row, at, step) - objective(rows, row, at, -step)) / (2 * step);
}

/* Rows whose gradients are compared element by element: all of few, some of many. */
static size_t stride(const struct rows *rows)
{
	return rows->rows * rows->n * rows->n > 300000 ? rows->rows / 3 + 1 : 1;
}

static void check_input(const struct rows *rows, const float *dx, const float *start, int check,
    struct findings *findings)
{
	for (size_t row = 0; row < rows->rows; row += stride(rows)) {
		double largest = 1;
		for (size_t i = 0; i < rows->n; i++)
			largest = fmax(largest, fabs(slope(rows, row, i)));
		for (size_t i = 0; i < rows->n; i++) {
			size_t at = row * rows->n + i;
			double wanted = slope(rows, row, i) + (start ? (double)start[at] : 0);
			findings_error(findings, check, fabs((double)dx[at] - wanted) / largest);
		}
	}
}

static void check_parameters(
    const struct rows *rows, const float *dweight, const float *dbias, struct findings *findings)
{
	double root = sqrt((double)rows->rows);
	for (size_t i = 0; i < rows->n; i++) {
		double weight = 0, bias = 0;
		for (size_t row = 0; row < rows->rows; row++) {
			const float *x = rows->x + row * rows->n;
			double mean = 0, squares = 0, d = (double)rows->dy[row * rows->n + i];
			for (size_t j = 0; j < rows->n && rows->kind == LAYER; j++)
				mean += (double)x[j] / (double)rows->n;
			for (size_t j = 0; j < rows->n; j++)
				squares += pow((double)x[j] - mean, 2);
			weight +=
			    d * ((double)x[i] - mean) / sqrt(squares / (double)rows->n + (double)rows->eps);
			bias += d;
		}
		findings_error(findings, WEIGHT, fabs((double)dweight[i] - 1 - weight) / root);
		if (dbias)
			findings_error(findings, BIAS, fabs((double)dbias[i] - 1 - bias) / root);
	}
}

static void check_norm(const struct rows *rows, struct findings *findings)
{
	size_t count = rows->rows * rows->n, size = count * sizeof(float);
	struct norm norm = { rows->weight, rows->kind == LAYER ? rows->bias : NULL, rows->eps,
		rows->n };
	float *dx = values(count, 1, 0), *start = values(count, 1, 0), *added = values(count, 1, 0);
	float *dweight = values(rows->n, 0, 1), *dbias = values(rows->n, 0, 1);
	memcpy(added, start, size);
	int failed = norm_backward(&norm, rows->x, rows->rows, rows->dy, dx, false, dweight,
	    rows->kind == LAYER ? dbias : NULL);
	failed += norm_backward(&norm, rows->x, rows->rows, rows->dy, added, true, NULL, NULL);
	check_input(rows, dx, NULL, INPUT, findings);
	check_input(rows, added, start, ADDED, findings);
	check_parameters(rows, dweight, rows->kind == LAYER ? dbias : NULL, findings);
	memcpy(start, rows->dy, size);
	failed += norm_backward(&norm, rows->x, rows->rows, start, start, false, NULL, NULL);
	findings_error(findings, IN_PLACE, memcmp(start, dx, size) != 0 || failed);
	findings_digest(findings, dx, size);
	findings_digest(findings, added, size);
	findings_digest(findings, dweight, rows->n * sizeof(float));
	findings_digest(findings, dbias, rows->n * sizeof(float));
	memory_release(dx);
	memory_release(start);
	memory_release(added);
	memory_release(dweight);
	memory_release(dbias);
}

static void check_unit(const struct rows *rows, struct findings *findings)
{
	size_t count = rows->rows * rows->n;
	float *y = values(count, 1, 0), *dx = values(count, 1, 0);
	unit_forward(rows->x, rows->rows, rows->n, y);
	unit_backward(rows->x, rows->rows, rows->n, rows->dy, dx);
	for (size_t row = 0; row < rows->rows; row++) {
		double squares = 0;
		for (size_t i = 0; i < rows->n; i++)
			squares += pow((double)rows->x[row * rows->n + i], 2);
		for (size_t i = row * rows->n; i < (row + 1) * rows->n; i++)
			findings_error(findings, UNIT, fabs((double)y[i] - (double)rows->x[i] / sqrt(squares)));
	}
	check_input(rows, dx, NULL, UNIT_INPUT, findings);
	findings_digest(findings, y, count * sizeof *y);
	findings_digest(findings, dx, count * sizeof *dx);
	memory_release(y);
	memory_release(dx);
}

/* A row of nothing stays nothing, and its gradient is that of a division by 1e-12. */
static void check_zero(struct findings *findings)
{
	float x[5] = { 0 }, dy[5] = { 1e-12f, -2e-12f, 0, 0, 3e-12f }, y[5], dx[5];
	unit_forward(x, 1, 5, y);
	unit_backward(x, 1, 5, dy, dx);
	for (size_t i = 0; i < 5; i++) {
		findings_error(findings, UNIT, fabs((double)y[i]));
		findings_error(findings, UNIT_INPUT, fabs((double)dx[i] - (double)dy[i] * 1e12));
	}
}

static void work(struct findings *findings)
{
	static const size_t shapes[][2] = { { 1, 2 }, { 3, 5 }, { 17, 16 }, { 33, 31 }, { 5, 67 },
		{ 1031, 48 }, { 7, 192 } };
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (enum kind kind = LAYER; kind <= LENGTH; kind++) {
			size_t rows = shapes[i][0], n = shapes[i][1];
			struct rows run = { kind, rows, n, values(rows * n, 2, 0.5f), values(rows * n, 1, 0),
				values(n, 1, 1), values(n, 1, 0), 1e-2f };
			if (kind == LENGTH)
				check_unit(&run, findings);
			else
				check_norm(&run, findings);
			memory_release(run.x);
			memory_release(run.dy);
			memory_release(run.weight);
			memory_release(run.bias);
		}
	check_zero(findings);
}

int main(void)
{
	levels_check(work, names, bounds, CHECKS);
	return tap_finish();
}
