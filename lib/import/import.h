/* import.h - make a model directory (zv-model(5)) from what people hold: Hugging Face directories,
 * LAVIS checkpoints, deltas, LoRA adapters. Everything is checked before a byte is written;
 * tensors are then streamed in pieces, so that memory does not grow with the model.
 *
 *     struct import *import = import_open(&request);
 *     import_write(import, "ziya", false);
 *     import_close(import);
 */
#ifndef ZV_IMPORT_IMPORT_H
#define ZV_IMPORT_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "import/import_names.h"

struct import_request {
	const char *const *sources; /* files and directories */
	int source_count;
	const char *vit, *qformer, *llm;    /* checkpoints for one part, NULL: none */
	const char *base, *delta;           /* the language model as a sum, both or none */
	const char *config;                 /* config.json for sources without */
	const char *tokenizer, *vocabulary; /* tokenizer.model, vocab.txt */
	const char *const *adapters;        /* PEFT directories */
	int adapter_count;
	bool keep_adapters;        /* beside the model instead of merged */
	const char *template;      /* NULL: guessed */
	char dtypes[IMPORT_PARTS]; /* of matrices: e, E, f, or packed; 0: as stored */
};

struct import_count {
	bool present;
	uint64_t tensors, parameters, bytes; /* bytes of payload */
	const char *source, *base;           /* base: what source was added to, or NULL */
};

struct import_adapter_count {
	uint64_t tensors, parameters, bytes; /* merged: tensors of the model that change, bytes 0 */
	const char *source;
	const char *file; /* in the model; NULL: merged */
};

struct import;

/* Open all sources, find every tensor, check names, shapes and settings. The request's texts must
 * outlive the import. NULL with a recorded error that names file and tensor. */
struct import *import_open(const struct import_request *request);

struct import_count import_count(const struct import *import, enum import_part part);

/* What became of the adapters: i = 0.. until false. */
bool import_adapter_at(const struct import *import, int i, struct import_adapter_count *count);

/* Tensors of the sources that the model does not take: i = 0.. until NULL. *file: where it is. */
const char *import_ignored(const struct import *import, size_t i, const char **file);

/* Remarks worth telling: i = 0.. until NULL. */
const char *import_remark(const struct import *import, size_t i);

/* Write the model to directory, which appears whole or not at all; an existing one is replaced
 * only if force is set and it holds nothing but model files. Calls progress_update() with the
 * payload bytes written. 0 or -1. */
int import_write(struct import *import, const char *directory, bool force);

void import_close(struct import *import); /* NULL is fine */

/* Remove what an interrupted import_write() left; async-signal-safe. */
void import_clean_up(void);

/* Keep one PEFT adapter as an adapter file (zv-model(5)). model: whose language model it is for, which
 * the file notes, or NULL. *count: what it holds, but no file. 0 or -1. */
int import_keep_adapter(
    const char *adapter, const char *path, const char *model, struct import_adapter_count *count);

#endif
