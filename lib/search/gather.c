/* gather.c - a bank as stacks (see gather.h). */
#include "search/gather.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/rows.h"

#include <stdio.h>
#include <string.h>

enum { STACK_BYTES = 4 << 20 };

struct bytes {
	uint8_t *at;
	size_t size, capacity;
};

struct gathered {
	struct bank *bank;
	struct writer *writer;
	char dtype;             /* wanted, or 0 */
	struct bank_block like; /* shape and origin of the rows so far */
	struct bytes rows, scales, keys, sources;
	float *wide; /* an item as f32 */
	size_t wide_capacity;
	size_t count;
	bool has_sources;
	unsigned long number; /* of stacks */
};

static int grow(struct bytes *bytes, size_t size)
{
	return memory_grow((void **)&bytes->at, &bytes->capacity, bytes->size + size, 1);
}

static int append(struct bytes *bytes, const void *from, size_t size)
{
	if (grow(bytes, size))
		return -1;
	memcpy(bytes->at + bytes->size, from, size);
	bytes->size += size;
	return 0;
}

/* The maker's text of what was stored in another dtype: its line about that is another. */
static int change_dtype(const char *text, size_t size, char dtype, struct bytes *changed)
{
	static const char word[] = "dtype=";
	const char *end = text + size;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *next = newline ? newline + 1 : end;
		bool drop =
		    (size_t)(next - text) >= sizeof word && memcmp(text, word, sizeof word - 1) == 0;
		if (!drop && append(changed, text, (size_t)(next - text)))
			return -1;
		text = next;
	}
	const char *name = rows_type_name(dtype);
	if (dtype == 'f')
		return 0;
	return append(changed, word, sizeof word - 1) || append(changed, name, strlen(name)) ||
	               append(changed, "\n", 1)
	           ? -1
	           : 0;
}

static int put(
    struct gathered *gathered, struct record *record, const struct bytes *bytes, bool more)
{
	char key[32];
	snprintf(key, sizeof key, "stack-%06lu", gathered->number);
	record->more = more;
	return record_set_key(record, key) || writer_put(gathered->writer, record, bytes->at) ? -1 : 0;
}

static void set_maker(
    struct record *record, const struct bank_origin *origin, const struct bytes *meta)
{
	record->maker = origin->maker;
	record->meta = origin->meta;
	record->meta_size = origin->meta_size;
	if (meta->size == 0)
		return;
	record->meta = (const char *)meta->at;
	record->meta_size = meta->size;
	record->maker = digest_of(meta->at, meta->size);
}

/* Write what was collected as one sample. */
static int flush(struct gathered *gathered)
{
	const struct bank_block *like = &gathered->like;
	if (gathered->count == 0)
		return 0;
	const struct bank_origin *origin = bank_origin(gathered->bank, like->origin);
	char dtype = gathered->dtype ? gathered->dtype : like->dtype, scale[RECORD_NAME_MOST + 8];
	int dimensions = like->vectors == 1 ? 2 : 3;
	uint64_t shape[3] = { gathered->count, like->vectors == 1 ? like->width : like->vectors,
		like->width };
	uint64_t keys[1] = { gathered->keys.size },
	         sources[2] = { gathered->count, sizeof(struct digest) };
	struct record records[4];
	const struct bytes *const payloads[4] = { &gathered->rows, &gathered->scales, &gathered->keys,
		&gathered->sources };
	struct bytes meta = { NULL, 0, 0 };
	bool declared = origin->meta_size > 0 && dtype != like->dtype;
	int status = declared ? change_dtype(origin->meta, origin->meta_size, dtype, &meta) : 0;
	gathered->number++;
	snprintf(scale, sizeof scale, "%s.scale", origin->name);
	if (dtype == 'b' && strlen(scale) > RECORD_NAME_MOST)
		return error_input("name \"%s\" is too long for int8", origin->name);
	record_tensor(&records[0], origin->name, dtype, dimensions, shape);
	record_tensor(&records[1], dtype == 'b' ? scale : "", 'f', dimensions - 1, shape);
	record_tensor(&records[2], "keys", 'B', 1, keys);
	record_tensor(&records[3], "sources", 'B', 2, sources);
	for (int i = 0; i < 4 && status == 0; i++) {
		bool last = i == 3 || (i == 2 && !gathered->has_sources);
		set_maker(&records[i], origin, &meta);
		if ((i != 1 || dtype == 'b') && (i != 3 || gathered->has_sources))
			status = put(gathered, &records[i], payloads[i], !last);
	}
	memory_release(meta.at);
	gathered->count = gathered->rows.size = gathered->scales.size = 0;
	gathered->keys.size = gathered->sources.size = 0;
	gathered->has_sources = false;
	return status;
}

/* An item as f32. */
static int widen(struct gathered *gathered, const struct bank_block *block, size_t item)
{
	if (memory_grow((void **)&gathered->wide, &gathered->wide_capacity,
	        block->vectors * block->width, sizeof *gathered->wide))
		return -1;
	bank_numbers(block, item, 1, gathered->wide);
	return 0;
}

static int append_rows(struct gathered *gathered, const struct bank_block *block, size_t item)
{
	size_t numbers = block->vectors * block->width, scales = block->vectors * sizeof(float);
	const char *from = (const char *)block->rows + item * numbers * dtype_size(block->dtype);
	char dtype = gathered->dtype;
	if (!dtype || dtype == block->dtype) {
		if (block->dtype == 'b' &&
		    append(&gathered->scales, (const char *)block->scales + item * scales, scales))
			return -1;
		return append(&gathered->rows, from, numbers * dtype_size(block->dtype));
	}
	size_t size = numbers * dtype_size(dtype);
	if (widen(gathered, block, item) || grow(&gathered->rows, size) ||
	    grow(&gathered->scales, scales))
		return -1;
	uint8_t *to = gathered->rows.at + gathered->rows.size;
	gathered->rows.size += size;
	if (dtype != 'b') {
		dtype_from_f32(dtype, gathered->wide, to, numbers);
		return 0;
	}
	for (size_t v = 0; v < block->vectors; v++) {
		float scale;
		rows_quantise(gathered->wide + v * block->width, block->width,
		    (int8_t *)to + v * block->width, &scale);
		memcpy(gathered->scales.at + gathered->scales.size, &scale, sizeof scale);
		gathered->scales.size += sizeof scale;
	}
	return 0;
}

static int add_item(struct gathered *gathered, const struct bank_block *block, size_t item)
{
	size_t size;
	const char *key = bank_key(block, item, &size);
	struct digest source = bank_source(block, item);
	gathered->has_sources |= !digest_is_zero(&source);
	gathered->count++;
	return append_rows(gathered, block, item) || append(&gathered->keys, key, size) ||
	               append(&gathered->keys, "\n", 1) ||
	               append(&gathered->sources, source.bytes, sizeof source.bytes)
	           ? -1
	           : 0;
}

static int visit(void *context, const struct bank_block *blocks, size_t count)
{
	struct gathered *gathered = context;
	const struct bank_block *like = &gathered->like;
	for (size_t b = 0; b < count; b++) {
		const struct bank_block *block = &blocks[b];
		for (size_t i = 0; i < block->count; i++) {
			if (block->wanted && !block->wanted[i])
				continue;
			bool same = like->vectors == block->vectors && like->width == block->width &&
			            like->dtype == block->dtype && like->origin == block->origin;
			if ((!same || gathered->rows.size >= STACK_BYTES) && flush(gathered))
				return -1;
			gathered->like = *block;
			if (add_item(gathered, block, i))
				return -1;
		}
	}
	return 0;
}

int gather_write(struct bank *bank, struct writer *writer, char dtype)
{
	struct gathered gathered = { .bank = bank, .writer = writer, .dtype = dtype };
	int status = bank_pass(bank, visit, &gathered);
	if (status == 0)
		status = flush(&gathered);
	memory_release(gathered.rows.at);
	memory_release(gathered.scales.at);
	memory_release(gathered.wide);
	memory_release(gathered.keys.at);
	memory_release(gathered.sources.at);
	return status;
}
