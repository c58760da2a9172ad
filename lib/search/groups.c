/* groups.c - near-duplicates (see groups.h): batches of the bank's own items are the queries; pairs
 * that are found join sets, each of which is named by its first item.
 */
#include "search/groups.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Items whose similarity reaches the threshold. */
struct pair {
	uint64_t first, second;
	float score;
};

struct pairs {
	struct pair *all;
	size_t count, capacity;
};

struct groups {
	struct groups_rules rules;
	uint64_t items;
	uint64_t *set;       /* another item of the set, with a lower number; or the item itself */
	float *nearest;      /* the largest similarity of the item to another of its set */
	struct pairs *found; /* by worker */
	size_t workers;

	struct scan_queries batch;
	uint64_t *numbers; /* of the items in it */
	size_t value_capacity, number_capacity;
	uint64_t next; /* item that the next batch begins with */

	struct groups_member *members;
	size_t member_count, member_capacity;
};

struct groups *groups_new(const struct groups_rules *rules)
{
	struct groups *groups = memory_allocate_zero(1, sizeof *groups);
	if (!groups)
		return NULL;
	groups->rules = *rules;
	groups->workers = (size_t)threads_count();
	groups->found = memory_allocate_zero(groups->workers, sizeof *groups->found);
	if (!groups->found) {
		memory_release(groups);
		return NULL;
	}
	return groups;
}

void groups_release(struct groups *groups)
{
	if (!groups)
		return;
	for (size_t i = 0; i < groups->workers; i++)
		memory_release(groups->found[i].all);
	for (size_t i = 0; i < groups->member_count; i++)
		memory_release(groups->members[i].key);
	memory_release(groups->found);
	memory_release(groups->members);
	memory_release(groups->set);
	memory_release(groups->nearest);
	memory_release(groups->batch.values);
	memory_release(groups->numbers);
	memory_release(groups);
}

/* --- sets ----------------------------------------------------------------------------------------*/

static uint64_t set_of(struct groups *groups, uint64_t item)
{
	while (groups->set[item] != item) {
		groups->set[item] = groups->set[groups->set[item]];
		item = groups->set[item];
	}
	return item;
}

static void join(struct groups *groups, const struct pair *pair)
{
	uint64_t a = set_of(groups, pair->first), b = set_of(groups, pair->second);
	groups->set[a < b ? b : a] = a < b ? a : b;
	if (pair->score > groups->nearest[pair->first])
		groups->nearest[pair->first] = pair->score;
	if (pair->score > groups->nearest[pair->second])
		groups->nearest[pair->second] = pair->score;
}

/* --- passes --------------------------------------------------------------------------------------*/

static int only_count(void *context, const struct bank_block *blocks, size_t count)
{
	(void)context, (void)blocks, (void)count;
	return 0;
}

/* Take items of a block into the batch: 0, 1 when it is full, -1. */
static int collect_block(struct groups *groups, const struct bank_block *block)
{
	struct scan_queries *batch = &groups->batch;
	size_t size = block->vectors * block->width;
	size_t i = groups->next > block->first ? (size_t)(groups->next - block->first) : 0;
	for (; i < block->count; i++) {
		if (block->wanted && !block->wanted[i])
			continue;
		if (batch->count == groups->rules.batch ||
		    (batch->count > 0 && batch->vectors != block->vectors))
			return 1;
		if (memory_grow((void **)&batch->values, &groups->value_capacity, (batch->count + 1) * size,
		        sizeof *batch->values) ||
		    memory_grow((void **)&groups->numbers, &groups->number_capacity, batch->count + 1,
		        sizeof *groups->numbers))
			return -1;
		float *to = batch->values + batch->count * size;
		bank_numbers(block, i, 1, to);
		if (groups->rules.scan.cosine)
			scan_normalise(to, block->vectors, block->width);
		batch->vectors = block->vectors;
		batch->width = block->width;
		groups->numbers[batch->count++] = block->first + i;
		groups->next = block->first + i + 1;
	}
	return 0;
}

static int collect(void *context, const struct bank_block *blocks, size_t count)
{
	int status = 0;
	for (size_t i = 0; i < count && status == 0; i++)
		status = collect_block(context, &blocks[i]);
	return status;
}

static float least(void *context, size_t query, int worker)
{
	(void)query, (void)worker;
	return ((struct groups *)context)->rules.threshold;
}

static int take(void *context, size_t query, const struct bank_block *block, size_t item,
    float score, int worker)
{
	struct groups *groups = context;
	struct pairs *found = &groups->found[worker];
	uint64_t second = block->first + item;
	if (second <= groups->numbers[query])
		return 0;
	if (memory_grow((void **)&found->all, &found->capacity, found->count + 1, sizeof *found->all))
		return -1;
	found->all[found->count++] = (struct pair){ groups->numbers[query], second, score };
	return 0;
}

static int compare_with(void *context, const struct bank_block *blocks, size_t count)
{
	struct groups *groups = context;
	struct scan_sink sink = { groups, least, take };
	int status = scan_blocks(
	    &groups->rules.scan, &groups->batch, blocks, count, groups->numbers[0] + 1, &sink);
	for (size_t worker = 0; worker < groups->workers; worker++) {
		struct pairs *found = &groups->found[worker];
		for (size_t i = 0; i < found->count; i++)
			join(groups, &found->all[i]);
		found->count = 0;
	}
	return status;
}

/* --- result --------------------------------------------------------------------------------------*/

static int add_member(struct groups *groups, const struct bank_block *block, size_t i)
{
	size_t size;
	const char *key = bank_key(block, i, &size);
	uint64_t item = block->first + i;
	if (memory_grow((void **)&groups->members, &groups->member_capacity, groups->member_count + 1,
	        sizeof *groups->members))
		return -1;
	struct groups_member *member = &groups->members[groups->member_count];
	*member = (struct groups_member){ set_of(groups, item), item, groups->nearest[item],
		memory_text(key, size) };
	if (!member->key)
		return -1;
	groups->member_count++;
	return 0;
}

static int add_members(void *context, const struct bank_block *blocks, size_t count)
{
	struct groups *groups = context;
	for (size_t b = 0; b < count; b++)
		for (size_t i = 0; i < blocks[b].count; i++)
			if (groups->nearest[blocks[b].first + i] >= groups->rules.threshold &&
			    add_member(groups, &blocks[b], i))
				return -1;
	return 0;
}

static int compare_members(const void *a, const void *b)
{
	const struct groups_member *left = a, *right = b;
	if (left->group != right->group)
		return left->group < right->group ? -1 : 1;
	return (left->item > right->item) - (left->item < right->item);
}

/* Put members together and number their groups, which have the numbers of their first items. */
static void number_groups(struct groups *groups)
{
	uint64_t number = 0, last = UINT64_MAX;
	if (groups->member_count > 1)
		qsort(groups->members, groups->member_count, sizeof *groups->members, compare_members);
	for (size_t i = 0; i < groups->member_count; i++) {
		number += groups->members[i].group != last;
		last = groups->members[i].group;
		groups->members[i].group = number;
	}
}

static int begin(struct groups *groups, struct bank *bank)
{
	if (bank_pass(bank, only_count, NULL))
		return -1;
	if (!bank_again(bank))
		return error_input("more than --memory holds cannot be compared from standard input; write "
		                   "it to a file");
	groups->items = bank_items(bank);
	groups->set = memory_allocate((size_t)groups->items, sizeof *groups->set);
	groups->nearest = memory_allocate((size_t)groups->items, sizeof *groups->nearest);
	if (!groups->set || !groups->nearest)
		return -1;
	for (uint64_t i = 0; i < groups->items; i++) {
		groups->set[i] = i;
		groups->nearest[i] = -INFINITY;
	}
	return 0;
}

int groups_run(struct groups *groups, struct bank *bank)
{
	if (begin(groups, bank))
		return -1;
	do {
		groups->batch.count = 0;
		if (bank_pass(bank, collect, groups) < 0)
			return -1;
		if (bank_items(bank) > groups->items)
			return error_input("the files have grown while they were read");
		if (groups->batch.count > 0 && bank_pass(bank, compare_with, groups))
			return -1;
	} while (groups->batch.count > 0);
	if (bank_pass(bank, add_members, groups))
		return -1;
	number_groups(groups);
	return 0;
}

const struct groups_member *groups_members(const struct groups *groups, size_t *count)
{
	*count = groups->member_count;
	return groups->members;
}
