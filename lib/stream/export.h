/* export.h - records in the formats of others: npy, safetensors, raw bytes, lines of text, lines of
 * JSON. Records come one by one; what needs a header first (safetensors, npy) waits in an unnamed
 * temporary file beside the output, but for a stack that goes to a file of its own, whose header is
 * patched in the end. Memory is that of one record.
 */
#ifndef ZV_STREAM_EXPORT_H
#define ZV_STREAM_EXPORT_H

#include "base/output.h"
#include "stream/record.h"

enum export_form {
	EXPORT_NPY,         /* one record */
	EXPORT_STACK,       /* one npy of equal records, with a first dimension that counts them */
	EXPORT_SAFETENSORS, /* tensor name = key, or key.name when the name is not "values" */
	EXPORT_RAW,         /* payloads, one after the other */
	EXPORT_TEXT,        /* a line for each row of the last dimension: key TAB numbers */
	EXPORT_JSON,        /* a line for each record: {"key","name","dtype","shape","data"} */
};

/* Which dtype leaves; a conversion rounds to nearest even. */
enum export_dtype {
	EXPORT_AS_IS, /* but bf16 becomes f32 in npy, which has no bf16: the same numbers */
	EXPORT_F32,
	EXPORT_F16,
	EXPORT_BF16,
	EXPORT_BITS, /* bf16 as u16: the bits as they are */
};

struct export;

/* output stays the caller's: commit or abandon it after export_finish(). keys (may be NULL) gets
 * the key of each record as a line, escaped. NULL with a recorded error. */
struct export *export_open(
    struct output *output, enum export_form form, enum export_dtype dtype, struct output *keys);

/* Write or keep a tensor record. 0, or -1 with ERROR_INPUT (it does not fit the form; nothing was
 * written of it) or ERROR_SYSTEM. */
int export_record(struct export *export, const struct record *record, const void *payload);

/* A failed item: a line {"key","failed"} in EXPORT_JSON, otherwise nothing. 0 or -1. */
int export_failure(struct export *export, const char *key, const void *reason, size_t size);

/* Write what waited. 0, or -1. Releases export in both cases. */
int export_finish(struct export *export);

#endif
