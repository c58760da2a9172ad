/* thrift.c - Thrift's compact encoding (see thrift.h). Everything is bounded by the bytes that are
 * there: an item of a list is one at least.
 */
#include "stream/thrift.h"

enum {
	DEPTH_MOST = 16,
	TYPE_FALSE = 2,
	TYPE_BYTE = 3,
	TYPE_I16 = 4,
	TYPE_I64 = 6,
	TYPE_DOUBLE = 7,
	TYPE_SET = 10
};

static size_t left(const struct thrift *thrift)
{
	return (size_t)(thrift->end - thrift->at);
}

static uint64_t take_varint(struct thrift *thrift)
{
	uint64_t number = 0;
	for (int shift = 0; shift < 70 && left(thrift) > 0; shift += 7) {
		uint8_t byte = *thrift->at++;
		if (shift < 64)
			number |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return number;
	}
	thrift->bad = true;
	return 0;
}

static int64_t take_zigzag(struct thrift *thrift)
{
	uint64_t number = take_varint(thrift);
	return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
}

static void pass(struct thrift *thrift, uint64_t size)
{
	if (size > left(thrift))
		thrift->bad = true;
	else
		thrift->at += size;
}

bool thrift_field(struct thrift *thrift, struct thrift_field *field)
{
	if (thrift->bad || left(thrift) == 0) {
		thrift->bad = true;
		return false;
	}
	uint8_t head = *thrift->at++;
	if (head == 0)
		return false;
	field->type = head & 15;
	int64_t number = head >> 4 ? field->number + (head >> 4) : take_zigzag(thrift);
	thrift->bad |= number <= 0 || number > INT16_MAX;
	field->number = thrift->bad ? 0 : (int)number;
	return !thrift->bad;
}

int64_t thrift_number(struct thrift *thrift, const struct thrift_field *field)
{
	if (field->type == THRIFT_TRUE || field->type == TYPE_FALSE)
		return field->type == THRIFT_TRUE;
	if (field->type < TYPE_I16 || field->type > TYPE_I64) {
		thrift->bad = true;
		return 0;
	}
	return take_zigzag(thrift);
}

const char *thrift_text(struct thrift *thrift, const struct thrift_field *field, size_t *size)
{
	uint64_t length = field->type == THRIFT_TEXT ? take_varint(thrift) : UINT64_MAX;
	const char *text = (const char *)thrift->at;
	pass(thrift, length);
	*size = thrift->bad ? 0 : (size_t)length;
	return text;
}

uint64_t thrift_list(struct thrift *thrift, const struct thrift_field *field, int *type)
{
	if ((field->type != THRIFT_LIST && field->type != TYPE_SET) || left(thrift) == 0) {
		thrift->bad = true;
		return 0;
	}
	uint8_t head = *thrift->at++;
	uint64_t count = head >> 4 == 15 ? take_varint(thrift) : head >> 4;
	*type = head & 15;
	thrift->bad |= count > left(thrift);
	return thrift->bad ? 0 : count;
}

static void skip(struct thrift *thrift, const struct thrift_field *field, bool item, int depth)
{
	size_t size;
	struct thrift_field inner = { 0, 0 };
	if (depth > DEPTH_MOST)
		thrift->bad = true;
	else if (field->type == THRIFT_STRUCT)
		while (thrift_field(thrift, &inner))
			skip(thrift, &inner, false, depth + 1);
	else if (field->type == THRIFT_LIST || field->type == TYPE_SET)
		for (uint64_t count = thrift_list(thrift, field, &inner.type); count > 0 && !thrift->bad;
		     count--)
			skip(thrift, &inner, true, depth + 1);
	else if (field->type == THRIFT_TEXT)
		thrift_text(thrift, field, &size);
	else if (field->type == TYPE_DOUBLE)
		pass(thrift, 8);
	else if (field->type == TYPE_BYTE || field->type <= TYPE_FALSE)
		/* a truth is in the type of a field, and a byte in a list */
		pass(thrift, field->type == TYPE_BYTE || item);
	else
		thrift_number(thrift, field);
}

void thrift_skip(struct thrift *thrift, const struct thrift_field *field)
{
	skip(thrift, field, field->number == 0, 0);
}
