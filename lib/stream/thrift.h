/* thrift.h - reading structures in Thrift's compact encoding, as Parquet's metadata is.
 *
 *     while (thrift_field(&thrift, &field))
 *         if (field.number == 3) rows = thrift_number(&thrift, &field);
 *         else thrift_skip(&thrift, &field);
 * ends with the structure; thrift.bad tells afterwards that it was damaged.
 */
#ifndef ZV_STREAM_THRIFT_H
#define ZV_STREAM_THRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { THRIFT_TRUE = 1, THRIFT_TEXT = 8, THRIFT_LIST = 9, THRIFT_STRUCT = 12 };

struct thrift {
	const uint8_t *at, *end;
	bool bad;
};

struct thrift_field {
	int number, type; /* begin with number 0 */
};

/* The next field of a structure: false at its end, or when it is bad. */
bool thrift_field(struct thrift *thrift, struct thrift_field *field);

/* The field's value, of these types; another one is bad. */
int64_t thrift_number(struct thrift *thrift, const struct thrift_field *field);
const char *thrift_text(struct thrift *thrift, const struct thrift_field *field, size_t *size);
/* How many items of which type follow. */
uint64_t thrift_list(struct thrift *thrift, const struct thrift_field *field, int *type);

/* Go past a field, or past an item of a list (number 0). */
void thrift_skip(struct thrift *thrift, const struct thrift_field *field);

#endif
