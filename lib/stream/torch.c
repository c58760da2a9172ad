/* torch.c - the two containers of torch.save: where their storages lie, and how the dictionary in
 * their pickle becomes a list of named tensors (see torch.h).
 */
#include "stream/torch.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/pickle.h"
#include "stream/zip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 64, LEGACY_PROTOCOL = 1001 };

static const uint8_t legacy_magic[] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50,
	0x19 };

bool torch_recognise(const uint8_t *bytes, size_t size)
{
	if (size < 32 || bytes[8] == '{') /* '{' there: safetensors, whatever its header's length */
		return false;
	if (memcmp(bytes, "PK\3\4", 4) == 0)
		return true;
	/* The first pickle of the legacy container is one long number, after at most one frame. */
	for (size_t i = 2; bytes[0] == 0x80 && i + sizeof legacy_magic <= 32; i++)
		if (memcmp(bytes + i, legacy_magic, sizeof legacy_magic) == 0)
			return true;
	return false;
}

/* A container being read. */
struct container {
	const uint8_t *bytes;
	size_t size;
	int file;
	struct pickle pickle;
	uint64_t *places; /* for each of the pickle's storages: its first byte in the file */
	uint32_t *by_key; /* the pickle's storages, sorted by key */
	struct tensor_list *list;
	struct torch_storages *storages;
	/* the walk through the dictionaries */
	char name[TENSOR_NAME_MOST + 1];
	size_t name_size;
	uint64_t visits_left;
};

static int compare_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
	return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static const uint8_t *storage_key(const struct pickle *pickle, uint32_t i, size_t *size)
{
	*size = pickle->storages[i].key_size;
	return pickle->bytes + pickle->storages[i].key_offset;
}

/* Sort by key without a context for qsort: keys and numbers travel together. */
struct keyed {
	const uint8_t *key;
	size_t key_size;
	uint32_t i;
};

static int compare_keyed(const void *a, const void *b)
{
	const struct keyed *left = a, *right = b;
	return compare_bytes(left->key, left->key_size, right->key, right->key_size);
}

/* Fill by_key; persistent ids with the same key must tell the same. */
static int sort_storages(struct container *container)
{
	const struct pickle *pickle = &container->pickle;
	size_t count = pickle->storage_count;
	struct keyed *keyed = memory_allocate(count, sizeof *keyed);
	container->by_key = memory_allocate(count, sizeof *container->by_key);
	container->places = memory_allocate_zero(count, sizeof *container->places);
	int status = keyed && container->by_key && container->places ? 0 : -1;
	for (uint32_t i = 0; i < count && status == 0; i++) {
		keyed[i].key = storage_key(pickle, i, &keyed[i].key_size);
		keyed[i].i = i;
	}
	if (status == 0 && count > 0)
		qsort(keyed, count, sizeof *keyed, compare_keyed);
	for (size_t i = 0; i < count && status == 0; i++) {
		container->by_key[i] = keyed[i].i;
		const struct pickle_storage *one = &pickle->storages[keyed[i].i];
		const struct pickle_storage *before = i > 0 ? &pickle->storages[keyed[i - 1].i] : one;
		if (i > 0 && compare_keyed(&keyed[i - 1], &keyed[i]) == 0 &&
		    (one->dtype != before->dtype || one->elements != before->elements))
			status = error_input("storage \"%.*s\" has two types or sizes", (int)keyed[i].key_size,
			    (const char *)keyed[i].key);
	}
	memory_release(keyed);
	return status;
}

/* The bytes that a storage should have. */
static int storage_bytes(const struct pickle_storage *storage, uint64_t *bytes)
{
	if (__builtin_mul_overflow(storage->elements, (uint64_t)dtype_size(storage->dtype), bytes))
		return error_input("a storage of %" PRIu64 " elements is too large", storage->elements);
	return 0;
}

/* The storages with this key get the place of size bytes at offset. 0 also if there are none. */
static int place_storages(struct container *container, const void *key, size_t key_size,
    uint64_t offset, uint64_t size, size_t *found)
{
	const struct pickle *pickle = &container->pickle;
	size_t low = 0, high = pickle->storage_count;
	while (low < high) { /* the first one that is not less */
		size_t middle = low + (high - low) / 2, other_size;
		const uint8_t *other = storage_key(pickle, container->by_key[middle], &other_size);
		if (compare_bytes(other, other_size, key, key_size) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = 0;
	for (; low < pickle->storage_count; low++, (*found)++) {
		uint32_t i = container->by_key[low];
		size_t other_size;
		const uint8_t *other = storage_key(pickle, i, &other_size);
		if (compare_bytes(other, other_size, key, key_size) != 0)
			break;
		uint64_t wanted;
		if (storage_bytes(&pickle->storages[i], &wanted) < 0)
			return -1;
		if (wanted != size)
			return error_input("storage \"%.*s\" has %" PRIu64 " bytes in the file, but %" PRIu64
			                   " by its type and count",
			    (int)key_size, (const char *)key, size, wanted);
		container->places[i] = offset;
	}
	return 0;
}

static int add_storage(struct container *container, const struct torch_storage *storage)
{
	struct torch_storages *list = container->storages;
	void *storages = list->storages;
	if (memory_grow(&storages, &list->capacity, list->count + 1, sizeof *storage) < 0)
		return -1;
	list->storages = storages;
	list->storages[list->count++] = *storage;
	return 0;
}

/* Every storage that the pickle names must have got a place; offset 0 is never one. */
static int check_places(const struct container *container)
{
	const struct pickle *pickle = &container->pickle;
	for (uint32_t i = 0; i < pickle->storage_count; i++)
		if (container->places[i] == 0)
			return error_input("storage \"%.*s\" is missing", (int)pickle->storages[i].key_size,
			    (const char *)pickle->bytes + pickle->storages[i].key_offset);
	return 0;
}

/* The view of a storage that a tensor is, checked to lie inside. */
static int place_tensor(const struct container *container, const struct pickle_tensor *view,
    struct checkpoint_tensor *tensor)
{
	const struct pickle_storage *storage = &container->pickle.storages[view->storage];
	*tensor = (struct checkpoint_tensor){
		.dtype = storage->dtype, .dimensions = view->dimensions, .file = container->file
	};
	memcpy(tensor->shape, view->shape, sizeof tensor->shape);
	if (tensor_fill(tensor) < 0)
		return -1;
	if (tensor->elements > storage->elements || view->offset > storage->elements)
		return error_input("%" PRIu64 " elements from %" PRIu64 " on are more than the %" PRIu64
		                   " of its storage",
		    tensor->elements, view->offset, storage->elements);
	uint64_t last = view->offset; /* the place of the last element */
	for (int i = 0; i < view->dimensions && tensor->elements > 0; i++) {
		uint64_t reach;
		if (__builtin_mul_overflow(view->shape[i] - 1, view->strides[i], &reach) ||
		    __builtin_add_overflow(last, reach, &last))
			return error_input("its strides are too large");
	}
	if (tensor->elements > 0) {
		if (last >= storage->elements)
			return error_input("it reaches element %" PRIu64 ", its storage has %" PRIu64, last,
			    storage->elements);
		memcpy(tensor->strides, view->strides, sizeof tensor->strides);
		tensor_compare_strides(tensor);
	}
	tensor->offset = container->places[view->storage] + view->offset * dtype_size(storage->dtype);
	return 0;
}

/* Lengthen the name by a key: text, or a number. Returns the length before, or -1. */
static int64_t enter(struct container *container, const char *key, size_t size)
{
	size_t before = container->name_size, dot = before > 0;
	if (size > TENSOR_NAME_MOST || before + dot + size > TENSOR_NAME_MOST)
		return error_input("under \"%.*s\": a name is longer than %d bytes", (int)before,
		    container->name, TENSOR_NAME_MOST);
	if (dot)
		container->name[before] = '.';
	memcpy(container->name + before + dot, key, size);
	container->name_size = before + dot + size;
	return (int64_t)before;
}

static int64_t enter_value(struct container *container, const struct pickle_value *key)
{
	char number[24];
	if (key->kind == PICKLE_TEXT)
		return enter(
		    container, (const char *)container->pickle.bytes + key->text.offset, key->text.size);
	int length = snprintf(number, sizeof number, "%" PRId64, key->whole);
	return enter(container, number, (size_t)length);
}

static bool is_container(uint8_t kind)
{
	return kind == PICKLE_DICT || kind == PICKLE_LIST || kind == PICKLE_TUPLE;
}

static int add_tensor(struct container *container, uint32_t index)
{
	struct checkpoint_tensor tensor;
	if (place_tensor(container, &container->pickle.tensors[index], &tensor) < 0 ||
	    tensor_list_add(container->list, container->name, container->name_size, &tensor) < 0)
		return error_context("tensor \"%.*s\"", (int)container->name_size, container->name);
	return 0;
}

/* Add the tensors in a dictionary, list or tuple and what is nested in it. A pickle can name one
 * value many times, and a value inside itself, so depth and steps are both limited. */
static int walk(struct container *container, uint32_t value, int depth)
{
	const struct pickle *pickle = &container->pickle;
	const struct pickle_value *owner = &pickle->values[value];
	if (depth > DEPTH_MOST)
		return error_input("more than %d levels are nested", DEPTH_MOST);
	uint32_t cell = owner->cells.first;
	for (int64_t i = 0; cell != PICKLE_END; i++, cell = pickle->cells[cell].next) {
		struct pickle_value number = { .kind = PICKLE_WHOLE, .whole = i };
		const struct pickle_value *key = &number;
		if (owner->kind == PICKLE_DICT) {
			key = &pickle->values[pickle->cells[cell].value];
			cell = pickle->cells[cell].next;
		}
		const struct pickle_value *item = &pickle->values[pickle->cells[cell].value];
		if (container->visits_left-- == 0)
			return error_input("the same values are repeated too often");
		if (item->kind != PICKLE_TENSOR && !(is_container(item->kind) && item->count > 0))
			continue;
		int64_t before = enter_value(container, key);
		if (before < 0 || (item->kind == PICKLE_TENSOR
		                          ? add_tensor(container, item->index)
		                          : walk(container, pickle->cells[cell].value, depth + 1)) < 0)
			return -1;
		container->name_size = (size_t)before;
	}
	return 0;
}

static int list_tensors(struct container *container)
{
	const struct pickle *pickle = &container->pickle;
	container->visits_left = 16 * (uint64_t)pickle->used + 1000;
	if (!is_container(pickle->values[pickle->root].kind))
		return error_input("the pickle holds no dictionary of tensors");
	return walk(container, pickle->root, 1);
}

/* --- zip: NAME/data.pkl, NAME/version, NAME/byteorder, NAME/data/KEY --- */

/* What an entry is called inside the archive's folder, which is named by the first entry. */
static int inner_name(
    const struct zip *zip, const struct zip_entry *entry, const char **name, size_t *size)
{
	const char *slash = memchr(zip->entries[0].name, '/', zip->entries[0].name_size);
	size_t folder = slash ? (size_t)(slash - zip->entries[0].name) + 1 : 0;
	if (folder == 0 || entry->name_size <= folder ||
	    memcmp(entry->name, zip->entries[0].name, folder) != 0)
		return error_input("zip: \"%.*s\" is not in the one folder that torch makes",
		    (int)entry->name_size, entry->name);
	*name = entry->name + folder;
	*size = entry->name_size - folder;
	return 0;
}

static bool is_name(const char *name, size_t size, const char *wanted)
{
	return size == strlen(wanted) && memcmp(name, wanted, size) == 0;
}

static bool starts(const char *name, size_t size, const char *start)
{
	return size > strlen(start) && memcmp(name, start, strlen(start)) == 0;
}

static int check_byte_order(const struct container *container, const struct zip_entry *entry)
{
	if (entry->size == 6 && memcmp(container->bytes + entry->offset, "little", 6) == 0)
		return 0;
	return error_input("the byte order is not little-endian");
}

static const struct zip_entry *find_pickle(const struct zip *zip)
{
	for (size_t i = 0; i < zip->count; i++) {
		const char *name;
		size_t size;
		if (inner_name(zip, &zip->entries[i], &name, &size) < 0)
			return NULL;
		if (is_name(name, size, "data.pkl"))
			return &zip->entries[i];
	}
	error_input("zip: there is no data.pkl; this is no file of torch.save");
	return NULL;
}

static int check_entry(struct container *container, const struct zip *zip, size_t i)
{
	const struct zip_entry *entry = &zip->entries[i];
	const char *name;
	size_t size, found;
	if (inner_name(zip, entry, &name, &size) < 0)
		return -1;
	if (starts(name, size, "data/")) {
		struct torch_storage storage = { entry->offset, entry->size, entry->checksum, true };
		return place_storages(container, name + 5, size - 5, entry->offset, entry->size, &found) < 0
		           ? -1
		           : add_storage(container, &storage);
	}
	if (is_name(name, size, "byteorder"))
		return check_byte_order(container, entry);
	if (is_name(name, size, "data.pkl") || is_name(name, size, "version") ||
	    is_name(name, size, ".format_version") || is_name(name, size, ".storage_alignment") ||
	    starts(name, size, ".data/"))
		return 0;
	if (is_name(name, size, "constants.pkl"))
		return error_input("this is a TorchScript program, not a checkpoint");
	return error_input(
	    "zip: \"%.*s\" is not an entry that torch.save makes", (int)entry->name_size, entry->name);
}

static int parse_zip_entries(struct container *container, const struct zip *zip)
{
	const struct zip_entry *entry = find_pickle(zip);
	if (!entry)
		return -1;
	if (entry->size > PICKLE_SIZE_MOST)
		return error_input(
		    "data.pkl has %" PRIu64 " bytes (%d are allowed)", entry->size, PICKLE_SIZE_MOST);
	const uint8_t *pickle = container->bytes + entry->offset;
	if (zip_checksum(pickle, (size_t)entry->size) != entry->checksum)
		return error_input("data.pkl does not match its CRC-32; the file is damaged");
	if (pickle_run(pickle, (size_t)entry->size, &container->pickle) < 0)
		return error_context("data.pkl");
	if (container->pickle.used != entry->size)
		return error_input("data.pkl: bytes after the end of the pickle");
	if (sort_storages(container) < 0)
		return -1;
	for (size_t i = 0; i < zip->count; i++)
		if (check_entry(container, zip, i) < 0)
			return -1;
	return check_places(container) < 0 ? -1 : list_tensors(container);
}

static int parse_zip(struct container *container)
{
	struct zip zip;
	if (zip_parse(container->bytes, container->size, &zip) < 0)
		return -1;
	int status = parse_zip_entries(container, &zip);
	zip_release(&zip);
	return status;
}

/* --- legacy: pickles of magic, protocol, system, object and keys; then count and data of each
 * key's storage --- */

/* Run the pickle at *place and move behind it. */
static int next_pickle(
    const struct container *container, size_t *place, const char *what, struct pickle *pickle)
{
	if (pickle_run(container->bytes + *place, container->size - *place, pickle) < 0)
		return error_context("%s (byte %zu)", what, *place);
	*place += pickle->used;
	return 0;
}

static int check_magic(const struct pickle *pickle)
{
	const struct pickle_value *value = &pickle->values[pickle->root];
	if (value->kind != PICKLE_LONG || value->text.size != sizeof legacy_magic ||
	    memcmp(pickle->bytes + value->text.offset, legacy_magic, sizeof legacy_magic) != 0)
		return error_input("the magic number is wrong");
	return 0;
}

static int check_protocol(const struct pickle *pickle)
{
	const struct pickle_value *value = &pickle->values[pickle->root];
	if (value->kind != PICKLE_WHOLE || value->whole != LEGACY_PROTOCOL)
		return error_input("the protocol is not %d", LEGACY_PROTOCOL);
	return 0;
}

/* {"protocol_version": 1001, "little_endian": True, "type_sizes": {...}} */
static int check_system(const struct pickle *pickle)
{
	const struct pickle_value *root = &pickle->values[pickle->root];
	if (root->kind != PICKLE_DICT)
		return error_input("the description of the system is no dictionary");
	for (uint32_t cell = root->cells.first; cell != PICKLE_END;) {
		uint32_t key = pickle->cells[cell].value;
		cell = pickle->cells[cell].next;
		const struct pickle_value *value = &pickle->values[pickle->cells[cell].value];
		cell = pickle->cells[cell].next;
		if (pickle_is_text(pickle, key, "little_endian") &&
		    !(value->kind == PICKLE_BOOL && value->whole == 1))
			return error_input("the byte order is not little-endian");
	}
	return 0;
}

static int check_head(const struct container *container, size_t *place)
{
	static int (*const checks[])(
	    const struct pickle *) = { check_magic, check_protocol, check_system };
	for (int i = 0; i < 3; i++) {
		struct pickle pickle;
		int status = next_pickle(container, place, "head of the file", &pickle);
		if (status == 0)
			status = checks[i](&pickle);
		pickle_release(&pickle);
		if (status < 0)
			return -1;
	}
	return 0;
}

/* One storage at *place: a count of elements, then these. */
static int place_legacy_storage(
    struct container *container, size_t *place, const uint8_t *key, size_t key_size)
{
	uint64_t elements = 0, left = container->size - *place;
	if (left < 8)
		return error_input("the file is cut off at byte %zu", *place);
	for (int i = 8; i-- > 0;)
		elements = elements << 8 | container->bytes[*place + (size_t)i];
	/* The element size is told by the pickle. */
	struct keyed wanted = { key, key_size, 0 };
	for (size_t low = 0, high = container->pickle.storage_count; low < high;) {
		size_t middle = low + (high - low) / 2;
		uint32_t i = container->by_key[middle];
		struct keyed other = { NULL, 0, i };
		other.key = storage_key(&container->pickle, i, &other.key_size);
		int order = compare_keyed(&wanted, &other);
		if (order < 0)
			high = middle;
		else if (order > 0)
			low = middle + 1;
		if (order != 0)
			continue;
		const struct pickle_storage *storage = &container->pickle.storages[i];
		uint64_t bytes;
		size_t found;
		if (storage_bytes(storage, &bytes) < 0)
			return -1;
		if (elements != storage->elements || bytes > left - 8)
			return error_input("storage at byte %zu: %" PRIu64 " elements, %" PRIu64
			                   " wanted, in %" PRIu64 " bytes",
			    *place, elements, storage->elements, left - 8);
		struct torch_storage extent = { *place + 8, bytes, 0, false };
		*place += 8 + (size_t)bytes;
		if (container->places[i] != 0)
			return error_input("storage \"%.*s\" occurs twice", (int)key_size, (const char *)key);
		if (place_storages(container, key, key_size, extent.offset, bytes, &found) < 0)
			return -1;
		return add_storage(container, &extent);
	}
	return error_input(
	    "storage \"%.*s\" is not named by any tensor", (int)key_size, (const char *)key);
}

static int place_legacy_storages(
    struct container *container, size_t *place, const struct pickle *keys)
{
	const struct pickle_value *root = &keys->values[keys->root];
	if (root->kind != PICKLE_LIST)
		return error_input("the keys of the storages are no list");
	for (uint32_t cell = root->cells.first; cell != PICKLE_END; cell = keys->cells[cell].next) {
		const struct pickle_value *key = &keys->values[keys->cells[cell].value];
		if (key->kind != PICKLE_TEXT)
			return error_input("a key of a storage is no text");
		if (place_legacy_storage(container, place, keys->bytes + key->text.offset, key->text.size) <
		    0)
			return -1;
	}
	if (*place != container->size)
		return error_input(
		    "%zu bytes after the last storage belong to nothing", container->size - *place);
	return 0;
}

static int parse_legacy(struct container *container)
{
	size_t place = 0;
	if (check_head(container, &place) < 0 ||
	    next_pickle(container, &place, "object", &container->pickle) < 0 ||
	    sort_storages(container) < 0)
		return -1;
	struct pickle keys;
	int status = next_pickle(container, &place, "keys of the storages", &keys);
	if (status == 0)
		status = place_legacy_storages(container, &place, &keys);
	pickle_release(&keys);
	if (status < 0 || check_places(container) < 0)
		return -1;
	return list_tensors(container);
}

int torch_parse(const uint8_t *bytes, size_t size, int file, struct tensor_list *list,
    struct torch_storages *storages)
{
	struct container container = {
		.bytes = bytes, .size = size, .file = file, .list = list, .storages = storages
	};
	bool is_zip = size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
	int status = is_zip ? parse_zip(&container) : parse_legacy(&container);
	pickle_release(&container.pickle);
	memory_release(container.places);
	memory_release(container.by_key);
	return status;
}
