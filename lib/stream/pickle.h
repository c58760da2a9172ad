/* pickle.h - the restricted pickle machine: runs what torch.save writes and nothing else.
 * Python's unpickler calls whatever a file names. Here no name leads to code: a fixed list of
 * names is known (collections OrderedDict, torch._utils _rebuild_tensor_v2 and
 * _rebuild_parameter, torch *Storage, Size, device and the dtypes), calling the first three makes
 * a dictionary or the description of a tensor, and every other name or opcode is an error that
 * says it and its place. Values are a few bytes each; memory is at most some 30 times the input.
 */
#ifndef ZV_STREAM_PICKLE_H
#define ZV_STREAM_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PICKLE_SIZE_MOST = 32 << 20, PICKLE_DIMENSIONS = 8 };

enum pickle_kind {
	PICKLE_NONE,
	PICKLE_BOOL,    /* whole: 0 or 1 */
	PICKLE_WHOLE,   /* whole */
	PICKLE_LONG,    /* text: little-endian two's complement of more than 8 bytes */
	PICKLE_REAL,    /* its value is never used */
	PICKLE_TEXT,    /* text: as stored, not yet known to be UTF-8 */
	PICKLE_TUPLE,   /* cells, count items */
	PICKLE_LIST,    /* cells, count items */
	PICKLE_DICT,    /* cells, count keys and values in turn */
	PICKLE_GLOBAL,  /* one of the names above */
	PICKLE_STORAGE, /* index into storages */
	PICKLE_TENSOR,  /* index into tensors */
	PICKLE_INERT,   /* a device */
};

enum { PICKLE_END = UINT32_MAX }; /* no more cells */

struct pickle_value {
	uint8_t kind;   /* enum pickle_kind */
	uint8_t global; /* of a name: which; of a dictionary: made by OrderedDict */
	uint32_t count;
	union {
		int64_t whole;
		struct {
			uint32_t first, last;
		} cells;
		struct {
			uint32_t offset, size; /* into bytes */
		} text;
		uint32_t index;
	};
};

struct pickle_cell {
	uint32_t value, next; /* PICKLE_END ends the list */
};

/* What a persistent id names: elements of a dtype in the container, under a key. */
struct pickle_storage {
	uint32_t key_offset, key_size; /* into bytes */
	uint64_t elements;
	char dtype;
};

/* A view of a storage; whether it lies inside is for the caller to check. */
struct pickle_tensor {
	uint32_t storage;
	int dimensions;
	uint64_t offset; /* in elements */
	uint64_t shape[PICKLE_DIMENSIONS], strides[PICKLE_DIMENSIONS];
};

struct pickle {
	const uint8_t *bytes; /* must outlive it */
	size_t used;          /* bytes up to and with STOP */
	uint32_t root;
	struct pickle_value *values;
	struct pickle_cell *cells;
	struct pickle_storage *storages;
	struct pickle_tensor *tensors;
	size_t value_count, cell_count, storage_count, tensor_count;
	size_t value_capacity, cell_capacity, storage_capacity, tensor_capacity; /* private */
};

/* Run one pickle from the beginning of bytes to its STOP. 0, or -1 with an ERROR_INPUT that names
 * the byte, or memory. pickle_release() in both cases. */
int pickle_run(const uint8_t *bytes, size_t size, struct pickle *pickle);

void pickle_release(struct pickle *pickle);

/* Is value i a text with just these characters? */
bool pickle_is_text(const struct pickle *pickle, uint32_t i, const char *text);

#endif
