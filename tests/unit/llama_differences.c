/* llama_differences - gradients of the language model against central differences of a plain model in
 * double: every kind of parameter, adapters with and without dropout, and the rows that go in.
 */
#include "toy_llama.h"
#include "num/gradient.h"
#include "train/adapter.h"
#include "train/llama_parts.h"

#include <math.h>

enum { SEQUENCES = 3, ROWS = 13, PROBES = 5 };
static const size_t starts[SEQUENCES + 1] = { 0, 4, 5, ROWS };
static const char *const targets[] = { "q_proj", "v_proj", "o_proj", "down_proj", "lm_head" };

/* --- the plain model ------------------------------------------------------------------------- */

struct plain {
	const struct toy_llama *toy;
	struct weights *weights;
	struct llama_network *network; /* which layers have adapters; their masks */
	float dropout;
	double **values; /* of each parameter, copied */
	double input[ROWS * 24];
	const float *weight; /* of the logits in the loss */
};

static const double *find(const struct plain *plain, const char *name, const char *end)
{
	char key[100];
	const struct parameter *parameter;
	snprintf(key, sizeof key, "%s%s", name, end);
	for (size_t i = 0; (parameter = weights_at(plain->weights, i)); i++)
		if (strcmp(parameter->name, key) == 0)
			return plain->values[i];
	return NULL;
}

static const double *find_norm(const struct plain *plain, size_t n, const char *name)
{
	char full[100];
	snprintf(full, sizeof full, "model.layers.%zu.%s", n, name);
	return find(plain, full, ".weight");
}

static void normalise(const double *x, const double *weight, size_t n, double *y)
{
	for (size_t row = 0; row < ROWS; row++, x += n, y += n) {
		double sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += x[i] * x[i];
		double scale = 1 / sqrt(sum / (double)n + 1e-5);
		for (size_t i = 0; i < n; i++)
			y[i] = x[i] * scale * weight[i];
	}
}

static void multiply(
    const double *x, const double *w, size_t out, size_t in, double factor, double *y)
{
	for (size_t row = 0; row < ROWS; row++)
		for (size_t o = 0; o < out; o++) {
			double sum = 0;
			for (size_t i = 0; i < in; i++)
				sum += x[row * in + i] * w[o * in + i];
			y[row * out + o] += factor * sum;
		}
}

/* y += W x + scale B A (mask x) */
static void project(
    const struct plain *plain, const char *name, const double *w, const double *x, double *y)
{
	const struct dense *dense = llama_network_find(plain->network, name);
	size_t out = dense->out, in = dense->in;
	multiply(x, w, out, in, 1, y);
	if (!dense->lora_a)
		return;
	float *mask = memory_allocate(ROWS * in, sizeof *mask);
	double *dropped = memory_allocate(ROWS * in, sizeof *dropped);
	double *low = memory_allocate_zero(ROWS * dense->rank, sizeof *low);
	for (size_t i = 0; i < ROWS * in; i++)
		mask[i] = 1;
	dropout_rows(mask, ROWS * in, plain->dropout, 5, 6, dense->place);
	for (size_t i = 0; i < ROWS * in; i++)
		dropped[i] = x[i] * (double)mask[i];
	multiply(dropped, find(plain, name, ".lora_A"), dense->rank, in, 1, low);
	multiply(low, find(plain, name, ".lora_B"), out, dense->rank, (double)dense->lora_scale, y);
	memory_release(mask);
	memory_release(dropped);
	memory_release(low);
}

static double *layer_project(
    const struct plain *plain, size_t n, const char *name, const double *x, size_t out)
{
	char full[100];
	double *y = memory_allocate_zero(ROWS * out, sizeof *y);
	snprintf(full, sizeof full, "model.layers.%zu.%s", n, name);
	project(plain, full, find(plain, full, ".weight"), x, y);
	return y;
}

static void turn(double *x, size_t heads, size_t width)
{
	for (size_t s = 0; s < SEQUENCES; s++)
		for (size_t row = starts[s]; row < starts[s + 1]; row++)
			for (size_t head = 0; head < heads; head++)
				for (size_t j = 0; j < width / 2; j++) {
					double *at = x + (row * heads + head) * width + j, a = *at, b = at[width / 2];
					double angle =
					    (double)(row - starts[s]) * pow(10000, -2 * (double)j / (double)width);
					at[0] = a * cos(angle) - b * sin(angle);
					at[width / 2] = b * cos(angle) + a * sin(angle);
				}
}

/* One head of one row: rows of its sequence up to itself. */
static void look(const struct plain *plain, size_t first, size_t row, size_t head, const double *q,
    const double *k, const double *v, double *y)
{
	const struct toy_llama *toy = plain->toy;
	size_t width = toy->width / toy->heads, of = head / (toy->heads / toy->kv_heads);
	size_t kv = toy->kv_heads * width;
	double weights[ROWS], sum = 0;
	const double *own = q + row * toy->width + head * width;
	for (size_t j = first; j <= row; j++) {
		double dot = 0;
		for (size_t i = 0; i < width; i++)
			dot += own[i] * k[j * kv + of * width + i];
		sum += weights[j] = exp(dot / sqrt((double)width));
	}
	for (size_t j = first; j <= row; j++)
		for (size_t i = 0; i < width; i++)
			y[row * toy->width + head * width + i] += weights[j] / sum * v[j * kv + of * width + i];
}

static void run_block(const struct plain *plain, size_t n, double *x)
{
	const struct toy_llama *toy = plain->toy;
	size_t width = toy->width, head = width / toy->heads, kv = head * toy->kv_heads;
	double *normal = memory_allocate(ROWS * width, sizeof *normal);
	double *context = memory_allocate_zero(ROWS * width, sizeof *context);
	normalise(x, find_norm(plain, n, "input_layernorm"), width, normal);
	double *q = layer_project(plain, n, "self_attn.q_proj", normal, width);
	double *k = layer_project(plain, n, "self_attn.k_proj", normal, kv);
	double *v = layer_project(plain, n, "self_attn.v_proj", normal, kv);
	turn(q, toy->heads, head);
	turn(k, toy->kv_heads, head);
	for (size_t s = 0; s < SEQUENCES; s++)
		for (size_t row = starts[s]; row < starts[s + 1]; row++)
			for (size_t i = 0; i < toy->heads; i++)
				look(plain, starts[s], row, i, q, k, v, context);
	double *add = layer_project(plain, n, "self_attn.o_proj", context, width);
	for (size_t i = 0; i < ROWS * width; i++)
		x[i] += add[i];
	normalise(x, find_norm(plain, n, "post_attention_layernorm"), width, normal);
	double *gate = layer_project(plain, n, "mlp.gate_proj", normal, toy->mlp_width);
	double *up = layer_project(plain, n, "mlp.up_proj", normal, toy->mlp_width);
	for (size_t i = 0; i < ROWS * toy->mlp_width; i++)
		gate[i] *= up[i] / (1 + exp(-gate[i]));
	double *down = layer_project(plain, n, "mlp.down_proj", gate, width);
	for (size_t i = 0; i < ROWS * width; i++)
		x[i] += down[i];
	double *all[] = { normal, context, q, k, v, add, gate, up, down };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		memory_release(all[i]);
}

/* The loss, a weighted sum of the logits; logits may be NULL. */
static double plain_loss(const struct plain *plain, double *logits)
{
	const struct toy_llama *toy = plain->toy;
	size_t width = toy->width, count = ROWS * toy->vocabulary;
	double *x = memory_allocate(ROWS * width, sizeof *x), loss = 0;
	double *y = memory_allocate_zero(count, sizeof *y);
	memcpy(x, plain->input, ROWS * width * sizeof *x);
	for (size_t n = 0; n < toy->layers; n++)
		run_block(plain, n, x);
	normalise(x, find(plain, "model.norm", ".weight"), width, x);
	const char *head = toy->tied ? "model.embed_tokens" : "lm_head";
	project(plain, "lm_head", find(plain, head, ".weight"), x, y);
	for (size_t i = 0; i < count; i++)
		loss += (double)plain->weight[i] * y[i];
	if (logits)
		memcpy(logits, y, count * sizeof *logits);
	memory_release(x);
	memory_release(y);
	return loss;
}

static struct plain make_plain(const struct toy_llama *toy, struct weights *weights,
    struct llama_network *network, float dropout, const float *input, const float *weight)
{
	struct plain plain = { toy, weights, network, dropout, NULL, { 0 }, weight };
	size_t count = 0;
	while (weights_at(weights, count))
		count++;
	plain.values = memory_allocate(count, sizeof *plain.values);
	for (size_t i = 0; i < count; i++) {
		const struct parameter *parameter = weights_at(weights, i);
		plain.values[i] = memory_allocate(parameter->count, sizeof(double));
		for (size_t j = 0; j < parameter->count; j++)
			plain.values[i][j] = parameter_values(parameter)[j];
	}
	for (size_t i = 0; i < ROWS * toy->width; i++)
		plain.input[i] = (double)input[i];
	return plain;
}

/* --- the tests ------------------------------------------------------------------------------- */

/* Largest error of PROBES elements of a gradient, relative to the tensor's largest one. */
static double probe(const struct plain *plain, double *values, const float *gradient, size_t count)
{
	double scale = 1e-12, worst = 0;
	for (size_t i = 0; i < count; i++)
		scale = fmax(scale, fabs((double)gradient[i]));
	for (size_t n = 0; n < PROBES; n++) {
		size_t i = (size_t)(random_unit(&toy_random) * (double)count);
		double before = values[i], step = 1e-5;
		values[i] = before + step;
		double above = plain_loss(plain, NULL);
		values[i] = before - step;
		double below = plain_loss(plain, NULL);
		values[i] = before;
		double error = fabs((above - below) / (2 * step) - (double)gradient[i]) / scale;
		worst = isnan(error) ? INFINITY : fmax(worst, error);
	}
	return worst;
}

static void compare(
    const struct plain *plain, const char *what, const float *logits, const float *drows)
{
	const struct toy_llama *toy = plain->toy;
	size_t count = ROWS * toy->vocabulary;
	double *wanted = memory_allocate(count, sizeof *wanted), worst = 0, scale = 0;
	plain_loss(plain, wanted);
	for (size_t i = 0; i < count; i++) {
		worst = fmax(worst, fabs(wanted[i] - (double)logits[i]));
		scale = fmax(scale, fabs(wanted[i]));
	}
	TAP_OK(worst <= 3e-6 * scale, "%s: logits as in double (%.1e)", what, worst / scale);
	memory_release(wanted);
	const struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(plain->weights, i)); i++) {
		/* Where rows come from is not this loss'. */
		if (strcmp(parameter->name, "model.embed_tokens.weight") == 0 && !toy->tied)
			continue;
		double error = probe(plain, plain->values[i], parameter->gradient, parameter->count);
		TAP_OK(error <= 5e-6, "%s: %s (%.1e)", what, parameter->name, error);
	}
	double error = probe(plain, (double *)plain->input, drows, ROWS * toy->width);
	TAP_OK(error <= 5e-6, "%s: the rows (%.1e)", what, error);
}

static void check(const struct toy_llama *toy, bool lora, float dropout, const char *what)
{
	toy_write(toy, "toy");
	struct weights *weights = weights_open("toy", "llm");
	struct llama_network *network = weights ? llama_network_open(weights) : NULL;
	struct saves *saves = saves_new();
	if (!TAP_OK(network && saves, "%s opens", what)) {
		printf("#   %s\n", error_text());
		return;
	}
	struct lora_settings settings = {
		.rank = 3, .alpha = 6, .dropout = dropout, .targets = targets, .target_count = 5, .seed = 1
	};
	toy_train(weights, "");
	if (lora)
		TAP_OK(llama_network_adapt(network, &settings) == 0, "%s: adapters", what);
	struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		for (size_t j = 0; j < parameter->count && strstr(parameter->name, "lora_B"); j++)
			parameter->value[j] = toy_number(0.3);
	float *input = toy_numbers(ROWS * toy->width, 1);
	float *weight = toy_numbers(ROWS * toy->vocabulary, 1);
	struct toy_pass pass = { .pass = { .count = SEQUENCES, .start = starts },
		.rows = ROWS,
		.input = input,
		.dlogits = weight,
		.logits = memory_allocate(ROWS * toy->vocabulary, sizeof(float)),
		.drows = memory_allocate(ROWS * toy->width, sizeof(float)) };
	pass.pass.dropout = (struct dropout_place){ .seed = 5, .step = 6 };
	TAP_OK(toy_run(network, &pass, saves) == 0 && saves_mark(saves) == 0, "%s runs", what);
	struct plain plain = make_plain(toy, weights, network, dropout, input, weight);
	compare(&plain, what, pass.logits, pass.drows);
	for (size_t i = 0; weights_at(weights, i); i++)
		memory_release(plain.values[i]);
	memory_release(plain.values);
	memory_release(input);
	memory_release(weight);
	memory_release(pass.logits);
	memory_release(pass.drows);
	saves_release(saves);
	llama_network_close(network);
	weights_close(weights);
}

int main(void)
{
	struct toy_llama toy = { 24, 2, 4, 2, 40, 31, false, 'f' };
	check(&toy, false, 0, "whole model");
	check(&toy, true, 0, "with adapters");
	check(&toy, true, 0.3f, "with dropout");
	toy.tied = true;
	toy.kv_heads = 4;
	check(&toy, false, 0, "tied");
	return tap_finish();
}
