/* bank.h - the vectors that are searched, from one or many feature files: blocks of items, each a key
 * with its vectors. Bare records of some size and stacks (zvt(5)) are used where they are mapped;
 * small or compressed records are gathered in memory. A pass shows all of it, window by window; what
 * is mapped or fits in memory is kept for the next pass, the rest is read again.
 */
#ifndef ZV_SEARCH_BANK_H
#define ZV_SEARCH_BANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "stream/key_set.h"
#include "stream/record.h"

enum { BANK_WEIGHTS_SIZE = 64, BANK_WIDTH_MOST = 1 << 24 };

/* What vectors are: numbers of one kind from one model. */
struct bank_kind {
	size_t width;                    /* of each vector; 0: not settled */
	char weights[BANK_WEIGHTS_SIZE]; /* of the maker's text; "": not told */
};

/* What produced the items of a block. */
struct bank_origin {
	char name[RECORD_NAME_MOST + 1];
	struct digest maker;
	char *meta;
	size_t meta_size;
	bool fits; /* the kind that is wanted */
};

/* count items of `vectors` vectors each: rows [count][vectors][width] of dtype f, E, e, or b with
 * scales. */
struct bank_block {
	const void *rows;
	const void *scales; /* [count][vectors] f32 of any alignment; NULL unless dtype is b */
	char dtype;
	size_t count, vectors, width;
	const char *keys;         /* each ended by a newline */
	const uint32_t *key_ends; /* where those stand */
	const uint8_t *sources;   /* 16 bytes an item, or NULL: none is known */
	const bool *wanted;       /* by the filters; NULL: all */
	size_t origin;            /* its number: bank_origin() */
	uint64_t first;           /* number of the first item, from the beginning of the bank */

	/* Of bank.c: */
	const char *file;
	uint64_t checksum; /* of rows that are not verified */
	size_t keys_size;
	bool verified, filtered;
	void *own_rows, *own_scales, *own_keys, *own_ends, *own_sources, *own_wanted;
};

/* Items first .. first + count - 1 as f32 [count][vectors][width]. */
void bank_numbers(const struct bank_block *block, size_t first, size_t count, float *numbers);

const char *bank_key(const struct bank_block *block, size_t item, size_t *size);
/* All zero if it is not known. */
struct digest bank_source(const struct bank_block *block, size_t item);

struct bank_rules {
	const char *const *files; /* names; "-": standard input, which can be read once */
	size_t file_count;
	const char *name;        /* of the tensors; NULL: the first of each sample that is floats */
	const char *const *only; /* patterns of fnmatch(3), of which a key must match one */
	size_t only_count;
	struct key_set *keys;  /* or NULL: all */
	struct bank_kind kind; /* what items must be; from the first one if not settled */
	uint64_t memory;       /* bytes of rows, at most, to keep from one pass to the next */
	/* Something is wrong with this file, or an item of it: the recorded error. Reading goes on. */
	void (*report)(const char *file);
};

struct bank;

/* rules and what they point to must outlive the bank. NULL: memory. */
struct bank *bank_open(const struct bank_rules *rules);
void bank_close(struct bank *bank); /* NULL is fine */

/* Show all blocks in order, a window at a time: 0, or what visit() returned if that is not 0, or -1
 * with a recorded error. Blocks hold during the visit. */
int bank_pass(struct bank *bank,
    int (*visit)(void *context, const struct bank_block *blocks, size_t count), void *context);

/* Can a further pass show all of it? Not if it is read from standard input and not kept. */
bool bank_again(const struct bank *bank);

const struct bank_origin *bank_origin(const struct bank *bank, size_t origin);

/* Of the last pass: items shown, those not wanted included; failed items in the files. */
uint64_t bank_items(const struct bank *bank);
uint64_t bank_failures(const struct bank *bank);

/* The weights that a record's maker text names, "" if it names none. */
void bank_weights(const struct record *record, char weights[BANK_WEIGHTS_SIZE]);

/* Count and size of the vectors of a record, or of each row of it in a stack. 0, or -1 with
 * ERROR_INPUT: it holds no vectors. */
int bank_shape(const struct record *record, bool stacked, size_t *vectors, size_t *width);

#endif
