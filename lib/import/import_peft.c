/* import_peft.c - read, merge and keep LoRA adapters (see import_peft.h; PEFT
 * tuners/lora/{config,layer}.py, utils/save_and_load.py).
 */
#include "import/import_peft.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "import/import_config.h"
#include "import/import_pattern.h"
#include "stream/json.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGES_MOST = 1 << 14 };

struct lora_config {
	int64_t rank;
	double alpha;
	bool root_scale; /* rsLoRA: alpha / sqrt(r) */
	const struct json *rank_pattern, *alpha_pattern;
};

static int take_flag(const struct json *root, const char *key, bool *flag)
{
	const struct json *value = json_member(root, key);
	*flag = false;
	if (json_kind(value) == JSON_KIND_ABSENT || json_kind(value) == JSON_KIND_NULL)
		return 0;
	return json_bool(value, flag) < 0 ? error_context("%s", key) : 0;
}

/* Does a member say anything, other than no? */
static bool is_set(const struct json *value)
{
	bool truth = true;
	switch (json_kind(value)) {
	case JSON_KIND_ABSENT:
	case JSON_KIND_NULL:
		return false;
	case JSON_KIND_BOOL:
		return json_bool(value, &truth) < 0 || truth;
	case JSON_KIND_ARRAY:
	case JSON_KIND_OBJECT:
		return json_count(value) > 0;
	default:
		return true;
	}
}

/* Refuse settings that make other weights than W + scale * B * A of the model as it is. */
static int check_variants(const struct json *root)
{
	static const char *const variants[] = { "use_dora", "fan_in_fan_out", "use_qalora", "lora_bias",
		"layer_replication", "trainable_token_indices", "alora_invocation_tokens" };
	/* These begin by taking from the model's weights what they put into A and B; EVA does not. */
	static const char *const starts[] = { "pissa", "olora", "loftq", "corda" };
	static const char advice[] = "let PEFT merge this adapter and import the result";
	for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
		if (is_set(json_member(root, variants[i])))
			return error_input("%s is not supported; %s", variants[i], advice);
	const char *start = json_text(json_member(root, "init_lora_weights"), NULL);
	for (size_t i = 0; start && i < sizeof starts / sizeof starts[0]; i++)
		if (strncmp(start, starts[i], strlen(starts[i])) == 0)
			return error_input("init_lora_weights \"%.40s\" is not supported; %s", start, advice);
	return 0;
}

static int check_pattern(const struct json *table, const char *word)
{
	enum json_kind kind = json_kind(table);
	double number;
	for (struct json_walk walk = json_walk_start(table); json_walk_next(&walk);)
		if (json_number(walk.value, &number) < 0)
			return error_context("%s: \"%.100s\"", word, walk.key);
	if (kind == JSON_KIND_ABSENT || kind == JSON_KIND_NULL || kind == JSON_KIND_OBJECT)
		return 0;
	return error_input("%s: is %s, not an object", word, json_kind_name(kind));
}

static int read_config(const struct json *root, struct lora_config *config)
{
	*config = (struct lora_config){ .rank = 8,
		.alpha = 8,
		.rank_pattern = json_member(root, "rank_pattern"),
		.alpha_pattern = json_member(root, "alpha_pattern") };
	const char *type = json_text(json_member(root, "peft_type"), NULL);
	if (!type || strcmp(type, "LORA") != 0)
		return error_input("peft_type \"%s\" is not supported, only LORA", type ? type : "");
	if (check_variants(root) < 0 || take_flag(root, "use_rslora", &config->root_scale) < 0 ||
	    check_pattern(config->rank_pattern, "rank_pattern") < 0 ||
	    check_pattern(config->alpha_pattern, "alpha_pattern") < 0)
		return -1;
	const struct json *rank = json_member(root, "r"), *alpha = json_member(root, "lora_alpha");
	if (rank && json_whole(rank, 1, 1 << 20, &config->rank) < 0)
		return error_context("r");
	if (alpha && json_number(alpha, &config->alpha) < 0)
		return error_context("lora_alpha");
	return 0;
}

/* The number of the first key in table that matches module; *number stays when none does. */
static int look_up(const struct json *table, const char *word, const char *module, double *number)
{
	for (struct json_walk walk = json_walk_start(table); json_walk_next(&walk);) {
		int found = import_pattern_match(walk.key, module);
		if (found < 0 || (found && json_number(walk.value, number) < 0))
			return error_context("%s", word);
		if (found)
			return 0;
	}
	return 0;
}

static int set_scale(
    const struct lora_config *config, const char *module, struct import_change *change)
{
	double rank = (double)config->rank, alpha = config->alpha;
	if (look_up(config->rank_pattern, "rank_pattern", module, &rank) < 0 ||
	    look_up(config->alpha_pattern, "alpha_pattern", module, &alpha) < 0)
		return -1;
	/* The shapes tell the rank too; when they disagree, the scale would be wrong. */
	if ((double)change->a->shape[0] != rank)
		return error_input("tensor \"%s\" has rank %llu, the configuration says %g",
		    change->a->name, (unsigned long long)change->a->shape[0], rank);
	change->scale = alpha / (config->root_scale ? sqrt(rank) : rank);
	return isfinite(change->scale) ? 0 : error_input("lora_alpha is out of range");
}

/* Take a tensor's name apart: the module's path (without "base_model.model.") and what the tensor
 * is to it. 'A', 'B', 'W' a whole replacement, 'o' the original that was replaced. */
static char split_name(const char *name, char *module, size_t size)
{
	static const struct {
		const char *mark;
		char kind;
	} marks[] = {
		{ ".lora_A.", 'A' },
		{ ".lora_B.", 'B' },
		{ ".modules_to_save.", 'W' },
		{ ".original_module.", 'o' },
	};
	const char *base = "base_model.model.";
	if (strncmp(name, base, strlen(base)) == 0)
		name += strlen(base);
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		const char *mark = strstr(name, marks[i].mark);
		const char *last = strrchr(name, '.');
		if (!mark)
			continue;
		/* Raw checkpoints name the adapter in between: .lora_A.default.weight */
		bool lora = marks[i].kind == 'A' || marks[i].kind == 'B';
		if (lora && strcmp(last, ".weight") != 0)
			return 0;
		int length = snprintf(module, size, "%.*s%s", (int)(mark - name), name, lora ? "" : last);
		return length < 0 || (size_t)length >= size ? 0 : marks[i].kind;
	}
	/* A layer that was adapted keeps its own bias one level deeper. */
	static const char inner[] = ".base_layer.bias";
	size_t end = strlen(name), tail = sizeof inner - 1;
	bool deeper = end > tail && strcmp(name + end - tail, inner) == 0;
	int length = deeper ? snprintf(module, size, "%.*s.bias", (int)(end - tail), name)
	                    : snprintf(module, size, "%s", name);
	return strstr(name, "lora_") || length < 0 || (size_t)length >= size ? 0 : 'W';
}

static int compare_changes(const void *left, const void *right)
{
	const struct import_change *a = left, *b = right;
	if (a->part != b->part)
		return a->part < b->part ? -1 : 1;
	return strcmp(a->key, b->key);
}

static struct import_change *add_change(
    struct import_adapter *adapter, enum import_part part, const char *key)
{
	/* Tensors of a module stand together, so the search is short. */
	for (size_t i = adapter->count; i-- > 0;)
		if (adapter->changes[i].part == part && strcmp(adapter->changes[i].key, key) == 0)
			return &adapter->changes[i];
	if (adapter->count == CHANGES_MOST) {
		error_input("the adapter changes more than %d tensors", CHANGES_MOST);
		return NULL;
	}
	void *grown = adapter->changes;
	if (memory_grow(&grown, &adapter->capacity, adapter->count + 1, sizeof *adapter->changes) < 0)
		return NULL;
	adapter->changes = grown;
	struct import_change *change = &adapter->changes[adapter->count++];
	*change = (struct import_change){ .part = part };
	snprintf(change->key, sizeof change->key, "%s", key);
	return change;
}

/* Note what a tensor of the adapter does to one of ours. */
static int add_tensor(struct import_adapter *adapter, const struct checkpoint_tensor *tensor)
{
	char module[512], full[520];
	char kind = split_name(tensor->name, module, sizeof module);
	if (kind == 'o')
		return 0;
	if (!kind)
		return error_input(
		    "tensor \"%.200s\": this kind of adapter is not supported", tensor->name);
	struct import_name name;
	snprintf(full, sizeof full, "%s%s", module, kind == 'W' ? "" : ".weight");
	import_name_map(full, (1U << IMPORT_PARTS) - 1, &name);
	if (name.kind == IMPORT_BUFFER)
		return 0;
	if (name.kind != IMPORT_PARAMETER)
		return error_input("tensor \"%.200s\" belongs to no module that is known", tensor->name);
	struct import_change *change = add_change(adapter, name.part, name.key);
	if (!change)
		return -1;
	const struct checkpoint_tensor **place = kind == 'A'   ? &change->a
	                                         : kind == 'B' ? &change->b
	                                                       : &change->whole;
	if (*place)
		return error_input("\"%.200s\" and \"%.200s\" are the same", (*place)->name, tensor->name);
	*place = tensor;
	return 0;
}

static int check_change(const struct lora_config *config, struct import_change *change)
{
	const struct checkpoint_tensor *a = change->a, *b = change->b;
	if (change->whole && (a || b))
		return error_input("%s is both replaced and adapted", change->key);
	if (change->whole && !dtype_is_float(change->whole->dtype))
		return error_input("tensor \"%.200s\" is of type %s, which holds no weights",
		    change->whole->name, dtype_name(change->whole->dtype));
	if (change->whole)
		return 0;
	if (!a || !b)
		return error_input("%s has no lora_%c", change->key, a ? 'B' : 'A');
	if (!dtype_is_float(a->dtype) || !dtype_is_float(b->dtype) || a->dimensions != 2 ||
	    b->dimensions != 2 || a->shape[0] != b->shape[1] || a->shape[0] == 0)
		return error_input("the shapes of lora_A and lora_B of %s do not fit", change->key);
	char module[512];
	split_name(a->name, module, sizeof module);
	return set_scale(config, module, change);
}

static int read_adapter(struct import_adapter *adapter, const struct json *root)
{
	struct lora_config config;
	if (read_config(root, &config) < 0)
		return error_context("adapter_config.json");
	for (size_t i = 0; i < checkpoint_count(adapter->checkpoint); i++)
		if (add_tensor(adapter, checkpoint_at(adapter->checkpoint, i)) < 0)
			return -1;
	if (adapter->count == 0)
		return error_input("the adapter holds no tensors");
	for (size_t i = 0; i < adapter->count; i++)
		if (check_change(&config, &adapter->changes[i]) < 0)
			return -1;
	qsort(adapter->changes, adapter->count, sizeof *adapter->changes, compare_changes);
	return 0;
}

int import_adapter_open(struct import_adapter *adapter, const char *path)
{
	char config[PATH_MAX];
	*adapter = (struct import_adapter){ 0 };
	int length = snprintf(config, sizeof config, "%s/adapter_config.json", path);
	if (length < 0 || (size_t)length >= sizeof config)
		return error_system("%s: name is too long", path);
	adapter->path = memory_text(path, strlen(path));
	if (!adapter->path)
		return -1;
	struct json *root = import_config_open(config);
	if (!root)
		return error_context("%s", config);
	const char *made_for = json_text(json_member(root, "base_model_name_or_path"), NULL);
	int result = 0;
	if (made_for && *made_for && !(adapter->made_for = memory_text(made_for, strlen(made_for))))
		result = -1;
	adapter->checkpoint = result < 0 ? NULL : checkpoint_open(path);
	result = adapter->checkpoint ? read_adapter(adapter, root) : -1;
	if (adapter->checkpoint && result < 0)
		error_context("%s", path);
	json_release(root);
	return result;
}

void import_adapter_close(struct import_adapter *adapter)
{
	checkpoint_close(adapter->checkpoint);
	memory_release(adapter->changes);
	memory_release(adapter->path);
	memory_release(adapter->made_for);
	*adapter = (struct import_adapter){ 0 };
}

struct import_change *import_adapter_find(
    const struct import_adapter *adapter, enum import_part part, const char *key)
{
	struct import_change wanted = { .part = part };
	snprintf(wanted.key, sizeof wanted.key, "%s", key);
	if (adapter->count == 0)
		return NULL;
	return bsearch(
	    &wanted, adapter->changes, adapter->count, sizeof *adapter->changes, compare_changes);
}

/* A whole tensor as f32. */
static float *read_floats(
    const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor)
{
	size_t count;
	if (!checked_size(tensor->elements, &count)) {
		error_memory(SIZE_MAX);
		return NULL;
	}
	void *raw = memory_allocate(count, dtype_size(tensor->dtype));
	float *values = raw ? memory_allocate(count, sizeof *values) : NULL;
	if (values && checkpoint_read(checkpoint, tensor, 0, count, raw) == 0) {
		dtype_to_f32(tensor->dtype, raw, values, count);
	} else {
		memory_release(values);
		values = NULL;
	}
	memory_release(raw);
	return values;
}

int import_factors_read(struct import_factors *factors, const struct import_adapter *adapter,
    const struct import_change *change)
{
	*factors = (struct import_factors){ .change = change,
		.rank = change->a->shape[0],
		.in = change->a->shape[1],
		.out = change->b->shape[0] };
	factors->a = read_floats(adapter->checkpoint, change->a);
	factors->b = factors->a ? read_floats(adapter->checkpoint, change->b) : NULL;
	return factors->b ? 0 : error_context("%s", adapter->path);
}

void import_factors_release(struct import_factors *factors)
{
	memory_release(factors->a);
	memory_release(factors->b);
	*factors = (struct import_factors){ 0 };
}

void import_factors_add(const struct import_factors *factors, uint64_t first, size_t count,
    float *values, double *scratch)
{
	size_t in = factors->in;
	while (count > 0) {
		size_t row = (size_t)(first / in), from = (size_t)(first % in);
		size_t now = count < in - from ? count : in - from;
		memset(scratch, 0, now * sizeof *scratch);
		for (size_t r = 0; r < factors->rank; r++) {
			double b = factors->b[row * factors->rank + r];
			const float *a = factors->a + r * in + from;
			for (size_t i = 0; i < now; i++)
				scratch[i] += b * a[i];
		}
		for (size_t i = 0; i < now; i++)
			values[i] = (float)(values[i] + factors->change->scale * scratch[i]);
		first += now;
		values += now;
		count -= now;
	}
}

static int put_values(struct writer *writer, const char *key, int dimensions, const uint64_t *shape,
    const float *values)
{
	struct record record;
	record_tensor(&record, "values", 'f', dimensions, shape);
	return record_set_key(&record, key) < 0 ? -1 : writer_put(writer, &record, values);
}

static int write_change(
    const struct import_adapter *adapter, const struct import_change *change, struct writer *writer)
{
	if (change->whole) {
		float *values = read_floats(adapter->checkpoint, change->whole);
		int result = values ? put_values(writer, change->key, change->whole->dimensions,
		                          change->whole->shape, values)
		                    : -1;
		memory_release(values);
		return result;
	}
	char key[IMPORT_KEY_SIZE + 8];
	int stem = (int)(strlen(change->key) - strlen(".weight"));
	struct import_factors factors;
	int result = import_factors_read(&factors, adapter, change);
	float scale = (float)change->scale;
	snprintf(key, sizeof key, "%.*s.lora_A", stem, change->key);
	result = result < 0 ? -1 : put_values(writer, key, 2, change->a->shape, factors.a);
	snprintf(key, sizeof key, "%.*s.lora_B", stem, change->key);
	result = result < 0 ? -1 : put_values(writer, key, 2, change->b->shape, factors.b);
	snprintf(key, sizeof key, "%.*s.scale", stem, change->key);
	result = result < 0 ? -1 : put_values(writer, key, 1, (const uint64_t[]){ 1 }, &scale);
	import_factors_release(&factors);
	return result;
}

struct import_adapter_size import_adapter_size(const struct import_adapter *adapter)
{
	struct import_adapter_size size = { .changed = adapter->count };
	for (size_t i = 0; i < adapter->count; i++) {
		const struct import_change *change = &adapter->changes[i];
		size.tensors += change->whole ? 1 : 3;
		size.parameters +=
		    change->whole ? change->whole->elements : change->a->elements + change->b->elements;
		size.bytes += change->whole ? 0 : sizeof(float); /* the scale */
	}
	size.bytes += size.parameters * sizeof(float);
	return size;
}

int import_adapter_begin(struct writer *writer, const struct digest *llm)
{
	char words[64 + DIGEST_TEXT_SIZE] = "stage=adapter\n", text[DIGEST_TEXT_SIZE];
	struct record record;
	if (llm) {
		digest_text(llm, text);
		snprintf(words, sizeof words, "stage=adapter\nllm_weights=%s\n", text);
	}
	record_tensor(&record, "adapter", 'B', 1, (const uint64_t[]){ 0 });
	record.meta = words;
	record.meta_size = strlen(words);
	return record_set_key(&record, "config") < 0 ? -1 : writer_put(writer, &record, NULL);
}

int import_adapter_keepable(const struct import_adapter *adapter)
{
	static const char *const owners[IMPORT_PARTS] = { "", "the image encoder's", "the Q-Former's" };
	for (size_t i = 0; i < adapter->count; i++) {
		const struct import_change *change = &adapter->changes[i];
		const char *last = strrchr(change->key, '.');
		int length = (int)(last ? (size_t)(last - change->key) : strlen(change->key));
		if (change->part != IMPORT_LLM)
			return error_input("%s: holds %.*s, which is %s: merge it (zv-import MODEL --adapter "
			                   "%s)",
			    adapter->path, length, change->key, owners[change->part], adapter->path);
	}
	return 0;
}

int import_adapter_write(
    const struct import_adapter *adapter, const char *path, const struct digest *llm)
{
	if (import_adapter_keepable(adapter) < 0)
		return -1;
	struct writer *writer = writer_open(path, WRITER_BARE);
	if (!writer)
		return -1;
	int result = import_adapter_begin(writer, llm);
	for (size_t i = 0; i < adapter->count && result == 0; i++)
		result = write_change(adapter, &adapter->changes[i], writer);
	if (result == 0)
		return writer_finish(writer);
	writer_abandon(writer);
	return -1;
}
