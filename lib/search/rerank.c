/* rerank.c - image-text matching of the best results (see rerank.h). */
#include "search/rerank.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/qformer_stage.h"
#include "stream/index.h"
#include "text/keyed.h"

#include <math.h>
#include <string.h>

/* A result that is being computed. */
struct asked {
	struct best_entry *entry;
	size_t result;
};

struct rerank {
	struct rerank_rules rules;
	struct qformer_stage *stage;
	struct index **features;
	struct keyed *texts;
	struct asked *asked;
	size_t asked_count, asked_capacity;
};

static int open_parts(struct rerank *rerank)
{
	const struct rerank_rules *rules = &rerank->rules;
	struct qformer_rules stage = { .use = QFORMER_MATCH,
		.clean = rules->clean,
		.most = rules->ids,
		.dtype = 'f',
		.batch = rules->batch };
	rerank->features = memory_allocate_zero(rules->feature_count, sizeof(struct index *));
	if (!rerank->features)
		return -1;
	for (size_t i = 0; i < rules->feature_count; i++)
		if (!(rerank->features[i] = index_open(rules->features[i])))
			return error_context("%s", rules->features[i]);
	if (rules->texts && !(rerank->texts = keyed_read(rules->texts)))
		return error_context("%s", rules->texts);
	rerank->stage = qformer_stage_open(rules->model, &stage);
	return rerank->stage ? 0 : error_context("%s", rules->model);
}

struct rerank *rerank_open(const struct rerank_rules *rules)
{
	struct rerank *rerank = memory_allocate_zero(1, sizeof *rerank);
	if (!rerank)
		return NULL;
	rerank->rules = *rules;
	if (open_parts(rerank) == 0)
		return rerank;
	error_as(ERROR_SYSTEM);
	rerank_close(rerank);
	return NULL;
}

void rerank_close(struct rerank *rerank)
{
	if (!rerank)
		return;
	for (size_t i = 0; rerank->features && i < rerank->rules.feature_count; i++)
		if (rerank->features[i])
			index_close(rerank->features[i]);
	memory_release(rerank->features);
	keyed_close(rerank->texts);
	qformer_stage_close(rerank->stage);
	memory_release(rerank->asked);
	memory_release(rerank);
}

/* The last sample of this key in one file that has patch features: 1, 0 if there is none, -1. */
static int read_features(struct index *index, const char *key, struct sample *sample)
{
	struct reader_place *places = NULL;
	size_t count = 0, capacity = 0, latest = 0;
	int status = index_places(index, key, &places, &count, &capacity);
	while (count > 0 && status == 0) {
		for (size_t i = latest = 0; i < count; i++)
			if (places[i].offset > places[latest].offset)
				latest = i;
		if (index_read(index, &places[latest], key, sample))
			status = -1;
		else if (sample_find(sample, "vit"))
			status = 1;
		else
			sample_clear(sample);
		places[latest] = places[--count];
	}
	memory_release(places);
	return status;
}

/* Make the picture with this key the present one. 0 or -1. */
static int show_picture(struct rerank *rerank, const char *key)
{
	static struct sample sample;
	for (size_t i = 0; i < rerank->rules.feature_count; i++) {
		int found = read_features(rerank->features[i], key, &sample);
		if (found < 0)
			return -1;
		if (found > 0) {
			int status = qformer_stage_picture(rerank->stage, &sample);
			sample_clear(&sample);
			return status;
		}
	}
	return error_input("has no patch features (\"vit\") in the files that --rerank names");
}

/* The text that a key stands for. */
static const char *text_of(struct rerank *rerank, const char *key)
{
	size_t first, count = rerank->texts ? keyed_find(rerank->texts, key, &first) : 0;
	return count > 0 ? keyed_text(rerank->texts, first) : key;
}

/* A pair that cannot be matched is no result. */
static int drop(struct rerank *rerank, struct best_entry *entry)
{
	if (error_kind() != ERROR_INPUT)
		return -1;
	rerank->rules.report(entry->key);
	entry->score = NAN;
	return 0;
}

/* Compute what was asked for and add it to the scores. */
static int flush(struct rerank *rerank)
{
	if (qformer_stage_run(rerank->stage))
		return -1;
	for (size_t i = 0; i < rerank->asked_count; i++) {
		struct record record;
		const struct asked *asked = &rerank->asked[i];
		const float *logits = qformer_stage_record(rerank->stage, asked->result, &record);
		if (logits)
			asked->entry->score += logits[1];
		else if (drop(rerank, asked->entry))
			return -1;
	}
	rerank->asked_count = 0;
	qformer_stage_clear(rerank->stage);
	return 0;
}

static int ask(struct rerank *rerank, struct best_entry *entry, const char *text)
{
	size_t result;
	if (memory_grow((void **)&rerank->asked, &rerank->asked_capacity, rerank->asked_count + 1,
	        sizeof *rerank->asked))
		return -1;
	if (qformer_stage_ask(rerank->stage, text, &result))
		return drop(rerank, entry);
	rerank->asked[rerank->asked_count++] = (struct asked){ entry, result };
	return 0;
}

int rerank_run(struct rerank *rerank, const char *query, bool picture, struct best *best)
{
	if (picture && best->count > 0 && show_picture(rerank, query))
		return -1;
	for (size_t i = 0; i < best->count; i++) {
		struct best_entry *entry = &best->entries[i];
		const char *text = text_of(rerank, picture ? entry->key : query);
		if (qformer_stage_full(rerank->stage) && flush(rerank))
			return -1;
		int status = picture ? 0 : show_picture(rerank, entry->key);
		if (status == 0)
			status = ask(rerank, entry, text);
		else
			status = drop(rerank, entry);
		if (status)
			return -1;
	}
	if (flush(rerank))
		return -1;
	size_t kept = 0;
	for (size_t i = 0; i < best->count; i++) {
		struct best_entry entry = best->entries[i];
		best->entries[i] = best->entries[kept];
		best->entries[kept] = entry;
		kept += !isnan(entry.score);
	}
	best->count = kept;
	best_sort(best);
	return 0;
}
