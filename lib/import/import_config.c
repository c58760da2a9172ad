/* import_config.c - settings from JSON (see import_config.h; HF configuration_blip_2.py,
 * configuration_instructblip.py, configuration_llama.py, BlipImageProcessor).
 */
#include "import/import_config.h"
#include "base/error.h"
#include "image/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MOST ((int64_t)1 << 30)

struct json *import_config_open(const char *path)
{
	struct json *root = json_open(path);
	if (!root || json_kind(root) == JSON_KIND_OBJECT)
		return root;
	error_input("holds %s where settings, an object, should be", json_kind_name(json_kind(root)));
	json_release(root);
	return NULL;
}

static bool is_absent(const struct json *value)
{
	enum json_kind kind = json_kind(value);
	return kind == JSON_KIND_ABSENT || kind == JSON_KIND_NULL;
}

/* A member as a whole number; *number keeps its value when the member is absent or null. */
static int take_whole(const struct json *section, const char *key, int64_t least, int64_t *number)
{
	const struct json *value = json_member(section, key);
	if (is_absent(value))
		return 0;
	return json_whole(value, least, WHOLE_MOST, number) < 0 ? error_context("%s", key) : 0;
}

static int take_real(const struct json *section, const char *key, double *number)
{
	const struct json *value = json_member(section, key);
	double found;
	if (is_absent(value))
		return 0;
	if (json_number(value, &found) < 0)
		return error_context("%s", key);
	if (!isfinite(found) || found < 0)
		return error_input("%s: %g is negative or no number", key, found);
	*number = found;
	return 0;
}

static int take_bool(const struct json *section, const char *key, bool *truth)
{
	const struct json *value = json_member(section, key);
	if (is_absent(value))
		return 0;
	return json_bool(value, truth) < 0 ? error_context("%s", key) : 0;
}

static bool member_is(const struct json *section, const char *key, const char *text)
{
	const char *found = json_text(json_member(section, key), NULL);
	return found && strcmp(found, text) == 0;
}

/* Refuse an activation that the class does not default to: it would be computed wrongly. */
static int check_activation(const struct json *section, const char *wanted)
{
	const char *found = json_text(json_member(section, "hidden_act"), NULL);
	if (found && strcmp(found, wanted) != 0)
		return error_input("hidden_act: \"%s\" is not supported, only %s", found, wanted);
	return 0;
}

static bool is_blip2(const struct json *root)
{
	return member_is(root, "model_type", "blip-2") || member_is(root, "model_type", "instructblip");
}

int import_config_vision(const struct json *root, struct import_vision_config *config)
{
	*config = (struct import_vision_config){ .heads = 16, .norm_eps = 1e-6 };
	const struct json *section = json_member(root, "vision_config");
	config->found = json_kind(section) == JSON_KIND_OBJECT || is_blip2(root);
	if (!config->found)
		return 0;
	config->layers = 39;
	config->side = 224;
	if (take_whole(section, "num_hidden_layers", 1, &config->layers) < 0 ||
	    take_whole(section, "num_attention_heads", 1, &config->heads) < 0 ||
	    take_whole(section, "image_size", 1, &config->side) < 0 ||
	    take_real(section, "layer_norm_eps", &config->norm_eps) < 0 ||
	    check_activation(section, "gelu") < 0)
		return error_context("vision_config");
	return take_real(root, "ln_vision_eps", &config->post_norm_eps);
}

/* Does the list of architectures, or the model type, speak of InstructBLIP? */
static bool is_instruct(const struct json *root)
{
	const struct json *list = json_member(root, "architectures");
	for (size_t i = 0; i < json_count(list); i++) {
		const char *name = json_text(json_item(list, i), NULL);
		if (name && strncmp(name, "InstructBlip", 12) == 0)
			return true;
	}
	return member_is(root, "model_type", "instructblip");
}

int import_config_qformer(const struct json *root, struct import_qformer_config *config)
{
	*config = (struct import_qformer_config){ .heads = 12, .frequency = 2, .norm_eps = 1e-12 };
	const struct json *section = json_member(root, "qformer_config");
	config->found = json_kind(section) == JSON_KIND_OBJECT || is_blip2(root);
	config->instruction = is_instruct(root);
	if (take_whole(section, "num_attention_heads", 1, &config->heads) < 0 ||
	    take_whole(section, "cross_attention_frequency", 1, &config->frequency) < 0 ||
	    take_real(section, "layer_norm_eps", &config->norm_eps) < 0 ||
	    check_activation(section, "gelu") < 0)
		return error_context("qformer_config");
	const char *positions = json_text(json_member(section, "position_embedding_type"), NULL);
	if (positions && strcmp(positions, "absolute") != 0)
		return error_input("qformer_config: position_embedding_type \"%s\" is not supported, "
		                   "only absolute",
		    positions);
	return 0;
}

/* Newer files keep the angles' base with their kind, in "rope_parameters". */
static int take_rope(const struct json *section, double *theta)
{
	const struct json *rope = json_member(section, "rope_parameters");
	if (is_absent(rope))
		return 0;
	const char *type = json_text(json_member(rope, "rope_type"), NULL);
	if (json_kind(rope) != JSON_KIND_OBJECT)
		return error_input(
		    "rope_parameters: is %s, not an object", json_kind_name(json_kind(rope)));
	if (!is_absent(json_member(rope, "rope_type")) && (!type || strcmp(type, "default") != 0))
		return error_input(
		    "rope_parameters: rope_type \"%s\" is not supported, only default", type ? type : "");
	return take_real(rope, "rope_theta", theta) < 0 ? error_context("rope_parameters") : 0;
}

/* What would make another model of the LLaMA class than zv-generate computes. */
static int check_llm(const struct json *section)
{
	const char *type = json_text(json_member(section, "model_type"), NULL);
	if (type && strcmp(type, "llama") != 0)
		return error_input("model_type \"%s\" is not supported, only llama", type);
	if (!is_absent(json_member(section, "rope_scaling")))
		return error_input("rope_scaling is not supported");
	bool bias = false, mlp_bias = false;
	if (take_bool(section, "attention_bias", &bias) < 0 ||
	    take_bool(section, "mlp_bias", &mlp_bias) < 0)
		return -1;
	if (bias || mlp_bias)
		return error_input("%s is not supported", bias ? "attention_bias" : "mlp_bias");
	return check_activation(section, "silu");
}

/* A token id, or the first of a list of them. */
static int take_id(const struct json *section, const char *key, int64_t *id)
{
	const struct json *value = json_member(section, key);
	if (json_kind(value) == JSON_KIND_ARRAY)
		value = json_item(value, 0);
	if (is_absent(value))
		return 0;
	int64_t found;
	if (json_whole(value, -1, INT32_MAX, &found) < 0)
		return error_context("%s", key);
	*id = found;
	return 0;
}

static int take_ids(const struct json *section, struct import_llm_config *config)
{
	return take_id(section, "bos_token_id", &config->bos) < 0 ||
	               take_id(section, "eos_token_id", &config->eos) < 0 ||
	               take_id(section, "pad_token_id", &config->pad) < 0
	           ? -1
	           : 0;
}

int import_config_llm(const struct json *root, struct import_llm_config *config)
{
	*config = (struct import_llm_config){ .heads = 32,
		.positions = 2048,
		.bos = 1,
		.eos = 2,
		.pad = -1,
		.norm_eps = 1e-6,
		.rope_theta = 10000 };
	const struct json *section = json_member(root, "text_config");
	const char *where = "text_config";
	if (json_kind(section) != JSON_KIND_OBJECT) {
		if (is_absent(json_member(root, "num_attention_heads")) &&
		    !member_is(root, "model_type", "llama"))
			return 0;
		section = root;
		where = "config";
	}
	config->found = true;
	if (check_llm(section) < 0 || take_ids(section, config) < 0 ||
	    take_whole(section, "num_hidden_layers", 1, &config->layers) < 0 ||
	    take_whole(section, "num_attention_heads", 1, &config->heads) < 0 ||
	    take_whole(section, "max_position_embeddings", 1, &config->positions) < 0 ||
	    take_real(section, "rms_norm_eps", &config->norm_eps) < 0 ||
	    take_real(section, "rope_theta", &config->rope_theta) < 0 ||
	    take_rope(section, &config->rope_theta) < 0 ||
	    take_bool(section, "tie_word_embeddings", &config->tied) < 0)
		return error_context("%s", where);
	config->kv_heads = config->heads;
	if (take_whole(section, "num_key_value_heads", 1, &config->kv_heads) < 0)
		return error_context("%s", where);
	return 0;
}

static int take_triple(const struct json *root, const char *key, double triple[3])
{
	const struct json *list = json_member(root, key);
	if (is_absent(list))
		return 0;
	if (json_count(list) != 3)
		return error_input("%s: not three numbers", key);
	for (size_t i = 0; i < 3; i++)
		if (json_number(json_item(list, i), &triple[i]) < 0)
			return error_context("%s", key);
	return 0;
}

/* "size" is a number or {"height": h, "width": w}; {"shortest_edge": s} would keep the ratio of
 * the sides. */
static int take_side(const struct json *root, int64_t *side)
{
	const struct json *size = json_member(root, "size");
	if (json_kind(size) != JSON_KIND_OBJECT)
		return take_whole(root, "size", 1, side);
	int64_t height = 0, width = 0;
	if (!is_absent(json_member(size, "shortest_edge")))
		return error_input("size: shortest_edge is not supported, only height and width");
	if (take_whole(size, "height", 1, &height) < 0 || take_whole(size, "width", 1, &width) < 0)
		return error_context("size");
	if (height != width)
		return error_input(
		    "size: %lld x %lld pixels is not square", (long long)width, (long long)height);
	if (height)
		*side = height;
	return 0;
}

/* Refuse what would make other pixels than zv-encode's: bicubic to a square, and 0..255 to 0..1. */
static int check_pixels(const struct json *root)
{
	enum { BICUBIC = 3 };
	bool resize = true, rescale = true, crop = false;
	int64_t resample = BICUBIC;
	double factor = 1.0 / 255;
	if (take_bool(root, "do_resize", &resize) < 0 || take_bool(root, "do_rescale", &rescale) < 0 ||
	    take_bool(root, "do_center_crop", &crop) < 0 ||
	    take_whole(root, "resample", 0, &resample) < 0 ||
	    take_real(root, "rescale_factor", &factor) < 0)
		return -1;
	if (!resize || !rescale || crop)
		return error_input("%s is not supported", !resize    ? "do_resize: false"
		                                          : !rescale ? "do_rescale: false"
		                                                     : "do_center_crop: true");
	if (resample != BICUBIC)
		return error_input(
		    "resample: %lld is not supported, only 3 (bicubic)", (long long)resample);
	if (fabs(factor * 255 - 1) > 1e-6)
		return error_input("rescale_factor: %g is not supported, only 1/255", factor);
	return 0;
}

int import_config_picture(const struct json *root, struct import_picture_config *config)
{
	*config = (struct import_picture_config){ .found = root != NULL };
	for (int i = 0; i < 3; i++) {
		config->mean[i] = (double)picture_clip_mean[i];
		config->std[i] = (double)picture_clip_std[i];
	}
	bool normalize = true;
	if (check_pixels(root) < 0 || take_side(root, &config->side) < 0 ||
	    take_triple(root, "image_mean", config->mean) < 0 ||
	    take_triple(root, "image_std", config->std) < 0 ||
	    take_bool(root, "do_normalize", &normalize) < 0)
		return -1;
	for (int i = 0; i < 3; i++) {
		if (!normalize)
			config->mean[i] = 0, config->std[i] = 1;
		if (!isfinite(config->mean[i]) || !(config->std[i] > 0) || !isfinite(config->std[i]))
			return error_input("image_mean or image_std is out of range");
	}
	return 0;
}

int import_config_generation(
    const struct json *root, struct import_llm_config *config, struct import_words *words)
{
	static const char *const wholes[] = { "top_k", "max_new_tokens", "num_beams" };
	static const char *const reals[] = { "temperature", "top_p", "repetition_penalty" };
	bool sample = false;
	if (take_ids(root, config) < 0 || take_bool(root, "do_sample", &sample) < 0)
		return -1;
	if (!is_absent(json_member(root, "do_sample")))
		import_word_whole(words, "do_sample", sample);
	for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++) {
		int64_t whole = -1;
		if (take_whole(root, wholes[i], 0, &whole) < 0)
			return -1;
		if (whole >= 0)
			import_word_whole(words, wholes[i], whole);
	}
	for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
		double real = -1;
		if (take_real(root, reals[i], &real) < 0)
			return -1;
		if (real >= 0)
			import_word_real(words, reals[i], real);
	}
	/* The one setting that may be negative. */
	const struct json *penalty = json_member(root, "length_penalty");
	double real;
	if (is_absent(penalty))
		return 0;
	if (json_number(penalty, &real) < 0)
		return error_context("length_penalty");
	if (!isfinite(real))
		return error_input("length_penalty: no number");
	import_word_real(words, "length_penalty", real);
	return 0;
}

/* Is the value none, or the number at which the setting does nothing? */
static bool does_nothing(const struct json *value, double neutral)
{
	double number;
	bool truth;
	switch (json_kind(value)) {
	case JSON_KIND_ABSENT:
	case JSON_KIND_NULL:
		return true;
	case JSON_KIND_BOOL:
		return json_bool(value, &truth) == 0 && !truth;
	case JSON_KIND_WHOLE:
	case JSON_KIND_REAL:
		return json_number(value, &number) == 0 && number == neutral;
	default:
		return json_kind(value) != JSON_KIND_TEXT && json_count(value) == 0;
	}
}

const char *import_config_unused(const struct json *root, size_t *at)
{
	static const struct {
		const char *key;
		double neutral;
	} settings[] = {
		{ "early_stopping", 0 },
		{ "min_length", 0 },
		{ "min_new_tokens", 0 },
		{ "no_repeat_ngram_size", 0 },
		{ "encoder_no_repeat_ngram_size", 0 },
		{ "encoder_repetition_penalty", 1 },
		{ "bad_words_ids", 0 },
		{ "suppress_tokens", 0 },
		{ "begin_suppress_tokens", 0 },
		{ "sequence_bias", 0 },
		{ "min_p", 0 },
		{ "typical_p", 1 },
		{ "epsilon_cutoff", 0 },
		{ "eta_cutoff", 0 },
		{ "top_h", 1 },
		{ "penalty_alpha", 0 },
		{ "guidance_scale", 1 },
		{ "num_beam_groups", 1 },
		{ "diversity_penalty", 0 },
		{ "exponential_decay_length_penalty", 0 },
		{ "forced_bos_token_id", -1 },
		{ "forced_eos_token_id", -1 },
		{ "forced_decoder_ids", 0 },
		{ "stop_strings", 0 },
	};
	while (*at < sizeof settings / sizeof settings[0]) {
		const char *key = settings[*at].key;
		double neutral = settings[(*at)++].neutral;
		if (!does_nothing(json_member(root, key), neutral))
			return key;
	}
	return NULL;
}

void import_word_text(struct import_words *words, const char *word, const char *value)
{
	size_t room = sizeof words->text - words->size;
	int length = snprintf(words->text + words->size, room, "%s=%s\n", word, value);
	/* The words are few and short; what did not fit would be a line cut in two. */
	if (length > 0 && (size_t)length < room)
		words->size += (size_t)length;
	else
		words->text[words->size] = '\0';
}

void import_word_whole(struct import_words *words, const char *word, int64_t value)
{
	char text[32];
	snprintf(text, sizeof text, "%lld", (long long)value);
	import_word_text(words, word, text);
}

void import_word_real(struct import_words *words, const char *word, double value)
{
	char text[40];
	bool whole = fabs(value) < 1e15 && value == floor(value);
	if (whole)
		snprintf(text, sizeof text, "%.0f", value);
	for (int digits = 1; digits <= 17 && !whole; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	import_word_text(words, word, text);
}
