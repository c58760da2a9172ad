/* import_pass.c - check, count and write the tensors of a part (see import_pass.h). */
#include "import/import_pass.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/progress.h"
#include "import/import_fetch.h"
#include "import/import_pack.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void import_note(struct import *import, const char *format, ...)
{
	if (import->remark_count == IMPORT_REMARKS_MOST)
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(import->remarks[import->remark_count++], IMPORT_REMARK_SIZE, format, arguments);
	va_end(arguments);
}

bool import_has(const struct import *import, enum import_part part, const char *key)
{
	return import_find(&import->sources, part, key) != NULL;
}

bool import_shape(const struct import *import, enum import_part part, const char *key,
    int *dimensions, uint64_t shape[CHECKPOINT_DIMENSIONS])
{
	const struct import_origin *origin = import_find(&import->sources, part, key);
	const struct checkpoint_tensor *tensor = origin ? origin->tensor : NULL;
	for (int i = 0; i < import->adapter_count && !import->request->keep_adapters; i++) {
		struct import_change *change = import_adapter_find(&import->adapters[i], part, key);
		if (change && change->whole)
			tensor = change->whole;
	}
	if (!tensor)
		return false;
	int ones = 0;
	while (ones < tensor->dimensions - 1 && tensor->shape[ones] == 1)
		ones++;
	*dimensions = tensor->dimensions - ones;
	for (int i = 0; i < *dimensions; i++)
		shape[i] = tensor->shape[ones + i];
	return true;
}

const struct json *import_config_of(
    const struct import *import, enum import_part part, const char *key, const char *section)
{
	if (import->config && json_kind(json_member(import->config, section)) == JSON_KIND_OBJECT)
		return import->config;
	const struct import_origin *origin = import_find(&import->sources, part, key);
	if (origin && origin->source->config)
		return origin->source->config;
	return import->config;
}

int import_config_error(
    const struct import *import, enum import_part part, const char *key, const char *section)
{
	const struct json *config = import_config_of(import, part, key, section);
	const struct import_source *source = import_find(&import->sources, part, key)->source;
	return config == import->config ? error_context("%s", import->request->config)
	                                : error_context("%s/config.json", source->directory);
}

/* "48 x 3 x 14 x 14" */
static const char *shape_text(int dimensions, const uint64_t *shape, char *text, size_t size)
{
	size_t used = 0;
	snprintf(text, size, "a scalar");
	for (int i = 0; i < dimensions && used < size; i++)
		used += (size_t)snprintf(
		    text + used, size - used, "%s%llu", i ? " x " : "", (unsigned long long)shape[i]);
	return text;
}

/* Is the tensor's shape the wanted one, leading ones dropped and last dimensions multiplied out?
 * [1, 8, 32] is [8, 32]; [48, 3, 14, 14] is [48, 588]; [1, 1, 48] is [48]; a scalar is [1]. */
static bool shape_fits(
    const struct checkpoint_tensor *tensor, int dimensions, const uint64_t *shape)
{
	int at = 0;
	while (tensor->dimensions - at > dimensions && tensor->shape[at] == 1)
		at++;
	if (tensor->dimensions - at < dimensions)
		return dimensions == 1 && shape[0] == 1 && tensor->elements == 1;
	uint64_t wanted = 1;
	for (int i = 0; i < dimensions; i++) {
		if (i < dimensions - 1 && tensor->shape[at + i] != shape[i])
			return false;
		wanted *= shape[i];
	}
	/* The sizes in shape are those of tensors that exist, or small: no overflow that matters, as
	 * both products must then agree in all dimensions but the last. */
	return tensor->elements == wanted;
}

static int check_shape(
    const struct import_fetch *fetch, const char *key, int dimensions, const uint64_t *shape)
{
	char found[200], wanted[200];
	if (shape_fits(fetch->tensor, dimensions, shape))
		return 0;
	return error_input("%s: tensor \"%s\" is %s, but %s of this model is %s", fetch->file,
	    fetch->tensor->name,
	    shape_text(fetch->tensor->dimensions, fetch->tensor->shape, found, sizeof found), key,
	    shape_text(dimensions, shape, wanted, sizeof wanted));
}

static struct import_count *count_tensor(struct import_pass *pass, uint64_t elements, char dtype)
{
	struct import_count *count = &pass->import->counts[pass->part];
	count->present = true;
	count->tensors++;
	count->parameters += elements;
	count->bytes += elements * dtype_size(dtype); /* 0 for a packed type */
	return count;
}

/* The same of a packed matrix, whose size must be one that a record can have. */
static int count_packed(
    struct import_pass *pass, uint64_t elements, char type, const char *key, const uint64_t *shape)
{
	struct record record;
	char meta[PACKED_META];
	if (packed_record_make(&record, type, shape[0], shape[1], meta) < 0)
		return error_context("%s", key);
	count_tensor(pass, elements, type)->bytes += record.payload_size;
	return 0;
}

static int write_piece(void *context, const void *values, size_t bytes)
{
	struct import_pass *pass = context;
	pass->import->written += bytes;
	progress_update(pass->import->written);
	return writer_add_large(pass->writer, values, bytes);
}

struct packing {
	struct import_pass *pass;
	struct import_packer packer;
};

static int pack_piece(void *context, const void *values, size_t bytes)
{
	struct packing *packing = context;
	struct import *import = packing->pass->import;
	import->written += bytes / sizeof(float) * (packing->packer.type == PACKED_INT8 ? 2 : 1) / 2;
	progress_update(import->written);
	return import_packer_add(&packing->packer, values, bytes / sizeof(float));
}

static int write_packed(struct import_pass *pass, const char *key, const uint64_t *shape, char type,
    struct import_fetch *fetch)
{
	struct packing packing = { .pass = pass };
	int result = import_packer_begin(&packing.packer, pass->writer, type, key, shape[0], shape[1]);
	if (result == 0)
		result = import_fetch_run(pass->import, pass->part, key, fetch, 'f', pack_piece, &packing);
	result = import_packer_end(&packing.packer, result);
	return result < 0 ? error_context("%s: tensor \"%.100s\"", fetch->file, fetch->tensor->name)
	                  : 0;
}

/* Where the model would go on without this tensor: say what is missing and who has it. */
static int missing(const struct import_pass *pass, const char *key)
{
	static const char *const names[IMPORT_PARTS] = { "language model", "image encoder",
		"Q-Former" };
	const struct import_sources *sources = &pass->import->sources;
	const char *owner = sources->owners[pass->part]->path;
	for (size_t i = 0; i < sources->rest_count; i++) {
		struct import_name name;
		import_name_map(sources->rest[i].tensor->name, 1U << pass->part, &name);
		if (name.kind == IMPORT_PARAMETER && strcmp(name.key, key) == 0)
			return error_input("%s: the %s lacks %s; %s has it, but a part comes from one source "
			                   "(give shards by their directory)",
			    owner, names[pass->part], key, sources->rest[i].source->path);
	}
	return error_input("%s: the %s lacks %s", owner, names[pass->part], key);
}

int import_tensor(struct import_pass *pass, enum import_form form, const char *key, int dimensions,
    const uint64_t *shape)
{
	struct import *import = pass->import;
	struct import_fetch fetch;
	if (!import_fetch_find(import, pass->part, key, &fetch))
		return missing(pass, key);
	char choice = import->request->dtypes[pass->part];
	char dtype = form == IMPORT_VECTOR ? 'f'
	             : choice              ? import_pack_choice(choice, key, shape[0])
	                                   : fetch.stored;
	if (!pass->writer) {
		if (import_fetch_check(import, pass->part, key, &fetch) < 0 ||
		    check_shape(&fetch, key, dimensions, shape) < 0)
			return -1;
		if (packed_is(dtype))
			return count_packed(pass, fetch.tensor->elements, dtype, key, shape);
		count_tensor(pass, fetch.tensor->elements, dtype);
		return 0;
	}
	if (packed_is(dtype))
		return write_packed(pass, key, shape, dtype, &fetch);
	struct record record;
	record_tensor(&record, "values", dtype, dimensions, shape);
	if (record_set_key(&record, key) < 0 || writer_begin_large(pass->writer, &record) < 0 ||
	    import_fetch_run(import, pass->part, key, &fetch, dtype, write_piece, pass) < 0)
		return -1;
	return writer_end_large(pass->writer);
}

int import_pair(struct import_pass *pass, const char *name, uint64_t rows, uint64_t columns)
{
	char key[IMPORT_KEY_SIZE];
	const uint64_t shape[2] = { rows, columns };
	snprintf(key, sizeof key, "%s.weight", name);
	int result = columns ? import_tensor(pass, IMPORT_MATRIX, key, 2, shape)
	                     : import_tensor(pass, IMPORT_VECTOR, key, 1, shape);
	snprintf(key, sizeof key, "%s.bias", name);
	return result < 0 ? -1 : import_tensor(pass, IMPORT_VECTOR, key, 1, shape);
}

struct copy {
	float *to;
};

static int copy_piece(void *context, const void *values, size_t bytes)
{
	struct copy *copy = context;
	memcpy(copy->to, values, bytes);
	copy->to += bytes / sizeof *copy->to;
	return 0;
}

/* Read the vector named key into its third of the fused bias, or check it. *found: it is there. */
static int read_third(
    struct import_pass *pass, const char *key, uint64_t width, float *third, bool *found)
{
	struct import_fetch fetch;
	*found = import_fetch_find(pass->import, pass->part, key, &fetch);
	if (!*found)
		return 0;
	if (!pass->writer)
		return import_fetch_check(pass->import, pass->part, key, &fetch) < 0
		           ? -1
		           : check_shape(&fetch, key, 1, &width);
	struct copy copy = { third };
	return import_fetch_run(pass->import, pass->part, key, &fetch, 'f', copy_piece, &copy);
}

int import_qkv_bias(struct import_pass *pass, const char *layer, uint64_t width)
{
	char key[IMPORT_KEY_SIZE];
	const uint64_t shape = 3 * width;
	snprintf(key, sizeof key, "%s.self_attn.qkv.bias", layer);
	if (import_has(pass->import, pass->part, key))
		return import_tensor(pass, IMPORT_VECTOR, key, 1, &shape);
	float *bias = memory_allocate_zero((size_t)shape, sizeof *bias);
	if (!bias)
		return -1;
	bool has_q, has_v;
	char half[IMPORT_KEY_SIZE];
	snprintf(half, sizeof half, "%s.self_attn.q_bias", layer);
	int result = read_third(pass, half, width, bias, &has_q);
	snprintf(half, sizeof half, "%s.self_attn.v_bias", layer);
	if (result == 0)
		result = read_third(pass, half, width, bias + 2 * width, &has_v);
	if (result == 0 && has_q != has_v)
		result = missing(pass, has_q ? half : key);
	if (result == 0 && !pass->writer)
		count_tensor(pass, shape, 'f');
	if (result == 0 && pass->writer) {
		struct record record;
		record_tensor(&record, "values", 'f', 1, &shape);
		result = record_set_key(&record, key);
		result = result < 0 ? -1 : writer_put(pass->writer, &record, bias);
		pass->import->written += shape * sizeof *bias;
	}
	memory_release(bias);
	return result;
}

int import_settings(struct import_pass *pass, const struct import_words *words)
{
	if (!pass->writer)
		return 0;
	struct record record;
	record_tensor(&record, import_part_names[pass->part], 'B', 1, (const uint64_t[]){ 0 });
	record.meta = words->text;
	record.meta_size = words->size;
	return record_set_key(&record, "config") < 0 ? -1 : writer_put(pass->writer, &record, "");
}

int import_file(struct import_pass *pass, const char *name, const struct import_bytes *bytes)
{
	if (!bytes->bytes)
		return 0;
	if (!pass->writer) {
		pass->import->counts[pass->part].bytes += bytes->size;
		return 0;
	}
	struct record record;
	record_tensor(&record, "bytes", 'B', 1, (const uint64_t[]){ bytes->size });
	pass->import->written += bytes->size;
	return record_set_key(&record, name) < 0 ? -1 : writer_put(pass->writer, &record, bytes->bytes);
}
