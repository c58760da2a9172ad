/* import_qformer.c - the Q-Former's part of an import: qformer.zv (spec 3.4, 3.5, 4.1-4.4). */
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "import/import_pass.h"

#include <stdio.h>
#include <string.h>

static const char query_key[] = "query_tokens";

/* rows of a matrix of this part, which must have two dimensions; 0 if it is not there. */
static int matrix_shape(
    const struct import *import, const char *key, uint64_t *rows, uint64_t *columns)
{
	int dimensions;
	uint64_t shape[CHECKPOINT_DIMENSIONS];
	*rows = *columns = 0;
	if (!import_shape(import, IMPORT_QFORMER, key, &dimensions, shape))
		return 0;
	if (dimensions != 2)
		return error_input("%s of the Q-Former has %d dimensions, not 2", key, dimensions);
	*rows = shape[0];
	*columns = shape[1];
	return 0;
}

/* Are two tensors the same values, be it because they share their storage? */
static int compare_tensors(const struct import_origin *a, const struct import_origin *b, bool *same)
{
	enum { PIECE = 1 << 16 };
	*same = a->tensor->dtype == b->tensor->dtype && a->tensor->elements == b->tensor->elements;
	if (!*same || (a->source == b->source && a->tensor->file == b->tensor->file &&
	                  a->tensor->offset == b->tensor->offset && a->tensor->contiguous &&
	                  b->tensor->contiguous))
		return 0;
	size_t size = dtype_size(a->tensor->dtype);
	char *left = memory_allocate(PIECE, size), *right = left ? memory_allocate(PIECE, size) : NULL;
	int result = right ? 0 : -1;
	for (uint64_t first = 0; result == 0 && *same && first < a->tensor->elements; first += PIECE) {
		uint64_t rest = a->tensor->elements - first, count = rest < PIECE ? rest : PIECE;
		result = checkpoint_read(a->source->checkpoint, a->tensor, first, count, left);
		if (result == 0)
			result = checkpoint_read(b->source->checkpoint, b->tensor, first, count, right);
		*same = result == 0 && memcmp(left, right, count * size) == 0;
	}
	memory_release(left);
	memory_release(right);
	return result;
}

/* The decoder of the caption head is the word table, as LAVIS ties them; anything else would be
 * another model than qformer.zv can say. */
static int check_tied(const struct import *import, const char *key, const char *twin)
{
	const struct import_origin *a = import_find(&import->sources, IMPORT_QFORMER, key);
	const struct import_origin *b = import_find(&import->sources, IMPORT_QFORMER, twin);
	bool same = true;
	if (a && b && compare_tensors(a, b, &same) < 0)
		return error_context("%s", a->source->path);
	if (!same)
		return error_input("%s: \"%s\" and \"%s\" differ, but are one in this kind of model",
		    a->source->path, a->tensor->name, b->tensor->name);
	return 0;
}

static int measure_text(struct import *import)
{
	struct import_qformer_sizes *sizes = &import->qformer;
	uint64_t columns;
	if (matrix_shape(import, "embeddings.word_embeddings.weight", &sizes->vocabulary, &columns) <
	        0 ||
	    matrix_shape(import, "embeddings.position_embeddings.weight", &sizes->positions, &columns) <
	        0)
		return -1;
	if (sizes->vocabulary == 0)
		return sizes->instruction ? error_input("this kind of model reads the question in the "
		                                        "Q-Former, but no source has its word table")
		                          : 0;
	sizes->match = import_has(import, IMPORT_QFORMER, "itm_head.weight");
	sizes->caption = import_has(import, IMPORT_QFORMER, "cls.predictions.transform.dense.weight");
	if (sizes->caption &&
	    (check_tied(import, "cls.predictions.decoder.weight", "embeddings.word_embeddings.weight") <
	            0 ||
	        check_tied(import, "cls.predictions.decoder.bias", "cls.predictions.bias") < 0))
		return -1;
	return 0;
}

static int read_settings(struct import *import)
{
	struct import_qformer_sizes *sizes = &import->qformer;
	struct import_qformer_config config;
	const struct import_origin *query = import_find(&import->sources, IMPORT_QFORMER, query_key);
	if (import_config_qformer(
	        import_config_of(import, IMPORT_QFORMER, query_key, "qformer_config"), &config) < 0)
		return import_config_error(import, IMPORT_QFORMER, query_key, "qformer_config");
	if (!config.found && sizes->width != 768)
		return error_input("%s does not say how many heads the Q-Former has: give --config with a "
		                   "config.json",
		    query->source->path);
	sizes->heads = (uint64_t)config.heads;
	sizes->frequency = (uint64_t)config.frequency;
	sizes->norm_eps = config.norm_eps;
	sizes->instruction = config.instruction;
	if (sizes->width % sizes->heads)
		return error_input("the Q-Former's width %llu is no multiple of its %llu heads",
		    (unsigned long long)sizes->width, (unsigned long long)sizes->heads);
	return 0;
}

/* Cross-attention must stand where the frequency says, nowhere else. */
static int check_frequency(const struct import *import)
{
	const struct import_qformer_sizes *sizes = &import->qformer;
	for (uint64_t layer = 0; layer < sizes->layers; layer++) {
		char key[IMPORT_KEY_SIZE];
		snprintf(key, sizeof key, "encoder.layer.%u.crossattention.attention.key.weight",
		    (unsigned)layer);
		if (import_has(import, IMPORT_QFORMER, key) != (layer % sizes->frequency == 0))
			return error_input("cross_attention_frequency is %llu, but layer %llu of the Q-Former "
			                   "has %s cross-attention",
			    (unsigned long long)sizes->frequency, (unsigned long long)layer,
			    layer % sizes->frequency ? "a" : "no");
	}
	return 0;
}

static int check_neighbours(const struct import *import)
{
	const struct import_qformer_sizes *sizes = &import->qformer;
	if (import->counts[IMPORT_VIT].present && sizes->encoder_width != import->vit.width)
		return error_input("the Q-Former reads features of width %llu, the image encoder makes "
		                   "%llu",
		    (unsigned long long)sizes->encoder_width, (unsigned long long)import->vit.width);
	if (import->counts[IMPORT_LLM].present && sizes->llm_width &&
	    sizes->llm_width != import->llm.width)
		return error_input("the Q-Former projects to width %llu, the language model has %llu",
		    (unsigned long long)sizes->llm_width, (unsigned long long)import->llm.width);
	if (import->counts[IMPORT_LLM].present && !sizes->llm_width)
		return error_input("no source has the projection from the Q-Former to the language model "
		                   "(language_projection, llm_proj or llama_proj)");
	return 0;
}

int import_qformer_measure(struct import *import)
{
	struct import_qformer_sizes *sizes = &import->qformer;
	uint64_t columns;
	if (matrix_shape(import, query_key, &sizes->queries, &sizes->width) < 0 ||
	    matrix_shape(import, "encoder.layer.0.crossattention.attention.key.weight", &columns,
	        &sizes->encoder_width) < 0 ||
	    matrix_shape(import, "encoder.layer.0.intermediate_query.dense.weight", &sizes->mlp_width,
	        &columns) < 0 ||
	    matrix_shape(import, "language_projection.weight", &sizes->llm_width, &columns) < 0 ||
	    matrix_shape(import, "vision_projection.weight", &sizes->contrast_width, &columns) < 0)
		return -1;
	sizes->layers = (uint64_t)import_layers(&import->sources, IMPORT_QFORMER, "encoder.layer.");
	sizes->temperature = import_has(import, IMPORT_QFORMER, "temp");
	if (read_settings(import) < 0 || check_frequency(import) < 0 || measure_text(import) < 0 ||
	    check_neighbours(import) < 0)
		return -1;
	/* A text branch beside a projection and without heads for search is there for one thing. */
	if (sizes->vocabulary && sizes->llm_width && !sizes->contrast_width)
		sizes->instruction = true;
	return 0;
}

static int put_settings(struct import_pass *pass)
{
	const struct import *import = pass->import;
	const struct import_qformer_sizes *sizes = &import->qformer;
	struct import_words words = { .size = 0 };
	char text[DIGEST_TEXT_SIZE];
	import_word_text(&words, "stage", "qformer");
	import_word_whole(&words, "width", (int64_t)sizes->width);
	import_word_whole(&words, "layers", (int64_t)sizes->layers);
	import_word_whole(&words, "heads", (int64_t)sizes->heads);
	import_word_whole(&words, "mlp_width", (int64_t)sizes->mlp_width);
	import_word_whole(&words, "cross_frequency", (int64_t)sizes->frequency);
	import_word_whole(&words, "encoder_width", (int64_t)sizes->encoder_width);
	import_word_whole(&words, "queries", (int64_t)sizes->queries);
	import_word_real(&words, "norm_eps", sizes->norm_eps);
	if (sizes->vocabulary) {
		import_word_whole(&words, "text", 1);
		import_word_whole(&words, "vocabulary", (int64_t)sizes->vocabulary);
		import_word_whole(&words, "positions", (int64_t)sizes->positions);
	}
	if (sizes->instruction)
		import_word_whole(&words, "instruction", 1);
	if (sizes->llm_width)
		import_word_whole(&words, "llm_width", (int64_t)sizes->llm_width);
	if (sizes->contrast_width)
		import_word_whole(&words, "contrast_width", (int64_t)sizes->contrast_width);
	digest_text(&import->fingerprints[IMPORT_VIT], text);
	import_word_text(&words, "vit_weights", text);
	if (import->counts[IMPORT_LLM].present) {
		digest_text(&import->fingerprints[IMPORT_LLM], text);
		import_word_text(&words, "llm_weights", text);
	}
	return import_settings(pass, &words);
}

/* encoder.layer.N.NAME, a linear layer [rows, columns] or a norm. */
static int put_pair(
    struct import_pass *pass, unsigned layer, const char *name, uint64_t rows, uint64_t columns)
{
	char key[IMPORT_KEY_SIZE];
	snprintf(key, sizeof key, "encoder.layer.%u.%s", layer, name);
	return import_pair(pass, key, rows, columns);
}

static int put_attention(
    struct import_pass *pass, unsigned layer, const char *kind, uint64_t encoder_width)
{
	uint64_t width = pass->import->qformer.width;
	const struct {
		const char *name;
		uint64_t columns;
	} pairs[] = {
		{ "attention.query", width },
		{ "attention.key", encoder_width },
		{ "attention.value", encoder_width },
		{ "output.dense", width },
		{ "output.LayerNorm", 0 },
	};
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		char name[64];
		snprintf(name, sizeof name, "%s.%s", kind, pairs[i].name);
		if (put_pair(pass, layer, name, width, pairs[i].columns) < 0)
			return -1;
	}
	return 0;
}

/* The feed-forward network of the query rows (suffix "_query") or of the text rows (""). */
static int put_mlp(struct import_pass *pass, unsigned layer, const char *suffix)
{
	uint64_t width = pass->import->qformer.width, inner = pass->import->qformer.mlp_width;
	char name[64];
	snprintf(name, sizeof name, "intermediate%s.dense", suffix);
	if (put_pair(pass, layer, name, inner, width) < 0)
		return -1;
	snprintf(name, sizeof name, "output%s.dense", suffix);
	if (put_pair(pass, layer, name, width, inner) < 0)
		return -1;
	snprintf(name, sizeof name, "output%s.LayerNorm", suffix);
	return put_pair(pass, layer, name, width, 0);
}

static int put_layer(struct import_pass *pass, unsigned layer)
{
	const struct import_qformer_sizes *sizes = &pass->import->qformer;
	if (put_attention(pass, layer, "attention", sizes->width) < 0)
		return -1;
	if (layer % sizes->frequency == 0 &&
	    put_attention(pass, layer, "crossattention", sizes->encoder_width) < 0)
		return -1;
	if (put_mlp(pass, layer, "_query") < 0)
		return -1;
	return sizes->vocabulary ? put_mlp(pass, layer, "") : 0;
}

static int put_text(struct import_pass *pass)
{
	const struct import_qformer_sizes *sizes = &pass->import->qformer;
	return import_file(pass, "vocab.txt", &pass->import->vocabulary) < 0 ||
	               import_file(pass, "added_tokens", &pass->import->qformer_added) < 0 ||
	               import_tensor(pass, IMPORT_MATRIX, "embeddings.word_embeddings.weight", 2,
	                   (const uint64_t[]){ sizes->vocabulary, sizes->width }) < 0 ||
	               import_tensor(pass, IMPORT_VECTOR, "embeddings.position_embeddings.weight", 2,
	                   (const uint64_t[]){ sizes->positions, sizes->width }) < 0
	           ? -1
	           : 0;
}

static int put_heads(struct import_pass *pass)
{
	const struct import_qformer_sizes *sizes = &pass->import->qformer;
	uint64_t width = sizes->width, one = 1;
	if (sizes->llm_width && import_pair(pass, "language_projection", sizes->llm_width, width) < 0)
		return -1;
	if (sizes->contrast_width &&
	    (import_pair(pass, "vision_projection", sizes->contrast_width, width) < 0 ||
	        import_pair(pass, "text_projection", sizes->contrast_width, width) < 0))
		return -1;
	if (sizes->match && import_pair(pass, "itm_head", 2, width) < 0)
		return -1;
	if (sizes->temperature && import_tensor(pass, IMPORT_VECTOR, "temp", 1, &one) < 0)
		return -1;
	if (!sizes->caption)
		return 0;
	return import_tensor(pass, IMPORT_VECTOR, "cls.predictions.bias", 1, &sizes->vocabulary) < 0 ||
	               import_pair(pass, "cls.predictions.transform.dense", width, width) < 0 ||
	               import_pair(pass, "cls.predictions.transform.LayerNorm", width, 0) < 0
	           ? -1
	           : 0;
}

int import_qformer_tensors(struct import_pass *pass)
{
	const struct import_qformer_sizes *sizes = &pass->import->qformer;
	if (put_settings(pass) < 0 ||
	    import_tensor(pass, IMPORT_VECTOR, query_key, 2,
	        (const uint64_t[]){ sizes->queries, sizes->width }) < 0 ||
	    import_pair(pass, "layernorm", sizes->width, 0) < 0)
		return -1;
	if (sizes->vocabulary && put_text(pass) < 0)
		return -1;
	for (uint64_t layer = 0; layer < sizes->layers; layer++)
		if (put_layer(pass, (unsigned)layer) < 0)
			return -1;
	return put_heads(pass);
}
