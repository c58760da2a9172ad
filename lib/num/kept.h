/* kept.h - rows of keys and values as the cache of a language model keeps them, and attention over
 * them.
 *
 * f32: as they are. f16: what is finite and too large for it becomes the largest. int8: each head has
 * a scale for every KEPT_GROUP columns of it, max|x| / 127, a row being these scales and then the
 * values,
 *
 *     | f32 scale of head 0, group 0 | ... | int8 values of head 0 | of head 1 | ... | filling to 4 |
 */
#ifndef ZV_NUM_KEPT_H
#define ZV_NUM_KEPT_H

#include <stddef.h>

enum kept_type { KEPT_F32, KEPT_F16, KEPT_INT8 };

enum { KEPT_GROUP = 128 };

struct kept {
	enum kept_type type;
	size_t heads, head_width; /* of keys and values */
};

/* Bytes of a row, a multiple of 4. */
size_t kept_row(const struct kept *kept);

/* Rows [count][heads * head_width] as they are kept, and back; over the pool. */
void kept_put(const struct kept *kept, const float *rows, size_t count, void *to);
void kept_get(const struct kept *kept, const void *from, size_t count, float *rows);

/* One query row each of several sequences: q [count][heads * head_width] against k and v, rows of
 * this kind, whose heads are as many or fewer -> y like q. What several sequences begin with may lie
 * in one place for all of them. A row's numbers depend neither on that nor on the others. 0 or -1
 * (memory). */
struct kept_sequence {
	const void *first_k, *first_v; /* `first` rows, behind which come */
	size_t first;
	const void *k, *v; /* `keys` rows */
	size_t keys;
};
int kept_attention(const struct kept *kept, const float *q, const struct kept_sequence *sequences,
    size_t count, size_t heads, float *y);

#endif
