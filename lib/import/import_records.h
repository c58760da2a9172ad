/* import_records.h - loose tensors in the formats of others as records of a stream: what export.h
 * writes, read back: .npy (also a stack of equal ones), .safetensors, JSON lines, raw bytes; SQLite
 * in the layout of llm; the folders of clip-retrieval.
 */
#ifndef ZV_IMPORT_IMPORT_RECORDS_H
#define ZV_IMPORT_IMPORT_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/write.h"

struct import_records {
	const char *key;  /* of a .npy or raw file; NULL: the file's name, without ".npy" */
	const char *name; /* NULL: "values", or what a JSON line says. In safetensors a tensor KEY.NAME
	                   * gets the key KEY */
	const char *keys; /* a file of keys, one a line: the first dimension of a .npy file is cut into
	                   * records with these keys; NULL: it is one record */
	bool group;       /* neighbouring rows with one key are one record */
	const char *collection; /* in a database; NULL: the only one */
	const char *column;     /* of a folder's tables; NULL: image_path, or with texts caption */
	bool texts;             /* of a folder: those of texts */
	char dtype;             /* of raw bytes; 0: not given */
	int dimensions;         /* of raw bytes; -1: not given */
	uint64_t shape[RECORD_DIMENSIONS];
	size_t most; /* bytes of the largest file or record */
};

/* "3x224x224" (or "scalar") into shape. 0, or -1 with ERROR_INPUT. */
int import_parse_shape(const char *text, int *dimensions, uint64_t shape[RECORD_DIMENSIONS]);

/* Write the tensors in the file at path as records; what it is follows from its first bytes (npy,
 * SQLite) or its end (.safetensors, .json, .jsonl), anything else is raw bytes. 0, or -1 with a
 * recorded error that names what is wrong in it. *failed counts the failed items in JSON lines,
 * which become F records. */
int import_records_read(const struct import_records *records, const char *path,
    struct writer *writer, uint64_t *failed);

#endif
