/* new_qformer.c - a Q-Former from nothing: with a text branch and heads if a vocabulary is given
 * (see new_parts.h).
 */
#include "base/error.h"
#include "base/memory.h"
#include "model/parameters.h"
#include "text/wordpiece.h"
#include "train/new_config.h"
#include "train/new_parts.h"

#include <stdio.h>
#include <string.h>

struct sizes {
	int64_t width, layers, heads, mlp_width, cross_frequency, encoder_width, queries;
	int64_t llm_width, contrast_width, vocabulary, positions; /* 0: none */
	int instruction;
	double query_spread;
	double branch; /* factor of what is added to the residual; small: layers begin as nothing */
};

/* The text branch's vocabulary. */
struct words {
	char *bytes, *added;
	size_t size, added_size;
	char own[64]; /* [DEC], where the vocabulary has none */
	struct wordpiece *wordpiece;
};

static void close_words(struct words *words)
{
	if (words->wordpiece)
		wordpiece_close(words->wordpiece);
	memory_release(words->bytes);
	memory_release(words->added);
}

/* Captions begin with [DEC], which BERT's vocabulary has not: it is added (spec 7.2). */
static int add_decoder(struct words *words)
{
	if (words->added || wordpiece_find(words->wordpiece, "[DEC]") >= 0)
		return 0;
	snprintf(
	    words->own, sizeof words->own, "%d\tstrip\t[DEC]\n", (int)wordpiece_size(words->wordpiece));
	words->added_size = strlen(words->own);
	wordpiece_close(words->wordpiece);
	words->wordpiece = wordpiece_open(words->bytes, words->size, words->own, words->added_size);
	return words->wordpiece ? 0 : -1;
}

/* 1, or 0: there is no text branch; -1. */
static int open_words(struct new_part *part, struct words *words)
{
	int found = new_config_file(part->config, "qformer.vocab", &words->bytes, &words->size);
	if (found <= 0)
		return found;
	if (new_config_file(part->config, "qformer.added_file", &words->added, &words->added_size) < 0)
		return -1;
	words->wordpiece = wordpiece_open(words->bytes, words->size, words->added, words->added_size);
	if (!words->wordpiece || add_decoder(words) < 0)
		return error_context("qformer.vocab");
	return 1;
}

/* The width of what another part makes or takes: as that part says, if it is made as well. */
static int read_width(struct new_part *part, const char *word, size_t known, int64_t *width)
{
	*width = known > 0 ? (int64_t)known : 0;
	const char *setting = new_part_setting(part, word);
	if (new_config_whole(part->config, setting, 1, PARAMETERS_WIDTH_MOST, width) < 0)
		return -1;
	if (known > 0 && *width != (int64_t)known)
		return error_input("%s is %lld, but the part has %zu", setting, (long long)*width, known);
	if (*width > 0)
		new_part_word(part, "%s=%lld\n", word, (long long)*width);
	return 0;
}

static int read_text_sizes(struct new_part *part, const struct words *words, struct sizes *sizes)
{
	sizes->positions = 512;
	sizes->vocabulary = wordpiece_size(words->wordpiece);
	new_part_word(part, "text=1\nvocabulary=%lld\n", (long long)sizes->vocabulary);
	if (new_part_whole(part, "positions", 3, PARAMETERS_WIDTH_MOST, &sizes->positions) < 0 ||
	    (sizes->instruction = new_part_flag(part, "instruction")) < 0)
		return -1;
	if (sizes->instruction)
		new_part_word(part, "instruction=1\n");
	sizes->contrast_width = 256;
	return new_part_whole(part, "contrast_width", 1, PARAMETERS_WIDTH_MOST, &sizes->contrast_width);
}

static int read_sizes(struct new_part *part, const struct new_model_sizes *all, struct sizes *sizes)
{
	if (new_part_whole(part, "width", 1, PARAMETERS_WIDTH_MOST, &sizes->width) < 0 ||
	    new_part_whole(part, "layers", 1, PARAMETERS_LAYERS_MOST, &sizes->layers) < 0 ||
	    new_part_whole(part, "heads", 1, sizes->width, &sizes->heads) < 0)
		return -1;
	sizes->mlp_width = 4 * sizes->width;
	sizes->cross_frequency = 2;
	sizes->query_spread = 0.02;
	sizes->branch = 1;
	if (new_part_whole(part, "mlp_width", 1, PARAMETERS_WIDTH_MOST, &sizes->mlp_width) < 0 ||
	    new_part_whole(
	        part, "cross_frequency", 1, PARAMETERS_LAYERS_MOST, &sizes->cross_frequency) < 0 ||
	    read_width(part, "encoder_width", all->vit_width, &sizes->encoder_width) < 0 ||
	    new_part_whole(part, "queries", 1, PARAMETERS_WIDTH_MOST, &sizes->queries) < 0 ||
	    new_part_real(part, "norm_eps", 0, 1, "1e-12") < 0 ||
	    read_width(part, "llm_width", all->llm_width, &sizes->llm_width) < 0 ||
	    new_config_real(part->config, "qformer.query_spread", 0, 100, &sizes->query_spread) < 0 ||
	    new_config_real(part->config, "qformer.branch", 0, 1, &sizes->branch) < 0)
		return -1;
	if (sizes->encoder_width == 0)
		return error_input("the setting qformer.encoder_width is missing");
	if (sizes->width % sizes->heads != 0)
		return error_input("qformer.width must be a multiple of qformer.heads");
	return 0;
}

static void put_attention(
    struct new_part *part, const struct sizes *sizes, size_t keys, const char *kind, size_t n)
{
	size_t width = (size_t)sizes->width;
	new_part_linear(
	    part, width, width, NEW_NORMAL, 1, "encoder.layer.%zu.%s.attention.query", n, kind);
	new_part_linear(
	    part, width, keys, NEW_NORMAL, 1, "encoder.layer.%zu.%s.attention.key", n, kind);
	new_part_linear(
	    part, width, keys, NEW_NORMAL, 1, "encoder.layer.%zu.%s.attention.value", n, kind);
	new_part_linear(part, width, width, NEW_NORMAL, sizes->branch,
	    "encoder.layer.%zu.%s.output.dense", n, kind);
	new_part_norm(part, width, true, "encoder.layer.%zu.%s.output.LayerNorm", n, kind);
}

static void put_mlp(struct new_part *part, const struct sizes *sizes, const char *kind, size_t n)
{
	size_t width = (size_t)sizes->width, mlp = (size_t)sizes->mlp_width;
	new_part_linear(
	    part, mlp, width, NEW_NORMAL, 1, "encoder.layer.%zu.intermediate%s.dense", n, kind);
	new_part_linear(
	    part, width, mlp, NEW_NORMAL, sizes->branch, "encoder.layer.%zu.output%s.dense", n, kind);
	new_part_norm(part, width, true, "encoder.layer.%zu.output%s.LayerNorm", n, kind);
}

/* The text branch's tables and the heads of the stage contrast. */
static void put_text(struct new_part *part, const struct sizes *sizes, const struct words *words)
{
	size_t width = (size_t)sizes->width, rows = (size_t)sizes->vocabulary;
	size_t contrast = (size_t)sizes->contrast_width;
	const char *added = words->added ? words->added : words->own;
	new_part_bytes(part, "vocab.txt", words->bytes, words->size);
	if (words->added_size > 0)
		new_part_bytes(part, "added_tokens", added, words->added_size);
	double spread = part->spread > 0 ? part->spread : 0.02;
	new_part_matrix(part, rows, width, 1, "embeddings.word_embeddings");
	new_part_table(
	    part, (size_t)sizes->positions, width, spread, "embeddings.position_embeddings.weight");
	new_part_linear(part, contrast, width, NEW_UNIFORM, 1, "vision_projection");
	new_part_linear(part, contrast, width, NEW_UNIFORM, 1, "text_projection");
	new_part_linear(part, 2, width, NEW_UNIFORM, 1, "itm_head");
	new_part_constant(part, 1, 0.07f, "temp");
	new_part_constant(part, rows, 0, "cls.predictions.bias");
	new_part_linear(part, width, width, NEW_NORMAL, 1, "cls.predictions.transform.dense");
	new_part_norm(part, width, true, "cls.predictions.transform.LayerNorm");
}

static void put_tensors(struct new_part *part, const struct sizes *sizes, const struct words *words)
{
	size_t width = (size_t)sizes->width;
	new_part_config(part);
	new_part_table(part, (size_t)sizes->queries, width, sizes->query_spread, "query_tokens");
	new_part_norm(part, width, true, "layernorm");
	for (size_t n = 0; n < (size_t)sizes->layers; n++) {
		put_attention(part, sizes, width, "attention", n);
		if (n % (size_t)sizes->cross_frequency == 0)
			put_attention(part, sizes, (size_t)sizes->encoder_width, "crossattention", n);
		put_mlp(part, sizes, "_query", n);
		if (words->wordpiece)
			put_mlp(part, sizes, "", n);
	}
	if (sizes->llm_width > 0)
		new_part_linear(
		    part, (size_t)sizes->llm_width, width, NEW_UNIFORM, 1, "language_projection");
	if (words->wordpiece)
		put_text(part, sizes, words);
}

static void put_fingerprint(struct new_part *part, const char *word, const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];
	digest_text(digest, text);
	if (!digest_is_zero(digest))
		new_part_word(part, "%s=%s\n", word, text);
}

int new_qformer_write(struct new_part *part, struct new_model_sizes *all)
{
	struct sizes sizes = { -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 1 };
	struct words words = { 0 };
	int status = read_sizes(part, all, &sizes), found = 0;
	if (status == 0)
		status = found = open_words(part, &words);
	if (found > 0)
		status = read_text_sizes(part, &words, &sizes);
	if (status == 0) {
		put_fingerprint(part, "vit_weights", &all->vit_weights);
		put_fingerprint(part, "llm_weights", &all->llm_weights);
		put_tensors(part, &sizes, &words);
	}
	close_words(&words);
	return status;
}
