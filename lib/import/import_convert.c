/* import_convert.c - see import_convert.h. Each file is read by its records for what they are, and
 * by its mapping for their values; a matrix is converted a block of rows at a time.
 */
#define _GNU_SOURCE
#include "import/import_convert.h"
#include "base/dtype.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/progress.h"
#include "import/import_directory.h"
#include "import/import_pack.h"
#include "stream/model_file.h"
#include "stream/read.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ADAPTERS_MOST = 16 };

/* One file on its way. */
struct convert {
	struct import_conversion *conversion;
	struct model_file *file;
	struct writer *writer;
	char dtype;                 /* wanted, or 0 */
	struct import_count *count; /* NULL: an adapter */
	/* Fingerprints of the language model and the image encoder, before and after. */
	char old[IMPORT_PARTS][DIGEST_TEXT_SIZE], new[IMPORT_PARTS][DIGEST_TEXT_SIZE];
	uint64_t written;
};

static bool is_file(const char *directory, const char *name)
{
	char path[PATH_MAX];
	struct stat status;
	int length = snprintf(path, sizeof path, "%s/%s", directory, name);
	return length > 0 && (size_t)length < sizeof path && stat(path, &status) == 0 &&
	       S_ISREG(status.st_mode);
}

bool import_is_model(const char *path)
{
	for (int part = 0; part < IMPORT_PARTS; part++) {
		char name[16];
		snprintf(name, sizeof name, "%s.zv", import_part_names[part]);
		if (is_file(path, name))
			return true;
	}
	return false;
}

/* zv-model(5): vectors, tables of positions and query tokens are f32 in every file. */
static bool is_matrix(const char *key, const struct weight *weight)
{
	return weight->dimensions == 2 && strcmp(key, "query_tokens") != 0 &&
	       strcmp(key, "embeddings.position_embedding") != 0 &&
	       strcmp(key, "embeddings.position_embeddings.weight") != 0 &&
	       (packed_is(weight->dtype) || (dtype_is_float(weight->dtype) && weight->dtype != 'd'));
}

/* Rows first.. of a matrix as f32. */
static void get_rows(const void *source, size_t first, size_t count, float *values)
{
	const struct weight *weight = source;
	size_t columns = (size_t)weight->shape[1];
	if (packed_is(weight->dtype))
		packed_get(weight->dtype, weight->data, columns, first, count, values);
	else
		dtype_to_f32(weight->dtype,
		    (const char *)weight->data + first * columns * dtype_size(weight->dtype), values,
		    count * columns);
}

static void report(struct convert *convert, uint64_t elements)
{
	convert->written += elements;
	progress_update(convert->written);
}

static int put_matrix(
    struct convert *convert, const char *key, const struct weight *weight, char dtype)
{
	struct import_packer packer;
	size_t rows = (size_t)weight->shape[0], columns = (size_t)weight->shape[1];
	int result = import_packer_begin(&packer, convert->writer, dtype, key, rows, columns);
	for (size_t row = 0, count; result == 0 && row < rows; row += count) {
		count = rows - row < packer.most ? rows - row : packer.most;
		result = import_packer_take(&packer, row, count, get_rows, weight);
		report(convert, count * columns);
	}
	result = import_packer_end(&packer, result);
	return result < 0 ? error_context("tensor \"%s\"", key) : 0;
}

static void count_tensor(struct convert *convert, const struct weight *weight, char dtype)
{
	struct import_count *count = convert->count;
	size_t blocks, block;
	if (!count)
		return;
	uint64_t elements = 1;
	for (int i = 0; i < weight->dimensions; i++)
		elements *= weight->shape[i];
	count->tensors += weight->dtype != 'B';
	count->parameters += weight->dtype != 'B' ? elements : 0;
	if (!packed_is(dtype))
		count->bytes += elements * dtype_size(dtype);
	else if (packed_size(
	             dtype, (size_t)weight->shape[0], (size_t)weight->shape[1], &blocks, &block))
		count->bytes += (uint64_t)blocks * block;
}

static int put_tensor(struct convert *convert, const struct record *old)
{
	struct record record = *old;
	struct weight weight;
	if (!model_file_find(convert->file, old->key, &weight))
		return error_system("the model file has changed while it was open");
	char dtype = weight.dtype;
	if (convert->count && convert->dtype && is_matrix(old->key, &weight))
		dtype = import_pack_choice(convert->dtype, old->key, weight.shape[0]);
	count_tensor(convert, &weight, dtype);
	if (dtype != weight.dtype)
		return put_matrix(convert, old->key, &weight, dtype);
	report(convert, weight.bytes / 4);
	return writer_put(convert->writer, &record, weight.data);
}

/* The settings, with fingerprints of parts replaced by those of what became of them. Both are text
 * of one length. */
static int put_config(struct convert *convert, const struct record *old)
{
	static const char *const words[IMPORT_PARTS] = { "\nllm_weights=", "\nvit_weights=" };
	struct record record = *old;
	char *text = memory_allocate_zero(old->meta_size + 2, 1);
	if (!text)
		return -1;
	text[0] = '\n'; /* every line has one before it */
	if (old->meta_size)
		memcpy(text + 1, old->meta, old->meta_size);
	for (int part = 0; part < IMPORT_PARTS && words[part]; part++) {
		char *found = strstr(text, words[part]);
		char *value = found ? found + strlen(words[part]) : NULL;
		size_t length = DIGEST_TEXT_SIZE - 1;
		if (value && convert->old[part][0] && strncmp(value, convert->old[part], length) == 0)
			memcpy(value, convert->new[part], length);
	}
	record.meta = text + 1;
	int result = writer_put(convert->writer, &record, "");
	memory_release(text);
	return result;
}

static int put_records(struct convert *convert)
{
	struct record record;
	struct reader *reader = reader_open(model_file_path(convert->file));
	if (!reader)
		return -1;
	reader_trust(reader); /* payloads come from the mapping, which was verified */
	int found, result = 0;
	for (bool first = true; (found = reader_next(reader, &record)) > 0; first = false) {
		result = first ? put_config(convert, &record) : put_tensor(convert, &record);
		if (result < 0)
			break;
	}
	reader_close(reader);
	return found < 0 ? -1 : result;
}

/* Convert the file called name; its fingerprints are those of part (IMPORT_PARTS: an adapter). */
static int convert_file(struct convert *convert, const char *name, int part)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof path, "%s/%s", convert->conversion->source, name);
	if (length < 0 || (size_t)length >= sizeof path)
		return error_system("%s: the name is too long", name);
	convert->file = model_file_open_path(path);
	if (!convert->file)
		return error_context("%s", path);
	struct digest fingerprint = model_file_fingerprint(convert->file);
	if (part < IMPORT_PARTS)
		digest_text(&fingerprint, convert->old[part]);
	const char *target = import_directory_file(name);
	convert->writer = target ? writer_open(target, WRITER_BARE) : NULL;
	int result = convert->writer ? model_file_verify(convert->file, NULL) : -1;
	if (result == 0)
		result = put_records(convert);
	if (result == 0 && part < IMPORT_PARTS) {
		fingerprint = writer_fingerprint(convert->writer);
		digest_text(&fingerprint, convert->new[part]);
	}
	if (result == 0)
		result = writer_finish(convert->writer);
	else if (convert->writer)
		writer_abandon(convert->writer);
	model_file_close(convert->file);
	return result < 0 ? error_context("%s", name) : 0;
}

static bool is_adapter(const char *directory, const char *name)
{
	char path[PATH_MAX], stage[16];
	int length = snprintf(path, sizeof path, "%s/%s", directory, name);
	if (!ending_is(name, ".zv") || length < 0 || (size_t)length >= sizeof path)
		return false;
	struct model_file *file = model_file_open_path(path);
	bool yes = file && model_file_text(file, "stage", stage, sizeof stage) &&
	           strcmp(stage, "adapter") == 0;
	model_file_close(file);
	return yes;
}

/* The adapters in the directory by name; what is neither a part nor one is told of. */
static int find_adapters(struct import_conversion *conversion, char *names[ADAPTERS_MOST])
{
	struct dirent **entries;
	int count = scandir(conversion->source, &entries, NULL, alphasort), found = 0;
	if (count < 0)
		return error_system("%s: cannot read the directory:", conversion->source);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		bool part = strcmp(name, "llm.zv") == 0 || strcmp(name, "vit.zv") == 0 ||
		            strcmp(name, "qformer.zv") == 0;
		if (!part && found >= 0 && found < ADAPTERS_MOST && is_adapter(conversion->source, name)) {
			names[found] = memory_text(name, strlen(name));
			found = names[found] ? found + 1 : -1;
		} else if (!part && name[0] != '.') {
			conversion->left_out(name);
		}
		free(entries[i]);
	}
	free(entries);
	return found;
}

static int convert_all(struct convert *convert, char *const adapters[], int adapter_count)
{
	struct import_conversion *conversion = convert->conversion;
	/* The Q-Former and adapters hold fingerprints of the others, and come behind them. */
	static const int order[IMPORT_PARTS] = { IMPORT_LLM, IMPORT_VIT, IMPORT_QFORMER };
	for (int i = 0; i < IMPORT_PARTS; i++) {
		char name[16];
		int part = order[i];
		snprintf(name, sizeof name, "%s.zv", import_part_names[part]);
		if (!is_file(conversion->source, name))
			continue;
		convert->count = &conversion->counts[part];
		*convert->count = (struct import_count){ .present = true, .source = conversion->source };
		convert->dtype = conversion->dtypes[part];
		if (convert_file(convert, name, part) < 0)
			return -1;
	}
	convert->count = NULL;
	for (int i = 0; i < adapter_count; i++)
		if (convert_file(convert, adapters[i], IMPORT_PARTS) < 0)
			return -1;
	conversion->adapters = adapter_count;
	return 0;
}

int import_convert(struct import_conversion *conversion, const char *directory, bool force)
{
	struct convert convert = { .conversion = conversion };
	char *adapters[ADAPTERS_MOST] = { NULL };
	const char *names[IMPORT_PARTS + ADAPTERS_MOST + 1] = { "llm.zv", "vit.zv", "qformer.zv" };
	int count = find_adapters(conversion, adapters);
	for (int i = 0; i < count; i++)
		names[IMPORT_PARTS + i] = adapters[i];
	int result = count < 0 ? -1 : import_directory_begin(directory, force, names);
	if (result == 0) {
		result = convert_all(&convert, adapters, count);
		if (result == 0)
			result = import_directory_commit();
		else
			import_directory_abandon();
	}
	for (int i = 0; i < ADAPTERS_MOST; i++)
		memory_release(adapters[i]);
	return result;
}
