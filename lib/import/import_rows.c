/* import_rows.c - rows of matrices and databases as records (see import_rows.h). Memory is that of
 * one record, whatever the size of the file.
 */
#define _GNU_SOURCE
#include "import/import_rows.h"
#include "base/dtype.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/line.h"
#include "base/memory.h"
#include "base/textout.h"
#include "base/utf8.h"
#include "stream/embeddings.h"
#include "stream/npy.h"
#include "stream/parquet_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORGET_BYTES = 1 << 26, MARK_SIZE = 3 };

size_t import_peek(const char *path, char *bytes, size_t size)
{
	struct stat status;
	ssize_t got = 0;
	if (strcmp(path, "-") == 0 || stat(path, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return 0;
	do
		got = read(descriptor, bytes, size);
	while (got < 0 && errno == EINTR);
	close(descriptor);
	return got < 0 ? 0 : (size_t)got;
}

int import_map(const char *path, struct import_mapping *file)
{
	struct stat status;
	void *bytes;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC), result = 0;
	if (descriptor < 0)
		return error_system("cannot open:");
	if (fstat(descriptor, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size <= 0)
		result = error_input("is no regular file with anything in it");
	else if ((bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0)) ==
	         MAP_FAILED)
		result = error_system("cannot map:");
	else
		*file = (struct import_mapping){ bytes, (size_t)status.st_size, true };
	close(descriptor);
	return result;
}

void import_unmap(struct import_mapping *file)
{
	munmap((void *)(uintptr_t)file->bytes, file->size);
}

/* Rows on their way to the writer: neighbours of one key wait for each other if they are grouped. */
struct group {
	const struct import_records *records;
	struct writer *writer;
	struct record record; /* of the rows that wait, with the shape of one */
	char *meta;           /* its own copy */
	uint64_t count;
	uint8_t *payload;
	size_t size, capacity;
};

/* Write the rows that wait: one as it is, several under one more dimension. */
static int flush(struct group *group)
{
	struct record record = group->record;
	uint64_t shape[RECORD_DIMENSIONS + 1] = { group->count };
	if (group->count == 0)
		return 0;
	if (group->count > 1) {
		if (record.dimensions == RECORD_DIMENSIONS)
			return error_input("rows of %d dimensions cannot be grouped", record.dimensions);
		memcpy(shape + 1, record.shape, sizeof record.shape);
		memcpy(record.shape, shape, sizeof record.shape);
		record.dimensions++;
	}
	record.payload_size = group->size;
	group->count = group->size = 0;
	return writer_put(group->writer, &record, group->payload);
}

static bool belongs(const struct group *group, const struct record *record)
{
	const struct record *first = &group->record;
	return group->count > 0 && strcmp(first->key, record->key) == 0 &&
	       strcmp(first->name, record->name) == 0 && first->dtype == record->dtype &&
	       first->dimensions == record->dimensions &&
	       memcmp(first->shape, record->shape, sizeof record->shape) == 0;
}

static int begin(struct group *group, const struct record *record)
{
	group->record = *record;
	memory_release(group->meta);
	group->meta = record->meta_size ? memory_text(record->meta, record->meta_size) : NULL;
	group->record.meta = group->meta;
	return group->meta || record->meta_size == 0 ? 0 : -1;
}

static void release(struct group *group)
{
	memory_release(group->payload);
	memory_release(group->meta);
}

static int hand_on(struct group *group, struct record *record, const void *payload)
{
	size_t size = (size_t)record->payload_size;
	if (record->payload_size > group->records->most)
		return error_input(
		    "\"%.200s\" is larger than %zu bytes", record->key, group->records->most);
	if (!group->records->group)
		return writer_put(group->writer, record, payload);
	if (!belongs(group, record) && (flush(group) < 0 || begin(group, record) < 0))
		return -1;
	if (size > group->records->most - group->size)
		return error_input(
		    "the rows of \"%.200s\" are larger than %zu bytes", record->key, group->records->most);
	void *bytes = group->payload;
	if (memory_grow(&bytes, &group->capacity, group->size + size, 1) < 0)
		return -1;
	group->payload = bytes;
	memcpy(group->payload + group->size, payload, size);
	group->size += size;
	group->count++;
	return 0;
}

/* Where keys come from: a list with a line for each, or a column of a table. */
struct keys {
	FILE *file;
	struct parquet_reader *table; /* NULL: the list */
	const char *path;
	char *line;
	size_t capacity;
	bool begun;
};

/* The next line, unescaped. 1, 0 at the end, -1. */
static int next_line(struct keys *keys, const char **key)
{
	size_t size;
	int found =
	    line_read(keys->file, '\n', 2 * RECORD_KEY_MOST, &keys->line, &keys->capacity, &size);
	if (found <= 0)
		return found < 0 ? error_context("%s: a key", keys->path) : 0;
	size_t mark = keys->begun ? 0 : utf8_mark(keys->line, size);
	keys->begun = true;
	*key = keys->line + mark;
	size = textout_unescape(keys->line + mark, size - mark);
	if (size == (size_t)-1 || memchr(*key, '\0', size))
		return error_input("%s: \"%.200s\" is no key", keys->path, *key);
	keys->line[mark + size] = '\0';
	return 1;
}

/* The text in the next row, cut to what a key can be, as zv-qformer cuts texts. */
static int next_cell(struct keys *keys, const char **key)
{
	const char *text;
	size_t size;
	int found = parquet_next(keys->table, &text, &size);
	if (found <= 0)
		return found < 0 ? error_context("%s", keys->path) : 0;
	if (size > RECORD_KEY_MOST)
		size = utf8_valid_prefix(text, RECORD_KEY_MOST);
	if (memory_grow((void **)&keys->line, &keys->capacity, size + 1, 1) < 0)
		return -1;
	memcpy(keys->line, text, size);
	keys->line[size] = '\0';
	*key = keys->line;
	return strlen(keys->line) == size ? 1 : error_input("%s: a name holds a zero byte", keys->path);
}

static int next_key(struct keys *keys, const char **key)
{
	return keys->table ? next_cell(keys, key) : next_line(keys, key);
}

/* Row i of the tensor: in the file, or copied from it into space. */
static const void *row_of(const struct import_mapping *file, const struct checkpoint_tensor *tensor,
    uint64_t i, uint64_t row, void *space)
{
	size_t bytes = (size_t)row * dtype_size(tensor->dtype);
	if (!tensor->contiguous) {
		tensor_copy(file->bytes, tensor, i * row, row, space);
		return space;
	}
	/* What was passed need not stay in memory. */
	size_t at = (size_t)tensor->offset + (size_t)i * bytes;
	if (file->mapped && bytes > 0 && at / FORGET_BYTES != (at + bytes) / FORGET_BYTES)
		madvise((void *)(uintptr_t)file->bytes, at / FORGET_BYTES * FORGET_BYTES, MADV_DONTNEED);
	return file->bytes + at;
}

static int put_rows(struct group *group, const struct import_mapping *file,
    const struct checkpoint_tensor *tensor, struct keys *keys, void *space)
{
	const char *path = keys->path, *key = NULL;
	uint64_t rows = tensor->shape[0], row = rows ? tensor->elements / rows : 0, done = 0;
	int found;
	struct record record;
	record_tensor(&record, group->records->name ? group->records->name : "values", tensor->dtype,
	    tensor->dimensions - 1, tensor->shape + 1);
	for (; (found = next_key(keys, &key)) > 0; done++) {
		if (done == rows)
			return error_input("%s: more keys than the %llu rows", path, (unsigned long long)rows);
		if (record_set_key(&record, key) < 0)
			return error_context(
			    "%s: %s %llu", path, keys->table ? "row" : "line", (unsigned long long)done + 1);
		if (hand_on(group, &record, row_of(file, tensor, done, row, space)) < 0)
			return -1;
	}
	if (found == 0 && done < rows)
		return error_input("%s: %llu keys for %llu rows", path, (unsigned long long)done,
		    (unsigned long long)rows);
	return found < 0 ? -1 : flush(group);
}

/* Cut the rows of a stacked tensor into records with these keys. */
static int cut(const struct import_records *records, const struct import_mapping *file,
    const struct checkpoint_tensor *tensor, struct keys *keys, struct writer *writer)
{
	struct group group = { .records = records, .writer = writer };
	if (tensor->dimensions < 1)
		return error_input("a scalar cannot be cut into records");
	uint64_t row = tensor->shape[0] ? tensor->elements / tensor->shape[0] : 0;
	void *space = memory_allocate(tensor->contiguous ? 0 : (size_t)row, dtype_size(tensor->dtype));
	int result = space ? put_rows(&group, file, tensor, keys, space) : -1;
	memory_release(space);
	release(&group);
	memory_release(keys->line);
	return result;
}

static int cut_by_list(const struct import_records *records, const struct import_mapping *file,
    const struct checkpoint_tensor *tensor, struct writer *writer)
{
	struct keys keys = { .path = records->keys, .file = fopen(records->keys, "re") };
	if (!keys.file)
		return error_system("%s: cannot open:", records->keys);
	int result = cut(records, file, tensor, &keys, writer);
	fclose(keys.file);
	return result;
}

int import_rows_npy(const struct import_records *records, const char *key,
    const struct import_mapping *file, struct writer *writer)
{
	struct checkpoint_tensor tensor;
	struct record record;
	struct group group = { .records = records, .writer = writer };
	if (npy_parse(file->bytes, file->size, &tensor) < 0)
		return -1;
	if (records->keys)
		return cut_by_list(records, file, &tensor, writer);
	record_tensor(&record, records->name ? records->name : "values", tensor.dtype,
	    tensor.dimensions, tensor.shape);
	void *space =
	    memory_allocate(tensor.contiguous ? 0 : (size_t)tensor.elements, dtype_size(tensor.dtype));
	int result = space ? record_set_key(&record, key) : -1;
	if (result == 0)
		result = hand_on(&group, &record, row_of(file, &tensor, 0, tensor.elements, space));
	if (result == 0)
		result = flush(&group);
	memory_release(space);
	release(&group);
	return result;
}

int import_rows_database(
    const struct import_records *records, const char *path, struct writer *writer)
{
	struct group group = { .records = records, .writer = writer };
	struct embeddings *embeddings = embeddings_open(path, records->collection, records->most);
	struct record record;
	const void *payload;
	int found = -1, result = embeddings ? 0 : -1;
	while (result == 0 &&
	       (found = embeddings_next(embeddings, records->group, &record, &payload)) > 0) {
		if (records->name)
			snprintf(record.name, sizeof record.name, "%s", records->name);
		result = hand_on(&group, &record, payload);
	}
	if (result == 0)
		result = found < 0 ? -1 : flush(&group);
	embeddings_close(embeddings);
	release(&group);
	return result;
}

/* A part: the matrix, with the names in a column of the table. */
static int read_part(const struct import_records *records, const char *matrix, const char *table,
    struct writer *writer)
{
	struct import_mapping rows, names;
	struct checkpoint_tensor tensor;
	if (import_map(matrix, &rows) < 0)
		return error_context("%s", matrix);
	int result = npy_parse(rows.bytes, rows.size, &tensor);
	if (result < 0)
		error_context("%s", matrix);
	else if ((result = import_map(table, &names)) < 0)
		error_context("%s", table);
	if (result == 0) {
		struct keys keys = { .path = table };
		keys.table = parquet_read(names.bytes, names.size,
		    records->column  ? records->column
		    : records->texts ? "caption"
		                     : "image_path");
		result =
		    keys.table ? cut(records, &rows, &tensor, &keys, writer) : error_context("%s", table);
		parquet_close(keys.table);
		import_unmap(&names);
	}
	import_unmap(&rows);
	return result;
}

int import_rows_folder(
    const struct import_records *records, const char *path, struct writer *writer)
{
	const char *folder = records->texts ? "text_emb" : "img_emb";
	char matrix[PATH_MAX], table[PATH_MAX];
	size_t head = strlen(folder) + 1, stem;
	struct dirent **entries;
	int parts = 0, result = 0;
	snprintf(matrix, sizeof matrix, "%s/%s", path, folder);
	int count = scandir(matrix, &entries, NULL, alphasort);
	if (count < 0)
		return error_input("is a directory without clip-retrieval's folder %s", folder);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		bool is_part = strncmp(name, folder, head - 1) == 0 && name[head - 1] == '_' &&
		               ending_stem(name, strlen(name), ".npy", &stem) && stem > head;
		if (is_part && result == 0) {
			int length = snprintf(matrix, sizeof matrix, "%s/%s/%s", path, folder, name);
			snprintf(table, sizeof table, "%s/metadata/metadata_%.*s.parquet", path,
			    (int)(stem - head), name + head);
			result = length < 0 || (size_t)length >= sizeof matrix - 32
			             ? error_system("the name of the directory is too long")
			             : read_part(records, matrix, table, writer);
			parts++;
		}
		free(entries[i]);
	}
	free(entries);
	return result == 0 && parts == 0 ? error_input("no part %s_N.npy is in its folder", folder)
	                                 : result;
}
