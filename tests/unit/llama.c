/* llama - the language model against the reference data: prefill, decoding, batches, caches. */
#include "reference.h"
#include "base/threads.h"
#include "model/language.h"
#include "model/llama.h"
#include "model/llama_cache.h"
#include "num/linear.h"
#include "stream/model_file.h"

#include <spawn.h>
#include <sys/wait.h>

enum { IDS_MOST = 256, STORY_STEPS = 64, STORY_WORDS = 512 };
static const double tolerance = 1e-5;

static size_t greatest(const float *logits, size_t count)
{
	size_t best = 0;
	for (size_t i = 1; i < count; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

/* Soft prompt of a picture and the ids behind it as rows; their number. */
static size_t sequence_rows(const struct llama *llama, const float *soft, size_t queries,
    const int32_t *ids, size_t count, float *rows)
{
	memcpy(rows, soft, queries * llama_width(llama) * sizeof *rows);
	llama_embed(llama, ids, count, rows + queries * llama_width(llama));
	return queries + count;
}

struct prompt {
	float *rows;
	size_t queries, count; /* of the soft prompt, of all */
	int32_t greedy[IDS_MOST];
	size_t greedy_count;
};

static struct prompt read_prompt(
    const struct llama *llama, const struct reference *reference, int picture, int number)
{
	char name[80];
	size_t values;
	int32_t ids[IDS_MOST];
	struct prompt prompt = { 0 };
	snprintf(name, sizeof name, "image%d.soft_prompt", picture);
	float *soft = reference_values(reference->tensors, name, &values);
	const struct json *one = json_item(json_member(reference->json, "prompts"), (size_t)number);
	size_t count = reference_ids(json_member(one, "ids"), ids, IDS_MOST);
	if (!soft)
		exit(2);
	prompt.queries = values / llama_width(llama);
	prompt.rows = memory_allocate((prompt.queries + count) * llama_width(llama), sizeof(float));
	prompt.count = sequence_rows(llama, soft, prompt.queries, ids, count, prompt.rows);
	memory_release(soft);
	const struct json *runs = json_member(reference->json, "generate");
	for (size_t i = 0; i < json_count(runs); i++) {
		const struct json *run = json_item(runs, i);
		int64_t run_picture = -1, run_number = -1;
		json_whole(json_member(run, "image"), 0, 9, &run_picture);
		json_whole(json_member(run, "prompt"), 0, 9, &run_number);
		if (run_picture == picture && run_number == number)
			prompt.greedy_count =
			    reference_ids(json_member(run, "greedy40_ids"), prompt.greedy, IDS_MOST);
	}
	return prompt;
}

/* All rows at once, then row after row: the same logits within tolerance. */
static void check_logits(struct llama *llama, const struct reference *reference, int picture, int n)
{
	char name[80];
	size_t vocabulary = llama_vocabulary(llama);
	struct prompt prompt = read_prompt(llama, reference, picture, n);
	struct llama_cache *cache = llama_cache_new(llama);
	float *logits = memory_allocate(prompt.count * vocabulary, sizeof *logits);
	float *last = memory_allocate(vocabulary, sizeof *last);
	TAP_OK(llama_prefill(llama, cache, prompt.rows, prompt.count, true, logits) == 0,
	    "picture %d, prompt %d runs", picture, n);
	snprintf(name, sizeof name, "image%d.prompt%d.logits", picture, n);
	size_t first = prompt.queries - 1;
	if (checkpoint_find(reference->tensors, name))
		reference_compare(reference->tensors, name, logits + first * vocabulary,
		    (prompt.count - first) * vocabulary, tolerance);
	llama_cache_truncate(cache, 3);
	TAP_OK(llama_prefill(llama, cache, prompt.rows + 3 * llama_width(llama), prompt.count - 3,
	           false, last) == 0 &&
	           reference_error(last, logits + (prompt.count - 1) * vocabulary, vocabulary) <=
	               tolerance,
	    "going on behind 3 rows gives the same");
	memory_release(logits);
	memory_release(last);
	memory_release(prompt.rows);
	llama_cache_release(cache);
}

/* Greedy decoding of several prompts in one batch gives each the ids it has alone. */
static void check_greedy(struct llama *llama, const struct reference *reference)
{
	enum { BATCH = 6, STEPS = 40 };
	size_t vocabulary = llama_vocabulary(llama);
	struct llama_cache *caches[BATCH];
	int32_t ids[BATCH];
	float *logits = memory_allocate(BATCH * vocabulary, sizeof *logits);
	float *alone = memory_allocate(vocabulary, sizeof *alone);
	struct prompt prompts[BATCH];
	size_t right = 0, wanted = 0, same = 0;
	for (int i = 0; i < BATCH; i++) {
		prompts[i] = read_prompt(llama, reference, i / 2, i % 2);
		caches[i] = llama_cache_new(llama);
		llama_prefill(llama, caches[i], prompts[i].rows, prompts[i].count, false,
		    logits + (size_t)i * vocabulary);
	}
	struct llama_cache *copy = llama_cache_new(llama);
	for (size_t step = 0; step < STEPS; step++) {
		for (size_t i = 0; i < BATCH; i++) {
			ids[i] = (int32_t)greatest(logits + i * vocabulary, vocabulary);
			wanted += step < prompts[i].greedy_count;
			right += step < prompts[i].greedy_count && ids[i] == prompts[i].greedy[step];
		}
		llama_cache_copy(copy, caches[2], 0, llama_cache_length(caches[2]));
		llama_decode(llama, caches, ids, BATCH, logits);
		llama_decode(llama, &copy, ids + 2, 1, alone);
		same += memcmp(alone, logits + 2 * vocabulary, vocabulary * sizeof *alone) == 0;
	}
	TAP_OK(wanted == BATCH * STEPS && right == wanted, "greedy ids: %zu of %zu", right, wanted);
	TAP_OK(same == STEPS, "a sequence decoded alone gives the bytes it has in a batch");
	for (int i = 0; i < BATCH; i++) {
		llama_cache_release(caches[i]);
		memory_release(prompts[i].rows);
	}
	llama_cache_release(copy);
	memory_release(logits);
	memory_release(alone);
}

static void check_limits(struct llama *llama)
{
	size_t count = llama_positions(llama) + 1, width = llama_width(llama);
	float *rows = memory_allocate_zero(count, width * sizeof *rows);
	float *logits = memory_allocate(llama_vocabulary(llama), sizeof *logits);
	struct llama_cache *cache = llama_cache_new(llama);
	TAP_OK(llama_prefill(llama, cache, rows, count, false, logits) < 0 &&
	           error_kind() == ERROR_INPUT && cache->length == 0,
	    "more rows than positions are refused");
	TAP_OK(llama_prefill(llama, cache, rows, 0, false, logits) < 0, "no rows are refused");
	TAP_OK(llama_prefill(llama, cache, rows, count - 1, false, logits) == 0, "all positions run");
	int32_t id = 1;
	TAP_OK(llama_decode(llama, &cache, &id, 1, logits) < 0, "and no token fits behind them");
	memory_release(rows);
	memory_release(logits);
	llama_cache_release(cache);
}

/* The logits of one prompt of hf-blip2 as a tensor of another file wants them: rows from the last
 * query on. */
static void check_prompt(
    struct llama *llama, const struct prompt *prompt, const char *file, const char *name)
{
	size_t first = prompt->queries - 1, vocabulary = llama_vocabulary(llama);
	struct checkpoint *expected = checkpoint_open(tap_shared(file));
	struct llama_cache *cache = llama_cache_new(llama);
	float *logits = memory_allocate(prompt->count * vocabulary, sizeof *logits);
	TAP_OK(llama_prefill(llama, cache, prompt->rows, prompt->count, true, logits) == 0, "%s", file);
	reference_compare(expected, name, logits + first * vocabulary,
	    (prompt->count - first) * vocabulary, tolerance);
	/* Decoding goes through other kernels. */
	size_t wanted_count;
	int32_t last = 1066;
	float *wanted = reference_values(expected, name, &wanted_count);
	llama_cache_truncate(cache, prompt->count - 1);
	TAP_OK(wanted && llama_decode(llama, &cache, &last, 1, logits) == 0 &&
	           reference_error(logits, wanted + wanted_count - vocabulary, vocabulary) <= tolerance,
	    "%s: the last token decoded", file);
	memory_release(wanted);
	memory_release(logits);
	llama_cache_release(cache);
	checkpoint_close(expected);
}

/* The projection that the adapter brought into the Q-Former, in place of the one before. */
static void project_again(const char *qformer, struct prompt *prompt, size_t width)
{
	struct model_file *file = model_file_open_path(qformer);
	struct weight weight, bias;
	struct reference reference = reference_open("zoo/A/hf-blip2/");
	size_t count;
	if (file && model_file_find(file, "language_projection.weight", &weight) &&
	    model_file_find(file, "language_projection.bias", &bias)) {
		float *queries = reference_values(reference.tensors, "image0.query_output", &count);
		struct linear linear = { weight.data, weight.dtype, width, (size_t)weight.shape[1],
			bias.data };
		linear_decode(&linear, queries, prompt->queries, prompt->rows, LINEAR_STORE);
		memory_release(queries);
	}
	reference_close(&reference);
	model_file_close(file);
}

/* The scalings that an adapter was imported with: those of the modules in expected.json, and no
 * others. */
static void check_scalings(const char *adapter, const char *name)
{
	struct model_file *file = model_file_open_path(adapter);
	struct json *json = json_open(tap_shared("zoo/A/peft-lora/expected.json"));
	const struct json *scalings =
	    json_member(json_member(json_member(json, "adapters"), name), "scalings");
	size_t right = 0, kept = 0, key_size;
	for (struct json_walk walk = json_walk_start(scalings); json_walk_next(&walk);) {
		static const char prefix[] = "language_model.";
		char key[200];
		double wanted = 0;
		struct weight weight;
		size_t skip = strncmp(walk.key, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
		snprintf(key, sizeof key, "%.*s.scale", (int)(walk.key_size - skip), walk.key + skip);
		json_number(walk.value, &wanted);
		if (file && model_file_find(file, key, &weight) && weight.dtype == 'f') {
			double got = (double)*(const float *)weight.data;
			right += fabs(got - wanted) <= 1e-6 * wanted;
		}
	}
	const char *key;
	struct weight weight;
	for (size_t i = 0; file && model_file_at(file, i, &key, &key_size, &weight); i++)
		kept += key_size > 6 && memcmp(key + key_size - 6, ".scale", 6) == 0;
	TAP_OK(right > 0 && right == kept && kept == json_count(scalings),
	    "%s: %zu scalings of %zu are right, %zu are kept", name, right, json_count(scalings), kept);
	json_release(json);
	model_file_close(file);
}

static void check_adapters(const char *model)
{
	static const char *const names[] = { "qkv-list", "regex-rslora-patterns", "layers-subset" };
	struct reference reference = reference_open("zoo/A/hf-blip2/");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char source[100], path[100], file[200];
		struct import_adapter_count count;
		struct llama *llama = llama_open(model);
		if (llama)
			llama_keep_as(llama, KEPT_F32);
		struct prompt prompt = read_prompt(llama, &reference, 0, 1);
		snprintf(source, sizeof source, "zoo/A/peft-lora/%s", names[i]);
		snprintf(path, sizeof path, "%s.zv", names[i]);
		snprintf(file, sizeof file, "%s/expected.safetensors", source);
		if (TAP_OK(import_keep_adapter(tap_shared(source), path, NULL, &count) == 0 &&
		               llama_adapt(llama, path) == 0,
		        "adapter %s", names[i])) {
			check_scalings(path, names[i]);
			check_prompt(llama, &prompt, file, "logits");
		} else {
			printf("#   %s\n", error_text());
		}
		TAP_OK(llama_adapt(llama, "blip2/vit.zv") < 0, "what is no adapter is refused");
		memory_release(prompt.rows);
		llama_close(llama);
	}
	reference_close(&reference);
}

/* An adapter with a projection of its own can only be merged. */
static void check_projecting_adapter(void)
{
	const char *directory = "zoo/A/peft-lora/modules-to-save";
	const char *source = reference_path("zoo/A/hf-blip2"), *adapter = reference_path(directory);
	struct import_request request = {
		.sources = &source, .source_count = 1, .adapters = &adapter, .adapter_count = 1
	};
	struct import_adapter_count count;
	TAP_OK(import_keep_adapter(adapter, "projecting.zv", NULL, &count) < 0 &&
	           strstr(error_text(), "language_projection"),
	    "an adapter with a projection is not kept: %s", error_text());
	const char *model = reference_import(&request, "projecting");
	struct llama *llama = model ? llama_open(model) : NULL;
	if (llama)
		llama_keep_as(llama, KEPT_F32);
	if (!TAP_OK(llama != NULL, "it is merged"))
		return;
	struct reference reference = reference_open("zoo/A/hf-blip2/");
	struct prompt prompt = read_prompt(llama, &reference, 0, 1);
	project_again("projecting/qformer.zv", &prompt, llama_width(llama));
	check_prompt(llama, &prompt, "zoo/A/peft-lora/modules-to-save/expected.safetensors", "logits");
	memory_release(prompt.rows);
	reference_close(&reference);
	llama_close(llama);
}

/* One case of hf-instruct: the ids of its prompt, and the logits behind it. */
static void check_case(
    struct language *language, const struct reference *reference, const struct json *one)
{
	enum { QUERIES = 8 };
	char prefix[40], name[80];
	int32_t wanted[IDS_MOST];
	int64_t picture = 0, number = 0;
	size_t size, wanted_count = reference_ids(json_member(one, "llm_ids"), wanted, IDS_MOST);
	json_whole(json_member(one, "image"), 0, 9, &picture);
	json_whole(json_member(one, "case"), 0, 9, &number);
	snprintf(prefix, sizeof prefix, "image%d.case%d", (int)picture, (int)number);
	/* The first case is the bare instruction behind <s>, the others go through the template. */
	struct prompt_rules rules = language->rules;
	if (number == 0) {
		rules.template = NULL;
		rules.bos = PROMPT_BOS_YES;
	}
	struct template_turn turn = { json_text(json_member(one, "instruction"), &size), NULL };
	struct ids ids = { 0 };
	TAP_OK(prompt_sequence(&rules, &turn, 1, QUERIES, &ids) == 0 &&
	           ids.count == QUERIES + wanted_count &&
	           memcmp(ids.at + QUERIES, wanted, wanted_count * sizeof *wanted) == 0,
	    "%s: the ids of the prompt", prefix);
	struct llama *llama = language->llama;
	size_t vocabulary = llama_vocabulary(llama);
	snprintf(name, sizeof name, "%s.soft_prompt", prefix);
	float *soft = reference_values(reference->tensors, name, &size);
	snprintf(name, sizeof name, "%s.logits", prefix);
	float *expected = reference_values(reference->tensors, name, &size);
	float *rows = memory_allocate(ids.count * llama_width(llama), sizeof *rows);
	float *logits = memory_allocate(ids.count * vocabulary, sizeof *logits);
	struct llama_cache *cache = llama_cache_new(llama);
	if (TAP_OK(prompt_embed(llama, ids.at, ids.count, soft, rows) == 0 &&
	               llama_prefill(llama, cache, rows, ids.count, true, logits) == 0 &&
	               size % vocabulary == 0 && size <= ids.count * vocabulary,
	        "%s runs", prefix)) {
		/* the last rows are there */
		const float *last = logits + ids.count * vocabulary - size;
		double error = reference_error(last, expected, size);
		TAP_OK(error <= tolerance, "%s (%.1e)", name, error);
	}
	llama_cache_release(cache);
	memory_release(logits);
	memory_release(rows);
	memory_release(soft);
	memory_release(expected);
	ids_clear(&ids);
}

static void check_instructed(void)
{
	const char *model = reference_model("zoo/A/hf-instruct", "instruct");
	struct language language;
	if (!model || !TAP_OK(language_open(&language, model, NULL, false) == 0, "instruct opens"))
		return;
	struct reference reference = reference_open("zoo/A/hf-instruct/");
	const struct json *cases = json_member(reference.json, "cases");
	TAP_OK(json_count(cases) == 6, "there are six cases");
	for (size_t i = 0; i < json_count(cases); i++)
		check_case(&language, &reference, json_item(cases, i));
	reference_close(&reference);
	language_close(&language);
}

/* Base + delta in f16. */
static void check_delta(void)
{
	const char *source = reference_path("zoo/A/ziya-delta/vision-v1");
	struct import_request request = { .sources = &source,
		.source_count = 1,
		.base = reference_path("zoo/A/ziya-delta/base"),
		.delta = reference_path("zoo/A/ziya-delta/delta") };
	const char *model = reference_import(&request, "ziya");
	struct llama *llama = model ? llama_open(model) : NULL;
	if (llama)
		llama_keep_as(llama, KEPT_F32);
	if (!llama)
		return;
	struct reference reference = reference_open("zoo/A/hf-blip2/");
	struct prompt prompt = read_prompt(llama, &reference, 0, 1);
	check_prompt(llama, &prompt, "zoo/A/ziya-delta/expected.safetensors", "logits");
	memory_release(prompt.rows);
	reference_close(&reference);
	llama_close(llama);
}

/* The ids behind prefix, soft prompt and the first two of the suffix: rows [2 + 6 + 2][width]. */
static void check_tiny_greedy(struct llama *llama, const float *rows)
{
	enum { ROWS = 10, STEPS = 20, WORDS = 96 };
	struct json *json = json_open(tap_shared("oracles/tiny-blip2/stage2.losses.json"));
	int32_t wanted[STEPS + 1], got[STEPS] = { 0 };
	float logits[WORDS];
	size_t count =
	    reference_ids(json_member(json, "greedy20_from_prefix_query_suffix2"), wanted, STEPS + 1);
	struct llama_cache *cache = llama_cache_new(llama);
	if (TAP_OK(llama_vocabulary(llama) == WORDS && count == STEPS &&
	               llama_prefill(llama, cache, rows, ROWS, false, logits) == 0,
	        "LAVIS' greedy ids are there")) {
		for (size_t step = 0; step < STEPS; step++) {
			got[step] = (int32_t)greatest(logits, WORDS);
			llama_decode(llama, &cache, &got[step], 1, logits);
		}
		TAP_OK(memcmp(got, wanted, sizeof got) == 0, "LAVIS' 20 greedy ids");
	}
	llama_cache_release(cache);
	json_release(json);
}

/* LAVIS' LLaMA: rows as they come, a batch of two. Padding is at the end: rows before it do not
 * see it. */
static void check_tiny(void)
{
	const char *model = reference_tiny("stage2.weights.safetensors", "tiny");
	const char *path = reference_path("oracles/tiny-blip2/stage2.io.safetensors");
	struct llama *llama = model ? llama_open(model) : NULL;
	if (llama)
		llama_keep_as(llama, KEPT_F32);
	if (!llama || !path)
		return;
	enum { ROWS = 15 };
	struct checkpoint *io = checkpoint_open(path);
	size_t count, vocabulary = llama_vocabulary(llama), width = llama_width(llama);
	float *rows = reference_values(io, "inputs_embeds", &count);
	float *wanted = reference_values(io, "logits", &count);
	float *mask = reference_values(io, "attention_mask", &count);
	float *logits = memory_allocate(ROWS * vocabulary, sizeof *logits);
	for (size_t i = 0; i < 2; i++) {
		size_t length = 0;
		while (length < ROWS && mask[i * ROWS + length] != 0)
			length++;
		struct llama_cache *cache = llama_cache_new(llama);
		llama_prefill(llama, cache, rows + i * ROWS * width, length, true, logits);
		double error = reference_error(logits, wanted + i * ROWS * vocabulary, length * vocabulary);
		TAP_OK(error <= tolerance, "LAVIS' logits of sample %zu (%.1e)", i, error);
		llama_cache_release(cache);
	}
	check_tiny_greedy(llama, rows);
	memory_release(rows);
	memory_release(wanted);
	memory_release(mask);
	memory_release(logits);
	checkpoint_close(io);
	llama_close(llama);
}

static bool run_tool(const char *const arguments[])
{
	extern char **environ;
	pid_t child;
	int status;
	return posix_spawnp(&child, arguments[0], NULL, NULL, (char *const *)arguments, environ) == 0 &&
	       waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The mean over positions of what the next id costs: -log p. */
static void check_cross_entropy(const float *logits, const int32_t *ids, const struct json *json)
{
	double total = 0, wanted = -1;
	for (size_t step = 0; step + 1 < STORY_STEPS; step++) {
		const float *row = logits + step * STORY_WORDS;
		double sum = 0;
		for (size_t i = 0; i < STORY_WORDS; i++)
			sum += exp((double)row[i]);
		total += log(sum) - (double)row[ids[step + 1]];
	}
	total /= STORY_STEPS - 1;
	json_number(json_member(json, "mean_ce_over_63_targets"), &wanted);
	TAP_OK(fabs(total - wanted) <= 1e-5 * wanted, "mean cross-entropy %.7f, wanted %.7f", total,
	    wanted);
}

/* A trained model with grouped keys, interleaved rotary pairs and a tied output: 64 positions of
 * llama2.c's own logits, by prefill and token by token. */
static void check_stories(void)
{
	enum { STEPS = STORY_STEPS, WORDS = STORY_WORDS };
	const char *weights = reference_path("oracles/stories260k/stories260K.bin");
	if (!weights) {
		tap_skip("stories260k", "no reference data");
		return;
	}
	const char *arguments[] = { "llama2c-to-zv", weights,
		reference_path("oracles/stories260k/tok512.bin"), "stories", NULL };
	struct llama *llama = run_tool(arguments) ? llama_open("stories") : NULL;
	if (!TAP_OK(llama != NULL, "stories260k is converted"))
		return;
	static float wanted[STEPS * WORDS], all[STEPS * WORDS], steps[STEPS * WORDS];
	static float rows[STEPS * 64];
	int32_t ids[STEPS];
	FILE *file = fopen(reference_path("oracles/stories260k/logits-64x512.f32"), "rb");
	struct json *json = json_open(reference_path("oracles/stories260k/logits-64x512.json"));
	TAP_OK(file && fread(wanted, sizeof wanted, 1, file) == 1 &&
	           reference_ids(json_member(json, "ids"), ids, STEPS) == STEPS,
	    "its logits are there");
	if (file)
		fclose(file);
	struct llama_cache *cache = llama_cache_new(llama);
	llama_embed(llama, ids, STEPS, rows);
	llama_prefill(llama, cache, rows, STEPS, true, all);
	double error = reference_error(all, wanted, STEPS * WORDS);
	TAP_OK(error <= tolerance, "stories260k by prefill (%.1e)", error);
	check_cross_entropy(all, ids, json);
	llama_cache_truncate(cache, 0);
	for (size_t step = 0; step < STEPS; step++)
		llama_decode(llama, &cache, &ids[step], 1, steps + step * WORDS);
	error = reference_error(steps, wanted, STEPS * WORDS);
	TAP_OK(error <= tolerance, "stories260k token by token (%.1e)", error);
	llama_cache_release(cache);
	json_release(json);
	llama_close(llama);
}

int main(void)
{
	threads_start(3);
	const char *model = reference_model("zoo/A/hf-blip2", "blip2");
	struct llama *llama = model ? llama_open(model) : NULL;
	if (llama)
		llama_keep_as(llama, KEPT_F32);
	if (model && TAP_OK(llama != NULL, "llm.zv opens")) {
		struct reference reference = reference_open("zoo/A/hf-blip2/");
		for (int picture = 0; picture < 3; picture++)
			for (int n = 0; n < 2; n++)
				check_logits(llama, &reference, picture, n);
		check_greedy(llama, &reference);
		check_limits(llama);
		reference_close(&reference);
	}
	llama_close(llama);
	if (model) {
		check_adapters(model);
		check_projecting_adapter();
	}
	check_instructed();
	check_delta();
	check_tiny();
	check_stories();
	threads_stop();
	return tap_finish();
}
