/* new_llm.c - a LLaMA from nothing, round a tokenizer that is given (see new_parts.h). */
#include "base/error.h"
#include "base/memory.h"
#include "base/textout.h"
#include "model/parameters.h"
#include "text/bpe.h"
#include "train/new_config.h"
#include "train/new_parts.h"

#include <math.h>
#include <string.h>

struct sizes {
	int64_t width, layers, heads, kv_heads, mlp_width, positions, vocabulary;
	int tied;
};

/* The tokenizer's files. */
struct tokenizer {
	char *model, *added;
	size_t model_size, added_size;
	struct bpe *bpe; /* of both */
};

static void close_tokenizer(struct tokenizer *tokenizer)
{
	bpe_close(tokenizer->bpe);
	memory_release(tokenizer->model);
	memory_release(tokenizer->added);
}

/* Words between blanks become the tokens behind the model's own. */
static int add_words(struct tokenizer *tokenizer, const char *words, FILE *stream)
{
	int32_t id = bpe_size(tokenizer->bpe);
	for (size_t size; *words; words += size) {
		words += strspn(words, " \t");
		size = strcspn(words, " \t");
		char word[200];
		if (size >= sizeof word)
			return error_input("\"%.40s...\" is too long for a token", words);
		memcpy(word, words, size);
		word[size] = '\0';
		if (size > 0 && bpe_find(tokenizer->bpe, word) >= 0)
			return error_input("the tokenizer has \"%s\" already", word);
		if (size > 0) {
			char number[32];
			snprintf(number, sizeof number, "%d\tstrip\t", (int)id++);
			fputs(number, stream);
			textout_field(stream, word, size);
			fputs("\n", stream);
		}
	}
	return 0;
}

static int read_added(struct new_part *part, struct tokenizer *tokenizer)
{
	struct new_config *config = part->config;
	const char *words = new_config_text(config, "llm.added");
	int found =
	    new_config_file(config, "llm.added_file", &tokenizer->added, &tokenizer->added_size);
	if (found < 0)
		return -1;
	if (!words)
		return 0;
	if (found)
		return error_input("llm.added and llm.added_file do not go together");
	FILE *stream = textout_open(&tokenizer->added, &tokenizer->added_size);
	if (!stream)
		return -1;
	int status = add_words(tokenizer, words, stream);
	return textout_close(stream) < 0 ? -1 : status < 0 ? error_context("llm.added") : 0;
}

static int open_tokenizer(struct new_part *part, struct tokenizer *tokenizer)
{
	int found =
	    new_config_file(part->config, "llm.tokenizer", &tokenizer->model, &tokenizer->model_size);
	if (found <= 0)
		return found < 0 ? -1 : error_input("the setting llm.tokenizer is missing");
	tokenizer->bpe = bpe_open(tokenizer->model, tokenizer->model_size, NULL, 0);
	if (!tokenizer->bpe)
		return error_context("llm.tokenizer");
	if (read_added(part, tokenizer) < 0)
		return -1;
	bpe_close(tokenizer->bpe);
	tokenizer->bpe =
	    bpe_open(tokenizer->model, tokenizer->model_size, tokenizer->added, tokenizer->added_size);
	return tokenizer->bpe ? 0 : -1;
}

static int read_sizes(struct new_part *part, const struct bpe *bpe, struct sizes *sizes)
{
	if (new_part_whole(part, "width", 2, PARAMETERS_WIDTH_MOST, &sizes->width) < 0 ||
	    new_part_whole(part, "layers", 1, PARAMETERS_LAYERS_MOST, &sizes->layers) < 0 ||
	    new_part_whole(part, "heads", 1, sizes->width, &sizes->heads) < 0)
		return -1;
	sizes->kv_heads = sizes->heads;
	sizes->vocabulary = bpe_size(bpe);
	if (new_part_whole(part, "kv_heads", 1, sizes->heads, &sizes->kv_heads) < 0 ||
	    new_part_whole(part, "mlp_width", 1, PARAMETERS_WIDTH_MOST, &sizes->mlp_width) < 0 ||
	    new_part_whole(part, "positions", 1, 1 << 20, &sizes->positions) < 0 ||
	    new_part_whole(
	        part, "vocabulary", bpe_size(bpe), PARAMETERS_ROWS_MOST, &sizes->vocabulary) < 0 ||
	    new_part_real(part, "norm_eps", 0, 1, "1e-06") < 0 ||
	    new_part_real(part, "rope_theta", 1, 1e12, "10000") < 0 ||
	    (sizes->tied = new_part_flag(part, "tied")) < 0)
		return -1;
	if (sizes->width % sizes->heads != 0 || sizes->width / sizes->heads % 2 != 0)
		return error_input("llm.width must be an even multiple of llm.heads");
	if (sizes->heads % sizes->kv_heads != 0)
		return error_input("llm.heads must be a multiple of llm.kv_heads");
	return 0;
}

/* What generation and the tokenizer take from the file. */
static int read_words(struct new_part *part, const struct bpe *bpe, bool tied)
{
	const char *template = new_config_text(part->config, "llm.template");
	new_part_word(part, "bos=%d\neos=%d\n", (int)bpe_bos(bpe), (int)bpe_eos(bpe));
	if (template && strpbrk(template, "\n\r\t "))
		return error_input("llm.template: \"%.60s\" is no name", template);
	new_part_word(part, "template=%s\n%s", template ? template : "ziya", tied ? "tied=1\n" : "");
	return new_part_real(part, "pad", -1, 1 << 20, NULL) < 0 ||
	               new_part_real(part, "legacy", 0, 1, NULL) < 0 ||
	               new_part_real(part, "do_sample", 0, 1, NULL) < 0 ||
	               new_part_real(part, "temperature", 0, 100, NULL) < 0 ||
	               new_part_real(part, "top_k", 0, 1 << 20, NULL) < 0 ||
	               new_part_real(part, "top_p", 0, 1, NULL) < 0 ||
	               new_part_real(part, "repetition_penalty", 0.01, 100, NULL) < 0 ||
	               new_part_real(part, "max_new_tokens", 1, 1 << 20, NULL) < 0 ||
	               new_part_real(part, "num_beams", 1, 64, NULL) < 0 ||
	               new_part_real(part, "length_penalty", -100, 100, NULL) < 0
	           ? -1
	           : 0;
}

static void put_layer(struct new_part *part, const struct sizes *sizes, size_t n)
{
	size_t width = (size_t)sizes->width, mlp_width = (size_t)sizes->mlp_width;
	size_t kv = width / (size_t)sizes->heads * (size_t)sizes->kv_heads;
	double branch = 1 / sqrt(2 * (double)sizes->layers);
	new_part_norm(part, width, false, "model.layers.%zu.input_layernorm", n);
	new_part_matrix(part, width, width, 1, "model.layers.%zu.self_attn.q_proj", n);
	new_part_matrix(part, kv, width, 1, "model.layers.%zu.self_attn.k_proj", n);
	new_part_matrix(part, kv, width, 1, "model.layers.%zu.self_attn.v_proj", n);
	new_part_matrix(part, width, width, branch, "model.layers.%zu.self_attn.o_proj", n);
	new_part_norm(part, width, false, "model.layers.%zu.post_attention_layernorm", n);
	new_part_matrix(part, mlp_width, width, 1, "model.layers.%zu.mlp.gate_proj", n);
	new_part_matrix(part, mlp_width, width, 1, "model.layers.%zu.mlp.up_proj", n);
	new_part_matrix(part, width, mlp_width, branch, "model.layers.%zu.mlp.down_proj", n);
}

static void put_tensors(
    struct new_part *part, const struct sizes *sizes, const struct tokenizer *tokenizer)
{
	size_t width = (size_t)sizes->width, rows = (size_t)sizes->vocabulary;
	new_part_config(part);
	new_part_bytes(part, "tokenizer.model", tokenizer->model, tokenizer->model_size);
	if (tokenizer->added_size > 0)
		new_part_bytes(part, "added_tokens", tokenizer->added, tokenizer->added_size);
	new_part_matrix(part, rows, width, 1, "model.embed_tokens");
	for (size_t n = 0; n < (size_t)sizes->layers; n++)
		put_layer(part, sizes, n);
	new_part_norm(part, width, false, "model.norm");
	if (!sizes->tied)
		new_part_matrix(part, rows, width, 1, "lm_head");
}

int new_llm_write(struct new_part *part, struct new_model_sizes *all)
{
	struct sizes sizes = { -1, -1, -1, -1, -1, -1, -1, 0 };
	struct tokenizer tokenizer = { 0 };
	int status = -1;
	if (open_tokenizer(part, &tokenizer) == 0 && read_sizes(part, tokenizer.bpe, &sizes) == 0 &&
	    read_words(part, tokenizer.bpe, sizes.tied) == 0) {
		all->llm_width = (size_t)sizes.width;
		put_tensors(part, &sizes, &tokenizer);
		status = 0;
	}
	close_tokenizer(&tokenizer);
	return status;
}
