/* reference.h - unit tests against the reference data: models through the importer, tensors of the
 * expected results, comparison within a tolerance. Static, so that only the tests that need the
 * models depend on them.
 */
#ifndef ZV_TESTS_REFERENCE_H
#define ZV_TESTS_REFERENCE_H

#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "import/import.h"
#include "stream/checkpoint.h"
#include "stream/json.h"
#include "stream/read.h"
#include "stream/write.h"

/* A path below the reference data that outlives the next call of tap_shared(). Up to 8 at a time. */
static inline const char *reference_path(const char *path)
{
	static char paths[8][4096];
	static int turn;
	const char *found = tap_shared(path);
	char *kept = paths[turn++ & 7];
	snprintf(kept, sizeof paths[0], "%s", found ? found : "");
	return found ? kept : NULL;
}

/* Import a model to the directory name below the current one. Its name, or NULL if the sources are
 * absent (skipped) or the import failed. */
static inline const char *reference_import(const struct import_request *request, const char *name)
{
	for (int i = 0; i < request->source_count; i++)
		if (!request->sources[i]) {
			tap_skip(name, "no reference data");
			return NULL;
		}
	struct import *import = import_open(request);
	bool done = import && import_write(import, name, true) == 0;
	import_close(import);
	if (!TAP_OK(done, "%s is imported", name))
		printf("#   %s\n", error_text());
	return done ? name : NULL;
}

/* A Hugging Face directory below the reference data. */
static inline const char *reference_model(const char *folder, const char *name)
{
	const char *source = reference_path(folder);
	struct import_request request = { .sources = &source, .source_count = 1 };
	return reference_import(&request, name);
}

/* The first stage in LAVIS' layout, the image encoder in a file of its own. */
static inline const char *reference_lavis(const char *stage, const char *vit, const char *name)
{
	char path[200];
	snprintf(path, sizeof path, "zoo/A/lavis/%s", stage);
	const char *source = reference_path(path);
	snprintf(path, sizeof path, "zoo/A/lavis/%s", vit);
	struct import_request request = { .sources = &source,
		.source_count = 1,
		.vit = reference_path(path),
		.config = reference_path("zoo/A/lavis/config.json"),
		.vocabulary = reference_path("zoo/A/hf-itm/vocab.txt") };
	return reference_import(&request, name);
}

static inline void reference_write(const char *path, const char *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
		exit(2);
}

/* LAVIS' own numbers at toy size (oracles/tiny-blip2). Its files do not tell heads and eps. */
static inline const char *reference_tiny(const char *weights, const char *name)
{
	static const char config[] =
	    "{\"model_type\": \"blip-2\", \"num_query_tokens\": 6,\n"
	    "\"vision_config\": {\"hidden_size\": 32, \"num_hidden_layers\": 3, \"patch_size\": 14,\n"
	    " \"num_attention_heads\": 4, \"intermediate_size\": 139, \"image_size\": 56,\n"
	    " \"layer_norm_eps\": 1e-6}, \"ln_vision_eps\": 1e-5,\n"
	    "\"qformer_config\": {\"hidden_size\": 24, \"num_hidden_layers\": 4,\n"
	    " \"num_attention_heads\": 4, \"intermediate_size\": 48, \"vocab_size\": 64,\n"
	    " \"cross_attention_frequency\": 2, \"encoder_hidden_size\": 32,\n"
	    " \"layer_norm_eps\": 1e-12},\n"
	    "\"text_config\": {\"model_type\": \"llama\", \"hidden_size\": 40,\n"
	    " \"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"num_key_value_heads\": 4,\n"
	    " \"intermediate_size\": 112, \"vocab_size\": 96, \"rms_norm_eps\": 1e-6,\n"
	    " \"max_position_embeddings\": 64, \"bos_token_id\": 1, \"eos_token_id\": 2}}\n";
	/* <unk> <s> </s> a _, as a SentencePiece model; 61 words and what BERT needs. */
	static const char tokenizer[] = "\n\016\n\005<unk>\025\0\0\0\0\030\002"
	                                "\n\014\n\003<s>\025\0\0\0\0\030\003"
	                                "\n\015\n\004</s>\025\0\0\0\0\030\003"
	                                "\n\012\n\001a\025\0\0\0\0\030\001"
	                                "\n\014\n\003\342\226\201\025\0\0\0\0\030\001"
	                                "\022\002\030\002";
	char path[200], words[600] = "[PAD]\n[UNK]\n";
	for (int word = 2; word < 61; word++)
		snprintf(words + strlen(words), sizeof words - strlen(words), "w%d\n", word);
	snprintf(words + strlen(words), sizeof words - strlen(words), "[CLS]\n[SEP]\n[DEC]\n");
	reference_write("tiny.json", config, strlen(config));
	reference_write("tiny.model", tokenizer, sizeof tokenizer - 1);
	reference_write("tiny.txt", words, strlen(words));
	snprintf(path, sizeof path, "oracles/tiny-blip2/%s", weights);
	const char *source = reference_path(path);
	struct import_request request = { .sources = &source,
		.source_count = 1,
		.config = "tiny.json",
		.tokenizer = "tiny.model",
		.vocabulary = "tiny.txt" };
	return reference_import(&request, name);
}

/* The words of a config record with another number of layers; the first word is stage=. */
static inline bool reference_cut_words(struct record *record, int layers, char words[4096])
{
	char old[4096];
	snprintf(old, sizeof old, "%.*s", (int)record->meta_size, record->meta);
	char *at = strstr(old, "\nlayers="), *rest = at ? strchr(at + 1, '\n') : NULL;
	if (!rest)
		return false;
	*at = '\0';
	int size = snprintf(words, 4096, "%s\nlayers=%d%s", old, layers, rest);
	record->meta = words;
	record->meta_size = (size_t)size;
	return size < 4096;
}

/* Is this a tensor of a layer behind the first ones? Keys hold "layers.N." or "layer.N.". */
static inline bool reference_is_behind(const char *key, int layers)
{
	const char *at = strstr(key, "layer");
	at = at ? strchr(at, '.') : NULL;
	return at && at[1] >= '0' && at[1] <= '9' && strtol(at + 1, NULL, 10) >= layers;
}

/* The directory name with stage.zv of a model cut to its first layers, so that its output is what
 * the reference has behind the last of them. */
static inline bool reference_cut(const char *model, const char *stage, int layers, const char *name)
{
	char path[300], words[4096];
	struct record record;
	snprintf(path, sizeof path, "%s/%s.zv", model, stage);
	struct reader *reader = reader_open(path);
	mkdir(name, 0777); /* that it may exist already is fine; writing tells the rest */
	snprintf(path, sizeof path, "%s/%s.zv", name, stage);
	struct writer *writer = reader ? writer_open(path, WRITER_BARE) : NULL;
	bool fits = writer != NULL;
	while (fits && reader_next(reader, &record) > 0) {
		const void *payload = reader_payload(reader);
		if (strcmp(record.key, "config") == 0)
			fits = reference_cut_words(&record, layers, words);
		fits = fits && payload;
		if (!reference_is_behind(record.key, layers))
			fits = fits && writer_put(writer, &record, payload) == 0;
	}
	reader_close(reader);
	return TAP_OK(writer && writer_finish(writer) == 0 && fits, "%s of %s is cut to %d layers",
	    stage, model, layers);
}

struct reference {
	struct checkpoint *tensors;
	struct json *json;
};

/* expected.safetensors and expected.json, prefix in front: "zoo/A/hf-itm/". */
static inline struct reference reference_open(const char *prefix)
{
	char path[200];
	struct reference reference = { 0 };
	snprintf(path, sizeof path, "%sexpected.safetensors", prefix);
	const char *found = tap_shared(path);
	reference.tensors = found ? checkpoint_open(found) : NULL;
	snprintf(path, sizeof path, "%sexpected.json", prefix);
	found = tap_shared(path);
	reference.json = found ? json_open(found) : NULL;
	return reference;
}

static inline void reference_close(struct reference *reference)
{
	checkpoint_close(reference->tensors);
	json_release(reference->json);
}

/* The values of a tensor as f32 (memory_release); NULL and a failed test if it is missing. */
static inline float *reference_values(
    const struct checkpoint *checkpoint, const char *name, size_t *count)
{
	const struct checkpoint_tensor *tensor = checkpoint ? checkpoint_find(checkpoint, name) : NULL;
	*count = 0;
	if (!tensor) {
		TAP_OK(false, "reference tensor %s is there", name);
		return NULL;
	}
	size_t n = (size_t)tensor->elements;
	void *raw = memory_allocate(n, 8);
	float *values = memory_allocate(n, sizeof *values);
	if (!raw || !values || checkpoint_read(checkpoint, tensor, 0, n, raw) < 0)
		exit(2);
	dtype_to_f32(tensor->dtype, raw, values, n);
	memory_release(raw);
	*count = n;
	return values;
}

/* Largest difference over the largest magnitude wanted; infinity if anything is not a number. */
static inline double reference_error(const float *got, const float *wanted, size_t count)
{
	double most = 0, scale = 0;
	for (size_t i = 0; i < count; i++) {
		double difference = fabs((double)got[i] - (double)wanted[i]);
		if (!(difference <= most))
			most = difference;
		if (fabs((double)wanted[i]) > scale)
			scale = fabs((double)wanted[i]);
	}
	return isnan(most) ? INFINITY : scale > 0 ? most / scale : most;
}

/* Compare count values with the tensor of this name: equal in number and within tolerance of its
 * largest magnitude. */
static inline void reference_compare(const struct checkpoint *checkpoint, const char *name,
    const float *got, size_t count, double tolerance)
{
	size_t wanted_count;
	float *wanted = reference_values(checkpoint, name, &wanted_count);
	if (!wanted)
		return;
	double error = wanted_count == count ? reference_error(got, wanted, count) : INFINITY;
	TAP_OK(error <= tolerance, "%s (%.1e of its maximum, at most %.0e)", name, error, tolerance);
	memory_release(wanted);
}

/* The largest magnitude in all tensors of the file. */
static inline double reference_maximum(const struct checkpoint *checkpoint)
{
	double most = 0;
	for (size_t i = 0; i < checkpoint_count(checkpoint); i++) {
		size_t count;
		float *values = reference_values(checkpoint, checkpoint_at(checkpoint, i)->name, &count);
		for (size_t j = 0; j < count; j++)
			most = fmax(most, fabs((double)values[j]));
		memory_release(values);
	}
	return most;
}

/* Largest difference of a gradient over the larger of the tensor's maximum and 1e-4 of the largest of
 * all; infinity if anything is not a number. */
static inline double reference_gradient_error(
    const float *got, const float *wanted, size_t count, double global)
{
	double most = 0, scale = 1e-4 * global;
	for (size_t i = 0; i < count; i++) {
		double error = fabs((double)got[i] - (double)wanted[i]);
		most = error <= most ? most : error;
		scale = fmax(scale, fabs((double)wanted[i]));
	}
	return isnan(most) ? INFINITY : most / scale;
}

/* An array of whole numbers to ids; the count. */
static inline size_t reference_ids(const struct json *array, int32_t *ids, size_t most)
{
	size_t count = json_count(array);
	for (size_t i = 0; i < count && i < most; i++) {
		int64_t id = -1;
		json_whole(json_item(array, i), 0, INT32_MAX, &id);
		ids[i] = (int32_t)id;
	}
	return count < most ? count : most;
}

#endif
