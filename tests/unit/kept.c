/* kept - keys and values as f32, f16 and int8 at every CPU level: what is lost, attention over them
 * against plain sums in double, the same bytes in any company.
 */
#include "num/kept.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "levels.h"

enum { TYPES = 3, SHAPES = 4, KEYS = 37, HEADS = 6, MOST = 300 };

static const struct {
	size_t kv_heads, head_width;
} shapes[SHAPES] = { { 2, 10 }, { 3, 88 }, { 6, 128 }, { 1, MOST } };

static uint32_t state;

static float next(void)
{
	state = state * 1664525u + 1013904223u;
	return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

static float q[2 * HEADS * MOST], k[KEYS * HEADS * MOST], v[KEYS * HEADS * MOST];
static float back[KEYS * HEADS * MOST], y[2 * HEADS * MOST], alone[HEADS * MOST];
static char kept_k[KEYS * 8 * HEADS * MOST], kept_v[sizeof kept_k];

/* What a group of a head loses, as a part of its largest element. */
static double loss(const struct kept *kept)
{
	double most = 0;
	for (size_t head = 0; head < KEYS * kept->heads; head++)
		for (size_t at = 0; at < kept->head_width; at += KEPT_GROUP) {
			size_t end = at + KEPT_GROUP < kept->head_width ? at + KEPT_GROUP : kept->head_width;
			double largest = 0, off = 0;
			for (size_t i = head * kept->head_width + at; i < head * kept->head_width + end; i++) {
				largest = fmax(largest, fabs((double)k[i]));
				off = fmax(off, fabs((double)k[i] - (double)back[i]));
			}
			most = fmax(most, off / largest);
		}
	return most;
}

/* Attention of one head in double over the rows as they come back. */
static void reference(const struct kept *kept, const float *wide_k, const float *wide_v,
    const float *query, size_t head, size_t keys, double *out)
{
	size_t width = kept->head_width, row = kept->heads * width;
	size_t at = head / (HEADS / kept->heads) * width;
	double weights[KEYS], sum = 0;
	for (size_t key = 0; key < keys; key++) {
		weights[key] = 0;
		for (size_t i = 0; i < width; i++)
			weights[key] += (double)query[head * width + i] * (double)wide_k[key * row + at + i];
		weights[key] = exp(weights[key] / sqrt((double)width));
		sum += weights[key];
	}
	for (size_t i = 0; i < width; i++) {
		out[i] = 0;
		for (size_t key = 0; key < keys; key++)
			out[i] += weights[key] / sum * (double)wide_v[key * row + at + i];
	}
}

static double attention_error(const struct kept *kept, const float *wide_v)
{
	double most = 0, right[MOST];
	for (size_t row = 0; row < 2; row++)
		for (size_t head = 0; head < HEADS; head++) {
			size_t at = (row * HEADS + head) * kept->head_width;
			reference(kept, back, wide_v, q + row * HEADS * kept->head_width, head,
			    row == 0 ? KEYS : 5, right);
			for (size_t i = 0; i < kept->head_width; i++)
				most = fmax(most, fabs((double)y[at + i] - right[i]));
		}
	return most;
}

/* A sequence alone, and in two places, has the bytes it has in a batch: how often not. */
static double company(const struct kept *kept)
{
	size_t size = HEADS * kept->head_width, row = kept_row(kept);
	double wrong = 0;
	struct kept_sequence one = { .k = kept_k, .v = kept_v, .keys = 5 };
	kept_attention(kept, q + size, &one, 1, HEADS, alone);
	wrong += memcmp(alone, y + size, size * sizeof *y) != 0;
	for (size_t first = 0; first < KEYS; first += 4) {
		struct kept_sequence parted = { kept_k, kept_v, first, kept_k + first * row,
			kept_v + first * row, KEYS - first };
		kept_attention(kept, q, &parted, 1, HEADS, alone);
		wrong += memcmp(alone, y, size * sizeof *y) != 0;
	}
	return wrong;
}

static void check(struct findings *findings)
{
	static float wide_v[KEYS * HEADS * MOST];
	state = 1;
	for (int shape = 0; shape < SHAPES; shape++)
		for (int type = 0; type < TYPES; type++) {
			struct kept kept = { (enum kept_type)type, shapes[shape].kv_heads,
				shapes[shape].head_width };
			size_t width = kept.heads * kept.head_width;
			for (size_t i = 0; i < 2 * HEADS * kept.head_width; i++)
				q[i] = next();
			for (size_t i = 0; i < KEYS * width; i++) {
				k[i] = 3 * next();
				v[i] = next();
			}
			kept_put(&kept, k, KEYS, kept_k);
			kept_put(&kept, v, KEYS, kept_v);
			kept_get(&kept, kept_k, KEYS, back);
			kept_get(&kept, kept_v, KEYS, wide_v);
			struct kept_sequence both[2] = { { .k = kept_k, .v = kept_v, .keys = KEYS },
				{ .k = kept_k, .v = kept_v, .keys = 5 } };
			kept_attention(&kept, q, both, 2, HEADS, y);
			findings_error(findings, type, loss(&kept));
			findings_error(findings, TYPES, attention_error(&kept, wide_v));
			findings_error(findings, TYPES + 1, company(&kept));
			findings_digest(findings, y, 2 * HEADS * kept.head_width * sizeof *y);
		}
}

/* What is kept is the same at every level. */
static void digest_kept(struct findings *findings)
{
	state = 7;
	for (int type = 0; type < TYPES; type++) {
		struct kept kept = { (enum kept_type)type, 3, 88 };
		memset(kept_k, 0, sizeof kept_k);
		for (size_t i = 0; i < KEYS * 3 * 88; i++)
			k[i] = next() * (i % 7 == 0 ? 1e-6f : 10.0f);
		kept_put(&kept, k, KEYS, kept_k);
		findings_digest(findings, kept_k, KEYS * kept_row(&kept));
	}
}

static void check_levels(void)
{
	struct findings ref, other;
	levels_run("ref", 1, digest_kept, &ref);
	for (int i = 0; i < 2; i++) {
		const char *level = i == 0 ? "avx2" : "avx512";
		if (levels_run(level, 2, digest_kept, &other))
			TAP_OK(other.digest == ref.digest, "%s: the bytes of the portable kernels", level);
		else
			tap_skip(level, "this CPU does not have it");
	}
}

/* Numbers that f16 does not have, and what is no number. */
static void check_extremes(struct findings *findings)
{
	const float row[16] = { 1e6f, -1e6f, INFINITY, -INFINITY, NAN, 65504, 65520, -0.0f, 1e-8f };
	for (int type = KEPT_F16; type < TYPES; type++) {
		struct kept kept = { (enum kept_type)type, 1, 16 };
		kept_put(&kept, row, 1, kept_k);
		kept_get(&kept, kept_k, 1, back);
		bool right = type == KEPT_INT8 ? isnan(back[0])
		                               : back[0] == 65504 && back[1] == -65504 && isinf(back[2]) &&
		                                     isinf(back[3]) && isnan(back[4]) && back[5] == 65504 &&
		                                     back[6] == 65504 && back[7] == 0 && back[8] == 0;
		findings_error(findings, 0, right ? 0 : 1);
	}
}

int main(void)
{
	static const char *const names[] = { "f32 loses nothing", "f16 loses little",
		"int8 loses half of a 127th", "attention", "alone and in two places" };
	static const double bounds[] = { 0, 0x1p-11, 0.5 / 127 + 1e-6, 2e-6, 0 };
	static const char *const extremes[] = { "out of range, not a number" };
	static const double none[] = { 0 };
	levels_check(check, names, bounds, 5);
	levels_check(check_extremes, extremes, none, 1);
	check_levels();
	struct kept kept = { KEPT_INT8, 3, 88 };
	TAP_OK(kept_row(&kept) == 3 * 4 + 3 * 88, "bytes of a row of int8");
	return tap_finish();
}
