/* adapter.h - the adapters of a language model under training as a file of their own (zv-model(5),
 * "Adapter files"), and back from one to train on.
 */
#ifndef ZV_TRAIN_ADAPTER_H
#define ZV_TRAIN_ADAPTER_H

#include <stddef.h>

#include "base/hash.h"

struct dense;
struct llama_network;

/* Write the adapters in f32, as zv-import writes an adapter, for the language model of fingerprint
 * llm. llm NULL: for the one that was opened, with every other trained parameter of it as a
 * replacement. Atomic. 0, or -1: nothing is adapted, or the write failed. */
int adapter_write(const char *path, const struct llama_network *network, const struct digest *llm);

/* Put the adapters of a file on the network's layers and its replacements in place, all of them
 * trained. dropout: for the adapters. A file that names another language model is refused unless
 * common.any_maker. 0 or -1. */
int adapter_read(struct llama_network *network, const char *path, float dropout);

/* Put a trained adapter, A and B zero, on one layer. 0 or -1. */
int llama_network_add_lora(struct llama_network *network, struct dense *dense, const char *name,
    size_t rank, double scale);

#endif
