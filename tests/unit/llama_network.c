/* llama_network - the language model under training: the numbers of the one that answers, the same
 * bytes with recomputation and at any number of threads, no work for what is frozen, adapters on,
 * off, into files and back.
 */
#include "toy_llama.h"
#include "base/program.h"
#include "base/threads.h"
#include "model/llama.h"
#include "stream/model_file.h"
#include "train/adapter.h"
#include "train/llama_parts.h"

#include <math.h>

enum { SEQUENCES = 9, ROWS = 200 };
static const size_t starts[SEQUENCES + 1] = { 0, 17, 17, 18, 50, 114, 120, 150, 181, ROWS };
static const struct toy_llama toy = { 48, 3, 4, 2, 88, 61, false, 'E' };
static const char *const targets[] = { "q_proj", "self_attn.v_proj", "down_proj" };
static const struct lora_settings settings = {
	.rank = 4, .alpha = 16, .dropout = 0.1f, .targets = targets, .target_count = 3, .seed = 7
};

struct training {
	struct weights *weights;
	struct llama_network *network;
	struct saves *saves;
	struct toy_pass pass;
};

static struct training begin(void)
{
	struct training training = { .weights = weights_open("model", "llm"), .saves = saves_new() };
	training.network = training.weights ? llama_network_open(training.weights) : NULL;
	if (!training.network || !training.saves) {
		printf("# %s\n", error_text());
		exit(2);
	}
	toy_random = (struct random){ .seed = 11 };
	training.pass = (struct toy_pass){ .pass = { .count = SEQUENCES, .start = starts },
		.rows = ROWS,
		.input = toy_numbers(ROWS * toy.width, 1),
		.dlogits = toy_numbers(ROWS * toy.vocabulary, 1),
		.logits = toy_numbers(ROWS * toy.vocabulary, 1),
		.drows = toy_numbers(ROWS * toy.width, 1) };
	training.pass.pass.dropout = (struct dropout_place){ .seed = 5, .step = 6 };
	return training;
}

static void end(struct training *training)
{
	llama_network_close(training->network);
	weights_close(training->weights);
	saves_release(training->saves);
	memory_release((float *)training->pass.input);
	memory_release((float *)training->pass.dlogits);
	memory_release(training->pass.logits);
	memory_release(training->pass.drows);
}

/* B is zero at first; training would change it. */
static void change_adapters(struct training *training)
{
	struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(training->weights, i)); i++)
		for (size_t j = 0; j < parameter->count && strstr(parameter->name, "lora_B"); j++)
			parameter->value[j] = toy_number(0.2);
}

/* A sum over everything that a pass gives: logits, gradients of parameters and rows. */
static struct digest fingerprint(const struct training *training)
{
	const struct parameter *parameter;
	struct hasher *hasher = hasher_new();
	hasher_add(hasher, training->pass.logits, ROWS * toy.vocabulary * sizeof(float));
	if (training->pass.drows)
		hasher_add(hasher, training->pass.drows, ROWS * toy.width * sizeof(float));
	for (size_t i = 0; (parameter = weights_at(training->weights, i)); i++)
		if (parameter->gradient)
			hasher_add(hasher, parameter->gradient, parameter->count * sizeof(float));
	return hasher_end(hasher);
}

static double largest_error(const float *got, const float *wanted, size_t count)
{
	double most = 0, scale = 0;
	for (size_t i = 0; i < count; i++) {
		double error = fabs((double)got[i] - (double)wanted[i]);
		most = error <= most ? most : error;
		scale = fmax(scale, fabs((double)wanted[i]));
	}
	return isnan(most) ? INFINITY : most / scale;
}

/* The logits of llama.c, sequence by sequence, with an adapter (NULL: without). */
static double error_of_prefill(
    const struct training *training, const char *model, const char *adapter)
{
	struct llama *llama = llama_open(model);
	if (llama)
		llama_keep_as(llama, KEPT_F32);
	float *wanted = toy_numbers(ROWS * toy.vocabulary, 1);
	if (!llama || (adapter && llama_adapt(llama, adapter) < 0)) {
		printf("# %s\n", error_text());
		exit(2);
	}
	for (size_t i = 0; i < SEQUENCES; i++) {
		struct llama_cache *cache = llama_cache_new(llama);
		size_t first = starts[i], count = starts[i + 1] - first;
		if (count > 0 && llama_prefill(llama, cache, training->pass.input + first * toy.width,
		                     count, true, wanted + first * toy.vocabulary) < 0)
			exit(2);
		llama_cache_release(cache);
	}
	double error = largest_error(training->pass.logits, wanted, ROWS * toy.vocabulary);
	memory_release(wanted);
	llama_close(llama);
	return error;
}

static void check_forward(void)
{
	struct training training = begin();
	TAP_OK(toy_run(training.network, &training.pass, NULL) == 0, "it runs without a backward pass");
	double error = error_of_prefill(&training, "model", NULL);
	TAP_OK(error <= 1e-5, "logits of the model that answers (%.1e)", error);
	float *kept = training.pass.logits;
	training.pass.logits = toy_numbers(ROWS * toy.vocabulary, 1);
	TAP_OK(toy_run(training.network, &training.pass, training.saves) == 0 &&
	           memcmp(kept, training.pass.logits, ROWS * toy.vocabulary * sizeof *kept) == 0,
	    "the same bytes when it keeps what backward needs");
	memory_release(kept);
	int32_t ids[] = { 0, 60, 7 }, beyond = 61, below = -1;
	float rows[3 * 48], same[3 * 48];
	struct llama *llama = llama_open("model");
	if (llama)
		llama_keep_as(llama, KEPT_F32);
	llama_embed(llama, ids, 3, same);
	TAP_OK(llama_network_embed(training.network, ids, 3, rows) == 0 &&
	           memcmp(rows, same, sizeof rows) == 0,
	    "rows of the table");
	TAP_OK(llama_network_embed(training.network, &beyond, 1, rows) < 0 &&
	           llama_network_embed(training.network, &below, 1, rows) < 0,
	    "ids that it has not are refused");
	llama_close(llama);
	const size_t long_starts[] = { 0, 2, 67 };
	struct llama_pass pass = { .count = 2, .start = long_starts };
	TAP_OK(llama_network_forward(
	           training.network, &pass, training.pass.input, NULL, training.pass.drows) < 0 &&
	           error_kind() == ERROR_INPUT,
	    "a sequence that is too long is refused: %s", error_text());
	end(&training);
}

/* What one pass gives with everything trained and adapters with dropout. */
static struct digest run_all(bool recompute, size_t *most)
{
	struct training training = begin();
	if (llama_network_adapt(training.network, &settings) < 0)
		exit(2);
	change_adapters(&training);
	toy_train(training.weights, "");
	training.pass.pass.recompute = recompute;
	TAP_OK(toy_run(training.network, &training.pass, training.saves) == 0 &&
	           saves_mark(training.saves) == 0,
	    "a pass, recompute %d", recompute);
	*most = saves_most(training.saves);
	struct digest digest = fingerprint(&training);
	end(&training);
	return digest;
}

static void check_bytes(void)
{
	size_t most, less;
	struct digest plain = run_all(false, &most), again = run_all(true, &less);
	TAP_OK(digest_equal(&plain, &again), "recomputation gives the same bytes");
	TAP_OK(less < most * 3 / 5, "and keeps less: %zu of %zu bytes", less, most);
	for (int threads = 2; threads <= 3; threads++) {
		threads_start(threads);
		struct digest same = run_all(threads == 3, &most);
		threads_stop();
		TAP_OK(digest_equal(&plain, &same), "%d threads give the same bytes", threads);
	}
}

/* The gradients of what is trained do not depend on what else is wanted. */
static void check_frozen(const char *trained)
{
	struct training all = begin(), some = begin();
	const struct parameter *parameter;
	toy_train(all.weights, "");
	toy_train(some.weights, trained);
	memory_release(some.pass.drows);
	some.pass.drows = NULL;
	TAP_OK(toy_run(all.network, &all.pass, all.saves) == 0 &&
	           toy_run(some.network, &some.pass, some.saves) == 0 && saves_mark(some.saves) == 0,
	    "%s alone", trained);
	size_t right = 0, count = 0;
	for (size_t i = 0; (parameter = weights_at(some.weights, i)); i++) {
		if (!parameter->gradient)
			continue;
		count++;
		/* Frozen matrices are bf16, masters f32: the same numbers. */
		const float *wanted = weights_at(all.weights, i)->gradient;
		right += largest_error(parameter->gradient, wanted, parameter->count) <= 1e-6;
	}
	TAP_OK(count > 0 && right == count, "%s: %zu gradients as when all is trained", trained, right);
	TAP_OK(largest_error(some.pass.logits, all.pass.logits, ROWS * toy.vocabulary) <= 1e-6,
	    "%s: the same logits", trained);
	end(&all);
	end(&some);
}

static void check_embedding(void)
{
	struct training training = begin();
	int32_t ids[] = { 3, 60, 3 };
	TAP_OK(llama_network_embed_backward(training.network, ids, 3, training.pass.input) == 0,
	    "a frozen table takes no gradient");
	toy_train(training.weights, "embed_tokens");
	const float *gradient = weights_find(training.weights, "model.embed_tokens.weight")->gradient;
	const float *rows = training.pass.input;
	bool right = llama_network_embed_backward(training.network, ids, 3, rows) == 0;
	for (size_t i = 0; i < toy.width; i++)
		right = right && gradient[3 * toy.width + i] == rows[i] + rows[2 * toy.width + i] &&
		        gradient[60 * toy.width + i] == rows[toy.width + i] && gradient[i] == 0;
	TAP_OK(right, "a trained table takes that of its rows");
	end(&training);
}

static size_t count_adapted(const struct llama_network *network)
{
	const struct dense *dense;
	size_t count = 0;
	for (size_t i = 0; (dense = llama_network_dense(network, i, NULL)); i++)
		count += dense->lora_a != NULL;
	return count;
}

static void check_targets(void)
{
	static const struct {
		const char *target;
		bool pattern;
		size_t count;
	} cases[] = {
		{ "q_proj", false, 3 },
		{ "self_attn.q_proj", false, 3 },
		{ "model.layers.1.mlp.up_proj", false, 1 },
		{ "lm_head", false, 1 },
		{ "proj", false, 0 },
		{ "x_proj", false, 0 },
		{ "model\\.layers\\.[01]\\..*(q|v)_proj", true, 4 },
		{ "q_proj", true, 0 },
		{ ".*", true, 22 },
		{ "(q_proj", true, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct training training = begin();
		struct lora_settings one = { .rank = 2,
			.alpha = 4,
			.targets = &cases[i].target,
			.target_count = 1,
			.pattern = cases[i].pattern };
		int result = llama_network_adapt(training.network, &one);
		TAP_OK((result < 0) == (cases[i].count == 0) &&
		           count_adapted(training.network) == cases[i].count,
		    "%s means %zu layers", cases[i].target, cases[i].count);
		end(&training);
	}
}

static void check_start(void)
{
	struct training training = begin();
	struct lora_settings stabilised = settings;
	stabilised.rank_stabilised = true;
	TAP_OK(llama_network_adapt(training.network, &stabilised) == 0, "rank-stabilised adapters");
	const struct dense *down = llama_network_find(training.network, "model.layers.1.mlp.down_proj");
	double most = 0, bound = 1 / sqrt(88), sum = 0;
	size_t zeros = 0;
	for (size_t i = 0; i < down->lora_a->count; i++) {
		most = fmax(most, fabs((double)down->lora_a->value[i]));
		sum += (double)down->lora_a->value[i];
	}
	for (size_t i = 0; i < down->lora_b->count; i++)
		zeros += down->lora_b->value[i] == 0;
	TAP_OK(most <= bound && most > 0.95 * bound && fabs(sum) < 352 * bound * 0.15,
	    "A is uniform in +-1/sqrt(in)");
	TAP_OK(zeros == down->lora_b->count && down->lora_scale == 8.0f, "B is zero, alpha / sqrt(r)");
	const struct dense *other =
	    llama_network_find(training.network, "model.layers.2.mlp.down_proj");
	TAP_OK(memcmp(down->lora_a->value, other->lora_a->value, 88 * sizeof(float)) != 0,
	    "layers start differently");
	end(&training);
}

static void check_files(void)
{
	struct training training = begin(), back = begin();
	TAP_OK(adapter_write("none.zv", training.network, NULL) < 0, "no adapter: %s", error_text());
	if (llama_network_adapt(training.network, &settings) < 0)
		exit(2);
	change_adapters(&training);
	toy_train(training.weights, "model.norm");
	TAP_OK(toy_run(training.network, &training.pass, NULL) == 0 &&
	           adapter_write("adapter.zv", training.network, NULL) == 0,
	    "an adapter is written");
	double error = error_of_prefill(&training, "model", "adapter.zv");
	TAP_OK(error <= 1e-5, "the model that answers takes it (%.1e)", error);
	TAP_OK(adapter_read(back.network, "adapter.zv", 0.5f) == 0, "it is read back");
	TAP_OK(toy_run(back.network, &back.pass, NULL) == 0 &&
	           memcmp(back.pass.logits, training.pass.logits,
	               ROWS * toy.vocabulary * sizeof(float)) == 0,
	    "and gives the same bytes");
	TAP_OK(
	    back.network &&
	        llama_network_find(back.network, "model.layers.0.mlp.down_proj")->lora_dropout == 0.5f,
	    "with the dropout asked for");
	TAP_OK(adapter_write("again.zv", back.network, NULL) == 0, "and is written again");
	TAP_OK(adapter_read(back.network, "adapter.zv", 0) < 0, "a second one is refused: %s",
	    error_text());
	TAP_OK(adapter_read(back.network, "model/llm.zv", 0) < 0, "what is none is refused: %s",
	    error_text());
	end(&back);
	/* Merged, it is part of the weights. */
	TAP_OK(llama_network_merge(training.network) == 0 && count_adapted(training.network) == 0,
	    "it is merged");
	mkdir("merged", 0777);
	TAP_OK(toy_run(training.network, &training.pass, NULL) == 0, "it runs then");
	error = error_of_prefill(&training, "model", "adapter.zv");
	TAP_OK(error <= 1e-5, "and gives the same (%.1e)", error);
	TAP_OK(weights_write(training.weights, "merged/llm.zv", 'f', NULL) == 0, "it is written");
	error = error_of_prefill(&training, "merged", NULL);
	TAP_OK(error <= 1e-5, "and the same as a model file (%.1e)", error);
	end(&training);
	/* The merged model is another one. */
	struct weights *weights = weights_open("merged", "llm");
	struct llama_network *network = weights ? llama_network_open(weights) : NULL;
	TAP_OK(
	    network && adapter_read(network, "adapter.zv", 0) < 0, "another model: %s", error_text());
	common.any_maker = true;
	TAP_OK(network && adapter_read(network, "adapter.zv", 0) == 0, "--any-maker takes it");
	common.any_maker = false;
	llama_network_close(network);
	weights_close(weights);
}

static bool equal_files(const char *one, const char *other)
{
	FILE *a = fopen(one, "rb"), *b = fopen(other, "rb");
	int c = 0;
	while (a && b && (c = getc(a)) == getc(b) && c != EOF)
		continue;
	bool equal = a && b && c == EOF && feof(b);
	if (a)
		fclose(a);
	if (b)
		fclose(b);
	return equal;
}

int main(void)
{
	toy_write(&toy, "model");
	check_forward();
	check_bytes();
	check_frozen("layers.2.mlp.up_proj");
	check_frozen("layers.2.self_attn.k_proj");
	check_frozen("layers.1.post_attention_layernorm");
	check_frozen("layers.1.self_attn.o_proj");
	check_frozen("layers.0.input_layernorm");
	check_frozen("model.norm");
	check_frozen("lm_head");
	check_embedding();
	check_targets();
	check_start();
	check_files();
	TAP_OK(equal_files("adapter.zv", "again.zv"), "a file read and written is the same file");
	return tap_finish();
}
