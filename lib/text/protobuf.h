/* protobuf.h - a bounded reader of protocol-buffer messages in memory: field by field, nothing is
 * copied, no length is believed before it is compared with the bytes that are there.
 */
#ifndef ZV_TEXT_PROTOBUF_H
#define ZV_TEXT_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

struct protobuf {
	const uint8_t *at, *end;
};

enum protobuf_wire {
	PROTOBUF_VARINT = 0,
	PROTOBUF_FIXED64 = 1,
	PROTOBUF_BYTES = 2, /* strings, bytes and nested messages */
	PROTOBUF_FIXED32 = 5,
};

struct protobuf_field {
	uint32_t number;
	enum protobuf_wire wire;
	uint64_t value;       /* varint and fixed values, as they are stored */
	const uint8_t *bytes; /* PROTOBUF_BYTES: size bytes inside the message */
	size_t size;
};

/* The next field: 1, 0 at the end of the message, -1 with a recorded ERROR_INPUT. */
int protobuf_next(struct protobuf *message, struct protobuf_field *field);

/* The value of a fixed 32-bit field as a float. */
float protobuf_float(const struct protobuf_field *field);

#endif
