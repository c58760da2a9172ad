/* kept.c - see kept.h. */
#include "num/kept.h"
#include "base/packed.h"
#include "base/threads.h"
#include "num/kernels.h"
#include "num/kernels_packed.h"
#include "num/scratch.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { ROWS = 16 /* of one chunk of a conversion */ };

_Static_assert((int)KEPT_GROUP == (int)PACKED_GROUP, "a group is what quantise() takes at once");

static size_t groups_of(const struct kept *kept)
{
	return (kept->head_width + KEPT_GROUP - 1) / KEPT_GROUP;
}

/* Where the values of an int8 row begin. */
static size_t values_at(const struct kept *kept)
{
	return kept->heads * groups_of(kept) * sizeof(float);
}

size_t kept_row(const struct kept *kept)
{
	size_t width = kept->heads * kept->head_width;
	if (kept->type == KEPT_F32)
		return width * sizeof(float);
	if (kept->type == KEPT_F16)
		return (width + (width & 1)) * sizeof(uint16_t);
	return values_at(kept) + (width + 3) / 4 * 4;
}

/* The last columns of a head may be fewer than a group. */
static size_t group_width(const struct kept *kept, size_t group)
{
	size_t left = kept->head_width - group * KEPT_GROUP;
	return left < KEPT_GROUP ? left : KEPT_GROUP;
}

static void put_bytes(const struct kept *kept, const float *row, void *to)
{
	float *scales = to, sum;
	int8_t *values = (int8_t *)to + values_at(kept), filled[KEPT_GROUP];
	size_t groups = groups_of(kept);
	for (size_t head = 0; head < kept->heads; head++)
		for (size_t group = 0; group < groups; group++) {
			size_t at = head * kept->head_width + group * KEPT_GROUP;
			size_t width = group_width(kept, group);
			packed_kernels_get()->quantise(
			    row + at, width, filled, &scales[head * groups + group], &sum);
			memcpy(values + at, filled, width);
		}
}

static void put_row(const struct kept *kept, const float *row, void *to)
{
	size_t width = kept->heads * kept->head_width;
	if (kept->type == KEPT_F32)
		memcpy(to, row, width * sizeof *row);
	else if (kept->type == KEPT_F16)
		kernels_get()->narrow(row, to, width);
	else
		put_bytes(kept, row, to);
}

static void get_row(const struct kept *kept, const void *from, float *row)
{
	size_t width = kept->heads * kept->head_width, groups = groups_of(kept);
	const float *scales = from;
	const int8_t *values = (const int8_t *)from + values_at(kept);
	if (kept->type != KEPT_INT8) {
		kernels_get()->widen(kept->type == KEPT_F16 ? 'e' : 'f', from, row, width);
		return;
	}
	memset(row, 0, width * sizeof *row);
	for (size_t head = 0; head < kept->heads; head++)
		for (size_t group = 0; group < groups; group++) {
			size_t at = head * kept->head_width + group * KEPT_GROUP;
			struct kept_rows part = { .dtype = 'b',
				.at = (const char *)(values + at),
				.count = 1,
				.n = group_width(kept, group) };
			kernels_get()->kept_sum(&part, &scales[head * groups + group], row + at);
		}
}

struct conversion {
	const struct kept *kept;
	const float *rows; /* to be kept, or NULL: */
	float *wide;       /* to be filled */
	char *bytes;
	size_t count, row;
};

static void convert_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct conversion *run = context;
	const struct kept *kept = run->kept;
	size_t width = kept->heads * kept->head_width, first = chunk * ROWS;
	for (size_t i = first; i < run->count && i < first + ROWS; i++) {
		if (run->rows)
			put_row(kept, run->rows + i * width, run->bytes + i * run->row);
		else
			get_row(kept, run->bytes + i * run->row, run->wide + i * width);
	}
}

static void convert(struct conversion *run)
{
	size_t chunks = (run->count + ROWS - 1) / ROWS;
	run->row = kept_row(run->kept);
	if (chunks == 1)
		convert_chunk(run, 0, 0);
	else if (chunks > 1)
		threads_run(chunks, convert_chunk, run);
}

void kept_put(const struct kept *kept, const float *rows, size_t count, void *to)
{
	convert(&(struct conversion){ .kept = kept, .rows = rows, .bytes = to, .count = count });
}

void kept_get(const struct kept *kept, const void *from, size_t count, float *rows)
{
	convert(
	    &(struct conversion){ .kept = kept, .wide = rows, .bytes = (char *)from, .count = count });
}

struct run {
	const struct kernels *kernels;
	const struct kept *kept;
	const float *q;
	const struct kept_sequence *sequences;
	size_t heads, row, groups; /* row: bytes; groups: of columns of a head that are taken at once */
	float *y;
};

/* A group of columns of a head in `count` rows; groups of f32 and f16 are whole heads. */
static struct kept_rows part_of(
    const struct run *run, const char *rows, size_t count, size_t head, size_t group)
{
	const struct kept *kept = run->kept;
	struct kept_rows part = { .stride = run->row, .count = count, .n = kept->head_width };
	size_t at = head * kept->head_width;
	if (kept->type == KEPT_INT8) {
		part.dtype = 'b';
		part.at = rows + values_at(kept) + at + group * KEPT_GROUP;
		part.scales = rows + (head * run->groups + group) * sizeof(float);
		part.n = group_width(kept, group);
		return part;
	}
	part.dtype = kept->type == KEPT_F32 ? 'f' : 'e';
	part.at = rows + at * (kept->type == KEPT_F32 ? sizeof(float) : sizeof(uint16_t));
	return part;
}

/* q against a head of `keys` rows. */
static void weigh(const struct run *run, const float *q, const char *rows, size_t keys, size_t head,
    float *scores)
{
	for (size_t group = 0; keys > 0 && group < run->groups; group++) {
		struct kept_rows part = part_of(run, rows, keys, head, group);
		run->kernels->kept_dots(&part, q + group * KEPT_GROUP, scores, group > 0);
	}
}

/* The rows of values, weighed, to y. */
static void gather(const struct run *run, const char *rows, size_t keys, size_t head,
    const float *weights, float *y)
{
	for (size_t group = 0; keys > 0 && group < run->groups; group++) {
		struct kept_rows part = part_of(run, rows, keys, head, group);
		run->kernels->kept_sum(&part, weights, y + group * KEPT_GROUP);
	}
}

static void attention_chunk(void *context, size_t chunk, int worker)
{
	const struct run *run = context;
	const struct kept_sequence *sequence = &run->sequences[chunk / run->heads];
	size_t width = run->kept->head_width;
	size_t head = chunk % run->heads / (run->heads / run->kept->heads);
	const float *q = run->q + chunk * width;
	float *scores = scratch_of(worker), *later = scores + sequence->first;
	float *y = run->y + chunk * width;
	weigh(run, q, sequence->first_k, sequence->first, head, scores);
	weigh(run, q, sequence->k, sequence->keys, head, later);
	run->kernels->softmax(scores, 1.0f / sqrtf((float)width), sequence->first + sequence->keys);
	memset(y, 0, width * sizeof *y);
	gather(run, sequence->first_v, sequence->first, head, scores, y);
	gather(run, sequence->v, sequence->keys, head, later, y);
}

int kept_attention(const struct kept *kept, const float *q, const struct kept_sequence *sequences,
    size_t count, size_t heads, float *y)
{
	size_t groups = kept->type == KEPT_INT8 ? groups_of(kept) : 1;
	struct run run = { kernels_get(), kept, q, sequences, heads, kept_row(kept), groups, y };
	size_t most = 0;
	for (size_t i = 0; i < count; i++)
		if (sequences[i].first + sequences[i].keys > most)
			most = sequences[i].first + sequences[i].keys;
	if (scratch_reserve(most) < 0)
		return -1;
	threads_run(count * heads, attention_chunk, &run);
	return 0;
}
