/* model_file.c - model files, mapped (see model_file.h). Opening touches the headers only;
 * payloads are compared with their checksums by model_file_verify(). */
#define _GNU_SOURCE
#include "stream/model_file.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/packed.h"
#include "base/threads.h"
#include "stream/bytes.h"
#include "stream/packed_record.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TENSORS_MOST = 1 << 20 };

struct entry {
	const char *key; /* in the mapping, not terminated */
	size_t key_size;
	uint64_t checksum; /* of the payload */
	struct weight weight;
};

struct model_file {
	char *path;
	uint8_t *mapping;
	size_t size;
	struct record config; /* its meta lies in the mapping */
	struct entry *entries;
	size_t count, capacity;
	size_t *sorted; /* entries by key */
	struct digest fingerprint;
};

void model_file_close(struct model_file *file)
{
	if (!file)
		return;
	if (file->mapping)
		munmap(file->mapping, file->size);
	memory_release(file->path);
	memory_release(file->entries);
	memory_release(file->sorted);
	memory_release(file);
}

static int map_file(struct model_file *file)
{
	struct stat status;
	int descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (descriptor < 0)
		return error_system("cannot open:");
	int result = fstat(descriptor, &status) < 0 ? error_system("cannot examine:") : 0;
	if (result == 0 && !S_ISREG(status.st_mode))
		result = error_system("is no regular file");
	if (result == 0 && status.st_size == 0)
		result = error_system("is empty");
	if (result == 0) {
		file->size = (size_t)status.st_size;
		void *mapping = mmap(NULL, file->size, PROT_READ, MAP_SHARED, descriptor, 0);
		if (mapping == MAP_FAILED)
			result = error_system("cannot map:");
		else
			file->mapping = mapping;
	}
	close(descriptor);
	if (result == 0)
		madvise(file->mapping, file->size, MADV_HUGEPAGE); /* a hint; refusal changes nothing */
	return result;
}

/* Where the walk through the file is, and what the end record must say. */
struct walk {
	size_t offset;
	struct record record;
	const uint8_t *header;
	size_t header_size;
	uint64_t tensors, payload_bytes;
	struct checksummer *chain;
	struct hasher *fingerprint;
	bool ended;
};

/* Parse the header at walk->offset and go past its payload. */
static int walk_record(const struct model_file *file, struct walk *walk)
{
	size_t left = file->size - walk->offset;
	walk->header = file->mapping + walk->offset;
	if (left < RECORD_PREFIX)
		return error_input("header is cut off");
	walk->header_size = record_header_size(walk->header);
	if (walk->header_size == 0)
		return -1;
	if (walk->header_size > left)
		return error_input("header is cut off");
	if (record_parse(walk->header, walk->header_size, &walk->record) < 0)
		return -1;
	left -= walk->header_size;
	uint64_t payload = walk->record.payload_size; /* at most 2^62 */
	payload += -payload % RECORD_ALIGNMENT;
	if (payload > left)
		return error_input("truncated in \"%.200s\"", walk->record.key);
	walk->offset += walk->header_size + (size_t)payload;
	return 0;
}

static int add_entry(struct model_file *file, const struct walk *walk)
{
	if (file->count == TENSORS_MOST)
		return error_input("more than %d tensors", TENSORS_MOST);
	if (memory_grow(
	        (void **)&file->entries, &file->capacity, file->count + 1, sizeof *file->entries) < 0)
		return -1;
	const struct record *record = &walk->record;
	struct entry *entry = &file->entries[file->count++];
	entry->key = (const char *)walk->header + RECORD_PREFIX + 8 * record->dimensions;
	entry->key_size = strlen(record->key);
	entry->checksum = record->payload_checksum;
	entry->weight = (struct weight){
		.dtype = record->dtype,
		.dimensions = record->dimensions,
		.data = walk->header + walk->header_size,
		.bytes = (size_t)record->payload_size,
	};
	memcpy(entry->weight.shape, record->shape, sizeof entry->weight.shape);
	return packed_record_parse(record, &entry->weight.dtype, entry->weight.shape) < 0 ? -1 : 0;
}

/* The end record's four numbers against what the walk saw. */
static int check_end(struct walk *walk)
{
	const uint8_t *numbers = walk->header + walk->header_size;
	if (checksum_of(numbers, (size_t)walk->record.payload_size) != walk->record.payload_checksum)
		return error_input("checksum of the end record is wrong");
	if (bytes_load(numbers, 8) != walk->tensors || bytes_load(numbers + 8, 8) != 0 ||
	    bytes_load(numbers + 16, 8) != walk->payload_bytes ||
	    bytes_load(numbers + 24, 8) != checksummer_value(walk->chain))
		return error_input("records are not those that the end record vouches for");
	walk->ended = true;
	return 0;
}

/* Enter the record the walk is at. */
static int take_record(struct model_file *file, struct walk *walk)
{
	uint8_t checksum[8];
	if (walk->record.kind == RECORD_END)
		return check_end(walk);
	if (walk->record.kind == RECORD_FAILED)
		return error_input("holds a failed item, \"%.200s\"", walk->record.key);
	bytes_store(checksum, sizeof checksum, walk->record.header_checksum);
	checksummer_add(walk->chain, checksum, sizeof checksum);
	walk->payload_bytes += walk->record.payload_size;
	if (walk->record.kind != RECORD_TENSOR)
		return 0;
	hasher_add(walk->fingerprint, walk->header, walk->header_size);
	if (walk->tensors++ > 0)
		return add_entry(file, walk);
	if (strcmp(walk->record.key, "config") != 0)
		return error_input(
		    "is no model file: the first record is \"%.200s\", not \"config\"", walk->record.key);
	file->config = walk->record;
	return 0;
}

static int walk_all(struct model_file *file, struct walk *walk)
{
	while (walk->offset < file->size) {
		size_t offset = walk->offset;
		if (walk->ended)
			return error_input("byte %zu: bytes behind the end record", offset);
		if (walk_record(file, walk) < 0 || take_record(file, walk) < 0)
			return error_context("byte %zu", offset);
	}
	if (!walk->ended)
		return error_input("truncated model file (no end record)");
	if (!file->config.meta)
		return error_input("is no model file: it has no \"config\"");
	return 0;
}

static int walk_file(struct model_file *file)
{
	struct walk walk = { .chain = checksummer_new() };
	walk.fingerprint = walk.chain ? hasher_new() : NULL;
	int result = walk.fingerprint ? walk_all(file, &walk) : -1;
	checksummer_release(walk.chain);
	if (walk.fingerprint)
		file->fingerprint = hasher_end(walk.fingerprint);
	return result;
}

static int compare_keys(const char *a, size_t a_size, const char *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
	return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_entries(const void *a, const void *b, void *entries)
{
	const struct entry *left = (const struct entry *)entries + *(const size_t *)a;
	const struct entry *right = (const struct entry *)entries + *(const size_t *)b;
	return compare_keys(left->key, left->key_size, right->key, right->key_size);
}

static int sort_entries(struct model_file *file)
{
	file->sorted = memory_allocate(file->count, sizeof *file->sorted);
	if (!file->sorted)
		return -1;
	for (size_t i = 0; i < file->count; i++)
		file->sorted[i] = i;
	if (file->count > 1)
		qsort_r(file->sorted, file->count, sizeof *file->sorted, compare_entries, file->entries);
	for (size_t i = 1; i < file->count; i++) {
		const struct entry *entry = &file->entries[file->sorted[i]];
		if (compare_entries(&file->sorted[i - 1], &file->sorted[i], file->entries) == 0)
			return error_input("holds \"%.*s\" twice",
			    (int)(entry->key_size < 200 ? entry->key_size : 200), entry->key);
	}
	return 0;
}

struct model_file *model_file_open_path(const char *path)
{
	struct model_file *file = memory_allocate_zero(1, sizeof *file);
	if (!file)
		return NULL;
	file->path = memory_text(path, strlen(path));
	if (!file->path || map_file(file) < 0 || walk_file(file) < 0 || sort_entries(file) < 0) {
		error_as(ERROR_SYSTEM);
		model_file_close(file);
		return NULL;
	}
	return file;
}

static bool is_directory(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* PLACE/NAME into path; whether it is a directory. */
static bool find_below(
    const char *place, size_t length, const char *model, char *path, size_t path_size)
{
	if (length == 0 || length >= PATH_MAX)
		return false;
	int written = snprintf(path, path_size, "%.*s/%s", (int)length, place, model);
	return written > 0 && (size_t)written < path_size && is_directory(path);
}

/* Where an installation has its models: share/zv/models beside the folder of this program. */
static bool find_installed(const char *model, char *path, size_t path_size)
{
	char place[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", place, sizeof place);
	for (int up = 0; up < 2; up++) /* bin/zv-NAME, bin */
		while (length > 0 && place[--length] != '/')
			;
	static const char models[] = "/share/zv/models";
	if (length <= 0 || (size_t)length + sizeof models > sizeof place)
		return false;
	memcpy(place + length, models, sizeof models);
	return find_below(place, strlen(place), model, path, path_size);
}

int model_find(const char *model, char *path, size_t path_size)
{
	if (!model || !model[0])
		return error_system("no model is given (-m MODEL); make one with zv-import");
	if (strlen(model) >= path_size)
		return error_system("name of the model is too long");
	memcpy(path, model, strlen(model) + 1);
	if (is_directory(path))
		return 0;
	const char *places = getenv("ZV_MODELS");
	for (const char *place = places; place && *place;) {
		size_t length = strcspn(place, ":");
		if (find_below(place, length, model, path, path_size))
			return 0;
		place += length + (place[length] == ':');
	}
	if (find_installed(model, path, path_size))
		return 0;
	if (!places || !places[0])
		return error_system("no model \"%s\": no such directory, and ZV_MODELS is not set; "
		                    "make one with zv-import",
		    model);
	return error_system("no model \"%s\": no such directory, here or in ZV_MODELS=%s; "
	                    "make one with zv-import",
	    model, places);
}

struct model_file *model_file_open(const char *model, const char *stage)
{
	char directory[PATH_MAX], path[PATH_MAX];
	if (model_find(model, directory, sizeof directory) < 0)
		return NULL;
	int length = snprintf(path, sizeof path, "%s/%s.zv", directory, stage);
	if (length < 0 || (size_t)length >= sizeof path) {
		error_system("name of the model is too long");
		return NULL;
	}
	if (access(path, F_OK) < 0) {
		error_system("model \"%s\" has no %s.zv; make it with zv-import", model, stage);
		return NULL;
	}
	struct model_file *file = model_file_open_path(path);
	if (file && strcmp(file->config.name, stage) != 0) {
		error_system("is the stage \"%s\" where \"%s\" is wanted", file->config.name, stage);
		model_file_close(file);
		file = NULL;
	}
	if (!file)
		error_context("%s", path);
	return file;
}

bool model_file_text(const struct model_file *file, const char *word, char *value, size_t size)
{
	return record_meta(&file->config, word, value, size);
}

int model_file_whole(
    const struct model_file *file, const char *word, int64_t least, int64_t most, int64_t *value)
{
	char text[64];
	if (!model_file_text(file, word, text, sizeof text))
		return error_system("%s: the config has no \"%s\"", file->path, word);
	if (number_whole(text, least, most, value) < 0) {
		error_context("%s: config word \"%s\"", file->path, word);
		return error_as(ERROR_SYSTEM);
	}
	return 0;
}

int model_file_real(const struct model_file *file, const char *word, double *value)
{
	char text[64];
	if (!model_file_text(file, word, text, sizeof text))
		return error_system("%s: the config has no \"%s\"", file->path, word);
	if (number_real(text, -1e300, 1e300, value) < 0) {
		error_context("%s: config word \"%s\"", file->path, word);
		return error_as(ERROR_SYSTEM);
	}
	return 0;
}

static const struct entry *find_entry(const struct model_file *file, const char *key)
{
	size_t low = 0, high = file->count, key_size = strlen(key);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct entry *entry = &file->entries[file->sorted[middle]];
		int order = compare_keys(key, key_size, entry->key, entry->key_size);
		if (order == 0)
			return entry;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool model_file_find(const struct model_file *file, const char *key, struct weight *weight)
{
	const struct entry *entry = find_entry(file, key);
	if (entry)
		*weight = entry->weight;
	return entry != NULL;
}

struct verification {
	const struct model_file *file;
	const char *prefix;    /* of the names of what is verified */
	atomic_size_t damaged; /* the first damaged entry, or SIZE_MAX */
};

static void verify_entry(void *context, size_t i, int worker)
{
	(void)worker;
	struct verification *verification = context;
	const struct entry *entry = &verification->file->entries[i];
	size_t size = strlen(verification->prefix);
	if (entry->key_size < size || memcmp(entry->key, verification->prefix, size) != 0 ||
	    checksum_of(entry->weight.data, entry->weight.bytes) == entry->checksum)
		return;
	size_t known = atomic_load(&verification->damaged);
	while (i < known && !atomic_compare_exchange_weak(&verification->damaged, &known, i))
		continue;
}

static int report_damage(const struct model_file *file, size_t i)
{
	const struct entry *entry = &file->entries[i];
	return error_system("%s: \"%.*s\" is damaged (checksum); import the model again", file->path,
	    (int)(entry->key_size < 200 ? entry->key_size : 200), entry->key);
}

int model_file_verify_part(const struct model_file *file, const char *prefix)
{
	struct verification verification = { .file = file, .prefix = prefix, .damaged = SIZE_MAX };
	threads_run(file->count, verify_entry, &verification);
	size_t damaged = atomic_load(&verification.damaged);
	return damaged == SIZE_MAX ? 0 : report_damage(file, damaged);
}

int model_file_verify(const struct model_file *file, const char *key)
{
	const struct entry *entry = key ? find_entry(file, key) : NULL;
	if (!key)
		return model_file_verify_part(file, "");
	if (!entry || checksum_of(entry->weight.data, entry->weight.bytes) == entry->checksum)
		return 0;
	return report_damage(file, (size_t)(entry - file->entries));
}

static const char *shape_text(int dimensions, const uint64_t *shape, char *text)
{
	struct record record = { .dimensions = dimensions };
	memcpy(record.shape, shape, (size_t)dimensions * sizeof *shape);
	return record_shape_text(&record, text);
}

static int need(const struct model_file *file, const char *key, int dimensions,
    const uint64_t *shape, bool packed, struct weight *weight)
{
	char wanted[200], found[200];
	shape_text(dimensions, shape, wanted);
	if (!model_file_find(file, key, weight))
		return error_system("%s: tensor \"%s\" (%s) is missing", file->path, key, wanted);
	bool is_packed = packed_is(weight->dtype);
	if (is_packed ? !packed : !dtype_is_float(weight->dtype) || weight->dtype == 'd')
		return error_system("%s: tensor \"%s\" is %s where f32, bf16 or f16 is wanted", file->path,
		    key, is_packed ? packed_name(weight->dtype) : dtype_name(weight->dtype));
	if (weight->dimensions != dimensions ||
	    memcmp(weight->shape, shape, (size_t)dimensions * sizeof *shape) != 0)
		return error_system("%s: tensor \"%s\" is %s where %s is wanted", file->path, key,
		    shape_text(weight->dimensions, weight->shape, found), wanted);
	return 0;
}

int model_file_need(const struct model_file *file, const char *key, int dimensions,
    const uint64_t *shape, struct weight *weight)
{
	return need(file, key, dimensions, shape, false, weight);
}

int model_file_need_matrix(const struct model_file *file, const char *key, size_t rows,
    size_t columns, struct weight *weight)
{
	return need(file, key, 2, (const uint64_t[]){ rows, columns }, true, weight);
}

bool model_file_at(const struct model_file *file, size_t i, const char **key, size_t *key_size,
    struct weight *weight)
{
	if (i >= file->count)
		return false;
	*key = file->entries[i].key;
	*key_size = file->entries[i].key_size;
	*weight = file->entries[i].weight;
	return true;
}

struct digest model_file_fingerprint(const struct model_file *file)
{
	return file->fingerprint;
}

const char *model_file_path(const struct model_file *file)
{
	return file->path;
}
