/* import_config.h - what the JSON files beside a checkpoint say about it: head counts, epsilons
 * and the like, which shapes do not tell, with the defaults of the classes that wrote them
 * (spec 4.5); and how a list of words ("word=value" lines) is made from them.
 */
#ifndef ZV_IMPORT_IMPORT_CONFIG_H
#define ZV_IMPORT_IMPORT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/json.h"

/* 0 in a count: not said. */
struct import_vision_config {
	bool found; /* a config speaks of an image encoder, be it by defaults */
	int64_t layers, heads, side;
	double norm_eps;
	double post_norm_eps; /* "ln_vision_eps", which only our own LAVIS configs have; 0: not said */
};

struct import_qformer_config {
	bool found;
	int64_t heads, frequency;
	double norm_eps;
	bool instruction; /* the class feeds the question to the Q-Former */
};

struct import_llm_config {
	bool found;
	int64_t layers; /* 0: not said */
	int64_t heads, kv_heads, positions;
	int64_t bos, eos, pad; /* -1: not said */
	double norm_eps, rope_theta;
	bool tied;
};

/* Pictures: 0 side: not said. */
struct import_picture_config {
	bool found;
	int64_t side;
	double mean[3], std[3];
};

enum { IMPORT_WORDS_SIZE = 4096 };

struct import_words {
	char text[IMPORT_WORDS_SIZE];
	size_t size;
};

/* Read a file of settings: JSON whose root is an object. The recorded error does not name it. */
struct json *import_config_open(const char *path);

/* Fill *config from the root of a config.json (NULL: there is none, defaults, not found). 0, or
 * -1 with an ERROR_INPUT that names the member. */
int import_config_vision(const struct json *root, struct import_vision_config *config);
int import_config_qformer(const struct json *root, struct import_qformer_config *config);
int import_config_llm(const struct json *root, struct import_llm_config *config);

/* From a preprocessor_config.json; the defaults are CLIP's mean and deviation. */
int import_config_picture(const struct json *root, struct import_picture_config *config);

/* From a generation_config.json: bos, eos and pad override those of config; the settings of
 * decoding that it names are appended to words. */
int import_config_generation(
    const struct json *root, struct import_llm_config *config, struct import_words *words);

/* The next setting in a generation_config.json that would change the text and that no word is for;
 * *at counts from 0. NULL: no more. */
const char *import_config_unused(const struct json *root, size_t *at);

/* Append "word=value"; reals in the shortest form that reads back the same. */
void import_word_text(struct import_words *words, const char *word, const char *value);
void import_word_whole(struct import_words *words, const char *word, int64_t value);
void import_word_real(struct import_words *words, const char *word, double value);

#endif
