/* peft_write.c - a PEFT directory from an adapter file (see peft_write.h; spec 5). PEFT counts a
 * layer as W + alpha / r * B * A, where the file has the factor itself: alpha = factor * r. Layers
 * that differ in r or alpha from the first are listed in rank_pattern and alpha_pattern.
 */
#include "import/peft_write.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/packed.h"
#include "base/output.h"
#include "base/textout.h"
#include "stream/model_file.h"
#include "stream/safetensors.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LAYERS_MOST = 1 << 14 };
static const char base_prefix[] = "base_model.model.";

/* A layer with an adapter, or a parameter that is replaced. */
struct layer {
	char *name; /* of the layer: "model.layers.0.self_attn.q_proj", or the parameter */
	bool whole;
	struct weight a, b; /* whole: a alone */
	size_t rank;
	double alpha;
};

struct adapter {
	struct model_file *file;
	struct layer *layers;
	size_t count, room;
	size_t pairs; /* layers that are not whole */
};

static void release(struct adapter *adapter)
{
	for (size_t i = 0; i < adapter->count; i++)
		memory_release(adapter->layers[i].name);
	memory_release(adapter->layers);
	model_file_close(adapter->file);
}

static struct layer *add(
    struct adapter *adapter, const char *name, size_t length, const struct weight *weight)
{
	void *layers = adapter->layers;
	if (adapter->count == LAYERS_MOST) {
		error_input("it changes more than %d tensors", LAYERS_MOST);
		return NULL;
	}
	if (memory_grow(&layers, &adapter->room, adapter->count + 1, sizeof *adapter->layers) < 0)
		return NULL;
	adapter->layers = layers;
	char *own = memory_text(name, length);
	if (!own)
		return NULL;
	struct layer *layer = &adapter->layers[adapter->count++];
	*layer = (struct layer){ .name = own, .a = *weight };
	return layer;
}

/* The shortest number that gives the factor back when it is divided by r. */
static double find_alpha(float factor, size_t rank)
{
	double exact = (double)factor * (double)rank;
	for (int digits = 1; digits < 17; digits++) {
		char text[40];
		snprintf(text, sizeof text, "%.*g", digits, exact);
		double alpha = strtod(text, NULL);
		if ((float)(alpha / (double)rank) == factor)
			return alpha;
	}
	return exact;
}

/* What belongs to the A of a layer. */
static int complete(const struct adapter *adapter, struct layer *layer)
{
	char key[RECORD_KEY_MOST + 16];
	const struct weight *a = &layer->a;
	struct weight factor;
	if (a->dimensions != 2 || a->shape[0] == 0 || a->shape[0] > INT_MAX)
		return error_input("%s.lora_A: is not a matrix", layer->name);
	layer->rank = (size_t)a->shape[0];
	snprintf(key, sizeof key, "%s.lora_B", layer->name);
	if (!model_file_find(adapter->file, key, &layer->b))
		return error_input("%s: is not there", key);
	if (layer->b.dimensions != 2 || layer->b.shape[1] != a->shape[0])
		return error_input("%s: does not fit lora_A, which has rank %zu", key, layer->rank);
	snprintf(key, sizeof key, "%s.scale", layer->name);
	if (!model_file_find(adapter->file, key, &factor))
		return error_input("%s: is not there", key);
	if (factor.dtype != 'f' || factor.bytes != sizeof(float) ||
	    !isfinite(*(const float *)factor.data))
		return error_input("%s: is not one f32 number", key);
	layer->alpha = find_alpha(*(const float *)factor.data, layer->rank);
	return 0;
}

static int collect(struct adapter *adapter)
{
	const char *key;
	size_t size, length;
	struct weight weight;
	for (size_t i = 0; model_file_at(adapter->file, i, &key, &size, &weight); i++) {
		if (packed_is(weight.dtype))
			return error_input("%.*s: is %s, which PEFT does not know",
			    (int)(size < 200 ? size : 200), key, packed_name(weight.dtype));
		if (weight.dtype == 'B' || ending_stem(key, size, ".lora_B", &length) ||
		    ending_stem(key, size, ".scale", &length))
			continue;
		bool pair = ending_stem(key, size, ".lora_A", &length);
		struct layer *layer = add(adapter, key, pair ? length : size, &weight);
		if (!layer)
			return -1;
		layer->whole = !pair;
		adapter->pairs += pair;
		if (pair && complete(adapter, layer) < 0)
			return -1;
	}
	return adapter->pairs > 0 ? 0 : error_input("it holds no adapter");
}

static int open_adapter(struct adapter *adapter, const char *path)
{
	char stage[16];
	struct stat status;
	*adapter = (struct adapter){ 0 };
	adapter->file = model_file_open_path(path);
	if (!adapter->file) {
		/* A file that is not there is the command line's fault, one that is damaged its own. */
		if (stat(path, &status) == 0)
			error_as(ERROR_INPUT);
		return error_context("%s", path);
	}
	if (!model_file_text(adapter->file, "stage", stage, sizeof stage) ||
	    strcmp(stage, "adapter") != 0)
		error_input("%s: is no adapter file, which says stage=adapter", path);
	else if (model_file_verify(adapter->file, NULL) < 0)
		error_as(ERROR_INPUT);
	else if (collect(adapter) == 0)
		return 0;
	else
		error_context("%s", path);
	release(adapter);
	return -1;
}

/* The last word of a layer's name: "q_proj". */
static const char *last_word(const struct layer *layer)
{
	const char *dot = strrchr(layer->name, '.');
	return dot ? dot + 1 : layer->name;
}

/* The number of the block in "model.layers.N.rest", or -1. */
static long block_of(const struct layer *layer)
{
	static const char blocks[] = "model.layers.";
	if (strncmp(layer->name, blocks, sizeof blocks - 1) != 0)
		return -1;
	return strtol(layer->name + sizeof blocks - 1, NULL, 10);
}

/* Does every block up to the last have the same adapters, and nothing else has one? Then the last
 * words name them all. */
static bool is_even(const struct adapter *adapter, size_t *words)
{
	long blocks = 0;
	size_t first = 0;
	for (size_t i = 0; i < adapter->count; i++) {
		const struct layer *layer = &adapter->layers[i];
		long block = block_of(layer);
		if (layer->whole)
			continue;
		if (block < 0)
			return false;
		blocks = block + 1 > blocks ? block + 1 : blocks;
		first += block == 0;
	}
	/* Names are distinct, so it is a matter of counting: each word that occurs, in each block. */
	*words = 0;
	for (size_t i = 0; i < adapter->count; i++) {
		size_t same = 0, before = 0;
		for (size_t j = 0; j < adapter->count && !adapter->layers[i].whole; j++) {
			bool equal = !adapter->layers[j].whole && strcmp(last_word(&adapter->layers[j]),
			                                              last_word(&adapter->layers[i])) == 0;
			same += equal;
			before += equal && j < i;
		}
		if (!adapter->layers[i].whole && same != (size_t)blocks)
			return false;
		*words += !adapter->layers[i].whole && before == 0;
	}
	return *words == first;
}

static void put_text(FILE *stream, const char *text)
{
	textout_json(stream, text, strlen(text));
}

static void put_targets(FILE *stream, const struct adapter *adapter)
{
	size_t words = 0, put = 0;
	bool even = is_even(adapter, &words);
	for (size_t i = 0; i < adapter->count; i++) {
		const struct layer *layer = &adapter->layers[i];
		if (layer->whole || (even && block_of(layer) != 0))
			continue;
		fputs(put++ ? ", " : "[", stream);
		put_text(stream, even ? last_word(layer) : layer->name);
	}
	fputc(']', stream);
}

/* The modules that are replaced, by their whole names: PEFT looks at how a module's name ends. */
static void put_replaced(FILE *stream, const struct adapter *adapter)
{
	size_t put = 0;
	for (size_t i = 0; i < adapter->count; i++) {
		const struct layer *layer = &adapter->layers[i];
		const char *dot = strrchr(layer->name, '.');
		if (!layer->whole)
			continue;
		fputs(put++ ? ", " : "[", stream);
		textout_json(stream, layer->name, dot ? (size_t)(dot - layer->name) : strlen(layer->name));
	}
	fputs(put ? "]" : "null", stream);
}

/* {"layers.1.self_attn.q_proj": number, ...} of the layers that differ from the first. Older
 * versions of PEFT want something in front of what a pattern matches: the first word is left out. */
static void put_pattern(
    FILE *stream, const struct adapter *adapter, const struct layer *first, bool rank)
{
	size_t put = 0;
	fputc('{', stream);
	for (size_t i = 0; i < adapter->count; i++) {
		const struct layer *layer = &adapter->layers[i];
		const char *dot = strchr(layer->name, '.');
		bool differs = rank ? layer->rank != first->rank : layer->alpha != first->alpha;
		if (layer->whole || !differs)
			continue;
		fputs(put++ ? ", " : "", stream);
		put_text(stream, dot ? dot + 1 : layer->name);
		fprintf(stream, ": %.17g", rank ? (double)layer->rank : layer->alpha);
	}
	fputc('}', stream);
}

static void put_config(FILE *stream, const struct adapter *adapter, const char *base)
{
	const struct layer *first = adapter->layers;
	while (first->whole)
		first++;
	fputs("{\n  \"peft_type\": \"LORA\",\n  \"task_type\": \"CAUSAL_LM\",\n"
	      "  \"base_model_name_or_path\": ",
	    stream);
	if (base)
		put_text(stream, base);
	else
		fputs("null", stream);
	fprintf(stream, ",\n  \"r\": %zu,\n  \"lora_alpha\": %.17g,\n  \"lora_dropout\": 0.0,\n",
	    first->rank, first->alpha);
	fputs("  \"target_modules\": ", stream);
	put_targets(stream, adapter);
	fputs(",\n  \"modules_to_save\": ", stream);
	put_replaced(stream, adapter);
	fputs(",\n  \"rank_pattern\": ", stream);
	put_pattern(stream, adapter, first, true);
	fputs(",\n  \"alpha_pattern\": ", stream);
	put_pattern(stream, adapter, first, false);
	fputs(",\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n  \"use_rslora\": false,\n"
	      "  \"inference_mode\": true\n}\n",
	    stream);
}

/* An output in the directory, or NULL. */
static struct output *open_output(const char *directory, const char *name)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof path, "%s/%s", directory, name);
	if (length < 0 || (size_t)length >= sizeof path) {
		error_system("%s: name is too long", directory);
		return NULL;
	}
	struct output *output = output_open(path);
	if (!output)
		error_context("%s", path);
	return output;
}

/* Commit, or abandon what failed. */
static int close_output(struct output *output, const char *directory, int result)
{
	if (result == 0 && output_commit(output) == 0)
		return 0;
	if (result < 0)
		output_abandon(output);
	return error_context("%s", directory);
}

static int write_config(const struct adapter *adapter, const struct peft_request *request)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = textout_open(&text, &size);
	if (!stream)
		return -1;
	put_config(stream, adapter, request->base);
	int result = textout_close(stream);
	struct output *output =
	    result < 0 ? NULL : open_output(request->directory, "adapter_config.json");
	result =
	    output ? close_output(output, request->directory, output_write(output, text, size)) : -1;
	memory_release(text);
	return result;
}

static int enter(
    struct safetensors_entry *entry, const char *name, const char *end, const struct weight *weight)
{
	char full[RECORD_KEY_MOST + 64];
	int length = snprintf(full, sizeof full, "%s%s%s", base_prefix, name, end);
	*entry = (struct safetensors_entry){ .dtype = weight->dtype, .dimensions = weight->dimensions };
	memcpy(entry->shape, weight->shape, sizeof weight->shape);
	entry->name = memory_text(full, (size_t)length);
	return entry->name ? 0 : -1;
}

static int write_payloads(const struct adapter *adapter, struct output *output)
{
	for (size_t i = 0; i < adapter->count; i++) {
		const struct layer *layer = &adapter->layers[i];
		if (output_write(output, layer->a.data, layer->a.bytes) < 0 ||
		    (!layer->whole && output_write(output, layer->b.data, layer->b.bytes) < 0))
			return -1;
	}
	return 0;
}

static int write_tensors(const struct adapter *adapter, const char *directory,
    const struct safetensors_entry *entries, size_t count)
{
	uint8_t *header;
	size_t size;
	if (safetensors_format(entries, count, NULL, 0, &header, &size) < 0)
		return -1;
	struct output *output = open_output(directory, "adapter_model.safetensors");
	int result = output ? output_write(output, header, size) : -1;
	memory_release(header);
	if (!output)
		return -1;
	if (result == 0)
		result = write_payloads(adapter, output);
	return close_output(output, directory, result);
}

static int name_tensors(const struct adapter *adapter, const char *directory)
{
	size_t count = 0;
	struct safetensors_entry *entries = memory_allocate_zero(adapter->count * 2, sizeof *entries);
	int result = entries ? 0 : -1;
	for (size_t i = 0; i < adapter->count && result == 0; i++) {
		const struct layer *layer = &adapter->layers[i];
		const char *end = layer->whole ? "" : ".lora_A.weight";
		result = enter(&entries[count++], layer->name, end, &layer->a);
		if (result == 0 && !layer->whole)
			result = enter(&entries[count++], layer->name, ".lora_B.weight", &layer->b);
	}
	if (result == 0)
		result = write_tensors(adapter, directory, entries, count);
	for (size_t i = 0; i < count; i++)
		memory_release((char *)(uintptr_t)entries[i].name);
	memory_release(entries);
	return result;
}

int peft_write(const struct peft_request *request)
{
	struct adapter adapter;
	if (open_adapter(&adapter, request->adapter) < 0)
		return -1;
	int result = 0;
	if (mkdir(request->directory, 0777) < 0 && errno != EEXIST)
		result = error_system("%s: cannot make this directory:", request->directory);
	/* The configuration last: a directory without it is not taken for an adapter. */
	if (result == 0)
		result = name_tensors(&adapter, request->directory);
	if (result == 0)
		result = write_config(&adapter, request);
	release(&adapter);
	return result;
}
