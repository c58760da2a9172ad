/* new_parts.h - writing the parts of a model from nothing: tensors with their first values. For
 * new_model.c and its parts new_vit.c, new_qformer.c and new_llm.c.
 */
#ifndef ZV_TRAIN_NEW_PARTS_H
#define ZV_TRAIN_NEW_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct new_config;
struct writer;

/* A part while it is written. */
struct new_part {
	const char *name; /* "vit" */
	struct new_config *config;
	struct writer *writer;
	char words[4096]; /* of the config record */
	char dtype;       /* of matrices */
	uint64_t seed;
	double spread; /* deviation of weights; 0: 1 / sqrt(inputs) */
	int failed;    /* something could not be written: the rest is passed over */
};

/* What the parts tell each other. */
struct new_model_sizes {
	size_t vit_width, llm_width; /* 0: no such part */
	struct digest vit_weights, llm_weights;
};

/* Read a setting and put it among the words. A whole number: *value is the default (negative: there
 * is none). A real number keeps its spelling; usual NULL: no word without a setting. 0 or -1. */
int new_part_whole(
    struct new_part *part, const char *word, int64_t least, int64_t most, int64_t *value);
int new_part_real(
    struct new_part *part, const char *word, double least, double most, const char *usual);
/* 1 if the flag (0 or 1) is set, 0, or -1 recorded. It is no word by itself. */
int new_part_flag(struct new_part *part, const char *word);
/* PART.WORD. It is valid until the next call. */
const char *new_part_setting(const struct new_part *part, const char *word);
void new_part_word(struct new_part *part, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Write the config record with the words so far. */
void new_part_config(struct new_part *part);

/* Tensors, whose name, or what is before ".weight" and ".bias", comes last. Values of a name depend
 * on nothing else; "_query" is passed over in it, so that the query FFN begins as the text FFN. */
enum new_values {
	NEW_NORMAL,  /* weight N(0, spread), bias 0 */
	NEW_UNIFORM, /* both uniform in +-1/sqrt(in) */
};
void new_part_linear(struct new_part *part, size_t out, size_t in, enum new_values values,
    double factor, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* ".weight" alone. */
void new_part_matrix(struct new_part *part, size_t out, size_t in, double factor,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
void new_part_norm(struct new_part *part, size_t n, bool biased, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Tensors by their whole name: f32 N(0, spread) of one (rows 0) or two dimensions; n times the same
 * value; bytes. */
void new_part_table(
    struct new_part *part, size_t rows, size_t columns, double spread, const char *name);
void new_part_constant(struct new_part *part, size_t n, float value, const char *name);
void new_part_bytes(struct new_part *part, const char *key, const void *bytes, size_t size);

/* Words and tensors of a part. 0 or -1; what could not be written stands in part->failed. */
int new_vit_write(struct new_part *part, struct new_model_sizes *sizes);
int new_qformer_write(struct new_part *part, struct new_model_sizes *sizes);
int new_llm_write(struct new_part *part, struct new_model_sizes *sizes);

#endif
