/* parameters.h - the parameters of a stage taken from its model file: hyper-parameters in their
 * range, tensors with the shape that these imply. Names end up in messages, so a file that does
 * not fit says which tensor and what was wanted.
 */
#ifndef ZV_MODEL_PARAMETERS_H
#define ZV_MODEL_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "num/linear.h"
#include "num/norm.h"

struct model_file;

enum {
	PARAMETERS_WIDTH_MOST = 1 << 17,  /* of any layer */
	PARAMETERS_LAYERS_MOST = 1 << 10, /* blocks */
	PARAMETERS_ROWS_MOST = 1 << 24,   /* of an embedding table */
	PARAMETERS_NAME = 160,            /* bytes of a tensor's name */
};

/* Record an ERROR_SYSTEM with the file's name in front. Always returns -1. */
int parameters_error(const struct model_file *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Before all others: the file says that it is of this stage, and no word's value is longer than any
 * that is read (63 bytes), so that none passes for absent. 0, or -1 with ERROR_SYSTEM. */
int parameters_begin(const struct model_file *file, const char *stage);

/* Tensors "PREFIXn..." have no n of layers or more: the file means what its config says. 0, or -1
 * with ERROR_SYSTEM. */
int parameters_layers(const struct model_file *file, const char *prefix, size_t layers);

/* A hyper-parameter that is 0 or 1; 0 if absent. 0, or -1 with ERROR_SYSTEM. */
int parameters_flag(const struct model_file *file, const char *word, bool *flag);

/* A token's number, which is one of the vocabulary (-1: none, as if absent). 0, or -1 with
 * ERROR_SYSTEM. */
int parameters_token(const struct model_file *file, const char *word, size_t vocabulary);

/* A hyper-parameter in [1, most]. 0, or -1 with ERROR_SYSTEM. */
int parameters_size(const struct model_file *file, const char *word, size_t most, size_t *size);

/* A hyper-parameter that is positive and finite. 0, or -1 with ERROR_SYSTEM. */
int parameters_real(const struct model_file *file, const char *word, float *value);

/* "PREFIX.weight" [out][in], and "PREFIX.bias" [out] if biased. 0, or -1 with ERROR_SYSTEM. */
int parameters_linear(const struct model_file *file, const char *prefix, size_t out, size_t in,
    int biased, struct linear *linear);

/* "PREFIX.weight" [n], and "PREFIX.bias" [n] if biased. */
int parameters_norm(const struct model_file *file, const char *prefix, size_t n, float eps,
    int biased, struct norm *norm);

/* A tensor of rows x columns f32 values; rows 0: of one dimension. */
int parameters_values(const struct model_file *file, const char *key, size_t rows, size_t columns,
    const float **values);

#endif
