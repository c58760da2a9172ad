/* model_file.h - a model file (vit.zv, qformer.zv, llm.zv): bare records, mapped, found by name.
 * Opening reads the headers only; payloads are paged in when used, shared by all processes, and
 * checked by model_file_verify().
 * The first record has key "config", name = the stage, no elements; its meta holds the
 * hyper-parameters. Every other record is a parameter: key = its Hugging Face name without the
 * part's prefix, name "values", or "packed" for a matrix in int8 or int4 (packed_record.h); or a
 * file that the stage needs (key "tokenizer.model", name "bytes"). `zv-ls --check` verifies the
 * payloads.
 */
#ifndef ZV_STREAM_MODEL_FILE_H
#define ZV_STREAM_MODEL_FILE_H

#include "stream/record.h"

struct model_file;

/* One mapped tensor; data is 64-byte aligned and lives as long as the file is open. A packed matrix
 * has a type of base/packed.h for its dtype, and the shape of the matrix. */
struct weight {
	char dtype;
	int dimensions;
	uint64_t shape[RECORD_DIMENSIONS];
	const void *data;
	size_t bytes;
};

/* Open stage.zv ("vit", "qformer", "llm") of the model: a directory, or a name that is looked up
 * in the directories of ZV_MODELS (separated by ':') and then in ../share/zv/models, seen from the
 * folder of the program. NULL with a recorded ERROR_SYSTEM that names what was looked for and what
 * to do. */
struct model_file *model_file_open(const char *model, const char *stage);

/* Open one file by its path. */
struct model_file *model_file_open_path(const char *path);

/* The directory of a model, resolved as above, into path (PATH_MAX bytes). 0 or -1. */
int model_find(const char *model, char *path, size_t path_size);

/* A hyper-parameter as text into value; false if absent. */
bool model_file_text(const struct model_file *file, const char *word, char *value, size_t size);
/* As a whole number in [least, most], or a real number. 0, or -1 with ERROR_SYSTEM. */
int model_file_whole(
    const struct model_file *file, const char *word, int64_t least, int64_t most, int64_t *value);
int model_file_real(const struct model_file *file, const char *word, double *value);

/* Compare the payload of a tensor (NULL: of all, by the threads of the pool) with its checksum:
 * what computes with a model does so once, so that a damaged weight is never computed with. Some
 * 10 GB/s a thread from memory; the pages are needed anyway. A key that the file does not have is not
 * damaged. 0, or -1 with ERROR_SYSTEM that names the tensor. */
int model_file_verify(const struct model_file *file, const char *key);

/* The same for all tensors whose names begin with prefix: where a file is large, each part of it can
 * be compared just before it is computed with for the first time. */
int model_file_verify_part(const struct model_file *file, const char *prefix);

/* Find a tensor by name. false (nothing recorded) if the file has none. */
bool model_file_find(const struct model_file *file, const char *key, struct weight *weight);

/* The same, but it must be there with one of the dtypes e, E, f and exactly this shape: 0, or -1
 * with ERROR_SYSTEM naming the tensor and what was wanted. */
int model_file_need(const struct model_file *file, const char *key, int dimensions,
    const uint64_t *shape, struct weight *weight);

/* The same for a matrix [rows][columns], which may also be packed. */
int model_file_need_matrix(const struct model_file *file, const char *key, size_t rows,
    size_t columns, struct weight *weight);

/* All tensors in file order: i = 0.. until false. key points into the file. */
bool model_file_at(const struct model_file *file, size_t i, const char **key, size_t *key_size,
    struct weight *weight);

/* BLAKE2b-128 over the headers of the T records in order: the identity of the weights. */
struct digest model_file_fingerprint(const struct model_file *file);

const char *model_file_path(const struct model_file *file);
void model_file_close(struct model_file *file); /* NULL is fine */

#endif
