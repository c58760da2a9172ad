/* protobuf.c - reading protocol-buffer fields (see protobuf.h; protobuf.dev "Encoding"). */
#include "text/protobuf.h"
#include "base/error.h"

#include <string.h>

/* A varint of at most 10 bytes: 1, or 0 when it is cut off or too long. */
static int take_varint(struct protobuf *message, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && message->at < message->end; shift += 7) {
		uint8_t byte = *message->at++;
		if (shift == 63 && byte > 1)
			return 0;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return 1;
	}
	return 0;
}

/* A little-endian value of size bytes: 1, or 0 when it is cut off. */
static int take_fixed(struct protobuf *message, size_t size, uint64_t *value)
{
	if ((size_t)(message->end - message->at) < size)
		return 0;
	*value = 0;
	for (size_t i = 0; i < size; i++)
		*value |= (uint64_t)message->at[i] << (8 * i);
	message->at += size;
	return 1;
}

static int take_bytes(struct protobuf *message, struct protobuf_field *field)
{
	uint64_t size;
	if (!take_varint(message, &size) || size > (uint64_t)(message->end - message->at))
		return 0;
	field->bytes = message->at;
	field->size = (size_t)size;
	message->at += size;
	return 1;
}

int protobuf_next(struct protobuf *message, struct protobuf_field *field)
{
	if (message->at == message->end)
		return 0;
	uint64_t tag;
	if (!take_varint(message, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return error_input("not a protocol-buffer message");
	*field = (struct protobuf_field){ .number = (uint32_t)(tag >> 3) };
	int taken = 0;
	switch (tag & 7) {
	case PROTOBUF_VARINT:
		field->wire = PROTOBUF_VARINT;
		taken = take_varint(message, &field->value);
		break;
	case PROTOBUF_FIXED64:
		field->wire = PROTOBUF_FIXED64;
		taken = take_fixed(message, 8, &field->value);
		break;
	case PROTOBUF_BYTES:
		field->wire = PROTOBUF_BYTES;
		taken = take_bytes(message, field);
		break;
	case PROTOBUF_FIXED32:
		field->wire = PROTOBUF_FIXED32;
		taken = take_fixed(message, 4, &field->value);
		break;
	default:
		return error_input("field %u has an unknown wire type", (unsigned)field->number);
	}
	if (!taken)
		return error_input("field %u is cut off", (unsigned)field->number);
	return 1;
}

float protobuf_float(const struct protobuf_field *field)
{
	uint32_t bits = (uint32_t)field->value;
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}
