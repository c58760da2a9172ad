/* import_peft.h - LoRA adapters as PEFT saves them (spec 5): adapter_config.json beside
 * adapter_model.safetensors or .bin.
 */
#ifndef ZV_IMPORT_IMPORT_PEFT_H
#define ZV_IMPORT_IMPORT_PEFT_H

#include "import/import_names.h"
#include "stream/checkpoint.h"
#include "stream/write.h"

/* What an adapter does to one tensor of ours: W += scale * B * A, or W is replaced. */
struct import_change {
	enum import_part part;
	char key[IMPORT_KEY_SIZE];             /* "model.layers.0.self_attn.q_proj.weight" */
	const struct checkpoint_tensor *a, *b; /* [rank, in], [out, rank] */
	const struct checkpoint_tensor *whole; /* the replacement; then a and b are NULL */
	double scale;
	bool used;
};

struct import_adapter {
	char *path;
	char *made_for; /* the model that its configuration names; NULL: none */
	char file[256]; /* what it is kept as; empty: merged */
	struct checkpoint *checkpoint;
	struct import_change *changes; /* sorted by part and key */
	size_t count, capacity;
};

/* Open the adapter in the directory at path. 0, or -1 with a recorded error: another kind than
 * LoRA, a tensor that belongs to no module of ours, A without B, shapes that do not multiply.
 * Close it in both cases. */
int import_adapter_open(struct import_adapter *adapter, const char *path);
void import_adapter_close(struct import_adapter *adapter);

struct import_change *import_adapter_find(
    const struct import_adapter *adapter, enum import_part part, const char *key);

/* A and B of one change in f32, for adding it to many pieces of the tensor. */
struct import_factors {
	const struct import_change *change;
	float *a, *b;
	size_t rank, in, out;
};
int import_factors_read(struct import_factors *factors, const struct import_adapter *adapter,
    const struct import_change *change);
void import_factors_release(struct import_factors *factors);

/* Add scale * B * A to elements first..first+count-1 of the tensor; sums in f64. scratch holds
 * factors->in doubles. */
void import_factors_add(const struct import_factors *factors, uint64_t first, size_t count,
    float *values, double *scratch);

/* How many tensors the adapter changes; as a file how many it holds, and their bytes. */
struct import_adapter_size {
	uint64_t changed, tensors, parameters, bytes;
};
struct import_adapter_size import_adapter_size(const struct import_adapter *adapter);

/* May it be kept as a file? 0, or -1 with an error that names a tensor of another part than the
 * language model: the programs of those parts take no adapter. */
int import_adapter_keepable(const struct import_adapter *adapter);

/* The config record of an adapter file (zv-model(5)), which notes the fingerprint of the language
 * model that it goes with, if any (NULL: not known). 0 or -1. */
int import_adapter_begin(struct writer *writer, const struct digest *llm);

/* Write the adapter's records behind such a config record. 0 or -1. */
int import_adapter_write(
    const struct import_adapter *adapter, const char *path, const struct digest *llm);

#endif
