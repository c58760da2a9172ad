/* zip.c - checking the structure of a stored zip file (see zip.h).
 *   local header | name | extra | data | descriptor     for each entry, joined
 *   central header | name | extra                       for each entry, joined
 *   zip64 end record and locator (both or none), end record
 * Everything is known twice or three times, and all of it must agree: what other readers may
 * believe of a file is then what is believed here.
 */
#include "stream/zip.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOCAL_SIZE = 30,
	CENTRAL_SIZE = 46,
	END_SIZE = 22,
	END64_SIZE = 56,
	LOCATOR64_SIZE = 20,
	FLAG_DESCRIPTOR = 1 << 3, /* checksum and sizes follow the data */
	FLAG_UTF8 = 1 << 11,
	EXTRA_ZIP64 = 0x0001,
	EXTRA_PADDING = 0x4246, /* "FB": torch aligns the data with it */
	VERSION_MOST = 45,      /* 4.5: zip64 */
};
#define SATURATED 0xffffffffu /* the 32-bit field says: look into the zip64 record */

static const uint8_t local_magic[] = "PK\3\4", central_magic[] = "PK\1\2", end_magic[] = "PK\5\6",
                     end64_magic[] = "PK\6\6", locator64_magic[] = "PK\6\7",
                     descriptor_magic[] = "PK\7\10";

static uint32_t u16(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t u32(const uint8_t *bytes)
{
	return u16(bytes) | u16(bytes + 2) << 16;
}

static uint64_t u64(const uint8_t *bytes)
{
	return u32(bytes) | (uint64_t)u32(bytes + 4) << 32;
}

/* Where the central directory lies. */
struct directory {
	uint64_t entries, size, offset;
};

/* The zip64 end record and its locator, which stand right before the end record at `end`. */
static int parse_end64(
    const uint8_t *bytes, uint64_t end, struct directory *directory, uint64_t *after)
{
	const uint8_t *locator = bytes + end - LOCATOR64_SIZE;
	if (end < LOCATOR64_SIZE + END64_SIZE)
		return error_input("zip: no room for the zip64 end record");
	uint64_t place = end - LOCATOR64_SIZE - END64_SIZE;
	const uint8_t *record = bytes + place;
	if (u32(locator + 4) != 0 || u64(locator + 8) != place || u32(locator + 16) != 1)
		return error_input("zip: the zip64 locator does not lead to the record before it");
	if (memcmp(record, end64_magic, 4) != 0 || u64(record + 4) != END64_SIZE - 12)
		return error_input("zip: no zip64 end record at byte %" PRIu64, place);
	if (u32(record + 16) != 0 || u32(record + 20) != 0 || u64(record + 24) != u64(record + 32))
		return error_input("zip: archives of several disks are not read");
	directory->entries = u64(record + 32);
	directory->size = u64(record + 40);
	directory->offset = u64(record + 48);
	*after = place;
	return 0;
}

/* A field of the end record must be equal to the zip64 one, or say that it is too small for it. */
static bool agrees(uint64_t field, uint64_t most, uint64_t value)
{
	return field == value || field == most;
}

static int parse_end(const uint8_t *bytes, size_t size, struct directory *directory)
{
	if (size < END_SIZE + LOCAL_SIZE || memcmp(bytes + size - END_SIZE, end_magic, 4) != 0)
		return error_input("zip: the end record is not at the end; the file is truncated, has a "
		                   "comment, or something was appended");
	const uint8_t *end = bytes + size - END_SIZE;
	uint64_t after = size - END_SIZE; /* what the central directory must reach up to */
	if (u16(end + 20) != 0)
		return error_input("zip: the end record has a comment");
	if (u16(end + 4) != 0 || u16(end + 6) != 0 || u16(end + 8) != u16(end + 10))
		return error_input("zip: archives of several disks are not read");
	*directory = (struct directory){ u16(end + 8), u32(end + 12), u32(end + 16) };
	bool saturated =
	    u16(end + 8) == 0xffff || u32(end + 12) == SATURATED || u32(end + 16) == SATURATED;
	if (after >= LOCATOR64_SIZE && memcmp(end - LOCATOR64_SIZE, locator64_magic, 4) == 0) {
		if (parse_end64(bytes, after, directory, &after) < 0)
			return -1;
		if (!agrees(u16(end + 8), 0xffff, directory->entries) ||
		    !agrees(u32(end + 12), SATURATED, directory->size) ||
		    !agrees(u32(end + 16), SATURATED, directory->offset))
			return error_input("zip: the end record and the zip64 end record differ");
	} else if (saturated) {
		return error_input("zip: the zip64 end record is missing");
	}
	if (directory->offset > after || directory->size != after - directory->offset)
		return error_input("zip: the central directory (byte %" PRIu64 ", %" PRIu64
		                   " bytes) does not end at byte %" PRIu64,
		    directory->offset, directory->size, after);
	if (directory->entries > ZIP_ENTRIES_MOST ||
	    directory->entries > directory->size / CENTRAL_SIZE)
		return error_input(
		    "zip: %" PRIu64 " entries are more than there is room for", directory->entries);
	return 0;
}

/* The path must be one that means the same to everybody: relative, of plain parts. */
static int check_name(const char *name, size_t size)
{
	if (size == 0 || size > ZIP_NAME_MOST || utf8_valid_prefix(name, size) != size)
		return error_input("zip: an entry's name is empty, too long, or no UTF-8");
	size_t part = 0; /* where the current part begins */
	for (size_t i = 0; i <= size; i++) {
		if (i < size && ((uint8_t)name[i] < 0x20 || name[i] == 0x7f || name[i] == '\\'))
			return error_input(
			    "zip: an entry's name holds a control byte or backslash: %.*s", (int)size, name);
		if (i < size && name[i] != '/')
			continue;
		size_t length = i - part;
		if (length == 0 ||
		    (name[part] == '.' && (length == 1 || (length == 2 && name[part + 1] == '.'))))
			return error_input("zip: \"%.*s\" is an absolute path, a directory, or leaves its own",
			    (int)size, name);
		part = i + 1;
	}
	return 0;
}

/* One entry as its central header tells it. */
struct central {
	struct zip_entry entry;
	uint64_t local; /* where the local header begins */
	uint32_t flags;
};

/* The zip64 extra field must hold exactly the values that the header had no room for. */
static int parse_central_extra(
    const uint8_t *extra, size_t size, struct central *central, const uint8_t *header)
{
	uint64_t *wanted[3];
	int count = 0;
	uint64_t stored = u32(header + 20);
	central->entry.size = u32(header + 24);
	central->local = u32(header + 42);
	if (central->entry.size == SATURATED)
		wanted[count++] = &central->entry.size;
	if (stored == SATURATED)
		wanted[count++] = &stored;
	if (central->local == SATURATED)
		wanted[count++] = &central->local;
	size_t length = (size_t)count * 8;
	if (count > 0 && (size != length + 4 || u16(extra) != EXTRA_ZIP64 || u16(extra + 2) != length))
		return error_input("zip64 field: not the %zu bytes that the header calls for", length);
	if (count == 0 && size != 0)
		return error_input("the central header has an extra field that says nothing");
	for (int i = 0; i < count; i++)
		*wanted[i] = u64(extra + 4 + 8 * i);
	if (stored != central->entry.size)
		return error_input(
		    "stored size %" PRIu64 " and size %" PRIu64 " differ", stored, central->entry.size);
	return 0;
}

static int check_method(const uint8_t *version, uint32_t flags, uint32_t method)
{
	if (flags & (1 | 1 << 6 | 1 << 13))
		return error_input("the entry is encrypted");
	if (flags & ~(uint32_t)(FLAG_DESCRIPTOR | FLAG_UTF8))
		return error_input("unknown flags 0x%04x", flags);
	if (method != 0)
		return error_input("the entry is compressed (method %u); torch stores entries", method);
	if (u16(version) > VERSION_MOST)
		return error_input("zip version %u is asked for", u16(version));
	return 0;
}

/* The central header at *place; moves *place behind it. */
static int parse_central(
    const uint8_t *bytes, uint64_t *place, uint64_t limit, struct central *central)
{
	const uint8_t *header = bytes + *place;
	if (limit - *place < CENTRAL_SIZE || memcmp(header, central_magic, 4) != 0)
		return error_input("zip: no central header at byte %" PRIu64, *place);
	size_t name_size = u16(header + 28), extra_size = u16(header + 30);
	if (limit - *place - CENTRAL_SIZE < name_size + extra_size)
		return error_input("zip: the central header at byte %" PRIu64 " is cut off", *place);
	*central = (struct central){
		.entry = { .name = (const char *)header + CENTRAL_SIZE,
		    .name_size = name_size,
		    .checksum = u32(header + 16) },
		.flags = u16(header + 8),
	};
	if (check_name(central->entry.name, name_size) < 0)
		return -1;
	int status = 0;
	if (u16(header + 32) != 0 || u16(header + 34) != 0)
		status = error_input("a comment, or a part on another disk");
	else if (check_method(header + 6, central->flags, u16(header + 10)) < 0 ||
	         parse_central_extra(header + CENTRAL_SIZE + name_size, extra_size, central, header) <
	             0)
		status = -1;
	if (status < 0)
		return error_context("zip: %.*s", (int)name_size, central->entry.name);
	*place += CENTRAL_SIZE + name_size + extra_size;
	return 0;
}

/* Extra fields of a local header: padding, and a zip64 field that repeats what is known. */
static int check_local_extra(
    const uint8_t *extra, size_t size, const struct central *central, bool *has_zip64)
{
	*has_zip64 = false;
	while (size > 0) {
		if (size < 4 || u16(extra + 2) > size - 4)
			return error_input("the extra field is cut off");
		uint32_t kind = u16(extra), length = u16(extra + 2);
		const uint8_t *data = extra + 4;
		if (kind == EXTRA_ZIP64 && !*has_zip64 && (length == 8 || length == 16 || length == 24)) {
			*has_zip64 = true;
			bool late = central->flags & FLAG_DESCRIPTOR; /* zeros, the descriptor tells */
			for (uint32_t i = 0; length >= 16 && i < 16; i += 8)
				if (u64(data + i) != central->entry.size && !(late && u64(data + i) == 0))
					return error_input("the zip64 field of the local header differs in size");
			if (length != 16 && u64(data + length - 8) != central->local)
				return error_input("the zip64 field of the local header differs in place");
		} else if (kind != EXTRA_PADDING) {
			return error_input("unknown extra field 0x%04x", kind);
		}
		extra += 4 + length;
		size -= 4 + length;
	}
	return 0;
}

/* A checksum or size in a local header: equal to the central one, or left to the descriptor. */
static bool local_agrees(uint32_t field, uint64_t value, bool late, bool has_zip64)
{
	return field == value || (late && field == 0) || (has_zip64 && field == SATURATED);
}

/* What stands between the data and the next header. */
static int check_descriptor(
    const uint8_t *bytes, uint64_t size, const struct central *central, bool has_zip64)
{
	const struct zip_entry *entry = &central->entry;
	if (!(central->flags & FLAG_DESCRIPTOR))
		return size == 0 ? 0
		                 : error_input("%" PRIu64 " bytes after the data belong to no entry", size);
	if (size == 0 && entry->size == 0 && entry->checksum == 0)
		return 0; /* an empty entry needs none */
	if (size != (has_zip64 ? 24 : 16) || memcmp(bytes, descriptor_magic, 4) != 0)
		return error_input("no data descriptor, or something beside it, after the data");
	uint64_t stored = has_zip64 ? u64(bytes + 8) : u32(bytes + 8);
	uint64_t length = has_zip64 ? u64(bytes + 16) : u32(bytes + 12);
	if (u32(bytes + 4) != entry->checksum || stored != entry->size || length != entry->size)
		return error_input("the data descriptor differs from the central header");
	return 0;
}

/* The local header at central->local, whose entry must end at next. Sets the place of the data. */
static int parse_local(const uint8_t *bytes, uint64_t next, struct central *central)
{
	struct zip_entry *entry = &central->entry;
	const uint8_t *header = bytes + central->local;
	uint64_t room = next - central->local; /* the caller has checked the order */
	if (room < LOCAL_SIZE || memcmp(header, local_magic, 4) != 0)
		return error_input("no local header at byte %" PRIu64, central->local);
	size_t name_size = u16(header + 26), extra_size = u16(header + 28);
	if (room - LOCAL_SIZE < name_size + extra_size)
		return error_input("the local header is cut off");
	if (name_size != entry->name_size || memcmp(header + LOCAL_SIZE, entry->name, name_size) != 0)
		return error_input("the local header at byte %" PRIu64 " has another name", central->local);
	if (u16(header + 6) != central->flags)
		return error_input(
		    "local flags 0x%04x, central flags 0x%04x", u16(header + 6), central->flags);
	bool late = central->flags & FLAG_DESCRIPTOR, has_zip64;
	if (check_method(header + 4, u16(header + 6), u16(header + 8)) < 0 ||
	    check_local_extra(header + LOCAL_SIZE + name_size, extra_size, central, &has_zip64) < 0)
		return -1;
	if (!local_agrees(u32(header + 14), entry->checksum, late, false) ||
	    !local_agrees(u32(header + 18), entry->size, late, has_zip64) ||
	    !local_agrees(u32(header + 22), entry->size, late, has_zip64))
		return error_input("local and central header differ in checksum or size");
	uint64_t header_size = LOCAL_SIZE + name_size + extra_size;
	if (entry->size > room - header_size)
		return error_input("%" PRIu64 " bytes of data overlap what follows", entry->size);
	entry->offset = central->local + header_size;
	uint64_t end = entry->offset + entry->size;
	return check_descriptor(bytes + end, next - end, central, has_zip64);
}

static int compare_entries(const void *a, const void *b)
{
	const struct zip_entry *const *left = a, *const *right = b;
	size_t shorter =
	    (*left)->name_size < (*right)->name_size ? (*left)->name_size : (*right)->name_size;
	int order = memcmp((*left)->name, (*right)->name, shorter);
	return order != 0 ? order : ((*left)->name_size > shorter) - ((*right)->name_size > shorter);
}

static int check_unique(const struct zip_entry *entries, size_t count)
{
	const struct zip_entry **sorted = memory_allocate(count, sizeof *sorted);
	if (!sorted)
		return -1;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &entries[i];
	qsort(sorted, count, sizeof *sorted, compare_entries);
	int status = 0;
	for (size_t i = 1; i < count && status == 0; i++)
		if (compare_entries(&sorted[i - 1], &sorted[i]) == 0)
			status = error_input(
			    "zip: two entries are named %.*s", (int)sorted[i]->name_size, sorted[i]->name);
	memory_release(sorted);
	return status;
}

static int parse_entries(
    const uint8_t *bytes, const struct directory *directory, struct zip_entry *entries)
{
	uint64_t place = directory->offset, limit = directory->offset + directory->size;
	struct central current, following;
	if (directory->entries == 0)
		return error_input("zip: there is no entry");
	if (parse_central(bytes, &place, limit, &current) < 0)
		return -1;
	if (current.local != 0)
		return error_input("zip: the first entry does not begin at byte 0");
	for (uint64_t i = 0; i < directory->entries; i++, current = following) {
		bool is_last = i + 1 == directory->entries;
		if (is_last)
			following.local = directory->offset;
		else if (parse_central(bytes, &place, limit, &following) < 0)
			return -1;
		int status = 0;
		if (following.local <= current.local || following.local > directory->offset)
			status = error_input("the entries are not in the order of the central directory");
		if (status < 0 || parse_local(bytes, following.local, &current) < 0)
			return error_context("zip: %.*s", (int)current.entry.name_size, current.entry.name);
		entries[i] = current.entry;
	}
	if (place != limit)
		return error_input(
		    "zip: %" PRIu64 " bytes of the central directory belong to no entry", limit - place);
	return check_unique(entries, (size_t)directory->entries);
}

int zip_parse(const uint8_t *bytes, size_t size, struct zip *zip)
{
	struct directory directory = { 0 };
	if (parse_end(bytes, size, &directory) < 0)
		return -1;
	struct zip_entry *entries = memory_allocate((size_t)directory.entries, sizeof *entries);
	if (!entries)
		return -1;
	if (parse_entries(bytes, &directory, entries) < 0) {
		memory_release(entries);
		return -1;
	}
	zip->entries = entries;
	zip->count = (size_t)directory.entries;
	return 0;
}

void zip_release(struct zip *zip)
{
	memory_release(zip->entries);
	*zip = (struct zip){ 0 };
}

/* Eight bytes a step: table[k] advances a byte over k more bytes of zeros. */
static uint32_t table[8][256];

static void fill_table(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t remainder = byte;
		for (int bit = 0; bit < 8; bit++)
			remainder = remainder >> 1 ^ (remainder & 1 ? 0xedb88320u : 0);
		table[0][byte] = remainder;
	}
	for (int k = 1; k < 8; k++)
		for (int byte = 0; byte < 256; byte++)
			table[k][byte] = table[k - 1][byte] >> 8 ^ table[0][table[k - 1][byte] & 0xff];
}

uint32_t zip_checksum(const uint8_t *bytes, size_t size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, fill_table);
	uint32_t sum = 0xffffffffu;
	for (; size >= 8; bytes += 8, size -= 8) {
		uint32_t low = u32(bytes) ^ sum, high = u32(bytes + 4);
		sum = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^
		      table[4][low >> 24] ^ table[3][high & 0xff] ^ table[2][high >> 8 & 0xff] ^
		      table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
	}
	for (; size > 0; bytes++, size--)
		sum = sum >> 8 ^ table[0][(sum ^ *bytes) & 0xff];
	return ~sum;
}
