/* gradient_linear - whole batches through a linear layer and back, against sums in double and central
 * differences, at every CPU level and thread count; then in bf16 against sums over rounded values.
 */
#include "levels.h"

#include <math.h>

#include "base/dtype.h"
#include "base/memory.h"
#include "base/packed.h"
#include "num/gradient.h"

static uint32_t state = 11;

static float *values(size_t count)
{
	float *x = memory_allocate(count, sizeof *x);
	if (!x)
		exit(2);
	for (size_t i = 0; i < count; i++) {
		state = state * 1664525u + 1013904223u;
		x[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
	}
	return x;
}

enum { FORWARD, INPUT, WEIGHT, BIAS, CENTRAL, CHECKS };
static const char *const names[] = { "forward", "gradient of the input", "gradient of the weight",
	"gradient of the bias", "central differences" };
/* Over the root of the number of terms; central differences as they are. */
static const double bounds[] = { 2e-6, 2e-6, 2e-6, 4e-6, 2e-6 };

struct shape {
	size_t rows, in, out;
};

struct layer {
	struct shape shape;
	struct linear linear;
	float *w, *bias, *x, *dy;
};

static double element(const struct layer *layer, size_t row, size_t o, enum linear_then then)
{
	size_t in = layer->shape.in;
	double sum = layer->linear.bias ? (double)layer->bias[o] : 0;
	for (size_t i = 0; i < in; i++)
		sum += (double)layer->x[row * in + i] * (double)layer->w[o * in + i];
	return then == LINEAR_GELU ? 0.5 * sum * erfc(-sum / sqrt(2)) : sum;
}

static void check_forward(const struct layer *layer, struct findings *findings)
{
	struct shape shape = layer->shape;
	size_t count = shape.rows * shape.out;
	float *start = values(count), *y = values(count);
	for (enum linear_then then = LINEAR_STORE; then <= LINEAR_ADD; then++) {
		memcpy(y, start, count * sizeof *y);
		if (linear_rows(&layer->linear, layer->x, shape.rows, y, then) < 0)
			findings_error(findings, FORWARD, NAN);
		findings_digest(findings, y, count * sizeof *y);
		for (size_t row = 0; row < shape.rows; row++)
			for (size_t o = 0; o < shape.out; o++) {
				double wanted = element(layer, row, o, then);
				if (then == LINEAR_ADD)
					wanted += (double)start[row * shape.out + o];
				findings_error(findings, FORWARD,
				    fabs((double)y[row * shape.out + o] - wanted) / sqrt((double)shape.in + 1));
			}
	}
	memory_release(start);
	memory_release(y);
}

static void check_input(const struct layer *layer, struct findings *findings)
{
	struct shape shape = layer->shape;
	size_t count = shape.rows * shape.in;
	float *start = values(count), *dx = values(count);
	for (int add = 0; add < 2; add++) {
		memcpy(dx, start, count * sizeof *dx);
		if (linear_backward_input(&layer->linear, layer->dy, shape.rows, dx, add) < 0)
			findings_error(findings, INPUT, NAN);
		findings_digest(findings, dx, count * sizeof *dx);
		for (size_t row = 0; row < shape.rows; row++)
			for (size_t i = 0; i < shape.in; i++) {
				double sum = add ? (double)start[row * shape.in + i] : 0;
				for (size_t o = 0; o < shape.out; o++)
					sum +=
					    (double)layer->dy[row * shape.out + o] * (double)layer->w[o * shape.in + i];
				findings_error(findings, INPUT,
				    fabs((double)dx[row * shape.in + i] - sum) / sqrt((double)shape.out + 1));
			}
	}
	memory_release(start);
	memory_release(dx);
}

static void check_weight(const struct layer *layer, struct findings *findings)
{
	struct shape shape = layer->shape;
	size_t count = shape.out * shape.in;
	float *start = values(count), *dw = values(count), *db_start = values(shape.out);
	float *db = values(shape.out);
	double root = sqrt((double)shape.rows + 1);
	memcpy(dw, start, count * sizeof *dw);
	memcpy(db, db_start, shape.out * sizeof *db);
	if (linear_backward_weight(layer->x, layer->dy, shape.rows, shape.out, shape.in, dw, db) < 0)
		findings_error(findings, WEIGHT, NAN);
	findings_digest(findings, dw, count * sizeof *dw);
	findings_digest(findings, db, shape.out * sizeof *db);
	for (size_t o = 0; o < shape.out; o++) {
		double bias = (double)db_start[o];
		for (size_t row = 0; row < shape.rows; row++)
			bias += (double)layer->dy[row * shape.out + o];
		findings_error(findings, BIAS, fabs((double)db[o] - bias) / root);
		for (size_t i = 0; i < shape.in; i++) {
			double sum = (double)start[o * shape.in + i];
			for (size_t row = 0; row < shape.rows; row++)
				sum +=
				    (double)layer->dy[row * shape.out + o] * (double)layer->x[row * shape.in + i];
			findings_error(findings, WEIGHT, fabs((double)dw[o * shape.in + i] - sum) / root);
		}
	}
	memory_release(start);
	memory_release(dw);
	memory_release(db_start);
	memory_release(db);
}

/* The sum of y dy, whose derivatives the gradients are. */
static double objective(const struct layer *layer)
{
	double sum = 0;
	for (size_t row = 0; row < layer->shape.rows; row++)
		for (size_t o = 0; o < layer->shape.out; o++)
			sum += (double)layer->dy[row * layer->shape.out + o] *
			       element(layer, row, o, LINEAR_STORE);
	return sum;
}

static double slope(const struct layer *layer, float *at)
{
	float kept = *at;
	*at = kept + 0.5f;
	double up = objective(layer), from = (double)*at;
	*at = kept - 0.5f;
	double down = objective(layer), width = from - (double)*at;
	*at = kept;
	return (up - down) / width;
}

static void check_central(const struct layer *layer, struct findings *findings)
{
	struct shape shape = layer->shape;
	float *dx = values(shape.rows * shape.in), *db = memory_allocate_zero(shape.out, 4);
	float *dw = memory_allocate_zero(shape.out * shape.in, 4);
	linear_backward_input(&layer->linear, layer->dy, shape.rows, dx, false);
	linear_backward_weight(layer->x, layer->dy, shape.rows, shape.out, shape.in, dw, NULL);
	linear_backward_weight(layer->x, layer->dy, shape.rows, shape.out, shape.in, NULL, db);
	for (size_t i = 0; i < shape.rows * shape.in; i++)
		findings_error(findings, CENTRAL, fabs((double)dx[i] - slope(layer, layer->x + i)));
	for (size_t i = 0; i < shape.out * shape.in; i++)
		findings_error(findings, CENTRAL, fabs((double)dw[i] - slope(layer, layer->w + i)));
	for (size_t i = 0; i < shape.out; i++)
		findings_error(findings, CENTRAL, fabs((double)db[i] - slope(layer, layer->bias + i)));
	memory_release(dx);
	memory_release(dw);
	memory_release(db);
}

static void check_shape(struct shape shape, bool central, struct findings *findings)
{
	struct layer layer = { .shape = shape,
		.w = values(shape.out * shape.in),
		.bias = values(shape.out),
		.x = values(shape.rows * shape.in),
		.dy = values(shape.rows * shape.out) };
	void *stored = memory_allocate(shape.out * shape.in, 4);
	for (const char *dtype = "feE"; *dtype; dtype++) {
		dtype_from_f32(*dtype, layer.w, stored, shape.out * shape.in);
		dtype_to_f32(*dtype, stored, layer.w, shape.out * shape.in);
		layer.linear = (struct linear){ stored, *dtype, shape.out, shape.in, layer.bias };
		check_forward(&layer, findings);
		check_input(&layer, findings);
	}
	check_weight(&layer, findings);
	if (central)
		check_central(&layer, findings);
	memory_release(layer.w);
	memory_release(layer.bias);
	memory_release(layer.x);
	memory_release(layer.dy);
	memory_release(stored);
}

static void work(struct findings *findings)
{
	static const struct shape small[] = { { 1, 1, 1 }, { 1, 7, 3 }, { 5, 1, 9 }, { 6, 17, 1 },
		{ 13, 16, 16 } };
	static const struct shape large[] = { { 3, 65, 129 }, { 30, 192, 192 }, { 67, 33, 101 },
		{ 64, 16, 1031 }, { 257, 64, 48 }, { 401, 1031, 2 }, { 1009, 31, 67 }, { 65, 600, 70 } };
	for (size_t i = 0; i < sizeof small / sizeof *small; i++)
		check_shape(small[i], true, findings);
	for (size_t i = 0; i < sizeof large / sizeof *large; i++)
		check_shape(large[i], false, findings);
}

/* What a sum of products of bf16 is made of. */
static void round_all(float *x, size_t count)
{
	for (size_t i = 0; i < count; i++)
		x[i] = f32_from_bf16(packed_brain(x[i]));
}

/* In bf16: with values that bf16 holds nothing is lost but digits of the sums, so that the bounds are
 * those of f32, and the bias takes its part unrounded. */
static void work_brain(struct findings *findings)
{
	static const struct shape shapes[] = { { 1, 1, 1 }, { 5, 1, 9 }, { 13, 16, 16 }, { 3, 65, 129 },
		{ 67, 33, 101 }, { 257, 64, 48 }, { 401, 131, 2 }, { 65, 600, 70 } };
	gradient_use(ARITHMETIC_BF16);
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		struct shape shape = shapes[i];
		struct layer layer = { .shape = shape,
			.w = values(shape.out * shape.in),
			.bias = values(shape.out),
			.x = values(shape.rows * shape.in),
			.dy = values(shape.rows * shape.out) };
		round_all(layer.w, shape.out * shape.in);
		round_all(layer.x, shape.rows * shape.in);
		round_all(layer.dy, shape.rows * shape.out);
		uint16_t *stored = memory_allocate(shape.out * shape.in, sizeof *stored);
		dtype_from_f32('E', layer.w, stored, shape.out * shape.in);
		layer.linear = (struct linear){ layer.w, 'f', shape.out, shape.in, layer.bias };
		if (i % 2)
			layer.linear = (struct linear){ stored, 'E', shape.out, shape.in, layer.bias };
		check_forward(&layer, findings);
		check_input(&layer, findings);
		check_weight(&layer, findings);
		memory_release(stored);
		memory_release(layer.w);
		memory_release(layer.bias);
		memory_release(layer.x);
		memory_release(layer.dy);
	}
}

/* That the rounding takes place: 1 + 2^-9 times 1 is 1 in bf16. */
static void check_rounding(void)
{
	float w = 1, x = 1 + 0x1p-9f, y = 0, dx = 0, dw = 0;
	struct linear linear = { &w, 'f', 1, 1, NULL };
	if (product_start() < 0)
		exit(2);
	for (int brain = 0; brain < 2; brain++) {
		float wanted = brain ? 1 : x;
		gradient_use(brain ? ARITHMETIC_BF16 : ARITHMETIC_F32);
		bool ran = linear_rows(&linear, &x, 1, &y, LINEAR_STORE) == 0 &&
		           linear_backward_input(&linear, &x, 1, &dx, false) == 0 &&
		           linear_backward_weight(&x, &w, 1, 1, 1, &dw, NULL) == 0;
		TAP_OK(ran && y == wanted && dx == wanted && dw == wanted, "%s rounds as it should",
		    arithmetic_names[brain]);
		dw = 0;
	}
	gradient_use(ARITHMETIC_F32);
}

int main(void)
{
	static const char *const brain_names[] = { "bf16: forward", "bf16: gradient of the input",
		"bf16: gradient of the weight", "bf16: gradient of the bias" };
	levels_check(work_brain, brain_names, bounds, CENTRAL);
	levels_check(work, names, bounds, CHECKS);
	check_rounding();
	return tap_finish();
}
