/* bank.c - reading feature files into windows of blocks (see bank.h). */
#include "search/bank.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/program.h"
#include "search/bank_small.h"
#include "search/bank_window.h"
#include "stream/read.h"
#include "stream/rows.h"

#include <stdio.h>
#include <string.h>

enum {
	WINDOW_BYTES = 16 << 20,  /* of rows: stays in the last cache from checksum to scan */
	IN_PLACE_BYTES = 8 << 10, /* mapped records of this size are used where they are */
};

struct bank {
	struct bank_rules rules;
	struct bank_kind kind;
	struct bank_origin *origins;
	size_t origin_count, origin_capacity;

	struct bank_window window; /* being read */
	struct bank_small small;
	struct bank_window *kept;
	size_t kept_count, kept_capacity;
	struct reader **readers; /* whose mappings kept blocks are in */
	size_t reader_count, reader_capacity;
	uint64_t kept_bytes, items, failures;
	bool keeping;  /* all that this pass has shown so far is kept */
	bool complete; /* all of the bank is kept */
	bool read_once, standard;
	bool sample_taken;   /* the records that come are other parts of a sample that was taken */
	bool width_reported; /* in this file */
	const char *file;
	int (*visit)(void *context, const struct bank_block *blocks, size_t count);
	void *context;
	int stopped; /* what visit() returned */
};

struct bank *bank_open(const struct bank_rules *rules)
{
	struct bank *bank = memory_allocate_zero(1, sizeof *bank);
	if (!bank)
		return NULL;
	bank->rules = *rules;
	bank->kind = rules->kind;
	for (size_t i = 0; i < rules->file_count; i++)
		bank->standard |= strcmp(rules->files[i], "-") == 0;
	return bank;
}

/* Forget what was kept. */
static void forget(struct bank *bank)
{
	for (size_t i = 0; i < bank->kept_count; i++)
		window_release(&bank->kept[i]);
	for (size_t i = 0; i < bank->reader_count; i++)
		reader_close(bank->readers[i]);
	bank->kept_count = bank->reader_count = 0;
	bank->kept_bytes = 0;
	bank->keeping = bank->complete = false;
}

void bank_close(struct bank *bank)
{
	if (!bank)
		return;
	forget(bank);
	window_release(&bank->window);
	small_release(&bank->small);
	for (size_t i = 0; i < bank->origin_count; i++)
		memory_release(bank->origins[i].meta);
	memory_release(bank->origins);
	memory_release(bank->kept);
	memory_release(bank->readers);
	memory_release(bank);
}

const struct bank_origin *bank_origin(const struct bank *bank, size_t origin)
{
	return &bank->origins[origin];
}

uint64_t bank_items(const struct bank *bank)
{
	return bank->items;
}

uint64_t bank_failures(const struct bank *bank)
{
	return bank->failures;
}

bool bank_again(const struct bank *bank)
{
	return bank->complete || !bank->standard;
}

void bank_weights(const struct record *record, char weights[BANK_WEIGHTS_SIZE])
{
	if (!record_meta(record, "weights", weights, BANK_WEIGHTS_SIZE))
		weights[0] = '\0';
}

int bank_shape(const struct record *record, bool stacked, size_t *vectors, size_t *width)
{
	int first = stacked ? 1 : 0, dimensions = record->dimensions - first;
	if (!strchr("fEeb", record->dtype) || dimensions < 1 || dimensions > 2)
		return error_input(
		    "\"%.200s\" holds no vectors of f32, bf16, f16 or int8, nor a stack of them",
		    record->key);
	uint64_t wide = record->shape[record->dimensions - 1];
	uint64_t many = dimensions == 2 ? record->shape[first] : 1;
	if (wide == 0 || many == 0 || wide > BANK_WIDTH_MOST || many > BANK_WIDTH_MOST / wide)
		return error_input("\"%.200s\" holds %llu vectors of %llu numbers", record->key,
		    (unsigned long long)many, (unsigned long long)wide);
	*vectors = (size_t)many;
	*width = (size_t)wide;
	return 0;
}

/* Reports are for the first reading: a further one finds the same. */
static void report(struct bank *bank)
{
	if (!bank->read_once)
		bank->rules.report(bank->file);
}

/* --- windows -------------------------------------------------------------------------------------*/

/* Stop keeping when there is too much of it. */
static int keep_window(struct bank *bank)
{
	struct bank_window *window = &bank->window;
	bank->kept_bytes += window->own;
	if (bank->keeping && bank->kept_bytes <= bank->rules.memory) {
		if (memory_grow((void **)&bank->kept, &bank->kept_capacity, bank->kept_count + 1,
		        sizeof *bank->kept))
			return -1;
		bank->kept[bank->kept_count++] = *window;
		*window = (struct bank_window){ 0 };
		return 0;
	}
	forget(bank);
	window_release(window);
	return 0;
}

/* The present window is complete: 0, -1, or 1 when the visitor has seen enough. */
static int show_window(struct bank *bank)
{
	if (small_end(&bank->small, &bank->window) || window_prepare(&bank->window, &bank->rules))
		return -1;
	if (bank->window.count == 0)
		return 0;
	bank->stopped = bank->visit(bank->context, bank->window.blocks, bank->window.count);
	return keep_window(bank) ? -1 : bank->stopped ? 1 : 0;
}

/* Number the items of a block and put it into the window. */
static int add_block(struct bank *bank, struct bank_block *block)
{
	block->file = bank->file;
	block->first = bank->items;
	bank->items += block->count;
	return window_add(&bank->window, block);
}

/* --- records -------------------------------------------------------------------------------------*/

static int origin_new(struct bank *bank, const struct record *record, size_t *number)
{
	char weights[BANK_WEIGHTS_SIZE];
	if (memory_grow((void **)&bank->origins, &bank->origin_capacity, bank->origin_count + 1,
	        sizeof *bank->origins))
		return -1;
	struct bank_origin *origin = &bank->origins[bank->origin_count];
	*origin = (struct bank_origin){ .maker = record->maker, .meta_size = record->meta_size };
	memcpy(origin->name, record->name, sizeof origin->name);
	origin->meta = memory_text(record->meta_size ? record->meta : "", record->meta_size);
	if (!origin->meta)
		return -1;
	bank_weights(record, weights);
	bool told = weights[0] && bank->kind.weights[0];
	origin->fits = common.any_maker || !told || strcmp(weights, bank->kind.weights) == 0;
	if (!bank->kind.weights[0])
		memcpy(bank->kind.weights, weights, sizeof weights);
	*number = bank->origin_count++;
	if (!origin->fits) {
		error_input("\"%.200s\" was made with the weights %.32s, where %.32s are wanted; "
		            "--any-maker compares them all the same",
		    record->key, weights, bank->kind.weights);
		report(bank);
	}
	return 0;
}

/* The number of what produced a record. */
static int origin_of(struct bank *bank, const struct record *record, size_t *number)
{
	for (size_t i = bank->origin_count; i-- > 0;) {
		const struct bank_origin *origin = &bank->origins[i];
		if (digest_equal(&origin->maker, &record->maker) &&
		    strcmp(origin->name, record->name) == 0 && origin->meta_size == record->meta_size &&
		    (record->meta_size == 0 ||
		        memcmp(origin->meta, record->meta, record->meta_size) == 0)) {
			*number = i;
			return 0;
		}
	}
	return origin_new(bank, record, number);
}

/* What a record's items are: 1 if they are of the kind that is wanted, 0 if not, which is reported, or
 * -1: memory. */
static int examine(
    struct bank *bank, const struct record *record, bool stacked, struct bank_block *block)
{
	*block = (struct bank_block){ .dtype = record->dtype, .checksum = record->payload_checksum };
	if (bank_shape(record, stacked, &block->vectors, &block->width)) {
		report(bank);
		return 0;
	}
	if (origin_of(bank, record, &block->origin))
		return -1;
	if (bank->kind.width == 0)
		bank->kind.width = block->width;
	if (bank->kind.width == block->width)
		return bank->origins[block->origin].fits;
	if (!bank->width_reported) {
		error_input("\"%.200s\" has vectors of %zu numbers, where %zu are wanted", record->key,
		    block->width, bank->kind.width);
		report(bank);
	}
	bank->width_reported = true;
	return 0;
}

/* A record's key as the keys of a block of one. */
static int own_key(struct bank_block *block, const struct record *record)
{
	size_t size = strlen(record->key);
	char *key = memory_text(record->key, size + 1);
	uint32_t *end = memory_allocate(1, sizeof *end);
	struct digest *source = memory_allocate(1, sizeof *source);
	block->own_keys = key;
	block->own_ends = end;
	block->own_sources = source;
	if (!key || !end || !source) {
		memory_release(key);
		memory_release(end);
		memory_release(source);
		return -1;
	}
	key[size] = '\n';
	*end = (uint32_t)size;
	*source = record->source;
	block->keys = key;
	block->keys_size = size + 1;
	block->key_ends = end;
	block->sources = source->bytes;
	return 0;
}

/* A record that was verified becomes one of the small ones. */
static int add_small(
    struct bank *bank, const struct record *record, struct bank_block *block, const void *payload)
{
	block->file = bank->file;
	block->first = bank->items;
	if (small_add(&bank->small, &bank->window, record, block, payload))
		return -1;
	bank->items++;
	return 0;
}

/* A record by itself, whose payload has not been read. */
static int take_single(struct bank *bank, struct reader *reader, const struct record *record)
{
	struct bank_block block;
	const void *payload;
	if (!window_wants(&bank->rules, record->key))
		return 0;
	int fits = examine(bank, record, false, &block);
	if (fits <= 0)
		return fits;
	if (record->payload_size >= IN_PLACE_BYTES) {
		int mapped = reader_map(reader, &block.rows);
		if (mapped < 0)
			return -1;
		if (mapped) {
			block.count = 1;
			block.filtered = true;
			return small_end(&bank->small, &bank->window) || own_key(&block, record) ||
			               add_block(bank, &block)
			           ? -1
			           : 0;
		}
	}
	payload = reader_payload(reader);
	return payload ? add_small(bank, record, &block, payload) : -1;
}

/* A payload, mapped or else the caller's own: 0 or -1. */
static int hold_payload(
    struct reader *reader, const struct record *record, bool verify, const void **bytes, void **own)
{
	*own = NULL;
	int mapped = reader_map(reader, bytes);
	if (mapped < 0)
		return -1;
	if (mapped && verify &&
	    checksum_of(*bytes, (size_t)record->payload_size) != record->payload_checksum)
		return error_input("checksum of the payload of \"%.200s\" is wrong", record->key);
	if (!mapped)
		*bytes = *own = reader_take_payload(reader);
	return *bytes ? 0 : -1;
}

/* The other parts of a stack, whose matrix is in block; the reader stands at its keys. */
static int take_stack_parts(
    struct bank *bank, struct reader *reader, struct bank_block *block, struct record *record)
{
	const void *bytes;
	if (record->payload_size > UINT32_MAX)
		return error_input("the keys of \"%.200s\" are more than 4 GiB", record->key);
	block->keys_size = (size_t)record->payload_size;
	if (hold_payload(reader, record, true, &bytes, &block->own_keys))
		return -1;
	block->keys = bytes;
	if (!record->more)
		return 0;
	if (reader_next(reader, record) < 0)
		return -1;
	bank->sample_taken = record->more;
	if (strcmp(record->name, "sources") != 0 || record->dtype != 'B' ||
	    record->payload_size / sizeof(struct digest) != block->count ||
	    record->payload_size % sizeof(struct digest) != 0)
		return error_input("\"%.200s\" has not one source for each row", record->key);
	if (hold_payload(reader, record, true, &bytes, &block->own_sources))
		return -1;
	block->sources = bytes;
	return 0;
}

static void release_parts(struct bank_block *block)
{
	memory_release(block->own_rows);
	memory_release(block->own_scales);
	memory_release(block->own_keys);
	memory_release(block->own_sources);
}

/* What examine() told of a block whose rows and scales are held. */
static void describe(struct bank_block *block, const struct bank_block *described)
{
	struct bank_block held = *block;
	*block = *described;
	block->rows = held.rows;
	block->own_rows = held.own_rows;
	block->scales = held.scales;
	block->own_scales = held.own_scales;
	block->verified = held.own_rows != NULL;
}

static int take_stack(struct bank *bank, struct reader *reader, const struct record *matrix,
    struct bank_block *block, struct record *record)
{
	struct bank_block described;
	int fits = examine(bank, matrix, true, &described);
	if (fits > 0) {
		describe(block, &described);
		block->count = (size_t)matrix->shape[0];
		fits = take_stack_parts(bank, reader, block, record) ? -1 : 1;
	}
	if (fits <= 0 || block->count == 0) {
		release_parts(block);
		return fits < 0 ? -1 : 0;
	}
	return small_end(&bank->small, &bank->window) || add_block(bank, block) ? -1 : 0;
}

/* A sample that is no stack, whose first part was read. */
static int take_alone(struct bank *bank, const struct record *record, struct bank_block *block)
{
	struct bank_block described;
	int fits =
	    window_wants(&bank->rules, record->key) ? examine(bank, record, false, &described) : 0;
	if (fits > 0) {
		describe(block, &described);
		if (!block->own_rows &&
		    checksum_of(block->rows, (size_t)record->payload_size) != record->payload_checksum)
			fits = error_input("checksum of the payload of \"%.200s\" is wrong", record->key);
	}
	if (fits > 0)
		fits = add_small(bank, record, block, block->rows);
	release_parts(block);
	return fits < 0 ? -1 : 0;
}

/* The record behind another of its sample: 0, or -1 with a recorded error. */
static int next_part(
    struct bank *bank, struct reader *reader, const struct record *first, struct record *record)
{
	int found = reader_next(reader, record);
	if (found < 0)
		return -1;
	if (found == 0 || strcmp(record->key, first->key) != 0)
		return error_input("\"%.200s\" lacks its other parts", first->key);
	bank->sample_taken = record->more;
	return 0;
}

/* The scales of int8 rows and the part behind them: 1, 0 if these numbers are no such rows, -1. */
static int take_scales(struct bank *bank, struct reader *reader, const struct record *first,
    struct bank_block *block, struct record *record)
{
	struct rows rows;
	if (!rows_are_scales(first, record)) {
		reader_again(reader);
		bank->sample_taken = false;
		return 0;
	}
	if (hold_payload(reader, record, true, &block->scales, &block->own_scales))
		return -1;
	if (rows_open(&rows, first, block->rows, record, block->scales))
		return error_context("\"%.200s\"", first->key);
	return record->more && next_part(bank, reader, first, record) ? -1 : 1;
}

/* The first part of a sample of several: a stack if keys come behind it. */
static int take_first_part(struct bank *bank, struct reader *reader, struct record *record)
{
	struct record first = *record;
	struct bank_block block = { .count = 0 };
	size_t origin; /* remembers the meta, which does not outlive the next record */
	if (origin_of(bank, record, &origin) ||
	    hold_payload(reader, record, false, &block.rows, &block.own_rows))
		return -1;
	first.meta = bank->origins[origin].meta;
	int found = next_part(bank, reader, &first, record) ? -1 : 1;
	if (found > 0 && first.dtype == 'b')
		found = take_scales(bank, reader, &first, &block, record);
	if (found <= 0) {
		release_parts(&block);
		return found;
	}
	if (strcmp(record->name, "keys") == 0 && record->dtype == 'B' && first.dimensions >= 2)
		return take_stack(bank, reader, &first, &block, record);
	return take_alone(bank, &first, &block);
}

/* Is this the tensor to search in? */
static bool is_meant(const struct bank *bank, const struct record *record)
{
	if (bank->rules.name)
		return strcmp(record->name, bank->rules.name) == 0;
	return rows_are_numbers(record) && record->dtype != 'd' && record->dimensions > 0;
}

static int take_record(struct bank *bank, struct reader *reader, struct record *record)
{
	if (record->kind == RECORD_FAILED) {
		bank->failures += window_wants(&bank->rules, record->key);
		return 0;
	}
	bool rest = bank->sample_taken, meant = !rest && is_meant(bank, record);
	bank->sample_taken = record->more && (rest || meant);
	if (!meant)
		return 0;
	return record->more ? take_first_part(bank, reader, record) : take_single(bank, reader, record);
}

/* All of one file: 0, 1 when the visitor has seen enough, or -1 with a recorded error. */
static int read_stream(struct bank *bank, struct reader *reader)
{
	struct record record;
	int found;
	bank->sample_taken = bank->width_reported = false;
	while ((found = reader_next(reader, &record)) > 0) {
		if (take_record(bank, reader, &record))
			return -1;
		int status =
		    bank->window.bytes + bank->small.rows_size < WINDOW_BYTES ? 0 : show_window(bank);
		if (status)
			return status;
	}
	return found;
}

static int read_file(struct bank *bank, const char *file)
{
	bank->file = file;
	struct reader *reader = reader_open(file);
	int status = reader ? read_stream(bank, reader) : -1;
	if (status < 0 && error_kind() == ERROR_INPUT) {
		report(bank);
		status = 0;
	}
	if (status == 0)
		status = show_window(bank);
	window_release(&bank->window);
	small_release(&bank->small);
	if (status < 0 || !bank->keeping || !reader) {
		reader_close(reader);
		return status;
	}
	if (memory_grow((void **)&bank->readers, &bank->reader_capacity, bank->reader_count + 1,
	        sizeof(struct reader *))) {
		forget(bank); /* the windows that lead into the mapping go first */
		reader_close(reader);
		return -1;
	}
	bank->readers[bank->reader_count++] = reader;
	return status;
}

static int read_all(struct bank *bank)
{
	int status = 0;
	forget(bank);
	bank->keeping = true;
	bank->items = bank->failures = 0;
	for (size_t i = 0; i < bank->rules.file_count && status == 0; i++)
		status = read_file(bank, bank->rules.files[i]);
	bank->complete = bank->keeping && status == 0;
	if (!bank->complete)
		forget(bank);
	bank->read_once = bank->read_once || status == 0;
	return status > 0 ? bank->stopped : status;
}

int bank_pass(struct bank *bank,
    int (*visit)(void *context, const struct bank_block *blocks, size_t count), void *context)
{
	bank->visit = visit;
	bank->context = context;
	if (!bank->complete)
		return read_all(bank);
	int status = 0;
	for (size_t i = 0; i < bank->kept_count && status == 0; i++)
		status = visit(context, bank->kept[i].blocks, bank->kept[i].count);
	return status;
}
