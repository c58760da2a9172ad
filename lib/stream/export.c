/* export.c - writing records in the formats of others (see export.h). */
#include "stream/export.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/textout.h"
#include "stream/export_text.h"
#include "stream/npy.h"
#include "stream/safetensors.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COPY_SIZE = 1 << 20 };

struct export
{
	struct output *output, *keys;
	enum export_form form;
	enum export_dtype dtype;
	size_t count;       /* records taken */
	struct record like; /* dtype and shape of the first one, for the header of an npy */
	size_t reserved;    /* bytes of that header, whatever the count of rows will be */
	FILE *spool;        /* payloads that wait for the header; already without a name */
	struct safetensors_entry *entries;
	size_t entry_capacity;
	char *metadata; /* of the config record */
	size_t metadata_size;
};

/* Is it a file that begins with what we write, and not standard output? */
static bool is_own_file(const struct output *output)
{
	return output_is_regular(output) && strcmp(output_name(output), "standard output") != 0;
}

/* A file without a name, in the directory of the output if that is a file. */
static FILE *open_spool(const struct output *output)
{
	const char *path = output_name(output), *slash = strrchr(path, '/');
	char template[PATH_MAX];
	int written = snprintf(template, sizeof template, "%.*s.zv-export.XXXXXX",
	    slash ? (int)(slash - path) + 1 : 0, path);
	if (!is_own_file(output) || written < 0 || (size_t)written >= sizeof template)
		return tmpfile();
	int descriptor = mkstemp(template);
	if (descriptor < 0)
		return NULL;
	unlink(template);
	FILE *spool = fdopen(descriptor, "w+b");
	if (!spool)
		close(descriptor);
	return spool;
}

static void release_export(struct export *export)
{
	for (size_t i = 0; i < export->count && export->entries; i++)
		memory_release((char *)(uintptr_t) export->entries[i].name);
	memory_release(export->entries);
	memory_release(export->metadata);
	if (export->spool)
		fclose(export->spool);
	memory_release(export);
}

struct export *export_open(
    struct output *output, enum export_form form, enum export_dtype dtype, struct output *keys)
{
	struct export *export = memory_allocate_zero(1, sizeof *export);
	if (!export)
		return NULL;
	export->output = output;
	export->form = form;
	export->dtype = dtype;
	export->keys = keys;
	/* A single npy waits too: a second record would show only behind it. A stack does not where its
	 * header can be patched: in a file of ours alone. */
	bool patched = form == EXPORT_STACK && is_own_file(output);
	if (form == EXPORT_SAFETENSORS || form == EXPORT_NPY || (form == EXPORT_STACK && !patched)) {
		export->spool = open_spool(output);
		if (!export->spool) {
			error_system("cannot make a temporary file:");
			release_export(export);
			return NULL;
		}
	}
	return export;
}

/* The dtype that leaves for one that comes; 0 with a recorded error if there is none. */
static char leaving_dtype(const struct export *export, char dtype)
{
	bool npy = export->form == EXPORT_NPY || export->form == EXPORT_STACK;
	switch (export->dtype) {
	case EXPORT_F32:
		return 'f';
	case EXPORT_F16:
		return 'e';
	case EXPORT_BF16:
		if (npy)
			error_input("npy has no bf16; take f32, f16 or bits");
		return npy ? 0 : 'E';
	case EXPORT_BITS:
		return dtype == 'E' ? 'H' : dtype;
	case EXPORT_AS_IS:
		break;
	}
	return npy && dtype == 'E' ? 'f' : dtype;
}

/* Make record and *payload those of the dtype that leaves. *converted (the caller's) holds the new
 * payload, or NULL when the old one serves. */
static int convert(
    const struct export *export, struct record *record, const void **payload, void **converted)
{
	char from = record->dtype, to = leaving_dtype(export, from);
	*converted = NULL;
	if (!to)
		return -1;
	bool bits = export->dtype == EXPORT_BITS && from == 'E';
	record->dtype = to;
	if (to == from || bits)
		return 0;
	size_t elements = (size_t)record->payload_size / dtype_size(from);
	uint8_t *target = memory_allocate(elements, dtype_size(to));
	if (!target)
		return -1;
	float piece[256];
	for (size_t i = 0; i < elements; i += 256) {
		size_t count = elements - i < 256 ? elements - i : 256;
		dtype_to_f32(from, (const uint8_t *)*payload + i * dtype_size(from), piece, count);
		dtype_from_f32(to, piece, target + i * dtype_size(to), count);
	}
	record->payload_size = elements * dtype_size(to);
	*payload = *converted = target;
	return 0;
}

/* The header of a stack of count records like the first; its length, or 0. */
static size_t format_stack(
    const struct export *export, uint64_t count, size_t least, uint8_t header[NPY_HEADER_MOST])
{
	const struct record *like = &export->like;
	uint64_t shape[RECORD_DIMENSIONS + 1] = { count };
	memcpy(shape + 1, like->shape, sizeof like->shape);
	return npy_format(like->dtype, like->dimensions + 1, shape, least, header);
}

/* Leave room for the header with the largest count, so that it is known where the rows begin. */
static int reserve_header(struct export *export)
{
	uint8_t header[NPY_HEADER_MOST] = { 0 };
	export->reserved = format_stack(export, UINT64_MAX, 0, header);
	if (export->reserved == 0)
		return -1;
	return export->spool ? 0 : output_write(export->output, header, export->reserved);
}

static int finish_stack(struct export *export)
{
	uint8_t header[NPY_HEADER_MOST];
	size_t size = format_stack(export, export->count, export->reserved, header);
	if (size == 0)
		return -1;
	return export->spool ? output_write(export->output, header, size)
	                     : output_patch(export->output, 0, header, size);
}

static int write_npy_header(struct export *export)
{
	uint8_t header[NPY_HEADER_MOST];
	const struct record *like = &export->like;
	size_t size = npy_format(like->dtype, like->dimensions, like->shape, 0, header);
	return size == 0 ? -1 : output_write(export->output, header, size);
}

static int keep(struct export *export, const struct record *record, const void *payload)
{
	size_t size = (size_t)record->payload_size;
	if (fwrite(payload, 1, size, export->spool) != size)
		return error_system("cannot write to the temporary file:");
	return 0;
}

static int put_npy(struct export *export, const struct record *record, const void *payload)
{
	if (export->count > 0)
		return error_input("a second record for one npy file; choose one with -k and -n, or take "
		                   "all with --stack");
	export->like = *record;
	return keep(export, record, payload);
}

static int put_stacked(struct export *export, const struct record *record, const void *payload)
{
	const struct record *like = &export->like;
	if (export->count == 0) {
		export->like = *record;
		if (reserve_header(export) < 0)
			return -1;
	}
	if (record->dtype != like->dtype || record->dimensions != like->dimensions ||
	    memcmp(record->shape, like->shape, sizeof *like->shape * (size_t)like->dimensions) != 0) {
		char one[256], other[256];
		return error_input("shape %s of %s does not stack on shape %s of %s",
		    record_shape_text(record, one), dtype_name(record->dtype),
		    record_shape_text(like, other), dtype_name(like->dtype));
	}
	return export->spool ? keep(export, record, payload)
	                     : output_write(export->output, payload, (size_t)record->payload_size);
}

/* The first record of a model file holds its words and no element; they become metadata. */
static int keep_words(struct export *export, const struct record *record)
{
	export->metadata = memory_text(record->meta, record->meta_size);
	export->metadata_size = record->meta_size;
	return export->metadata ? 0 : -1;
}

static int put_safetensors(struct export *export, const struct record *record, const void *payload)
{
	if (record->payload_size == 0 && export->count == 0 && !export->metadata &&
	    record->meta_size > 0 && strcmp(record->key, "config") == 0)
		return keep_words(export, record);
	void *entries = export->entries;
	if (memory_grow(&entries, &export->entry_capacity, export->count + 1, sizeof *export->entries) <
	    0)
		return -1;
	export->entries = entries;
	char name[RECORD_KEY_MOST + RECORD_NAME_MOST + 2];
	bool plain = strcmp(record->name, "values") == 0;
	int length = snprintf(
	    name, sizeof name, "%s%s%s", record->key, plain ? "" : ".", plain ? "" : record->name);
	struct safetensors_entry *entry = &export->entries[export->count];
	*entry = (struct safetensors_entry){ .dtype = record->dtype, .dimensions = record->dimensions };
	memcpy(entry->shape, record->shape, sizeof entry->shape);
	if (keep(export, record, payload) < 0 || !(entry->name = memory_text(name, (size_t)length)))
		return -1;
	export->count++;
	return 0;
}

/* Text is made in memory, so that it leaves by one write. */
static int put_lines(struct export *export, const struct record *record, const void *payload)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = textout_open(&text, &size);
	if (!stream)
		return -1;
	if (export->form == EXPORT_TEXT)
		export_put_text(stream, record, payload);
	else
		export_put_json(stream, record, payload);
	int status = textout_close(stream);
	if (status == 0)
		status = output_write(export->output, text, size);
	free(text);
	return status;
}

static int put(struct export *export, const struct record *record, const void *payload)
{
	switch (export->form) {
	case EXPORT_NPY:
		return put_npy(export, record, payload);
	case EXPORT_STACK:
		return put_stacked(export, record, payload);
	case EXPORT_SAFETENSORS:
		return put_safetensors(export, record, payload);
	case EXPORT_RAW:
		return output_write(export->output, payload, (size_t)record->payload_size);
	case EXPORT_TEXT:
	case EXPORT_JSON:
		break;
	}
	return put_lines(export, record, payload);
}

static int put_key(struct export *export, const char *key)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = textout_open(&text, &size);
	if (!stream)
		return -1;
	textout_field(stream, key, strlen(key));
	putc('\n', stream);
	int status = textout_close(stream);
	if (status == 0)
		status = output_write(export->keys, text, size);
	free(text);
	return status;
}

int export_record(struct export *export, const struct record *record, const void *payload)
{
	struct record leaving = *record;
	void *converted;
	size_t before = export->count;
	int status = convert(export, &leaving, &payload, &converted);
	if (status == 0) {
		status = put(export, &leaving, payload);
		memory_release(converted);
	}
	if (status == 0 && export->form != EXPORT_SAFETENSORS)
		export->count++;
	if (status == 0 && export->keys && export->count > before)
		status = put_key(export, record->key);
	return status;
}

int export_failure(struct export *export, const char *key, const void *reason, size_t size)
{
	if (export->form != EXPORT_JSON)
		return 0;
	char *text = NULL;
	size_t length = 0;
	FILE *stream = textout_open(&text, &length);
	if (!stream)
		return -1;
	fputs("{\"key\":", stream);
	textout_json(stream, key, strlen(key));
	fputs(",\"failed\":", stream);
	textout_json(stream, reason, size);
	fputs("}\n", stream);
	int status = textout_close(stream);
	if (status == 0)
		status = output_write(export->output, text, length);
	free(text);
	return status;
}

/* Copy the temporary file behind the header. */
static int write_spool(struct export *export)
{
	if (fflush(export->spool) != 0 || fseek(export->spool, 0, SEEK_SET) != 0)
		return error_system("cannot write to the temporary file:");
	uint8_t *buffer = memory_allocate(COPY_SIZE, 1);
	if (!buffer)
		return -1;
	int status = 0;
	size_t got;
	while (status == 0 && (got = fread(buffer, 1, COPY_SIZE, export->spool)) > 0)
		status = output_write(export->output, buffer, got);
	if (status == 0 && ferror(export->spool))
		status = error_system("cannot read the temporary file:");
	memory_release(buffer);
	return status;
}

static int write_safetensors_header(struct export *export)
{
	uint8_t *header;
	size_t size;
	if (safetensors_format(export->entries, export->count, export->metadata, export->metadata_size,
	        &header, &size) < 0)
		return -1;
	int status = output_write(export->output, header, size);
	memory_release(header);
	return status;
}

int export_finish(struct export *export)
{
	int status = 0;
	bool headed = export->form == EXPORT_STACK || export->form == EXPORT_NPY ||
	              export->form == EXPORT_SAFETENSORS;
	if (headed && export->count == 0)
		status = error_input("no record was chosen, so there is nothing to write");
	else if (export->form == EXPORT_STACK)
		status = finish_stack(export);
	else if (export->form == EXPORT_NPY)
		status = write_npy_header(export);
	else if (export->form == EXPORT_SAFETENSORS)
		status = write_safetensors_header(export);
	if (status == 0 && export->spool)
		status = write_spool(export);
	release_export(export);
	return status;
}
