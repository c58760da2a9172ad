/* import_names.c - the table of names (see import_names.h). In a pattern '#' stands for a layer
 * number and a '*' at the end for "weight" or "bias"; both are carried over to our key.
 */
#include "import/import_names.h"

#include <stdio.h>
#include <string.h>

const char *const import_part_names[IMPORT_PARTS] = { "llm", "vit", "qformer" };

enum { HF = 0, LAVIS = 1 };

struct name_pattern {
	enum import_part part;
	bool lavis;
	bool bound; /* only behind a prefix that names the part: the name alone says too little */
	const char *theirs;
	const char *ours; /* NULL: the same */
};

static const struct name_pattern patterns[] = {
	{ IMPORT_VIT, HF, false, "embeddings.class_embedding", NULL },
	{ IMPORT_VIT, HF, false, "embeddings.position_embedding", NULL },
	{ IMPORT_VIT, HF, false, "embeddings.patch_embedding.*", NULL },
	{ IMPORT_VIT, HF, false, "encoder.layers.#.layer_norm1.*", NULL },
	{ IMPORT_VIT, HF, false, "encoder.layers.#.layer_norm2.*", NULL },
	{ IMPORT_VIT, HF, false, "encoder.layers.#.self_attn.qkv.*", NULL },
	{ IMPORT_VIT, HF, false, "encoder.layers.#.self_attn.q_bias", NULL },
	{ IMPORT_VIT, HF, false, "encoder.layers.#.self_attn.v_bias", NULL },
	{ IMPORT_VIT, HF, false, "encoder.layers.#.self_attn.projection.*", NULL },
	{ IMPORT_VIT, HF, false, "encoder.layers.#.mlp.fc1.*", NULL },
	{ IMPORT_VIT, HF, false, "encoder.layers.#.mlp.fc2.*", NULL },
	{ IMPORT_VIT, HF, false, "post_layernorm.*", NULL },
	{ IMPORT_VIT, LAVIS, false, "cls_token", "embeddings.class_embedding" },
	{ IMPORT_VIT, LAVIS, false, "pos_embed", "embeddings.position_embedding" },
	{ IMPORT_VIT, LAVIS, false, "patch_embed.proj.*", "embeddings.patch_embedding.*" },
	{ IMPORT_VIT, LAVIS, false, "blocks.#.norm1.*", "encoder.layers.#.layer_norm1.*" },
	{ IMPORT_VIT, LAVIS, false, "blocks.#.norm2.*", "encoder.layers.#.layer_norm2.*" },
	{ IMPORT_VIT, LAVIS, false, "blocks.#.attn.qkv.*", "encoder.layers.#.self_attn.qkv.*" },
	{ IMPORT_VIT, LAVIS, false, "blocks.#.attn.q_bias", "encoder.layers.#.self_attn.q_bias" },
	{ IMPORT_VIT, LAVIS, false, "blocks.#.attn.v_bias", "encoder.layers.#.self_attn.v_bias" },
	{ IMPORT_VIT, LAVIS, false, "blocks.#.attn.proj.*", "encoder.layers.#.self_attn.projection.*" },
	{ IMPORT_VIT, LAVIS, false, "blocks.#.mlp.fc1.*", "encoder.layers.#.mlp.fc1.*" },
	{ IMPORT_VIT, LAVIS, false, "blocks.#.mlp.fc2.*", "encoder.layers.#.mlp.fc2.*" },
	{ IMPORT_VIT, LAVIS, false, "ln_vision.*", "post_layernorm.*" },

	{ IMPORT_QFORMER, HF, false, "query_tokens", NULL },
	{ IMPORT_QFORMER, HF, true, "layernorm.*", NULL },
	{ IMPORT_QFORMER, HF, false, "embeddings.layernorm.*", "layernorm.*" },
	{ IMPORT_QFORMER, LAVIS, false, "embeddings.LayerNorm.*", "layernorm.*" },
	{ IMPORT_QFORMER, HF, false, "embeddings.word_embeddings.weight", NULL },
	{ IMPORT_QFORMER, HF, false, "embeddings.position_embeddings.weight", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.attention.attention.query.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.attention.attention.key.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.attention.attention.value.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.crossattention.attention.query.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.crossattention.attention.key.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.crossattention.attention.value.*", NULL },
	{ IMPORT_QFORMER, LAVIS, false, "encoder.layer.#.attention.self.query.*",
	    "encoder.layer.#.attention.attention.query.*" },
	{ IMPORT_QFORMER, LAVIS, false, "encoder.layer.#.attention.self.key.*",
	    "encoder.layer.#.attention.attention.key.*" },
	{ IMPORT_QFORMER, LAVIS, false, "encoder.layer.#.attention.self.value.*",
	    "encoder.layer.#.attention.attention.value.*" },
	{ IMPORT_QFORMER, LAVIS, false, "encoder.layer.#.crossattention.self.query.*",
	    "encoder.layer.#.crossattention.attention.query.*" },
	{ IMPORT_QFORMER, LAVIS, false, "encoder.layer.#.crossattention.self.key.*",
	    "encoder.layer.#.crossattention.attention.key.*" },
	{ IMPORT_QFORMER, LAVIS, false, "encoder.layer.#.crossattention.self.value.*",
	    "encoder.layer.#.crossattention.attention.value.*" },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.attention.output.dense.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.attention.output.LayerNorm.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.crossattention.output.dense.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.crossattention.output.LayerNorm.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.intermediate.dense.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.output.dense.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.output.LayerNorm.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.intermediate_query.dense.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.output_query.dense.*", NULL },
	{ IMPORT_QFORMER, HF, false, "encoder.layer.#.output_query.LayerNorm.*", NULL },
	{ IMPORT_QFORMER, HF, false, "language_projection.*", NULL },
	{ IMPORT_QFORMER, LAVIS, false, "llm_proj.*", "language_projection.*" },
	{ IMPORT_QFORMER, LAVIS, false, "llama_proj.*", "language_projection.*" },
	{ IMPORT_QFORMER, HF, false, "vision_projection.*", NULL },
	{ IMPORT_QFORMER, HF, false, "text_projection.*", NULL },
	{ IMPORT_QFORMER, LAVIS, false, "vision_proj.*", "vision_projection.*" },
	{ IMPORT_QFORMER, LAVIS, false, "text_proj.*", "text_projection.*" },
	{ IMPORT_QFORMER, HF, false, "itm_head.*", NULL },
	{ IMPORT_QFORMER, LAVIS, false, "temp", NULL },
	{ IMPORT_QFORMER, LAVIS, false, "cls.predictions.bias", NULL },
	{ IMPORT_QFORMER, LAVIS, false, "cls.predictions.transform.dense.*", NULL },
	{ IMPORT_QFORMER, LAVIS, false, "cls.predictions.transform.LayerNorm.*", NULL },
	{ IMPORT_QFORMER, LAVIS, false, "cls.predictions.decoder.*", NULL },

	{ IMPORT_LLM, HF, false, "model.embed_tokens.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.input_layernorm.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.post_attention_layernorm.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.self_attn.q_proj.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.self_attn.k_proj.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.self_attn.v_proj.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.self_attn.o_proj.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.mlp.gate_proj.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.mlp.up_proj.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.layers.#.mlp.down_proj.weight", NULL },
	{ IMPORT_LLM, HF, false, "model.norm.weight", NULL },
	{ IMPORT_LLM, HF, false, "lm_head.weight", NULL },
};
enum { PATTERN_COUNT = sizeof patterns / sizeof patterns[0] };

/* Words that may stand in front of a name, and the part that each speaks of (-1: of none). */
static const struct {
	const char *word;
	int part;
} prefixes[] = {
	{ "model", -1 },
	{ "module", -1 },
	{ "state_dict", -1 },
	{ "base_model", -1 },
	{ "bert", -1 },
	{ "vision_model", IMPORT_VIT },
	{ "visual_encoder", IMPORT_VIT },
	{ "qformer", IMPORT_QFORMER },
	{ "Qformer", IMPORT_QFORMER },
	{ "language_model", IMPORT_LLM },
	{ "llm_model", IMPORT_LLM },
	{ "llama_model", IMPORT_LLM },
};

/* Names, or ends of names, that hold nothing a model needs. */
static const char *const buffers[] = {
	"position_ids",
	"inv_freq",
	"num_batches_tracked",
	"cos_cached",
	"sin_cached",
	"relative_position_index",
	"masked_bias",
};

/* What the signs of a pattern stood for: the layer number as text, and "weight" or "bias". */
struct name_match {
	const char *digits, *tail;
	int digit_count;
};

static bool match_pattern(const char *pattern, const char *name, struct name_match *match)
{
	match->tail = "";
	match->digits = "";
	match->digit_count = 0;
	for (; *pattern; pattern++) {
		if (*pattern == '*') {
			match->tail = name;
			return strcmp(name, "weight") == 0 || strcmp(name, "bias") == 0;
		}
		if (*pattern == '#') {
			match->digits = name;
			match->digit_count = (int)strspn(name, "0123456789");
			name += match->digit_count;
			/* More layers than four digits tell are no model's; "007" would be a second 7. */
			if (match->digit_count < 1 || match->digit_count > 4 ||
			    (match->digits[0] == '0' && match->digit_count > 1))
				return false;
		} else if (*pattern != *name++) {
			return false;
		}
	}
	return *name == '\0';
}

static void write_key(const char *pattern, const struct name_match *match, char *key)
{
	size_t used = 0;
	for (; *pattern; pattern++) {
		if (*pattern == '#')
			used += (size_t)snprintf(
			    key + used, IMPORT_KEY_SIZE - used, "%.*s", match->digit_count, match->digits);
		else if (*pattern == '*')
			used += (size_t)snprintf(key + used, IMPORT_KEY_SIZE - used, "%s", match->tail);
		else
			key[used++] = *pattern;
	}
	key[used] = '\0';
}

/* The name behind its prefixes as one of our parameters. part: that of the last prefix, or -1. */
static bool find_parameter(const char *name, int part, unsigned parts, struct import_name *result)
{
	struct name_match match;
	for (int i = 0; i < PATTERN_COUNT; i++) {
		const struct name_pattern *pattern = &patterns[i];
		bool fits = part < 0 ? !pattern->bound : part == (int)pattern->part;
		if (!fits || !(parts & 1U << pattern->part) ||
		    !match_pattern(pattern->theirs, name, &match))
			continue;
		result->kind = IMPORT_PARAMETER;
		result->part = pattern->part;
		result->lavis = pattern->lavis;
		write_key(pattern->ours ? pattern->ours : pattern->theirs, &match, result->key);
		return true;
	}
	/* Newer files say language_model.layers. for language_model.model.layers. */
	if (part == IMPORT_LLM && strncmp(name, "model.", 6) != 0) {
		char longer[256];
		int length = snprintf(longer, sizeof longer, "model.%s", name);
		return length < (int)sizeof longer && find_parameter(longer, part, parts, result);
	}
	return false;
}

/* Does the name speak of a numbered layer of ours? */
static bool find_layer(const char *name, int part, unsigned parts, struct import_name *result)
{
	static const struct {
		const char *begin;
		enum import_part part;
	} stacks[] = {
		{ "encoder.layers.", IMPORT_VIT },
		{ "blocks.", IMPORT_VIT },
		{ "encoder.layer.", IMPORT_QFORMER },
		{ "model.layers.", IMPORT_LLM },
		{ "layers.", IMPORT_LLM },
	};
	for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++) {
		size_t length = strlen(stacks[i].begin);
		if (strncmp(name, stacks[i].begin, length) != 0 || !(parts & 1U << stacks[i].part) ||
		    (part >= 0 && part != (int)stacks[i].part))
			continue;
		long layer = 0;
		const char *at = name + length;
		for (; *at >= '0' && *at <= '9' && layer < 100000; at++)
			layer = layer * 10 + (*at - '0');
		if (at == name + length || *at != '.')
			continue;
		result->kind = IMPORT_STRANGE;
		result->part = stacks[i].part;
		result->layer = layer;
		return true;
	}
	return false;
}

static bool is_buffer(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *last = dot ? dot + 1 : name;
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
		if (strcmp(last, buffers[i]) == 0)
			return true;
	return strstr(name, "rotary_emb.") != NULL || strstr(name, "rotary_pos_emb.") != NULL;
}

/* Pass over one known prefix word: the rest of the name, or NULL. *part changes if the word
 * speaks of one. */
static const char *pass_prefix(const char *name, int *part)
{
	size_t length = strcspn(name, ".");
	if (name[length] != '.')
		return NULL;
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		if (strncmp(prefixes[i].word, name, length) != 0 || prefixes[i].word[length] != '\0')
			continue;
		if (prefixes[i].part >= 0)
			*part = prefixes[i].part;
		return name + length + 1;
	}
	return NULL;
}

void import_name_map(const char *name, unsigned parts, struct import_name *result)
{
	*result = (struct import_name){ .kind = IMPORT_OTHER };
	if (is_buffer(name)) {
		result->kind = IMPORT_BUFFER;
		return;
	}
	/* The longest known ending wins: try the whole name, then without its first prefix, ... */
	int part = -1;
	for (const char *rest = name; rest; rest = pass_prefix(rest, &part))
		if (find_parameter(rest, part, parts, result))
			return;
	part = -1;
	for (const char *rest = name; rest; rest = pass_prefix(rest, &part))
		if (find_layer(rest, part, parts, result))
			return;
}
