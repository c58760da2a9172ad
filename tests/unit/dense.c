/* dense.c - linear layers and norms under training: results against sums in double, gradients
 * against central differences, with and without bias, adapter, dropout, and with what is frozen.
 */
#include "tap.h"
#include "toy_weights.h"

#include <math.h>

#include "train/dense.h"
#include "train/saves.h"
#include "train/weights.h"

enum { ROWS = 19, IN = 24, OUT = 35, RANK = 4 };

static const struct toy_tensor tensors[] = {
	{ "layer.weight", 'f', OUT, IN },
	{ "layer.bias", 'f', 0, OUT },
	{ "half.weight", 'E', OUT, IN },
	{ "norm.weight", 'f', 0, IN },
	{ "norm.bias", 'f', 0, IN },
};
enum { TENSORS = sizeof tensors / sizeof tensors[0] };

struct setting {
	const char *name, *layer;
	bool trained, lora;
	float dropout;
	enum linear_then then;
};

struct bench {
	struct dense dense;
	struct saves *saves, *workspace;
	struct dropout_place dropout;
	float *x, *y, *dy, *dx;
	enum linear_then then;
};

static struct weights *open_toy(void)
{
	toy_write("toy", "vit", "stage=vit\n", tensors, TENSORS, 21);
	struct weights *weights = weights_open("toy", "vit");
	if (!weights)
		exit(2);
	return weights;
}

/* The sum of dy times the layer's result: what dy is the gradient of. */
static double loss(const struct bench *bench)
{
	const size_t count = (size_t)ROWS * OUT;
	double sum = 0;
	memset(bench->y, 0, count * sizeof *bench->y);
	size_t mark = saves_mark(bench->saves);
	if (dense_forward(&bench->dense, bench->x, ROWS, bench->y, bench->then, &bench->dropout,
	        bench->saves) < 0)
		exit(2);
	saves_reset(bench->saves, mark);
	for (size_t i = 0; i < count; i++)
		sum += (double)bench->y[i] * (double)bench->dy[i];
	return sum;
}

/* The layer is linear in each of its numbers: the difference may be large, and rounding is what
 * remains. Every stride-th element; the largest error over the largest derivative. */
static double differences(
    const struct bench *bench, float *values, const float *gradient, size_t count, size_t stride)
{
	double most = 0, scale = 1e-3;
	for (size_t i = 0; i < count; i += stride) {
		float old = values[i];
		values[i] = old + 0.5f;
		double above = loss(bench);
		values[i] = old - 0.5f;
		double below = loss(bench);
		values[i] = old;
		most = fmax(most, fabs(above - below - (double)gradient[i]));
		scale = fmax(scale, fabs((double)gradient[i]));
	}
	return most / scale;
}

static void check(const struct bench *bench, const char *name, const char *what, float *values,
    const float *gradient, size_t count)
{
	double error = differences(bench, values, gradient, count, 1);
	TAP_OK(error < 1e-5, "%s: gradient of %s (%.1e)", name, what, error);
}

static void add_adapter(struct bench *bench, struct weights *weights, float rate)
{
	struct dense *dense = &bench->dense;
	uint32_t state = 5;
	dense->lora_a = weights_add(weights, "layer.lora_A", RANK, IN, true);
	dense->lora_b = weights_add(weights, "layer.lora_B", OUT, RANK, true);
	if (!dense->lora_a || !dense->lora_b)
		exit(2);
	dense->rank = RANK;
	dense->lora_scale = 1.5f;
	dense->lora_dropout = rate;
	dense->place = 3;
	for (size_t i = 0; i < dense->lora_a->count; i++)
		dense->lora_a->value[i] = toy_random(&state);
	for (size_t i = 0; i < dense->lora_b->count; i++)
		dense->lora_b->value[i] = toy_random(&state);
}

/* One element of the result in double, without dropout. */
static double element(const struct dense *dense, const float *x, size_t row, size_t o)
{
	const struct parameter *weight = dense->weight;
	double sum = dense->bias ? (double)parameter_values(dense->bias)[o] : 0;
	for (size_t i = 0; i < IN; i++)
		sum += (double)x[row * IN + i] * dtype_element(weight->dtype, weight->stored, o * IN + i);
	for (size_t r = 0; dense->lora_a && r < RANK; r++) {
		double low = 0;
		for (size_t i = 0; i < IN; i++)
			low += (double)x[row * IN + i] * (double)dense->lora_a->value[r * IN + i];
		sum += (double)dense->lora_scale * low * (double)dense->lora_b->value[o * RANK + r];
	}
	return sum;
}

static void check_result(struct bench *bench, const char *name)
{
	double most = 0;
	memset(bench->y, 0, (size_t)ROWS * OUT * sizeof *bench->y);
	if (dense_forward(&bench->dense, bench->x, ROWS, bench->y, bench->then, NULL, NULL) < 0)
		exit(2);
	for (size_t row = 0; row < ROWS; row++)
		for (size_t o = 0; o < OUT; o++)
			most = fmax(most,
			    fabs((double)bench->y[row * OUT + o] - element(&bench->dense, bench->x, row, o)));
	TAP_OK(most < 1e-5, "%s: the result without dropout (%.1e)", name, most);
}

static void check_gradients(struct bench *bench, const struct setting *setting)
{
	const struct dense *dense = &bench->dense;
	const char *name = setting->name;
	check(bench, name, "x", bench->x, bench->dx, (size_t)ROWS * IN);
	if (setting->trained) {
		check(bench, name, "the weight", dense->weight->value, dense->weight->gradient, OUT * IN);
		if (dense->bias)
			check(bench, name, "the bias", dense->bias->value, dense->bias->gradient, OUT);
	} else {
		TAP_OK(!dense->weight->gradient, "%s: no memory for the frozen weight's gradient", name);
	}
	if (setting->lora) {
		check(bench, name, "A", dense->lora_a->value, dense->lora_a->gradient, RANK * IN);
		check(bench, name, "B", dense->lora_b->value, dense->lora_b->gradient, OUT * RANK);
	}
}

/* Everything accumulates: the second time gives twice the first. */
static void check_twice(struct bench *bench, const struct setting *setting)
{
	size_t count = (size_t)ROWS * IN;
	float *once = memory_allocate(count, sizeof *once);
	double most = 0;
	if (!once)
		exit(2);
	memcpy(once, bench->dx, count * sizeof *once);
	loss(bench);
	if (dense_forward(&bench->dense, bench->x, ROWS, bench->y, bench->then, &bench->dropout,
	        bench->saves) < 0 ||
	    dense_backward(&bench->dense, bench->x, ROWS, bench->dy, bench->dx, true, &bench->dropout,
	        bench->saves, bench->workspace) < 0)
		exit(2);
	for (size_t i = 0; i < count; i++)
		most = fmax(most, fabs((double)bench->dx[i] - 2 * (double)once[i]));
	TAP_OK(most < 1e-4, "%s: the gradient of x is added to (%.1e)", setting->name, most);
	memory_release(once);
}

static void run(const struct setting *setting)
{
	struct weights *weights = open_toy();
	uint32_t state = 33;
	struct bench bench = { .saves = saves_new(),
		.workspace = saves_new(),
		.dropout = { .seed = 8, .step = 4 },
		.x = toy_values((size_t)ROWS * IN, &state),
		.y = toy_values((size_t)ROWS * OUT, &state),
		.dy = toy_values((size_t)ROWS * OUT, &state),
		.dx = toy_values((size_t)ROWS * IN, &state),
		.then = setting->then };
	struct dense *dense = &bench.dense;
	if (!bench.saves || !bench.workspace || dense_open(dense, weights, setting->layer, OUT, IN) < 0)
		exit(2);
	if (setting->lora)
		add_adapter(&bench, weights, setting->dropout);
	if (setting->trained && (parameter_train(dense->weight, 1) < 0 ||
	                            (dense->bias && parameter_train(dense->bias, 1) < 0)))
		exit(2);
	check_result(&bench, setting->name);
	if (dense_forward(dense, bench.x, ROWS, bench.y, bench.then, &bench.dropout, bench.saves) < 0 ||
	    dense_backward(dense, bench.x, ROWS, bench.dy, bench.dx, false, &bench.dropout, bench.saves,
	        bench.workspace) < 0)
		exit(2);
	TAP_OK(saves_mark(bench.saves) == 0 && saves_mark(bench.workspace) == 0,
	    "%s: both stacks are as they were", setting->name);
	check_gradients(&bench, setting);
	check_twice(&bench, setting);
	saves_release(bench.saves);
	saves_release(bench.workspace);
	memory_release(bench.x);
	memory_release(bench.y);
	memory_release(bench.dy);
	memory_release(bench.dx);
	weights_close(weights);
}

static double norm_loss(const struct trained_norm *norm, const float *x, const float *dy, float *y)
{
	double sum = 0;
	if (trained_norm_forward(norm, x, ROWS, y) < 0)
		exit(2);
	for (size_t i = 0; i < (size_t)ROWS * IN; i++)
		sum += (double)y[i] * (double)dy[i];
	return sum;
}

static double norm_differences(const struct trained_norm *norm, const float *x, const float *dy,
    float *y, float *values, const float *gradient, size_t count)
{
	const float step = 1.0f / 128;
	double most = 0, scale = 1e-3;
	for (size_t i = 0; i < count; i++) {
		float old = values[i];
		values[i] = old + step;
		double above = norm_loss(norm, x, dy, y);
		values[i] = old - step;
		double below = norm_loss(norm, x, dy, y);
		values[i] = old;
		most = fmax(most, fabs((above - below) / (2 * (double)step) - (double)gradient[i]));
		scale = fmax(scale, fabs((double)gradient[i]));
	}
	return most / scale;
}

static void test_norm(bool biased)
{
	struct weights *weights = open_toy();
	struct trained_norm norm;
	uint32_t state = 3;
	const size_t count = (size_t)ROWS * IN;
	const char *name = biased ? "LayerNorm" : "RMSNorm";
	float *x = toy_values(count, &state), *y = toy_values(count, &state);
	float *dy = toy_values(count, &state), *dx = toy_values(count, &state);
	if (trained_norm_open(&norm, weights, "norm", IN, 1e-5f, biased) < 0 ||
	    parameter_train(norm.weight, 1) < 0 || (biased && parameter_train(norm.bias, 1) < 0) ||
	    trained_norm_backward(&norm, x, ROWS, dy, dx, false) < 0)
		exit(2);
	double error = norm_differences(&norm, x, dy, y, x, dx, count);
	TAP_OK(error < 1e-3, "%s: gradient of x (%.1e)", name, error);
	error = norm_differences(&norm, x, dy, y, norm.weight->value, norm.weight->gradient, IN);
	TAP_OK(error < 1e-3, "%s: gradient of the weight (%.1e)", name, error);
	if (biased) {
		error = norm_differences(&norm, x, dy, y, norm.bias->value, norm.bias->gradient, IN);
		TAP_OK(error < 1e-3, "%s: gradient of the bias (%.1e)", name, error);
	}
	memory_release(x);
	memory_release(y);
	memory_release(dy);
	memory_release(dx);
	weights_close(weights);
}

static void test_open(void)
{
	struct weights *weights = open_toy();
	struct dense dense;
	struct trained_norm norm;
	TAP_OK(dense_open(&dense, weights, "other", OUT, IN) < 0 &&
	           strstr(error_text(), "\"other.weight\"") && error_kind() == ERROR_SYSTEM,
	    "a layer that is missing is named: %s", error_text());
	TAP_OK(dense_open(&dense, weights, "layer", IN, OUT) < 0 && strstr(error_text(), "35x24"),
	    "another shape is told: %s", error_text());
	TAP_OK(
	    dense_open(&dense, weights, "half", OUT, IN) == 0 && !dense.bias, "a bias may be absent");
	TAP_OK(trained_norm_open(&norm, weights, "layer", OUT, 1e-6f, true) < 0,
	    "a norm's weight is of one dimension");
	weights_close(weights);
}

int main(void)
{
	static const struct setting settings[] = {
		{ "trained", "layer", true, false, 0, LINEAR_STORE },
		{ "frozen bf16", "half", false, false, 0, LINEAR_STORE },
		{ "trained, adapter", "layer", true, true, 0, LINEAR_ADD },
		{ "frozen, adapter", "layer", false, true, 0, LINEAR_STORE },
		{ "frozen bf16, adapter, dropout", "half", false, true, 0.3f, LINEAR_STORE },
		{ "trained, adapter, dropout", "layer", true, true, 0.5f, LINEAR_ADD },
	};
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		run(&settings[i]);
	test_norm(true);
	test_norm(false);
	test_open();
	return tap_finish();
}
