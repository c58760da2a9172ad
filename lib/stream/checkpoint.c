/* checkpoint.c - one face for the files that hold other people's weights: finds the files, maps
 * them, lets the reader of each format list its tensors, and joins the lists (see checkpoint.h).
 */
#define _DEFAULT_SOURCE /* madvise: the POSIX variant of MADV_DONTNEED does nothing in glibc */
#include "stream/checkpoint.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/json.h"
#include "stream/safetensors.h"
#include "stream/torch.h"
#include "stream/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHARDS_MOST = 1024 };

struct file {
	char *path;
	const uint8_t *bytes; /* mapped */
	size_t size;
	struct torch_storages storages;
	atomic_bool *verified; /* for each storage: its checksum was right */
};

struct entry {
	const char *name;
	size_t i; /* in list.tensors */
};

struct checkpoint {
	struct file *files;
	size_t file_count, file_capacity;
	struct tensor_list list;
	struct entry *by_name; /* sorted */
};

static int map_file(const char *path, struct file *file)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is not waited for */
	if (descriptor < 0)
		return error_system("cannot open:");
	struct stat status;
	int result = 0;
	void *bytes = NULL;
	if (fstat(descriptor, &status) < 0)
		result = error_system("cannot look at:");
	else if (!S_ISREG(status.st_mode))
		result = error_input("not a regular file");
	else if (status.st_size == 0)
		result = error_input("the file is empty");
	else if (!checked_size((uint64_t)status.st_size, &file->size))
		result = error_input("the file is too large");
	else if ((bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, descriptor, 0)) == MAP_FAILED)
		result = error_system("cannot map:");
	close(descriptor);
	if (result == 0)
		file->bytes = bytes;
	return result;
}

static int parse_file(struct file *file, int number, struct tensor_list *list)
{
	static const char pointer[] = "version https://git-lfs";
	if (file->size >= sizeof pointer - 1 && memcmp(file->bytes, pointer, sizeof pointer - 1) == 0)
		return error_input("this is only a git-lfs pointer; fetch the real file (git lfs pull)");
	if (!torch_recognise(file->bytes, file->size))
		return safetensors_parse(file->bytes, file->size, number, list);
	if (torch_parse(file->bytes, file->size, number, list, &file->storages) < 0)
		return -1;
	file->verified = memory_allocate_zero(file->storages.count, sizeof *file->verified);
	return file->verified ? 0 : -1;
}

/* Map path as the next file and append its tensors. */
static int add_file(struct checkpoint *checkpoint, const char *path)
{
	void *files = checkpoint->files;
	if (memory_grow(&files, &checkpoint->file_capacity, checkpoint->file_count + 1,
	        sizeof *checkpoint->files) < 0)
		return -1;
	checkpoint->files = files;
	int number = (int)checkpoint->file_count;
	struct file *file = &checkpoint->files[number];
	*file = (struct file){ .path = memory_text(path, strlen(path)) };
	if (!file->path)
		return -1;
	checkpoint->file_count++;
	if (map_file(path, file) < 0 || parse_file(file, number, &checkpoint->list) < 0)
		return error_context("%s", path);
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	int order = strcmp(left->name, right->name);
	return order != 0 ? order : (left->i > right->i) - (left->i < right->i);
}

/* Make the index by name; a name must belong to one tensor of one file. */
static int sort_names(struct checkpoint *checkpoint, const char *path)
{
	const struct tensor_list *list = &checkpoint->list;
	if (list->count == 0)
		return error_input("%s: there is no tensor in it", path);
	checkpoint->by_name = memory_allocate(list->count, sizeof *checkpoint->by_name);
	if (!checkpoint->by_name)
		return -1;
	for (size_t i = 0; i < list->count; i++)
		checkpoint->by_name[i] = (struct entry){ list->tensors[i].name, i };
	qsort(checkpoint->by_name, list->count, sizeof *checkpoint->by_name, compare_entries);
	for (size_t i = 1; i < list->count; i++) {
		const struct entry *one = &checkpoint->by_name[i - 1], *other = one + 1;
		if (strcmp(one->name, other->name) == 0)
			return error_input("%s: tensor \"%.200s\" is in %s already",
			    checkpoint_file(checkpoint, &list->tensors[other->i]), one->name,
			    checkpoint_file(checkpoint, &list->tensors[one->i]));
	}
	return 0;
}

/* A shard lies beside its index; its name must not lead elsewhere. */
static int check_shard_name(const char *name)
{
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') || strlen(name) > NAME_MAX)
		return error_input("weight_map: \"%.200s\" is no plain file name", name);
	return 0;
}

static int add_shard_name(const char ***names, size_t *count, size_t *capacity, const char *name)
{
	for (size_t i = *count; i-- > 0;) /* neighbours are mostly in the same shard */
		if (strcmp((*names)[i], name) == 0)
			return 0;
	if (*count >= SHARDS_MOST)
		return error_input("weight_map: more than %d files", SHARDS_MOST);
	void *grown = *names;
	if (check_shard_name(name) < 0 || memory_grow(&grown, capacity, *count + 1, sizeof name) < 0)
		return -1;
	*names = grown;
	(*names)[(*count)++] = name;
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The files that weight_map names, sorted, each once. */
static int collect_shards(const struct json *map, const char ***names, size_t *count)
{
	size_t capacity = 0;
	if (json_kind(map) != JSON_KIND_OBJECT || json_count(map) == 0)
		return error_input("no weight_map (an object of tensor names and files) is in it");
	for (struct json_walk walk = json_walk_start(map); json_walk_next(&walk);) {
		const char *name = json_text(walk.value, NULL);
		if (!name)
			return error_input("weight_map: \"%.200s\" must name a file", walk.key);
		if (add_shard_name(names, count, &capacity, name) < 0)
			return -1;
	}
	qsort(*names, *count, sizeof **names, compare_texts);
	return 0;
}

static int open_shards(
    struct checkpoint *checkpoint, const char *index, const char **names, size_t count)
{
	const char *slash = strrchr(index, '/');
	int length = slash ? (int)(slash - index) + 1 : 0;
	for (size_t i = 0; i < count; i++) {
		char path[PATH_MAX];
		int written = snprintf(path, sizeof path, "%.*s%s", length, index, names[i]);
		if (written < 0 || (size_t)written >= sizeof path)
			return error_input("%s: the path of shard %s is too long", index, names[i]);
		if (access(path, F_OK) < 0)
			return error_system(
			    "%s: the shard %s is missing; fetch it into the same directory", index, names[i]);
		if (add_file(checkpoint, path) < 0)
			return -1;
	}
	return 0;
}

/* Each tensor of weight_map must be in the file it is said to be in. */
static int check_map(const struct checkpoint *checkpoint, const char *index, const struct json *map)
{
	for (struct json_walk walk = json_walk_start(map); json_walk_next(&walk);) {
		const struct checkpoint_tensor *tensor = checkpoint_find(checkpoint, walk.key);
		const char *shard = json_text(walk.value, NULL);
		if (!tensor)
			return error_input("%s: tensor \"%.200s\" is not in %s", index, walk.key, shard);
		const char *path = checkpoint_file(checkpoint, tensor), *slash = strrchr(path, '/');
		if (strcmp(slash ? slash + 1 : path, shard) != 0)
			return error_input("%s: tensor \"%.200s\" should be in %s, but is in %s", index,
			    walk.key, shard, path);
	}
	return 0;
}

static int open_index(struct checkpoint *checkpoint, const char *path)
{
	struct json *root = json_open(path);
	if (!root)
		return error_context("%s", path);
	const struct json *map = json_member(root, "weight_map");
	const char **names = NULL;
	size_t count = 0;
	int status = collect_shards(map, &names, &count);
	if (status < 0)
		error_context("%s", path);
	if (status == 0)
		status = open_shards(checkpoint, path, names, count);
	if (status == 0)
		status = sort_names(checkpoint, path);
	if (status == 0)
		status = check_map(checkpoint, path, map);
	memory_release(names);
	json_release(root);
	return status;
}

static int open_path(struct checkpoint *checkpoint, const char *path)
{
	if (ending_is(path, ".json"))
		return open_index(checkpoint, path);
	return add_file(checkpoint, path) < 0 ? -1 : sort_names(checkpoint, path);
}

static int open_directory(struct checkpoint *checkpoint, const char *directory)
{
	static const char *const names[] = { "model.safetensors", "model.safetensors.index.json",
		"pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.safetensors",
		"adapter_model.bin" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[PATH_MAX];
		int written = snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		if (written < 0 || (size_t)written >= sizeof path)
			return error_system("%s: the path is too long", directory);
		if (access(path, F_OK) == 0)
			return open_path(checkpoint, path);
	}
	return error_system("%s: the directory has no model.safetensors, pytorch_model.bin (or an "
	                    ".index.json of either) and no adapter_model.safetensors or .bin",
	    directory);
}

struct checkpoint *checkpoint_open(const char *path)
{
	struct checkpoint *checkpoint = memory_allocate_zero(1, sizeof *checkpoint);
	if (!checkpoint)
		return NULL;
	struct stat status;
	int result;
	if (stat(path, &status) < 0)
		result = error_system("%s: cannot open:", path);
	else if (S_ISDIR(status.st_mode))
		result = open_directory(checkpoint, path);
	else
		result = open_path(checkpoint, path);
	if (result == 0)
		return checkpoint;
	checkpoint_close(checkpoint);
	return NULL;
}

size_t checkpoint_count(const struct checkpoint *checkpoint)
{
	return checkpoint->list.count;
}

const struct checkpoint_tensor *checkpoint_at(const struct checkpoint *checkpoint, size_t i)
{
	return &checkpoint->list.tensors[i];
}

const struct checkpoint_tensor *checkpoint_find(
    const struct checkpoint *checkpoint, const char *name)
{
	struct entry wanted = { name, 0 };
	size_t low = 0, high = checkpoint->list.count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(wanted.name, checkpoint->by_name[middle].name);
		if (order == 0)
			return checkpoint_at(checkpoint, checkpoint->by_name[middle].i);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *checkpoint_file(
    const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor)
{
	return checkpoint->files[tensor->file].path;
}

/* The first use of a storage of a zip container reads it once to compare its checksum, so that a
 * damaged download is found before anybody computes with it. */
static int verify_storage(const struct file *file, const struct checkpoint_tensor *tensor)
{
	size_t low = 0, high = file->storages.count;
	while (low < high) { /* the last storage that begins at or before the tensor */
		size_t middle = low + (high - low) / 2;
		if (file->storages.storages[middle].offset <= tensor->offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || tensor->elements == 0)
		return 0;
	const struct torch_storage *storage = &file->storages.storages[low - 1];
	if (!storage->has_checksum || atomic_load(&file->verified[low - 1]))
		return 0;
	if (zip_checksum(file->bytes + storage->offset, (size_t)storage->size) != storage->checksum)
		return error_input("%s: tensor \"%.200s\": the bytes at %" PRIu64
		                   " do not match their CRC-32; the file is damaged",
		    file->path, tensor->name, storage->offset);
	atomic_store(&file->verified[low - 1], true);
	return 0;
}

int checkpoint_read(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor,
    uint64_t first, uint64_t count, void *target)
{
	const struct file *file = &checkpoint->files[tensor->file];
	if (first > tensor->elements || count > tensor->elements - first)
		return error_input("%s: tensor \"%.200s\" has no elements %" PRIu64 " to %" PRIu64,
		    file->path, tensor->name, first, first + count);
	if (verify_storage(file, tensor) < 0)
		return -1;
	tensor_copy(file->bytes, tensor, first, count, target);
	return 0;
}

void checkpoint_forget(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor)
{
	const struct file *file = &checkpoint->files[tensor->file];
	if (tensor->elements == 0)
		return;
	/* From the first to the last element; pages shared with a neighbour stay. */
	uint64_t last = 0, page = (uint64_t)sysconf(_SC_PAGESIZE);
	for (int i = 0; i < tensor->dimensions; i++)
		last += (tensor->shape[i] - 1) * tensor->strides[i];
	uint64_t begin = (tensor->offset + page - 1) / page * page;
	uint64_t end = (tensor->offset + (last + 1) * dtype_size(tensor->dtype)) / page * page;
	if (begin < end)
		madvise((uint8_t *)(uintptr_t)file->bytes + begin, (size_t)(end - begin), MADV_DONTNEED);
}

void checkpoint_close(struct checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	for (size_t i = 0; i < checkpoint->file_count; i++) {
		struct file *file = &checkpoint->files[i];
		if (file->bytes)
			munmap((uint8_t *)(uintptr_t)file->bytes, file->size);
		memory_release(file->storages.storages);
		memory_release(file->verified);
		memory_release(file->path);
	}
	memory_release(checkpoint->files);
	memory_release(checkpoint->by_name);
	tensor_list_release(&checkpoint->list);
	memory_release(checkpoint);
}
