/* index_text.c - parsing and searching the text of an index (see index_text.h). */
#include "stream/index_text.h"
#include "base/error.h"

#include <stdbool.h>
#include <string.h>

enum { PARTS_MOST = 15 }; /* number of the last part that a sample may have */

/* A field of text: what is before the next delimiter, which is passed. */
struct field {
	const char *text;
	size_t size;
};

/* Cut the next field off rest; false if there is none left. */
static bool take_field(struct field *rest, char delimiter, struct field *field)
{
	if (!rest->text)
		return false;
	const char *end = memchr(rest->text, delimiter, rest->size);
	*field = (struct field){ rest->text, end ? (size_t)(end - rest->text) : rest->size };
	rest->size -= field->size + (end ? 1 : 0);
	rest->text = end ? end + 1 : NULL;
	return true;
}

/* A whole number in base 10 or 16 without signs, spaces or needless zeros. */
static bool take_number(struct field *rest, char delimiter, unsigned base, uint64_t *number)
{
	struct field field;
	if (!take_field(rest, delimiter, &field) || field.size == 0)
		return false;
	*number = 0;
	for (size_t i = 0; i < field.size; i++) {
		char byte = field.text[i];
		unsigned digit = byte >= '0' && byte <= '9'                 ? (unsigned)(byte - '0')
		                 : base == 16 && byte >= 'a' && byte <= 'f' ? (unsigned)(byte - 'a') + 10
		                                                            : base;
		if (digit >= base || __builtin_mul_overflow(*number, base, number) ||
		    __builtin_add_overflow(*number, digit, number))
			return false;
	}
	return true;
}

/* 32 hexadecimal digits, or "-" for none. */
static bool take_digest(struct field *rest, struct digest *digest)
{
	struct field field;
	char text[DIGEST_TEXT_SIZE];
	memset(digest, 0, sizeof *digest);
	if (!take_field(rest, '\t', &field))
		return false;
	if (field.size == 1 && field.text[0] == '-')
		return true;
	if (field.size != sizeof text - 1)
		return false;
	memcpy(text, field.text, field.size);
	text[field.size] = '\0';
	return digest_parse(text, digest) == 0;
}

/* The line at text[at], without its end; -1 if it has none. */
static int cut_line(const char *text, size_t size, size_t at, struct field *line, size_t *next)
{
	size_t left = size - at, most = left < INDEX_LINE_MOST ? left : INDEX_LINE_MOST;
	const char *end = memchr(text + at, '\n', most);
	if (!end)
		return error_input("index is damaged: line at byte %zu has no end", at);
	*line = (struct field){ text + at, (size_t)(end - (text + at)) };
	*next = at + line->size + 1;
	return 0;
}

int index_text_head(const char *text, size_t size, struct index_head *head)
{
	static const char magic[] = "#zvi 2 ";
	struct field line = { NULL, 0 };
	if (size < sizeof magic - 1 || memcmp(text, magic, sizeof magic - 1) != 0)
		return error_input("index does not begin with \"#zvi 2\"");
	if (cut_line(text, size, 0, &line, &head->size) < 0)
		return -1;
	line.text += sizeof magic - 1;
	line.size -= sizeof magic - 1;
	if (!take_number(&line, ' ', 10, &head->file_size) ||
	    !take_number(&line, ' ', 10, &head->records) ||
	    !take_number(&line, ' ', 16, &head->chain) || line.text)
		return error_input("index is damaged: bad first line");
	return 0;
}

int index_text_line(const char *text, size_t size, size_t at, struct index_line *line, size_t *next)
{
	struct field rest, key, name, dtype, shape;
	uint64_t part;
	if (at >= size)
		return error_input("index is damaged: it ends early");
	if (cut_line(text, size, at, &rest, next) < 0)
		return -1;
	if (!take_field(&rest, '\t', &key) || key.size == 0 || !take_field(&rest, '\t', &name) ||
	    !take_number(&rest, '\t', 10, &line->offset) ||
	    !take_number(&rest, '\t', 10, &line->length) ||
	    !take_number(&rest, '\t', 10, &line->skip) || !take_field(&rest, '\t', &dtype) ||
	    dtype.size != 1 || !take_field(&rest, '\t', &shape) ||
	    !take_number(&rest, '\t', 10, &part) || part > PARTS_MOST ||
	    !take_digest(&rest, &line->maker) || !take_digest(&rest, &line->source) || rest.text)
		return error_input("index is damaged: bad entry at byte %zu", at);
	line->key = key.text;
	line->size = *next - at - 1;
	line->key_size = key.size;
	line->name = name.text;
	line->name_size = name.size;
	line->dtype = dtype.text[0];
	line->part = (unsigned)part;
	return 0;
}

/* Is line a (from text[a] on) less than the one behind it, line b? */
static bool is_ascending(const char *text, size_t a, size_t b, size_t end)
{
	size_t a_size = b - a, b_size = end - b;
	return memcmp(text + a, text + b, a_size < b_size ? a_size : b_size) < 0;
}

int index_text_check(
    const char *text, size_t size, const struct index_head *head, struct index_line *last)
{
	uint64_t count = 0;
	size_t before = head->size;
	memset(last, 0, sizeof *last);
	for (size_t at = head->size, next; at < size; before = at, at = next) {
		struct index_line line;
		if (index_text_line(text, size, at, &line, &next) < 0)
			return -1;
		if (count++ > 0 && !is_ascending(text, before, at, next))
			return error_input(
			    "index is damaged: entry at byte %zu is not behind the one before it", at);
		if (line.length > head->file_size || line.offset > head->file_size - line.length)
			return error_input("index is damaged: entry at byte %zu lies outside the file", at);
		if (count == 1 || line.offset > last->offset ||
		    (line.offset == last->offset && line.skip > last->skip))
			*last = line;
	}
	if (count != head->records)
		return error_input("index is damaged: it has %llu entries where its first line says %llu",
		    (unsigned long long)count, (unsigned long long)head->records);
	return 0;
}

/* The beginning of the line that holds byte at, not before first. */
static size_t line_start(const char *text, size_t first, size_t at)
{
	while (at > first && text[at - 1] != '\n')
		at--;
	return at;
}

/* The beginning of the line after the one that begins at. */
static size_t line_after(const char *text, size_t size, size_t at)
{
	const char *end = memchr(text + at, '\n', size - at);
	return end ? (size_t)(end - text) + 1 : size;
}

/* Does the line at begin with a key less than key? Lines are sorted with the TAB behind the key,
 * which is less than any byte of a key. */
static bool is_before(const char *text, size_t size, size_t at, const char *key, size_t key_size)
{
	size_t left = size - at, common = left < key_size ? left : key_size;
	int order = memcmp(text + at, key, common);
	if (order != 0)
		return order < 0;
	return left <= key_size || (unsigned char)text[at + key_size] < '\t';
}

size_t index_text_find(const char *text, size_t size, size_t first, const char *key)
{
	size_t low = first, high = size, key_size = strlen(key);
	while (low < high) {
		size_t middle = line_start(text, low, low + (high - low) / 2);
		if (is_before(text, size, middle, key, key_size))
			low = line_after(text, size, middle);
		else
			high = middle;
	}
	return low;
}
