/* record.c - the header of one record, to and from memory (see record.h and zvt(5)). */
#include "stream/record.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/utf8.h"
#include "stream/bytes.h"

#include <stdio.h>
#include <string.h>

/* Where the fields of the prefix lie. */
enum {
	AT_KIND = 4,
	AT_DTYPE = 5,
	AT_DIMENSIONS = 6,
	AT_FLAGS = 7,
	AT_KEY_SIZE = 8,
	AT_NAME_SIZE = 10,
	AT_META_SIZE = 12,
	AT_PAYLOAD_SIZE = 16,
	AT_MAKER = 24,
	AT_SOURCE = 40,
	AT_PAYLOAD_CHECKSUM = 56,
	CHECKSUM_SIZE = 8,
	FLAG_MORE = 1,
	END_PAYLOAD = 32,
};

static const uint8_t magic[4] = { 'Z', 'V', 'T', '1' };

static size_t header_size(size_t dimensions, size_t key, size_t name, size_t meta)
{
	size_t used = RECORD_PREFIX + 8 * dimensions + key + name + meta + CHECKSUM_SIZE;
	return (used + RECORD_ALIGNMENT - 1) & ~(size_t)(RECORD_ALIGNMENT - 1);
}

/* Unknown lower-case kinds may be passed over, as with the chunks of PNG; others may not. */
static bool kind_is_known(uint8_t kind)
{
	return kind == RECORD_TENSOR || kind == RECORD_FAILED || kind == RECORD_END ||
	       (kind >= 'a' && kind <= 'z');
}

/* A byte for a message: itself when it can be shown. */
static const char *byte_text(uint8_t byte, char text[8])
{
	snprintf(text, 8, byte > 0x20 && byte < 0x7f ? "'%c'" : "0x%02X", byte);
	return text;
}

size_t record_header_size(const uint8_t prefix[RECORD_PREFIX])
{
	char shown[8];
	uint8_t kind = prefix[AT_KIND], dtype = prefix[AT_DTYPE];
	size_t key = bytes_load(prefix + AT_KEY_SIZE, 2), name = bytes_load(prefix + AT_NAME_SIZE, 2);
	size_t meta = bytes_load(prefix + AT_META_SIZE, 4);
	if (memcmp(prefix, magic, sizeof magic) != 0)
		error_input("no record begins here");
	else if (!kind_is_known(kind))
		error_input(
		    "unknown kind of record %s; a newer version may read it", byte_text(kind, shown));
	else if (dtype_size((char)dtype) == 0)
		error_input("unknown dtype %s", byte_text(dtype, shown));
	else if (prefix[AT_DIMENSIONS] > RECORD_DIMENSIONS)
		error_input("%d dimensions; %d is the most", prefix[AT_DIMENSIONS], RECORD_DIMENSIONS);
	else if (prefix[AT_FLAGS] & ~FLAG_MORE)
		error_input("unknown flags 0x%02X; a newer version may read them", prefix[AT_FLAGS]);
	else if (prefix[AT_FLAGS] & FLAG_MORE && kind != RECORD_TENSOR)
		error_input("only a tensor may have more parts");
	else if (key > RECORD_KEY_MOST)
		error_input("key of %zu bytes; %d is the most", key, RECORD_KEY_MOST);
	else if (key == 0 && (kind == RECORD_TENSOR || kind == RECORD_FAILED))
		error_input("empty key");
	else if (name > RECORD_NAME_MOST)
		error_input("name of %zu bytes; %d is the most", name, RECORD_NAME_MOST);
	else if (meta > RECORD_META_MOST)
		error_input("meta of %zu bytes; %d is the most", meta, RECORD_META_MOST);
	else
		return header_size(prefix[AT_DIMENSIONS], key, name, meta);
	return 0;
}

/* UTF-8 without control characters of one byte. */
static bool is_plain_text(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return utf8_valid_prefix(text, size) == size;
}

static bool is_name(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char byte = text[i];
		if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
		        (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-'))
			return false;
	}
	return true;
}

/* Lines "word=value\n" of UTF-8: each has a word, the last one ends too. */
static bool is_meta(const char *text, size_t size)
{
	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		if (!end)
			return false;
		size_t length = (size_t)(end - text);
		const char *equals = memchr(text, '=', length);
		if (!equals || equals == text || memchr(text, '\0', length))
			return false;
		if (utf8_valid_prefix(text, length) != length)
			return false;
		text += length + 1;
		size -= length + 1;
	}
	return true;
}

int record_elements(const struct record *record, uint64_t *elements)
{
	uint64_t product = 1;
	bool empty = false, fits = true;
	for (int i = 0; i < record->dimensions; i++) {
		if (record->shape[i] > RECORD_DIMENSION_MOST)
			return error_input("dimension %d is %llu; 2^40 is the most", i + 1,
			    (unsigned long long)record->shape[i]);
		empty |= record->shape[i] == 0;
		fits &= !__builtin_mul_overflow(product, record->shape[i], &product);
	}
	if (!empty && !fits)
		return error_input("shape has more than 2^64 elements");
	*elements = empty ? 0 : product;
	return 0;
}

/* What the lengths in the prefix cannot tell: the rules that both directions share. */
static int check_rules(const struct record *record, size_t key_size, size_t name_size)
{
	uint64_t elements, bytes;
	if (!is_plain_text(record->key, key_size))
		return error_input("key holds control bytes or is not UTF-8");
	if (!is_name(record->name, name_size))
		return error_input("name holds other characters than A-Z a-z 0-9 . _ -");
	if (!is_meta(record->meta, record->meta_size))
		return error_input("meta is not made of lines word=value in UTF-8");
	if (record_elements(record, &elements) < 0)
		return -1;
	if (__builtin_mul_overflow(elements, dtype_size(record->dtype), &bytes) ||
	    bytes != record->payload_size)
		return error_input("shape and dtype do not make the payload's %llu bytes",
		    (unsigned long long)record->payload_size);
	if (bytes > (uint64_t)1 << 62)
		return error_input("payload of more than 2^62 bytes");
	if (record->kind == RECORD_FAILED && (record->dtype != 'B' || record->dimensions != 1))
		return error_input("reason of a failure is not text");
	if (record->kind == RECORD_END &&
	    (record->dtype != 'Q' || record->dimensions != 1 || bytes != END_PAYLOAD || key_size ||
	        name_size || record->meta_size))
		return error_input("end record is not four numbers");
	return 0;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

int record_parse(const uint8_t *header, size_t size, struct record *record)
{
	if (size < RECORD_PREFIX)
		return error_input("header is cut off");
	size_t whole = record_header_size(header);
	if (whole == 0)
		return -1;
	if (whole != size)
		return error_input("header of %zu bytes where %zu were told", size, whole);
	uint64_t checksum = bytes_load(header + size - CHECKSUM_SIZE, CHECKSUM_SIZE);
	if (checksum_of(header, size - CHECKSUM_SIZE) != checksum)
		return error_input("checksum of the header is wrong");

	memset(record, 0, sizeof *record);
	size_t key_size = bytes_load(header + AT_KEY_SIZE, 2);
	size_t name_size = bytes_load(header + AT_NAME_SIZE, 2);
	record->kind = (char)header[AT_KIND];
	record->dtype = (char)header[AT_DTYPE];
	record->dimensions = header[AT_DIMENSIONS];
	record->more = header[AT_FLAGS] & FLAG_MORE;
	record->payload_size = bytes_load(header + AT_PAYLOAD_SIZE, 8);
	memcpy(record->maker.bytes, header + AT_MAKER, sizeof record->maker.bytes);
	memcpy(record->source.bytes, header + AT_SOURCE, sizeof record->source.bytes);
	record->payload_checksum = bytes_load(header + AT_PAYLOAD_CHECKSUM, 8);
	record->header_checksum = checksum;
	const uint8_t *at = header + RECORD_PREFIX;
	for (int i = 0; i < record->dimensions; i++, at += 8)
		record->shape[i] = bytes_load(at, 8);
	memcpy(record->key, at, key_size);
	memcpy(record->name, at + key_size, name_size);
	record->meta = (const char *)at + key_size + name_size;
	record->meta_size = bytes_load(header + AT_META_SIZE, 4);
	at += key_size + name_size + record->meta_size;
	if (!is_zero(at, (size_t)(header + size - CHECKSUM_SIZE - at)))
		return error_input("padding of the header is not zero");
	return check_rules(record, key_size, name_size);
}

size_t record_format(struct record *record, uint8_t *header)
{
	size_t key_size = strlen(record->key), name_size = strlen(record->name);
	memset(header, 0, RECORD_PREFIX);
	memcpy(header, magic, sizeof magic);
	header[AT_KIND] = (uint8_t)record->kind;
	header[AT_DTYPE] = (uint8_t)record->dtype;
	header[AT_DIMENSIONS] = (uint8_t)record->dimensions;
	header[AT_FLAGS] = record->more ? FLAG_MORE : 0;
	bytes_store(header + AT_KEY_SIZE, 2, key_size);
	bytes_store(header + AT_NAME_SIZE, 2, name_size);
	bytes_store(
	    header + AT_META_SIZE, 4, record->meta_size <= UINT32_MAX ? record->meta_size : UINT32_MAX);
	bytes_store(header + AT_PAYLOAD_SIZE, 8, record->payload_size);
	memcpy(header + AT_MAKER, record->maker.bytes, sizeof record->maker.bytes);
	memcpy(header + AT_SOURCE, record->source.bytes, sizeof record->source.bytes);
	bytes_store(header + AT_PAYLOAD_CHECKSUM, 8, record->payload_checksum);
	size_t size = record_header_size(header);
	if (size == 0 || check_rules(record, key_size, name_size) < 0)
		return 0;

	uint8_t *at = header + RECORD_PREFIX;
	for (int i = 0; i < record->dimensions; i++, at += 8)
		bytes_store(at, 8, record->shape[i]);
	memcpy(at, record->key, key_size);
	at += key_size;
	memcpy(at, record->name, name_size);
	at += name_size;
	if (record->meta_size > 0)
		memcpy(at, record->meta, record->meta_size);
	at += record->meta_size;
	uint8_t *checksum = header + size - CHECKSUM_SIZE;
	memset(at, 0, (size_t)(checksum - at));
	record->header_checksum = checksum_of(header, size - CHECKSUM_SIZE);
	bytes_store(checksum, CHECKSUM_SIZE, record->header_checksum);
	return size;
}

void record_tensor(
    struct record *record, const char *name, char dtype, int dimensions, const uint64_t *shape)
{
	memset(record, 0, sizeof *record);
	record->kind = RECORD_TENSOR;
	record->dtype = dtype;
	record->dimensions = dimensions;
	for (int i = 0; i < dimensions && i < RECORD_DIMENSIONS; i++)
		record->shape[i] = shape[i];
	snprintf(record->name, sizeof record->name, "%s", name);
	uint64_t elements;
	/* A shape that cannot be is refused by record_format(), with the reason. */
	if (dimensions > RECORD_DIMENSIONS || record_elements(record, &elements) < 0 ||
	    __builtin_mul_overflow(elements, dtype_size(dtype), &record->payload_size))
		record->payload_size = UINT64_MAX;
}

int record_set_key(struct record *record, const char *key)
{
	size_t size = strlen(key);
	if (size == 0)
		return error_input("empty key");
	if (size > RECORD_KEY_MOST)
		return error_input("key of %zu bytes; %d is the most", size, RECORD_KEY_MOST);
	if (!is_plain_text(key, size))
		return error_input("key holds control bytes or is not UTF-8");
	memset(record->key, 0, sizeof record->key);
	memcpy(record->key, key, size);
	return 0;
}

bool record_meta(const struct record *record, const char *word, char *value, size_t value_size)
{
	size_t word_size = strlen(word);
	const char *line = record->meta, *end = record->meta + record->meta_size;
	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		if (!stop)
			stop = end;
		size_t length = (size_t)(stop - line);
		if (length > word_size && memcmp(line, word, word_size) == 0 && line[word_size] == '=') {
			size_t value_length = length - word_size - 1;
			if (value_length >= value_size)
				return false;
			memcpy(value, line + word_size + 1, value_length);
			value[value_length] = '\0';
			return true;
		}
		line = stop < end ? stop + 1 : end;
	}
	return false;
}

const char *record_shape_text(const struct record *record, char *text)
{
	enum { ROOM = 200 };
	size_t used = 0;
	text[0] = '\0';
	for (int i = 0; i < record->dimensions && used < ROOM; i++)
		used += (size_t)snprintf(
		    text + used, ROOM - used, i ? "x%llu" : "%llu", (unsigned long long)record->shape[i]);
	if (record->dimensions == 0)
		snprintf(text, ROOM, "scalar");
	return text;
}
