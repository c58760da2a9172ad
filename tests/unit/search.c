/* search - the best of many items against sorting all of them; scans of items of all shapes and dtypes
 * against sums in double, at every CPU level and thread count.
 */
#include "levels.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/dtype.h"
#include "search/best.h"
#include "search/scan.h"
#include "stream/rows.h"

static uint32_t state = 1;

static uint32_t draw(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(state >> 8) * below >> 24);
}

/* --- the best ------------------------------------------------------------------------------------*/

enum { OFFERS = 300 };

struct offer {
	float score;
	uint64_t item;
	char key[4];
	struct digest source;
	bool out;
};

/* In the order that best.h promises? */
static bool before(const struct offer *a, const struct offer *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	int order = strcmp(a->key, b->key);
	return order ? order < 0 : a->item < b->item;
}

static bool same(const struct offer *a, const struct offer *b, enum best_same how)
{
	bool known = !digest_is_zero(&a->source), both = known && !digest_is_zero(&b->source);
	if (how == BEST_ALL)
		return false;
	if (how == BEST_SOURCE && both)
		return digest_equal(&a->source, &b->source);
	return strcmp(a->key, b->key) == 0 &&
	       (how == BEST_KEY || (!known && digest_is_zero(&b->source)));
}

/* The best that are left, one by one, each of which rules out those that are the same. */
static size_t choose(struct offer *offers, size_t most, float threshold, enum best_same how,
    const struct offer **chosen)
{
	size_t count = 0;
	for (size_t i = 0; i < OFFERS; i++)
		offers[i].out = !(offers[i].score >= threshold);
	while (count < most) {
		struct offer *best = NULL;
		for (size_t i = 0; i < OFFERS; i++)
			if (!offers[i].out && (!best || before(&offers[i], best)))
				best = &offers[i];
		if (!best)
			break;
		for (size_t i = 0; i < OFFERS; i++)
			offers[i].out |= same(&offers[i], best, how);
		best->out = true;
		chosen[count++] = best;
	}
	return count;
}

static bool agrees(struct offer *offers, size_t most, float threshold, enum best_same how)
{
	const struct offer *chosen[OFFERS];
	size_t count = choose(offers, most, threshold, how, chosen);
	struct best parts[3];
	bool right = true;
	for (int p = 0; p < 3; p++)
		best_begin(&parts[p], most, threshold, how);
	for (size_t i = 0; i < OFFERS; i++) /* shared out anyhow, in any order */
		right &= best_offer(&parts[draw(3)], offers[i].score, offers[i].item, offers[i].key,
		             strlen(offers[i].key), &offers[i].source) == 0;
	right &= best_merge(&parts[0], &parts[1]) == 0 && best_merge(&parts[0], &parts[2]) == 0;
	best_sort(&parts[0]);
	right &= parts[0].count == count;
	for (size_t i = 0; i < count && right; i++)
		right = parts[0].entries[i].item == chosen[i]->item &&
		        strcmp(parts[0].entries[i].key, chosen[i]->key) == 0;
	for (int p = 0; p < 3; p++)
		best_release(&parts[p]);
	return right;
}

static void check_best(void)
{
	static struct offer offers[OFFERS];
	static const size_t most[] = { 0, 1, 2, 7, 50, OFFERS, SIZE_MAX };
	static const char *const names[] = { "all", "a key once", "a source once" };
	for (enum best_same how = BEST_ALL; how <= BEST_SOURCE; how++) {
		size_t wrong = 0;
		for (int turn = 0; turn < 40; turn++) {
			for (size_t i = 0; i < OFFERS; i++) {
				offers[i] = (struct offer){ .score = (float)draw(30), .item = i };
				if (draw(20) == 0)
					offers[i].score = NAN;
				snprintf(offers[i].key, sizeof offers[i].key, "%u", draw(60));
				offers[i].source.bytes[0] = (uint8_t)draw(40);
			}
			for (size_t m = 0; m < sizeof most / sizeof *most; m++)
				wrong += !agrees(offers, most[m], turn % 2 ? -FLT_MAX : 15, how);
		}
		TAP_OK(wrong == 0, "the best, %s: as if all were sorted (%zu are not)", names[how], wrong);
	}
}

/* --- scans ---------------------------------------------------------------------------------------*/

enum { ITEMS = 700, WIDTH = 37, VECTORS = 5, QUERIES = 9, SHAPES = 3 };

struct scores {
	float all[QUERIES][ITEMS];
};

static float none(void *context, size_t query, int worker)
{
	(void)context, (void)query, (void)worker;
	return -FLT_MAX;
}

static int take(void *context, size_t query, const struct bank_block *block, size_t item,
    float score, int worker)
{
	(void)block, (void)worker;
	((struct scores *)context)->all[query][item] = score;
	return 0;
}

static double product(const float *a, const float *b, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

/* What scan.h says a score is. */
static double score_of(
    const float *query, size_t query_vectors, const float *item, size_t vectors, bool all_pairs)
{
	if (query_vectors == vectors && !all_pairs)
		return product(query, item, vectors * WIDTH) / (double)vectors;
	double top = -DBL_MAX;
	for (size_t a = 0; a < query_vectors; a++)
		for (size_t b = 0; b < vectors; b++)
			top = fmax(top, product(query + a * WIDTH, item + b * WIDTH, WIDTH));
	return top;
}

static float queries[QUERIES * VECTORS * WIDTH], items[ITEMS * VECTORS * WIDTH];
static float exact[ITEMS * VECTORS * WIDTH], scales[ITEMS * VECTORS];
static uint8_t stored[ITEMS * VECTORS * WIDTH * 4];
static struct scores found;

/* Items as they are stored, and what numbers that makes. */
static void store(struct bank_block *block)
{
	size_t rows = block->count * block->vectors;
	block->rows = stored;
	block->scales = block->dtype == 'b' ? scales : NULL;
	if (block->dtype == 'b')
		for (size_t r = 0; r < rows; r++)
			rows_quantise(items + r * WIDTH, WIDTH, (int8_t *)stored + r * WIDTH, &scales[r]);
	else
		dtype_from_f32(block->dtype, items, stored, rows * WIDTH);
	bank_numbers(block, 0, block->count, exact);
}

static void check_scan(struct findings *findings, const struct scan_rules *rules,
    size_t query_count, size_t query_vectors, struct bank_block *block)
{
	struct scan_sink sink = { &found, none, take };
	struct scan_queries asked = { queries, query_count, query_vectors, WIDTH };
	store(block);
	memset(&found, 0, sizeof found);
	if (scan_blocks(rules, &asked, block, 1, 0, &sink))
		findings_error(findings, 0, 1e300);
	if (rules->cosine)
		scan_normalise(exact, block->count * block->vectors, WIDTH);
	for (size_t q = 0; q < query_count; q++)
		for (size_t i = 0; i < block->count; i++) {
			double right = score_of(queries + q * query_vectors * WIDTH, query_vectors,
			    exact + i * block->vectors * WIDTH, block->vectors, rules->all_pairs);
			findings_error(findings, 0, fabs(right - (double)found.all[q][i]));
		}
	findings_digest(findings, &found, sizeof found);
}

static void check_scans(struct findings *findings)
{
	static const size_t counts[SHAPES] = { 1, 2, QUERIES }, shapes[SHAPES] = { 1, 3, VECTORS };
	static const char dtypes[] = "fEeb";
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
		queries[i] = (float)draw(2001) * 1e-3f - 1;
	for (size_t i = 0; i < sizeof items / sizeof *items; i++)
		items[i] = (float)draw(2001) * 1e-3f - 1;
	for (int d = 0; d < 4; d++)
		for (int c = 0; c < SHAPES; c++)
			for (int q = 0; q < SHAPES; q++)
				for (int v = 0; v < SHAPES; v++)
					for (int how = 0; how < 3; how++) {
						struct scan_rules rules = { .all_pairs = how == 1, .cosine = how == 2 };
						struct bank_block block = { .dtype = dtypes[d],
							.count = v ? 131 : ITEMS,
							.vectors = shapes[v],
							.width = WIDTH };
						check_scan(findings, &rules, counts[c], shapes[q], &block);
					}
}

int main(void)
{
	static const char *const names[] = { "scores of all shapes are the products" };
	static const double bounds[] = { 1e-5 };
	check_best();
	levels_check(check_scans, names, bounds, 1);
	return tap_finish();
}
