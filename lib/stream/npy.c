/* npy.c - reading and writing .npy headers (see npy.h). */
#include "stream/npy.h"
#include "base/dtype.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MOST = 65536 }; /* of the dict; NumPy itself stops at 10000 */

/* The dict literal being read. */
struct text {
	const char *at, *end;
};

static void skip_blanks(struct text *text)
{
	while (text->at < text->end && *text->at == ' ')
		text->at++;
}

/* Take one character if it is the next one after blanks. */
static bool take(struct text *text, char wanted)
{
	skip_blanks(text);
	if (text->at == text->end || *text->at != wanted)
		return false;
	text->at++;
	return true;
}

static bool take_word(struct text *text, const char *word)
{
	skip_blanks(text);
	size_t size = strlen(word);
	if ((size_t)(text->end - text->at) < size || memcmp(text->at, word, size) != 0)
		return false;
	text->at += size;
	return true;
}

/* A short text in quotes of either kind, without escapes. */
static int take_quoted(struct text *text, char *value, size_t room)
{
	char quote = take(text, '\'') ? '\'' : take(text, '"') ? '"' : 0;
	size_t size = 0;
	if (!quote)
		return error_input("npy header: a text in quotes is wanted");
	while (text->at < text->end && *text->at != quote && *text->at != '\\' && size + 1 < room)
		value[size++] = *text->at++;
	value[size] = '\0';
	if (text->at == text->end || *text->at++ != quote)
		return error_input("npy header: a text is too long, cut off, or has escapes");
	return 0;
}

static int take_dtype(struct text *text, char *dtype)
{
	static const struct {
		const char *descr;
		char dtype;
	} dtypes[] = { { "<f4", 'f' }, { "<f2", 'e' }, { "<f8", 'd' }, { "|i1", 'b' }, { "|u1", 'B' },
		{ "<i2", 'h' }, { "<u2", 'H' }, { "<i4", 'i' }, { "<u4", 'I' }, { "<i8", 'q' },
		{ "<u8", 'Q' }, { "|b1", '?' } };
	char descr[16];
	if (take(text, '['))
		return error_input("npy header: records of several fields are not read");
	if (take_quoted(text, descr, sizeof descr) < 0)
		return -1;
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
		if (strcmp(descr, dtypes[i].descr) == 0) {
			*dtype = dtypes[i].dtype;
			return 0;
		}
	if (descr[0] == '>')
		return error_input("npy header: big-endian data (%s) is not read", descr);
	return error_input("npy header: data of type \"%s\" is not read", descr);
}

static int take_length(struct text *text, uint64_t *length)
{
	skip_blanks(text);
	const char *start = text->at;
	uint64_t number = 0;
	for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text->at - '0'), &number))
			return error_input("npy header: a dimension is too large");
	if (text->at == start || (*start == '0' && text->at - start > 1))
		return error_input("npy header: a dimension is no whole number");
	*length = number;
	return 0;
}

/* (), (3,), (3, 4): a tuple of one has a comma. */
static int take_shape(struct text *text, struct checkpoint_tensor *tensor)
{
	if (!take(text, '('))
		return error_input("npy header: the shape is no tuple");
	int count = 0;
	bool comma = true; /* a dimension may follow */
	while (!take(text, ')')) {
		if (!comma || count == CHECKPOINT_DIMENSIONS)
			return error_input(
			    "npy header: the shape is no tuple of up to %d numbers", CHECKPOINT_DIMENSIONS);
		if (take_length(text, &tensor->shape[count]) < 0)
			return -1;
		count++;
		comma = take(text, ',');
	}
	if (count == 1 && !comma)
		return error_input("npy header: the shape is a number, not a tuple");
	tensor->dimensions = count;
	return 0;
}

static int take_order(struct text *text, bool *fortran)
{
	*fortran = take_word(text, "True");
	if (!*fortran && !take_word(text, "False"))
		return error_input("npy header: fortran_order is neither True nor False");
	return 0;
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } with each key once. */
static int parse_dict(struct text *text, struct checkpoint_tensor *tensor, bool *fortran)
{
	static const char *const keys[] = { "descr", "fortran_order", "shape" };
	bool seen[3] = { false, false, false };
	if (!take(text, '{'))
		return error_input("npy header: no dict begins here");
	while (!take(text, '}')) {
		char key[16];
		int which = 0;
		if (take_quoted(text, key, sizeof key) < 0)
			return -1;
		while (which < 3 && strcmp(key, keys[which]) != 0)
			which++;
		if (which == 3 || seen[which] || !take(text, ':'))
			return error_input(
			    "npy header: the key \"%s\" is unknown, doubled or without value", key);
		seen[which] = true;
		if ((which == 0 && take_dtype(text, &tensor->dtype) < 0) ||
		    (which == 1 && take_order(text, fortran) < 0) ||
		    (which == 2 && take_shape(text, tensor) < 0))
			return -1;
		skip_blanks(text);
		if (!take(text, ',') && (text->at == text->end || *text->at != '}'))
			return error_input("npy header: no comma after the value of \"%s\"", key);
	}
	if (!seen[0] || !seen[1] || !seen[2])
		return error_input("npy header: descr, fortran_order or shape is missing");
	skip_blanks(text);
	if (text->at < text->end && *text->at == '\n')
		text->at++;
	if (text->at != text->end)
		return error_input("npy header: something follows the dict");
	return 0;
}

/* Where the dict lies. */
static int find_dict(const uint8_t *bytes, size_t size, size_t *start, size_t *length)
{
	if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
		return error_input("not an npy file");
	if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
		return error_input("npy version %d.%d is not read", bytes[6], bytes[7]);
	*start = bytes[6] == 1 ? 10 : 12;
	*length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
	if (bytes[6] > 1 && size >= 12)
		*length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
	if (size < *start || *length > size - *start)
		return error_input("npy: the file ends inside the header");
	if (*length > TEXT_MOST)
		return error_input("npy: a header of %zu bytes (%d are allowed)", *length, TEXT_MOST);
	return 0;
}

int npy_parse(const uint8_t *bytes, size_t size, struct checkpoint_tensor *tensor)
{
	size_t start = 0, length = 0;
	bool fortran = false;
	*tensor = (struct checkpoint_tensor){ 0 };
	if (find_dict(bytes, size, &start, &length) < 0)
		return -1;
	struct text text = { (const char *)bytes + start, (const char *)bytes + start + length };
	if (parse_dict(&text, tensor, &fortran) < 0)
		return -1;
	if (tensor_fill(tensor) < 0)
		return error_context("npy");
	uint64_t wanted = tensor->elements * dtype_size(tensor->dtype), found = size - start - length;
	if (wanted != found)
		return error_input(
		    "npy: %" PRIu64 " bytes of data where shape and type need %" PRIu64, found, wanted);
	tensor->offset = start + length;
	if (fortran) { /* the first dimension is the innermost */
		uint64_t stride = 1;
		for (int i = 0; i < tensor->dimensions; i++) {
			tensor->strides[i] = stride;
			stride *= tensor->shape[i] > 0 ? tensor->shape[i] : 1;
		}
		tensor_compare_strides(tensor);
	}
	return 0;
}

static const char *numpy_type(char dtype)
{
	switch (dtype) {
	case 'f':
		return "<f4";
	case 'e':
		return "<f2";
	case 'd':
		return "<f8";
	case 'b':
		return "|i1";
	case 'B':
		return "|u1";
	case 'h':
		return "<i2";
	case 'H':
		return "<u2";
	case 'i':
		return "<i4";
	case 'I':
		return "<u4";
	case 'q':
		return "<i8";
	case 'Q':
		return "<u8";
	case '?':
		return "|b1";
	default:
		return NULL;
	}
}

size_t npy_format(char dtype, int dimensions, const uint64_t *shape, size_t least,
    uint8_t header[NPY_HEADER_MOST])
{
	const char *type = numpy_type(dtype);
	if (!type) {
		error_input("npy has no type for %s", dtype_name(dtype));
		return 0;
	}
	/* 9 dimensions (8, and one for stacked records) of 20 digits fit easily. */
	char text[NPY_HEADER_MOST + 1];
	int used =
	    snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
	for (int i = 0; i < dimensions; i++)
		used += snprintf(
		    text + used, sizeof text - (size_t)used, "%s%" PRIu64, i > 0 ? ", " : "", shape[i]);
	used += snprintf(text + used, sizeof text - (size_t)used, "%s), }", dimensions == 1 ? "," : "");
	size_t length = (10 + (size_t)used + 1 + 63) / 64 * 64;
	if (length < least)
		length = least;
	memcpy(header, "\x93NUMPY\1", 8); /* with the zero byte: version 1.0 */
	header[8] = (uint8_t)(length - 10);
	header[9] = (uint8_t)((length - 10) >> 8);
	memcpy(header + 10, text, (size_t)used);
	memset(header + 10 + used, ' ', length - 10 - (size_t)used);
	header[length - 1] = '\n';
	return length;
}
