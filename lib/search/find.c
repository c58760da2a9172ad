/* find.c - the best items for each query (see find.h): every worker keeps its own for each query,
 * which are merged behind the pass.
 */
#include "search/find.h"
#include "base/memory.h"
#include "base/threads.h"

struct find {
	struct find_rules rules;
	const struct scan_queries *queries;
	struct best *best; /* [workers][capacity of queries] */
	size_t workers, capacity;
};

struct find *find_new(const struct find_rules *rules)
{
	struct find *find = memory_allocate_zero(1, sizeof *find);
	if (find)
		find->rules = *rules;
	return find;
}

static void release_best(struct find *find)
{
	for (size_t i = 0; i < find->workers * find->capacity; i++)
		best_release(&find->best[i]);
	memory_release(find->best);
	find->best = NULL;
	find->capacity = 0;
}

void find_release(struct find *find)
{
	if (!find)
		return;
	release_best(find);
	memory_release(find);
}

static int reserve(struct find *find, size_t queries)
{
	if (queries > find->capacity) {
		release_best(find);
		find->workers = (size_t)threads_count();
		find->best = memory_allocate(find->workers * queries, sizeof *find->best);
		if (!find->best)
			return -1;
		find->capacity = queries;
		for (size_t i = 0; i < find->workers * queries; i++)
			best_begin(&find->best[i], find->rules.most, find->rules.threshold, find->rules.same);
	}
	for (size_t i = 0; i < find->workers * find->capacity; i++)
		best_clear(&find->best[i]);
	return 0;
}

static struct best *best_of(const struct find *find, size_t query, int worker)
{
	return &find->best[(size_t)worker * find->capacity + query];
}

static float least(void *context, size_t query, int worker)
{
	return best_of(context, query, worker)->least;
}

static int take(void *context, size_t query, const struct bank_block *block, size_t item,
    float score, int worker)
{
	size_t size;
	const char *key = bank_key(block, item, &size);
	struct digest source = bank_source(block, item);
	return best_offer(
	    best_of(context, query, worker), score, block->first + item, key, size, &source);
}

static int visit(void *context, const struct bank_block *blocks, size_t count)
{
	struct find *find = context;
	struct scan_sink sink = { find, least, take };
	return scan_blocks(&find->rules.scan, find->queries, blocks, count, 0, &sink);
}

int find_run(struct find *find, struct bank *bank, const struct scan_queries *queries)
{
	find->queries = queries;
	if (reserve(find, queries->count) || bank_pass(bank, visit, find))
		return -1;
	for (size_t q = 0; q < queries->count; q++) {
		for (size_t worker = 1; worker < find->workers; worker++)
			if (best_merge(best_of(find, q, 0), best_of(find, q, (int)worker)))
				return -1;
		best_sort(best_of(find, q, 0));
	}
	return 0;
}

struct best *find_result(const struct find *find, size_t query)
{
	return best_of(find, query, 0);
}
