/* holdings.c - samples of a file by identity (see holdings.h): the lines of its index in the order
 * of the file, taken together to samples, and two hash tables over them.
 */
#define _GNU_SOURCE
#include "stream/holdings.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A line of the index, to be sorted into the order of the file. */
struct spot {
	uint64_t offset, skip;
	size_t at;
};

struct holding {
	struct digest identity;
	uint64_t place; /* hash of what a newer sample has in common with it */
	uint64_t maker; /* the first 8 bytes */
	uint64_t offset, skip, length;
};

struct holdings {
	struct holding *samples;
	uint32_t count;
	uint32_t *by_identity, *by_place; /* open addressing; numbers of samples */
	uint32_t mask;
	struct reader_place *failures;
	size_t failure_count, failure_room;
	struct index_line last;
};

/* What identity and place are hashes of, put together in memory. */
struct subject {
	char bytes[RECORD_KEY_MOST + RECORD_NAME_MOST + 32 + 16 * 16 + 2];
	size_t size, shared; /* all; key, name and the texts alone stand behind `shared` bytes */
};

static void add_bytes(struct subject *subject, const void *bytes, size_t size)
{
	if (size > sizeof subject->bytes - subject->size)
		size = sizeof subject->bytes - subject->size;
	memcpy(subject->bytes + subject->size, bytes, size);
	subject->size += size;
}

static void begin_subject(struct subject *subject, const struct digest *maker,
    const struct digest *source, const char *key, size_t key_size, const char *name,
    size_t name_size)
{
	static const struct digest none;
	subject->size = 0;
	add_bytes(subject, maker->bytes, sizeof maker->bytes);
	add_bytes(subject, source ? source->bytes : none.bytes, sizeof none.bytes);
	subject->shared = subject->size;
	add_bytes(subject, key, key_size);
	add_bytes(subject, "", 1);
	add_bytes(subject, name, name_size);
	add_bytes(subject, "", 1);
}

static struct digest identity_of(const struct subject *subject)
{
	return digest_of(subject->bytes, subject->size);
}

static uint64_t place_of(const struct subject *subject)
{
	return checksum_of(subject->bytes + subject->shared, subject->size - subject->shared);
}

static uint64_t first_bytes(const struct digest *digest)
{
	uint64_t value;
	memcpy(&value, digest->bytes, sizeof value);
	return value;
}

static int compare_spots(const void *a, const void *b)
{
	const struct spot *left = a, *right = b;
	if (left->offset != right->offset)
		return left->offset < right->offset ? -1 : 1;
	return (left->skip > right->skip) - (left->skip < right->skip);
}

/* All lines in the order of the file. NULL with a recorded error. */
static struct spot *sorted_spots(const struct index *index, size_t *count)
{
	struct index_line line;
	size_t lines = index_lines(index), at = 0, before = 0;
	struct spot *spots = memory_allocate(lines, sizeof *spots);
	*count = 0;
	while (spots && *count < lines && index_next(index, &at, &line) > 0) {
		spots[(*count)++] = (struct spot){ line.offset, line.skip, before };
		before = at;
	}
	if (spots && *count > 1)
		qsort(spots, *count, sizeof *spots, compare_spots);
	return spots;
}

static bool is_scale(const struct index_line *line)
{
	static const char suffix[] = ".scale";
	size_t size = sizeof suffix - 1;
	return line->name_size > size && memcmp(line->name + line->name_size - size, suffix, size) == 0;
}

/* Close the sample at hand. */
static void end_sample(struct holdings *holdings, const struct subject *subject)
{
	struct holding *sample = &holdings->samples[holdings->count];
	if (subject->size == 0)
		return;
	sample->identity = identity_of(subject);
	sample->place = place_of(subject);
	holdings->count++;
}

static int add_failure(struct holdings *holdings, const struct index_line *line)
{
	if (memory_grow((void **)&holdings->failures, &holdings->failure_room,
	        holdings->failure_count + 1, sizeof *holdings->failures) < 0)
		return -1;
	holdings->failures[holdings->failure_count++] =
	    (struct reader_place){ line->offset, line->length, line->skip };
	return 0;
}

/* A line that begins a sample. A failed item has no name. 0 or -1. */
static int begin_sample(
    struct holdings *holdings, struct subject *subject, const struct index_line *line)
{
	subject->size = 0;
	if (line->name_size == 0 && line->dtype == 'B')
		return add_failure(holdings, line);
	begin_subject(subject, &line->maker, &line->source, line->key, line->key_size, line->name,
	    line->name_size);
	holdings->samples[holdings->count] = (struct holding){ .maker = first_bytes(&line->maker),
		.offset = line->offset,
		.skip = line->skip,
		.length = line->length };
	return 0;
}

static int collect(struct holdings *holdings, const struct index *index)
{
	size_t count;
	struct subject subject = { .size = 0 };
	struct spot *spots = sorted_spots(index, &count);
	int result = spots ? 0 : -1;
	holdings->samples = memory_allocate(count + 1, sizeof *holdings->samples);
	if (!holdings->samples || count >= HOLDING_WRITTEN)
		result = -1;
	holdings->count = 1; /* number 0 is none */
	for (size_t i = 0; result == 0 && i < count; i++) {
		struct index_line line;
		size_t at = spots[i].at;
		if (index_next(index, &at, &line) <= 0)
			break;
		if (line.part == 0) {
			end_sample(holdings, &subject);
			result = begin_sample(holdings, &subject, &line);
		} else if (subject.size > 0 && !is_scale(&line)) {
			add_bytes(&subject, line.source.bytes, sizeof line.source.bytes);
		}
		if (line.part > 0 || subject.size > 0)
			holdings->last = line;
	}
	if (result == 0)
		end_sample(holdings, &subject);
	memory_release(spots);
	return result;
}

static bool same_identity(const struct holdings *holdings, uint32_t number, const void *wanted)
{
	return digest_equal(&holdings->samples[number].identity, wanted);
}

static bool same_place(const struct holdings *holdings, uint32_t number, const void *wanted)
{
	return holdings->samples[number].place == *(const uint64_t *)wanted;
}

/* Where in a table what has this hash stands, or would. */
static uint32_t *probe(const struct holdings *holdings, uint32_t *table, uint64_t hash,
    bool (*same)(const struct holdings *, uint32_t, const void *), const void *wanted)
{
	uint32_t at = (uint32_t)(hash ^ hash >> 32) & holdings->mask;
	while (table[at] && !same(holdings, table[at], wanted))
		at = (at + 1) & holdings->mask;
	return &table[at];
}

static uint32_t *identity_slot(const struct holdings *holdings, const struct digest *identity)
{
	return probe(holdings, holdings->by_identity, first_bytes(identity), same_identity, identity);
}

static uint32_t *place_slot(const struct holdings *holdings, uint64_t place)
{
	return probe(holdings, holdings->by_place, place, same_place, &place);
}

/* The later of two in one slot stays. */
static int make_tables(struct holdings *holdings)
{
	uint64_t size = 16;
	while (size < 2 * (uint64_t)holdings->count)
		size *= 2;
	if (size > (uint64_t)1 << 32)
		return error_system("more samples than can be handled");
	holdings->mask = (uint32_t)(size - 1);
	holdings->by_identity = memory_allocate_zero(size, sizeof *holdings->by_identity);
	holdings->by_place = memory_allocate_zero(size, sizeof *holdings->by_place);
	if (!holdings->by_identity || !holdings->by_place)
		return -1;
	for (uint32_t i = 1; i < holdings->count; i++) {
		*identity_slot(holdings, &holdings->samples[i].identity) = i;
		*place_slot(holdings, holdings->samples[i].place) = i;
	}
	return 0;
}

struct holdings *holdings_read(const struct index *index)
{
	struct holdings *holdings = memory_allocate_zero(1, sizeof *holdings);
	if (holdings && collect(holdings, index) == 0 && make_tables(holdings) == 0)
		return holdings;
	holdings_release(holdings);
	return NULL;
}

void holdings_release(struct holdings *holdings)
{
	if (!holdings)
		return;
	memory_release(holdings->samples);
	memory_release(holdings->by_identity);
	memory_release(holdings->by_place);
	memory_release(holdings->failures);
	memory_release(holdings);
}

static void describe(const struct holding_wanted *wanted, struct subject *subject)
{
	begin_subject(subject, wanted->maker, wanted->source, wanted->key, strlen(wanted->key),
	    wanted->name, strlen(wanted->name));
	if (wanted->text)
		add_bytes(subject, wanted->text->bytes, sizeof wanted->text->bytes);
}

uint32_t holdings_newest(const struct holdings *holdings, const struct holding_wanted *wanted)
{
	struct subject subject;
	describe(wanted, &subject);
	return *place_slot(holdings, place_of(&subject));
}

uint32_t holdings_find(const struct holdings *holdings, const struct holding_wanted *wanted)
{
	struct subject subject;
	if (!wanted->source) {
		uint32_t newest = holdings_newest(holdings, wanted);
		bool made = newest && holdings->samples[newest].maker == first_bytes(wanted->maker);
		return made ? newest : HOLDING_NONE;
	}
	if (digest_is_zero(wanted->source))
		return HOLDING_NONE;
	describe(wanted, &subject);
	struct digest identity = identity_of(&subject);
	return *identity_slot(holdings, &identity);
}

uint32_t holdings_newest_of(const struct holdings *holdings, uint32_t number)
{
	return *place_slot(holdings, holdings->samples[number].place);
}

uint32_t holdings_count(const struct holdings *holdings)
{
	return holdings->count;
}

struct reader_place holdings_place(const struct holdings *holdings, uint32_t number)
{
	const struct holding *sample = &holdings->samples[number];
	return (struct reader_place){ sample->offset, sample->length, sample->skip };
}

int holdings_failure(const struct holdings *holdings, size_t i, struct reader_place *place)
{
	if (i >= holdings->failure_count)
		return 0;
	*place = holdings->failures[i];
	return 1;
}

struct index_line holdings_last(const struct holdings *holdings)
{
	return holdings->last;
}
