/* batch.c - records answered side by side (see batch.h). Places are where answers are computed;
 * entries are what came, in order, until its reply is out: a complete reply waits as text and leaves
 * its place to the next record.
 */
#include "model/batch.h"

#include <string.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/memory_limit.h"
#include "model/llama.h"
#include "model/outlet.h"
#include "model/prompt.h"
#include "stream/model_file.h"

enum {
	ENTRIES = 1024, /* records between the first that is not written and the last begun */
	DEFAULT_MOST = 16,
	DEFAULT_PROMPT = 256, /* tokens of a prompt that batch_default() reckons with */
	MEMORY_SHARE = 4,     /* the part of the memory that it takes */
};

struct entry {
	char *key;
	struct generation *generation; /* NULL: complete */
	struct outlet_reply reply;
	bool failed, damage;
	enum error_kind error;
	char *reason;
};

struct place {
	struct generation *generation;
	bool busy;
};

/* The prompt part that the last record about a picture of its own began with. */
struct shared {
	struct generation *holder; /* whose cache begins with it, or NULL */
	struct ids ids;
	float *picture;
	size_t rows, room; /* of picture; room in floats */
};

struct batch {
	struct batch_plan plan;
	struct place *places;           /* [plan.most] */
	struct generation **generation; /* [plan.most]: of a step */
	size_t running, limit;          /* limit: plan.most, or fewer when memory was short */
	struct entry *entries;          /* [ENTRIES], used in a circle */
	size_t first, count;
	struct shared shared;
	struct batch_figures figures;
	char *told; /* key and reason of the failure told last */
	char *told_reason;
};

size_t batch_default(const struct llama *llama, const struct generation_settings *settings)
{
	struct stat status;
	uint64_t limit = memory_limit("/");
	if (limit == 0 || stat(model_file_path(llama_file(llama)), &status) != 0)
		return 1;
	double rows = DEFAULT_PROMPT + (double)settings->max_new;
	if (rows > (double)llama_positions(llama))
		rows = (double)llama_positions(llama);
	double record = rows * (double)settings->beams * (double)llama_cache_row(llama);
	double memory = (double)limit - (double)status.st_size;
	double count = memory / MEMORY_SHARE / record;
	return count >= DEFAULT_MOST ? DEFAULT_MOST : count < 1 ? 1 : (size_t)count;
}

struct batch *batch_new(const struct batch_plan *plan)
{
	struct batch *batch = memory_allocate_zero(1, sizeof *batch);
	if (batch == NULL)
		return NULL;
	batch->plan = *plan;
	batch->limit = plan->most;
	batch->places = memory_allocate_zero(plan->most, sizeof *batch->places);
	batch->generation = memory_allocate(plan->most, sizeof(struct generation *));
	batch->entries = memory_allocate_zero(ENTRIES, sizeof *batch->entries);
	if (batch->places == NULL || batch->generation == NULL || batch->entries == NULL) {
		batch_release(batch);
		return NULL;
	}
	return batch;
}

static void clear_entry(struct entry *entry)
{
	memory_release(entry->key);
	memory_release(entry->reason);
	outlet_end(&entry->reply);
	*entry = (struct entry){ 0 };
}

static struct entry *entry_at(const struct batch *batch, size_t i)
{
	return &batch->entries[(batch->first + i) % ENTRIES];
}

static void forget_told(struct batch *batch)
{
	memory_release(batch->told);
	memory_release(batch->told_reason);
	batch->told = batch->told_reason = NULL;
}

void batch_release(struct batch *batch)
{
	if (batch == NULL)
		return;
	for (size_t i = 0; i < batch->count; i++)
		clear_entry(entry_at(batch, i));
	for (size_t i = 0; batch->places != NULL && i < batch->plan.most; i++)
		generation_release(batch->places[i].generation);
	forget_told(batch);
	ids_clear(&batch->shared.ids);
	memory_release(batch->shared.picture);
	memory_release(batch->places);
	memory_release(batch->generation);
	memory_release(batch->entries);
	memory_release(batch);
}

size_t batch_running(const struct batch *batch)
{
	return batch->running;
}

bool batch_has_room(const struct batch *batch)
{
	return batch->running < batch->limit && batch->count < ENTRIES;
}

struct batch_figures batch_figures(const struct batch *batch)
{
	return batch->figures;
}

/* A place that is free, if possible not the one whose beginning may be wanted again. */
static struct place *free_place(struct batch *batch)
{
	struct place *found = NULL;
	for (size_t i = 0; i < batch->plan.most; i++) {
		struct place *place = &batch->places[i];
		bool holds = place->generation != NULL && place->generation == batch->shared.holder;
		if (!place->busy && (found == NULL || !holds))
			found = place;
		if (found == place && !holds)
			break;
	}
	return found;
}

static void leave_place(struct batch *batch, struct entry *entry)
{
	for (size_t i = 0; i < batch->plan.most; i++)
		if (batch->places[i].generation == entry->generation)
			batch->places[i].busy = false;
	entry->generation = NULL;
	batch->running--;
}

/* The recorded error is the entry's. */
static void note_failure(struct entry *entry)
{
	entry->failed = true;
	entry->error = error_kind();
	entry->reason = memory_text(error_text(), strlen(error_text()));
}

/* Is the beginning of this prompt what shared.holder's cache begins with? */
static bool is_shared(const struct batch *batch, const struct inquiry *inquiry,
    const struct ids *sequence, size_t prefix)
{
	const struct shared *shared = &batch->shared;
	size_t width = llama_width(batch->plan.llama);
	return shared->holder != NULL && shared->ids.count == prefix &&
	       memcmp(shared->ids.at, sequence->at, prefix * sizeof *sequence->at) == 0 &&
	       shared->rows == inquiry->rows &&
	       memcmp(shared->picture, inquiry->picture,
	           inquiry->rows * width * sizeof *inquiry->picture) == 0;
}

/* Remember what the holder's cache begins with from now on. 0 or -1. */
static int hold_shared(struct batch *batch, struct generation *holder,
    const struct inquiry *inquiry, const struct ids *sequence, size_t prefix)
{
	struct shared *shared = &batch->shared;
	size_t count = inquiry->rows * llama_width(batch->plan.llama);
	void *picture = shared->picture;
	shared->holder = NULL;
	shared->ids.count = 0;
	if (memory_grow(&picture, &shared->room, count, sizeof(float)) != 0)
		return -1;
	shared->picture = picture;
	if (ids_append(&shared->ids, sequence->at, prefix) != 0)
		return -1;
	memcpy(shared->picture, inquiry->picture, count * sizeof(float));
	shared->rows = inquiry->rows;
	shared->holder = holder;
	return 0;
}

/* The first prefix rows, computed by themselves so that their bytes are the same whether they are
 * computed here or taken from the record before. */
static int begin_prefix(struct batch *batch, struct generation *generation,
    const struct inquiry *inquiry, const struct ids *sequence, const float *rows, size_t prefix)
{
	struct shared *shared = &batch->shared;
	int status;
	if (is_shared(batch, inquiry, sequence, prefix)) {
		status = generation_share(generation, shared->holder, prefix);
		batch->figures.shared += status == 0 ? prefix : 0;
		shared->holder = generation;
		return status;
	}
	if (generation_prefix(generation, rows, prefix) != 0)
		return -1;
	return hold_shared(batch, generation, inquiry, sequence, prefix);
}

/* Run the prompt and choose the first token. 0 or -1. */
static int begin_sequence(struct batch *batch, struct generation *generation,
    const struct inquiry *inquiry, const struct ids *sequence)
{
	const struct batch_plan *plan = &batch->plan;
	size_t width = llama_width(plan->llama), total;
	size_t prefix = inquiry->own && inquiry->rows > 0 ? prompt_picture_end(sequence) : 0;
	if (!checked_multiply(sequence->count, width, &total))
		return error_memory(SIZE_MAX);
	float *rows = memory_allocate(total, sizeof *rows);
	if (rows == NULL)
		return -1;
	int status = prompt_embed(plan->llama, sequence->at, sequence->count, inquiry->picture, rows);
	if (status == 0 && prefix > 0)
		status = begin_prefix(batch, generation, inquiry, sequence, rows, prefix);
	else if (batch->shared.holder == generation)
		batch->shared.holder = NULL;
	/* the numbers drawn depend on the seed and the key, not on a record's place in the input */
	if (status == 0)
		status = generation_begin(generation, prefix, rows + prefix * width,
		    sequence->count - prefix, checksum_of(inquiry->key, strlen(inquiry->key)));
	if (status == 0)
		status = generation_look_up(generation, sequence->at, sequence->count);
	memory_release(rows);
	batch->figures.rows += status == 0 ? sequence->count : 0;
	if (status != 0 && batch->shared.holder == generation)
		batch->shared.holder = NULL;
	return status;
}

/* What the generation has chosen goes to the entry. 0, or -1: ERROR_SYSTEM. */
static int follow(struct batch *batch, struct entry *entry)
{
	int status = outlet_follow(batch->plan.outlet, &entry->reply, entry->generation, entry->key, 0);
	if (status != 0 && error_kind() == ERROR_SYSTEM)
		return -1;
	if (status != 0)
		note_failure(entry);
	if (status != 0 || generation_done(entry->generation))
		leave_place(batch, entry);
	return 0;
}

/* Begin the answer to an inquiry in a place. 0, or -1 with a recorded error. */
static int begin(struct batch *batch, struct place *place, const struct inquiry *inquiry)
{
	const struct batch_plan *plan = &batch->plan;
	struct template_turn turn = { inquiry->question, NULL };
	struct ids sequence = { 0 };
	if (place->generation == NULL)
		place->generation = generation_new(plan->generator);
	if (place->generation == NULL)
		return -1;
	int status =
	    prompt_fitting_sequence(plan->rules, plan->llama, &turn, 1, inquiry->rows, &sequence);
	if (status == 0)
		status = begin_sequence(batch, place->generation, inquiry, &sequence);
	ids_clear(&sequence);
	return status;
}

/* Without the memory for one record more, those that run may go on. */
static int wait_for_memory(struct batch *batch, struct place *place)
{
	if (batch->running == 0)
		return -1;
	if (batch->shared.holder == place->generation)
		batch->shared.holder = NULL;
	generation_release(place->generation);
	place->generation = NULL;
	batch->limit = batch->running;
	return 0;
}

static int add_question(struct batch *batch, struct entry *entry, const struct inquiry *inquiry)
{
	struct place *place = free_place(batch);
	int status = begin(batch, place, inquiry);
	if (status != 0 && error_kind() == ERROR_SYSTEM)
		return wait_for_memory(batch, place);
	batch->figures.records++;
	if (status != 0) {
		note_failure(entry);
		return 1;
	}
	outlet_begin(batch->plan.outlet, &entry->reply);
	entry->generation = place->generation;
	place->busy = true;
	batch->running++;
	return follow(batch, entry) != 0 ? -1 : 1;
}

int batch_add(struct batch *batch, const struct inquiry *inquiry)
{
	struct entry *entry = entry_at(batch, batch->count);
	*entry = (struct entry){ .damage = inquiry->kind == INQUIRY_DAMAGE };
	if (inquiry->key != NULL) {
		entry->key = memory_text(inquiry->key, strlen(inquiry->key));
		if (entry->key == NULL)
			return -1;
	}
	batch->count++;
	int status = 1;
	if (inquiry->kind == INQUIRY_QUESTION) {
		status = add_question(batch, entry, inquiry);
	} else {
		entry->failed = true;
		entry->error = inquiry->error;
		if (inquiry->reason != NULL)
			entry->reason = memory_text(inquiry->reason, strlen(inquiry->reason));
	}
	if (status == 0) { /* as if it had not come */
		clear_entry(entry);
		batch->count--;
	}
	return status;
}

/* In the order of the records, not of the places. */
static int follow_all(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct entry *entry = entry_at(batch, i);
		if (entry->generation != NULL && follow(batch, entry) != 0)
			return -1;
	}
	return 0;
}

/* Places that no record has taken give their memory back. */
static void rest(struct batch *batch)
{
	for (size_t i = 0; i < batch->plan.most; i++) {
		struct generation *generation = batch->places[i].generation;
		if (generation != NULL && !batch->places[i].busy && generation != batch->shared.holder)
			generation_rest(generation);
	}
}

int batch_step(struct batch *batch)
{
	const struct outlet *outlet = batch->plan.outlet;
	size_t count = 0;
	if (outlet->interrupted != NULL && *outlet->interrupted)
		return follow_all(batch);
	for (size_t i = 0; i < batch->plan.most; i++)
		if (batch->places[i].busy)
			batch->generation[count++] = batch->places[i].generation;
	if (count == 0)
		return 0;
	rest(batch);
	if (generator_step(batch->plan.generator, batch->generation, count) != 0)
		return -1;
	batch->figures.steps++;
	batch->figures.together += count;
	if (count > batch->figures.most)
		batch->figures.most = count;
	return follow_all(batch);
}

/* Hand a failure over to the caller. */
static int tell(struct batch *batch, struct entry *entry, struct batch_failure *failure)
{
	forget_told(batch);
	batch->told = entry->key;
	batch->told_reason = entry->reason;
	*failure = (struct batch_failure){ entry->key, entry->reason, entry->error, entry->damage };
	entry->key = entry->reason = NULL;
	return 1;
}

int batch_write(struct batch *batch, struct batch_failure *failure)
{
	struct outlet *outlet = batch->plan.outlet;
	while (batch->count > 0) {
		struct entry *entry = entry_at(batch, 0);
		/* what was settled before a failure is shown as it would have been while it grew */
		bool begun = entry->generation != NULL || entry->reply.fed > 0;
		if (begun && entry->reply.bytes == NULL &&
		    outlet_show(outlet, &entry->reply, entry->key) != 0)
			return -1;
		if (entry->generation != NULL)
			return 0;
		int status =
		    entry->failed ? tell(batch, entry, failure) : outlet_send(outlet, &entry->reply);
		clear_entry(entry);
		batch->first = (batch->first + 1) % ENTRIES;
		batch->count--;
		if (status != 0)
			return status;
	}
	return 0;
}
