/* import_pass.h - what the parts of an import share: the state of the whole, and one pass over the
 * tensors of a part. A part is described once, by a function that names its tensors in order with
 * the shapes they must have; a first pass checks and counts, a second writes.
 */
#ifndef ZV_IMPORT_IMPORT_PASS_H
#define ZV_IMPORT_IMPORT_PASS_H

#include "base/hash.h"
#include "import/import.h"
#include "import/import_config.h"
#include "import/import_file.h"
#include "import/import_peft.h"
#include "import/import_sources.h"
#include "stream/write.h"

enum { IMPORT_REMARKS_MOST = 16, IMPORT_REMARK_SIZE = 256 };

struct import_vit_sizes {
	uint64_t width, layers, heads, mlp_width, patch, tokens, side;
	double norm_eps, post_norm_eps;
	struct import_picture_config picture;
};

struct import_qformer_sizes {
	uint64_t width, layers, heads, mlp_width, frequency, encoder_width, queries;
	uint64_t vocabulary, positions;     /* 0: no text branch */
	uint64_t llm_width, contrast_width; /* 0: none */
	bool instruction, match, caption, temperature;
	double norm_eps;
};

struct import_llm_sizes {
	uint64_t width, layers, heads, kv_heads, mlp_width, vocabulary;
	bool tied, modern;
	struct import_llm_config config;
	struct import_words generation;
};

struct import {
	const struct import_request *request;
	struct import_sources sources;
	struct import_sources base; /* with request->delta: what the delta is to be added to */
	struct import_adapter *adapters;
	int adapter_count;
	struct json *config; /* request->config */

	struct import_rest *ignored; /* tensors that no part takes */
	size_t ignored_count;
	struct import_count counts[IMPORT_PARTS];
	struct import_vit_sizes vit;
	struct import_qformer_sizes qformer;
	struct import_llm_sizes llm;
	const char *template;
	struct import_bytes tokenizer, llm_added, vocabulary, qformer_added;

	struct digest fingerprints[IMPORT_PARTS];
	uint64_t odd_tensors; /* with values that are not finite; the first is remarked on */
	uint64_t written;     /* payload bytes, for progress */
	char remarks[IMPORT_REMARKS_MOST][IMPORT_REMARK_SIZE];
	int remark_count;
};

struct import_pass {
	struct import *import;
	enum import_part part;
	struct writer *writer; /* NULL: check and count */
};

enum import_form {
	IMPORT_VECTOR, /* stored as f32 whatever the choice */
	IMPORT_MATRIX, /* stored in the part's dtype */
};

/* The tensor named key, which must be there with this shape (leading ones and how the last
 * dimensions are split aside). 0, or -1 with an error that names it. */
int import_tensor(struct import_pass *pass, enum import_form form, const char *key, int dimensions,
    const uint64_t *shape);

/* The pair NAME.weight [rows, columns] and NAME.bias [rows]; columns 0: two vectors (a norm). */
int import_pair(struct import_pass *pass, const char *name, uint64_t rows, uint64_t columns);

/* The fused bias of queries, keys and values: stored so, or as two, or not at all (zeros). */
int import_qkv_bias(struct import_pass *pass, const char *layer, uint64_t width);

/* The record of settings, which comes first; a file as bytes. */
int import_settings(struct import_pass *pass, const struct import_words *words);
int import_file(struct import_pass *pass, const char *name, const struct import_bytes *bytes);

/* The shape of a tensor as the sources (or an adapter's replacement) have it, leading ones
 * dropped; false if there is none. */
bool import_shape(const struct import *import, enum import_part part, const char *key,
    int *dimensions, uint64_t shape[CHECKPOINT_DIMENSIONS]);

/* Do the sources have it? */
bool import_has(const struct import *import, enum import_part part, const char *key);

/* The config.json to ask about a part: --config's, or that of the source that gives key. */
const struct json *import_config_of(
    const struct import *import, enum import_part part, const char *key, const char *section);

/* Put the name of that file in front of the recorded error. Always returns -1. */
int import_config_error(
    const struct import *import, enum import_part part, const char *key, const char *section);

/* Note a remark for the user. */
void import_note(struct import *import, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sizes of a part from shapes and settings, then its tensors. */
int import_vit_measure(struct import *import);
int import_vit_tensors(struct import_pass *pass);
int import_qformer_measure(struct import *import);
int import_qformer_tensors(struct import_pass *pass);
int import_llm_measure(struct import *import);
int import_llm_tensors(struct import_pass *pass);

/* Note what is odd about a language model whose tensors have been checked. 0, or -1: reading. */
int import_llm_remarks(struct import *import);

/* Find tokenizer.model, vocab.txt and the added tokens beside them (import_tokens.c). */
int import_llm_tokens(struct import *import);
int import_qformer_tokens(struct import *import);

#endif
