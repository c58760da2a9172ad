/* import.c - the pure parts of an import: names, patterns, settings, shapes, the sum of a delta. */
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "import/import_config.h"
#include "import/import_delta.h"
#include "import/import_names.h"
#include "import/import_pattern.h"
#include "import/import_records.h"
#include "stream/checkpoint.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

enum { ALL = (1 << IMPORT_PARTS) - 1 };

static void test_parameters(void)
{
	static const struct {
		const char *theirs;
		enum import_part part;
		const char *ours;
	} cases[] = {
		{ "vision_model.embeddings.class_embedding", IMPORT_VIT, "embeddings.class_embedding" },
		{ "model.vision_model.encoder.layers.38.mlp.fc1.bias", IMPORT_VIT,
		    "encoder.layers.38.mlp.fc1.bias" },
		{ "visual_encoder.blocks.7.attn.proj.weight", IMPORT_VIT,
		    "encoder.layers.7.self_attn.projection.weight" },
		{ "blocks.0.norm2.bias", IMPORT_VIT, "encoder.layers.0.layer_norm2.bias" },
		{ "model.ln_vision.weight", IMPORT_VIT, "post_layernorm.weight" },
		{ "module.query_tokens", IMPORT_QFORMER, "query_tokens" },
		{ "qformer.layernorm.weight", IMPORT_QFORMER, "layernorm.weight" },
		{ "qformer.embeddings.layernorm.bias", IMPORT_QFORMER, "layernorm.bias" },
		{ "model.Qformer.bert.embeddings.LayerNorm.bias", IMPORT_QFORMER, "layernorm.bias" },
		{ "Qformer.bert.encoder.layer.10.crossattention.self.key.weight", IMPORT_QFORMER,
		    "encoder.layer.10.crossattention.attention.key.weight" },
		{ "qformer.encoder.layer.3.output_query.LayerNorm.weight", IMPORT_QFORMER,
		    "encoder.layer.3.output_query.LayerNorm.weight" },
		{ "embeddings.word_embeddings.weight", IMPORT_QFORMER,
		    "embeddings.word_embeddings.weight" },
		{ "llama_proj.weight", IMPORT_QFORMER, "language_projection.weight" },
		{ "Qformer.cls.predictions.transform.dense.bias", IMPORT_QFORMER,
		    "cls.predictions.transform.dense.bias" },
		{ "model.temp", IMPORT_QFORMER, "temp" },
		{ "model.norm.weight", IMPORT_LLM, "model.norm.weight" },
		{ "lm_head.weight", IMPORT_LLM, "lm_head.weight" },
		{ "language_model.model.layers.39.mlp.down_proj.weight", IMPORT_LLM,
		    "model.layers.39.mlp.down_proj.weight" },
		{ "model.language_model.layers.3.self_attn.q_proj.weight", IMPORT_LLM,
		    "model.layers.3.self_attn.q_proj.weight" },
		{ "model.language_model.embed_tokens.weight", IMPORT_LLM, "model.embed_tokens.weight" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct import_name name;
		import_name_map(cases[i].theirs, ALL, &name);
		TAP_OK(name.kind == IMPORT_PARAMETER && name.part == cases[i].part &&
		           strcmp(name.key, cases[i].ours) == 0,
		    "%s is %s", cases[i].theirs, cases[i].ours);
	}
}

static void test_others(void)
{
	static const struct {
		const char *theirs;
		enum import_kind kind;
	} cases[] = {
		{ "qformer.embeddings.position_ids", IMPORT_BUFFER },
		{ "model.layers.0.self_attn.rotary_emb.inv_freq", IMPORT_BUFFER },
		{ "layernorm.weight", IMPORT_OTHER },
		{ "norm.weight", IMPORT_OTHER },
		{ "head.bias", IMPORT_OTHER },
		{ "t5_proj.weight", IMPORT_OTHER },
		{ "language_model.encoder.block.0.layer.0.weight", IMPORT_OTHER },
		{ "language_model.model.decoder.layers.0.fc1.weight", IMPORT_OTHER },
		{ "somebody.query_tokens", IMPORT_OTHER },
		{ "query_tokens.weight", IMPORT_OTHER },
		{ "", IMPORT_OTHER },
		{ ".", IMPORT_OTHER },
		{ "model.", IMPORT_OTHER },
		{ "model.layers.0.self_attn.q_proj.bias", IMPORT_STRANGE },
		{ "model.layers.007.input_layernorm.weight", IMPORT_STRANGE },
		{ "visual_encoder.blocks.2.gamma_1", IMPORT_STRANGE },
		{ "qformer.encoder.layer.1.extra", IMPORT_STRANGE },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct import_name name;
		import_name_map(cases[i].theirs, ALL, &name);
		TAP_OK(name.kind == cases[i].kind, "\"%s\" is of kind %d", cases[i].theirs,
		    (int)cases[i].kind);
	}
	struct import_name name;
	import_name_map("model.norm.weight", ALL & ~(1U << IMPORT_LLM), &name);
	TAP_OK(name.kind == IMPORT_OTHER, "a part that is not asked for is not found");
	char longest[5000];
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	memcpy(longest, "language_model.", 15);
	import_name_map(longest, ALL, &name);
	TAP_OK(name.kind == IMPORT_OTHER, "a very long name is nothing of ours");
}

static void test_patterns(void)
{
	static const struct {
		const char *pattern, *name;
		int wanted;
	} cases[] = {
		{ "o_proj", "model.layers.0.self_attn.o_proj", 1 },
		{ "o_proj", "o_proj", 1 },
		{ "o_proj", "model.no_proj", 0 },
		{ "o_proj", "o_proj.x", 0 },
		{ "mlp.down_proj", "model.layers.0.mlp.down_proj", 1 },
		{ "mlp\\.down_proj", "a.mlpxdown_proj", 0 },
		{ "mlp.down_proj", "a.mlpxdown_proj", 1 },
		{ "^model.*q_proj$", "model.layers.0.q_proj", 1 },
		{ "layers\\.[0-3]\\..*", "model.layers.3.q", 1 },
		{ "layers\\.[0-3]\\..*", "model.layers.4.q", 0 },
		{ "layers\\.[^0-3]\\..*", "model.layers.4.q", 1 },
		{ "(q|k|v)_proj", "a.k_proj", 1 },
		{ "(?:q|k|v)_proj", "a.o_proj", 0 },
		{ "q_proj|lm_head", "lm_head", 1 },
		{ "layers\\.\\d+\\.q", "x.layers.12.q", 1 },
		{ "layers\\.\\d{2}\\.q", "x.layers.1.q", 0 },
		{ "layers\\.\\d{1,2}\\.q", "x.layers.1.q", 1 },
		{ "a{2,}", "aaaa", 1 },
		{ "a{2,3}", "aaaa", 0 },
		{ "(a*)*b", "b", 1 },
		{ "(a|b)+c?", "abab", 1 },
		{ ".*?q", "xxq", 1 },
		{ "[]a]+", "]a", 1 },
		{ "", "", 1 },
		{ "", "a", 0 },
		{ "(a*)*c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", -1 },
		{ "(((a?){999}){999}){999}", "b", -1 },
		{ "(", "a", -1 },
		{ "a)", "a", -1 },
		{ "[a", "a", -1 },
		{ "*a", "a", -1 },
		{ "a{", "a", -1 },
		{ "\\b", "a", -1 },
		{ "\\", "a", -1 },
		{ "(?=a)", "a", -1 },
		{ "a^b", "ab", -1 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int found = import_pattern_match(cases[i].pattern, cases[i].name);
		TAP_OK(found == cases[i].wanted, "\"%s\" on \"%s\": %d (%d)", cases[i].pattern,
		    cases[i].name, cases[i].wanted, found);
	}
	TAP_OK(import_pattern_match("x", ".") == 0, "a name that begins with a dot");
}

static void test_settings(void)
{
	struct import_words words = { .size = 0 };
	import_word_real(&words, "a", 1e-6);
	import_word_real(&words, "b", 10000);
	import_word_real(&words, "c", 0.1);
	import_word_real(&words, "d", 0.48145466);
	import_word_real(&words, "e", -1);
	TAP_OK(strcmp(words.text, "a=1e-06\nb=10000\nc=0.1\nd=0.48145466\ne=-1\n") == 0,
	    "reals in their shortest form");
	for (int i = 0; i < 1000; i++)
		import_word_text(&words, "word", "value");
	TAP_OK(words.size < sizeof words.text && words.text[words.size - 1] == '\n' &&
	           strlen(words.text) == words.size,
	    "words that are too many are left out whole");

	struct json *root = json_parse("{\"model_type\":\"blip-2\"}", 23);
	struct import_vision_config vision;
	struct import_qformer_config qformer;
	struct import_llm_config llm;
	TAP_OK(import_config_vision(root, &vision) == 0 && vision.found && vision.layers == 39 &&
	           vision.heads == 16 && vision.side == 224 && vision.norm_eps == 1e-6,
	    "the encoder's defaults");
	TAP_OK(import_config_qformer(root, &qformer) == 0 && qformer.found && qformer.heads == 12 &&
	           qformer.frequency == 2 && qformer.norm_eps == 1e-12 && !qformer.instruction,
	    "the Q-Former's defaults");
	TAP_OK(import_config_llm(root, &llm) == 0 && !llm.found, "no language model is spoken of");
	json_release(root);
	const char *text = "{\"model_type\":\"llama\",\"eos_token_id\":[7,8],\"num_attention_heads\":8,"
	                   "\"rope_theta\":5e5}";
	root = json_parse(text, strlen(text));
	TAP_OK(import_config_llm(root, &llm) == 0 && llm.found && llm.heads == 8 && llm.kv_heads == 8 &&
	           llm.eos == 7 && llm.bos == 1 && llm.pad == -1 && llm.rope_theta == 5e5 &&
	           llm.positions == 2048,
	    "a bare LLaMA's config");
	TAP_OK(import_config_vision(root, &vision) == 0 && !vision.found, "which has no encoder");
	json_release(root);
	TAP_OK(import_config_vision(NULL, &vision) == 0 && !vision.found, "no config at all");
}

static void test_unused_settings(void)
{
	static const char text[] =
	    "{\"min_p\":0.0,\"typical_p\":0.5,\"stop_strings\":\"a\",\"num_beam_groups\":1,"
	    "\"early_stopping\":false,\"forced_eos_token_id\":0,\"bad_words_ids\":[],\"top_k\":3}";
	static const char *const wanted[] = { "typical_p", "forced_eos_token_id", "stop_strings" };
	struct json *root = json_parse(text, strlen(text));
	size_t at = 0;
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		const char *found = import_config_unused(root, &at);
		TAP_OK(found && strcmp(found, wanted[i]) == 0, "%s would change the text", wanted[i]);
	}
	TAP_OK(!import_config_unused(root, &at), "the others do nothing, or are used");
	json_release(root);
}

static void test_shapes(void)
{
	int dimensions;
	uint64_t shape[RECORD_DIMENSIONS];
	TAP_OK(import_parse_shape("3x224x5", &dimensions, shape) == 0 && dimensions == 3 &&
	           shape[0] == 3 && shape[1] == 224 && shape[2] == 5,
	    "3x224x5");
	TAP_OK(import_parse_shape("scalar", &dimensions, shape) == 0 && dimensions == 0, "scalar");
	TAP_OK(import_parse_shape("0", &dimensions, shape) == 0 && dimensions == 1, "0");
	static const char *const bad[] = { "", "x", "3x", "x3", "3xx3", "-1", "1x2x3x4x5x6x7x8x9",
		"99999999999999999999", "1.5", "3 x 3" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		TAP_OK(import_parse_shape(bad[i], &dimensions, shape) < 0, "\"%s\" is no shape", bad[i]);
}

/* Ties, overflow, subnormals, signed zeros, random bits: what torch made of them. */
static void test_delta(void)
{
	static const char *const folders[] = { "base", "delta", "target" };
	struct checkpoint *files[3];
	for (int i = 0; i < 3; i++) {
		char path[128];
		snprintf(path, sizeof path, "zoo/A/ziya-delta/hard/%s/model.safetensors", folders[i]);
		const char *full = tap_shared(path);
		if (!full) {
			tap_skip("hard sums", "no reference data");
			return;
		}
		files[i] = checkpoint_open(full);
		TAP_OK(files[i], "%s opens", path);
		if (!files[i])
			return;
	}
	const char *name = "model.layers.0.mlp.up_proj.weight";
	enum { COUNT = 64 * 64 };
	uint16_t values[3][COUNT];
	bool read = true;
	for (int i = 0; i < 3; i++) {
		const struct checkpoint_tensor *tensor = checkpoint_find(files[i], name);
		read = read && tensor && tensor->elements == COUNT &&
		       checkpoint_read(files[i], tensor, 0, COUNT, values[i]) == 0;
	}
	TAP_OK(read, "the three tensors are read");
	import_delta_add(values[0], values[1], values[1], COUNT);
	int wrong = 0;
	for (int i = 0; i < COUNT; i++)
		wrong += values[1][i] != values[2][i];
	TAP_OK(wrong == 0, "all of the sums have torch's bits (%d have not)", wrong);
	for (int i = 0; i < 3; i++)
		checkpoint_close(files[i]);
}

int main(void)
{
	test_parameters();
	test_others();
	test_patterns();
	test_settings();
	test_unused_settings();
	test_shapes();
	TAP_OK(import_delta_replaces("model.embed_tokens.weight") &&
	           import_delta_replaces("lm_head.weight") &&
	           import_delta_replaces("model.layers.0.self_attn.rotary_emb.inv_freq") &&
	           !import_delta_replaces("model.norm.weight"),
	    "what a delta replaces");
	test_delta();
	return tap_finish();
}
