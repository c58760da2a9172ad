/* checkpoint.h - the named tensors in other people's files, one face for all of them:
 * safetensors (one file, or shards with model.safetensors.index.json), torch files (zip or legacy
 * container, restricted pickle; shards with pytorch_model.bin.index.json), a directory of either.
 * Nothing in a file is executed; headers are checked before anything is allocated; payloads are
 * mapped and read piece by piece.
 */
#ifndef ZV_STREAM_CHECKPOINT_H
#define ZV_STREAM_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHECKPOINT_DIMENSIONS = 8 };

struct checkpoint;

struct checkpoint_tensor {
	const char *name; /* as stored, with the path of nested dictionaries joined by '.':
	                   * "model.Qformer.bert..." for {"model": {"Qformer.bert...": ...}} */
	char dtype;       /* letter of dtype.h */
	int dimensions;
	uint64_t shape[CHECKPOINT_DIMENSIONS];
	uint64_t elements;
	int file;                                /* which of the files it is in */
	uint64_t offset;                         /* bytes into that file of element 0 */
	uint64_t strides[CHECKPOINT_DIMENSIONS]; /* in elements */
	bool contiguous;                         /* row-major without gaps */
};

/* Open a safetensors or torch file, an index JSON, or a directory that holds one of
 * model.safetensors[.index.json], pytorch_model.bin[.index.json], adapter_model.safetensors,
 * adapter_model.bin (looked for in this order). NULL with a recorded error that names the file,
 * the place and the reason. */
struct checkpoint *checkpoint_open(const char *path);

size_t checkpoint_count(const struct checkpoint *checkpoint);
const struct checkpoint_tensor *checkpoint_at(const struct checkpoint *checkpoint, size_t i);
/* NULL (nothing recorded) if there is no tensor of that name. */
const struct checkpoint_tensor *checkpoint_find(
    const struct checkpoint *checkpoint, const char *name);

/* The file a tensor is in, for messages. */
const char *checkpoint_file(
    const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor);

/* Copy elements first..first+count-1, in row-major order of the shape whatever the strides, in the
 * stored dtype, to target (count * dtype_size bytes). 0, or -1 with ERROR_INPUT. */
int checkpoint_read(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor,
    uint64_t first, uint64_t count, void *target);

/* Tell the kernel that the pages of this tensor are not needed again (bounded memory on import). */
void checkpoint_forget(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor);

void checkpoint_close(struct checkpoint *checkpoint); /* NULL is fine */

#endif
