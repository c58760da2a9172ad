/* qformer_stage.c - from samples and texts to records of the Q-Former (see qformer_stage.h). */
#include "model/qformer_stage.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/features.h"
#include "model/finite.h"
#include "model/itg.h"
#include "model/qformer.h"
#include "model/vocabulary.h"
#include "stream/maker.h"
#include "stream/rows.h"
#include "text/cleanup.h"

#include <string.h>

enum {
	STAGE_VERSION = 1, /* raised when the numbers of a result change */
	INSTRUCTION_MOST = 128,
	TOGETHER = 8, /* pictures whose keys and values are computed together */
};

static const uint64_t feature_bytes_most = 32 << 20; /* that wait, so that memory is bounded */

/* A picture whose features wait, or whose keys and values are there. */
struct picture_work {
	float *features; /* [tokens][encoder width]; NULL once image is there */
	size_t tokens;
	struct qformer_image *image;
	struct digest source, maker; /* of its record */
};

/* What was asked for. Its numbers: rows and result at its place. */
struct result_work {
	size_t picture;
	struct ids ids; /* of the text; it keeps its memory for the next one at this place */
};

struct qformer_stage {
	struct qformer_rules rules;
	struct qformer *qformer;
	struct wordpiece *wordpiece; /* NULL: this use reads no text */
	bool instruction;            /* the question goes into the Q-Former */
	struct digest fingerprint, vit_weights;
	char llm_weights[DIGEST_TEXT_SIZE]; /* "" when not known */
	struct itg_rules itg;
	struct picture_work *pictures; /* [rules.batch + 1], the last one is the present */
	size_t picture_count;
	bool present;                /* there is one */
	struct result_work *results; /* [rules.batch] */
	size_t result_count;
	uint64_t feature_bytes;    /* of all pictures */
	struct digest text_source; /* QFORMER_TEXT */
	struct maker maker;
	float *rows, *numbers;      /* query outputs, and what a head makes of them, of all results */
	size_t number_elements;     /* of one result */
	struct qformer_item *items; /* [rules.batch] */
};

static size_t largest(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Has the model what this use needs? */
static int check_parts(const struct qformer *qformer, enum qformer_use use)
{
	const char *missing = NULL;
	bool text = qformer_reads_text(qformer), contrast = qformer_contrast_width(qformer) > 0;
	if (use == QFORMER_PROMPT && qformer_llm_width(qformer) == 0)
		missing =
		    "projection to a language model; --query, --contrast or --match may be what it is for";
	else if (use == QFORMER_CONTRAST && !contrast)
		missing = "heads for search (--contrast)";
	else if (use == QFORMER_TEXT && (!contrast || !text))
		missing = "text branch with a head for search (--text)";
	else if (use == QFORMER_MATCH && (!qformer_can_match(qformer) || !text))
		missing = "text branch with a matching head (--match)";
	else if (use == QFORMER_CAPTION && !qformer_can_caption(qformer))
		missing = "language head (--caption)";
	return missing ? error_system("the Q-Former has no %s", missing) : 0;
}

static int open_words(struct qformer_stage *stage)
{
	char word[8];
	enum qformer_use use = stage->rules.use;
	const struct model_file *file = qformer_file(stage->qformer);
	stage->instruction =
	    qformer_reads_text(stage->qformer) && (use == QFORMER_PROMPT || use == QFORMER_QUERY) &&
	    model_file_text(file, "instruction", word, sizeof word) && strcmp(word, "1") == 0;
	if (!stage->instruction && use < QFORMER_MATCH)
		return 0;
	stage->wordpiece = vocabulary_wordpiece(file);
	if (!stage->wordpiece)
		return error_context("%s", model_file_path(file));
	stage->itg = (struct itg_rules){ .start = wordpiece_find(stage->wordpiece, "[DEC]"),
		.end = wordpiece_find(stage->wordpiece, "[SEP]"),
		.least = stage->rules.caption_least,
		.most = stage->rules.caption_most };
	if (use == QFORMER_CAPTION && (stage->itg.start < 0 || stage->itg.end < 0))
		return error_system("the vocabulary has no [DEC] or [SEP], so it cannot caption");
	return 0;
}

/* Numbers in one result of this use. */
static size_t result_elements(const struct qformer_stage *stage)
{
	const struct qformer *qformer = stage->qformer;
	size_t queries = qformer_queries(qformer);
	switch (stage->rules.use) {
	case QFORMER_PROMPT:
		return queries * qformer_llm_width(qformer);
	case QFORMER_QUERY:
		return queries * qformer_width(qformer);
	case QFORMER_CONTRAST:
		return queries * qformer_contrast_width(qformer);
	case QFORMER_MATCH:
		return 2;
	case QFORMER_TEXT:
		return qformer_contrast_width(qformer);
	case QFORMER_CAPTION:
		break;
	}
	return 0;
}

static int allocate(struct qformer_stage *stage)
{
	const struct qformer *qformer = stage->qformer;
	size_t queries = qformer_queries(qformer), width = qformer_width(qformer);
	size_t batch = stage->rules.batch;
	size_t rows = largest(batch * queries, qformer_text_most(qformer));
	stage->number_elements = result_elements(stage);
	stage->rows = memory_allocate(rows * width, sizeof *stage->rows);
	stage->numbers = memory_allocate(batch * stage->number_elements, sizeof *stage->numbers);
	stage->pictures = memory_allocate_zero(batch + 1, sizeof *stage->pictures);
	stage->results = memory_allocate_zero(batch, sizeof *stage->results);
	stage->items = memory_allocate(batch, sizeof *stage->items);
	return stage->rows && stage->numbers && stage->pictures && stage->results && stage->items ? 0
	                                                                                          : -1;
}

static int open_model(struct qformer_stage *stage, const char *model)
{
	char weights[DIGEST_TEXT_SIZE];
	stage->qformer = qformer_open(model);
	if (!stage->qformer || check_parts(stage->qformer, stage->rules.use))
		return -1;
	const struct model_file *file = qformer_file(stage->qformer);
	stage->fingerprint = model_file_fingerprint(file);
	if (model_file_text(file, "vit_weights", weights, sizeof weights) &&
	    digest_parse(weights, &stage->vit_weights))
		return error_system("%s: vit_weights is no fingerprint", model_file_path(file));
	if (!model_file_text(file, "llm_weights", stage->llm_weights, sizeof stage->llm_weights))
		stage->llm_weights[0] = '\0';
	return open_words(stage) || allocate(stage) ? -1 : 0;
}

struct qformer_stage *qformer_stage_open(const char *model, const struct qformer_rules *rules)
{
	struct qformer_stage *stage = memory_allocate_zero(1, sizeof *stage);
	if (!stage)
		return NULL;
	stage->rules = *rules;
	if (open_model(stage, model) == 0)
		return stage;
	qformer_stage_close(stage);
	return NULL;
}

static uint64_t picture_bytes(const struct qformer_stage *stage, const struct picture_work *picture)
{
	return (uint64_t)picture->tokens * qformer_encoder_width(stage->qformer) * sizeof(float);
}

/* Release pictures first .. end - 1; those behind them do not move up. */
static void drop_pictures(struct qformer_stage *stage, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		struct picture_work *picture = &stage->pictures[i];
		stage->feature_bytes -= picture_bytes(stage, picture);
		memory_release(picture->features);
		qformer_image_release(picture->image);
		*picture = (struct picture_work){ 0 };
	}
}

void qformer_stage_close(struct qformer_stage *stage)
{
	if (!stage)
		return;
	drop_pictures(stage, 0, stage->picture_count);
	for (size_t i = 0; stage->results && i < stage->rules.batch; i++)
		ids_clear(&stage->results[i].ids);
	memory_release(stage->pictures);
	memory_release(stage->results);
	memory_release(stage->items);
	wordpiece_close(stage->wordpiece);
	qformer_close(stage->qformer);
	memory_release(stage->rows);
	memory_release(stage->numbers);
	memory_release(stage);
}

bool qformer_stage_wants_question(const struct qformer_stage *stage)
{
	return stage->instruction;
}

/* What everything that is made from a record of this maker (NULL: from a text) is identified by:
 * all that changes its numbers. */
static void describe(struct qformer_stage *stage, const struct digest *input)
{
	struct maker *maker = &stage->maker;
	const struct qformer_rules *rules = &stage->rules;
	maker_begin(maker, "qformer", STAGE_VERSION);
	maker_add_digest(maker, "weights", &stage->fingerprint);
	if (input)
		maker_add_digest(maker, "input", input);
	if (rules->use == QFORMER_PROMPT && stage->llm_weights[0])
		maker_add(maker, "llm", "%s", stage->llm_weights);
	if (rules->use == QFORMER_TEXT || rules->use == QFORMER_MATCH)
		maker_add(maker, "text", "%s %d", rules->clean ? "caption" : "as it is", (int)rules->most);
	if (rules->dtype != 'f')
		maker_add(maker, "dtype", "%s", rows_type_name(rules->dtype));
}

int qformer_stage_picture(struct qformer_stage *stage, struct sample *sample)
{
	size_t last = stage->picture_count - 1;
	bool idle = stage->present && (stage->result_count == 0 ||
	                                  stage->results[stage->result_count - 1].picture != last);
	if (idle) /* nothing was asked about it */
		drop_pictures(stage, last, stage->picture_count--);
	stage->present = false;
	size_t width = qformer_encoder_width(stage->qformer);
	const struct sample_part *part;
	size_t tokens;
	float *features = features_read(sample, width, &stage->vit_weights, &part, &tokens);
	if (!features)
		return -1;
	struct picture_work picture = { .features = features,
		.tokens = tokens,
		.source = part->record.source,
		.maker = part->record.maker };
	if (finite_check(features, picture.tokens * width, "the picture's features hold") < 0) {
		memory_release(features);
		return -1;
	}
	stage->pictures[stage->picture_count++] = picture;
	stage->feature_bytes += picture_bytes(stage, &picture);
	stage->present = true;
	return 0;
}

/* Does a result depend on the text? */
static bool reads_text(const struct qformer_stage *stage)
{
	return stage->instruction || stage->rules.use == QFORMER_MATCH;
}

/* Is there a result of the present picture that serves any text? */
static bool has_result(const struct qformer_stage *stage)
{
	return !reads_text(stage) && stage->result_count > 0 &&
	       stage->results[stage->result_count - 1].picture + 1 == stage->picture_count;
}

bool qformer_stage_full(const struct qformer_stage *stage)
{
	return !has_result(stage) && stage->result_count > 0 &&
	       (stage->result_count == stage->rules.batch || stage->feature_bytes > feature_bytes_most);
}

/* The ids of a text to search with or to match. */
static int text_ids(struct qformer_stage *stage, const char *text, struct ids *ids)
{
	size_t size, most = stage->rules.most, positions = qformer_text_most(stage->qformer);
	char *clean;
	if (text[0] == '\0')
		return error_input("the text is empty");
	if (cleanup_text(stage->rules.clean ? CLEANUP_CAPTION : CLEANUP_NONE, text, strlen(text), NULL,
	        &clean, &size))
		return -1;
	int status = wordpiece_encode_framed(
	    stage->wordpiece, clean, size, most < positions ? most : positions, 0, ids);
	memory_release(clean);
	return status;
}

/* The ids of a question for the Q-Former; none if it wants none. */
static int question_ids(struct qformer_stage *stage, const char *question, struct ids *ids)
{
	size_t positions = qformer_text_most(stage->qformer);
	if (!stage->instruction || !question)
		return 0;
	return wordpiece_encode_framed(stage->wordpiece, question, strlen(question),
	    positions < INSTRUCTION_MOST ? positions : INSTRUCTION_MOST, 1, ids);
}

int qformer_stage_ask(struct qformer_stage *stage, const char *text, size_t *result)
{
	if (has_result(stage)) {
		*result = stage->result_count - 1;
		return 0;
	}
	struct result_work *work = &stage->results[stage->result_count];
	work->picture = stage->picture_count - 1;
	work->ids.count = 0;
	if (stage->rules.use == QFORMER_MATCH ? text_ids(stage, text, &work->ids)
	                                      : question_ids(stage, text, &work->ids))
		return -1;
	*result = stage->result_count++;
	return 0;
}

/* Keys and values of pictures first .. first + count - 1, of as many tokens each. 0 or -1. */
static int make_images(struct qformer_stage *stage, size_t first, size_t count)
{
	struct qformer_image *images[TOGETHER];
	struct picture_work *pictures = stage->pictures + first;
	size_t size = pictures->tokens * qformer_encoder_width(stage->qformer);
	float *features = pictures->features, *joined = NULL;
	if (count > 1 && !(joined = memory_allocate(count * size, sizeof *joined)))
		return -1;
	for (size_t i = 0; joined && i < count; i++)
		memcpy(joined + i * size, pictures[i].features, size * sizeof *joined);
	int status = qformer_images_new(
	    stage->qformer, joined ? joined : features, count, pictures->tokens, images);
	memory_release(joined);
	for (size_t i = 0; status == 0 && i < count; i++) {
		pictures[i].image = images[i];
		memory_release(pictures[i].features);
		pictures[i].features = NULL;
	}
	return status;
}

/* Those of all pictures that something was asked about: all but, perhaps, the present one. */
static int make_all_images(struct qformer_stage *stage)
{
	size_t end = stage->results[stage->result_count - 1].picture + 1, count;
	for (size_t first = 0; first < end; first += count) {
		const struct picture_work *pictures = stage->pictures + first;
		count = 1;
		if (pictures->image)
			continue;
		while (
		    count < TOGETHER && first + count < end && pictures[count].tokens == pictures->tokens)
			count++;
		if (make_images(stage, first, count) < 0)
			return -1;
	}
	return 0;
}

/* Where the numbers of a result are. */
static float *result_numbers(const struct qformer_stage *stage, size_t result)
{
	return stage->numbers + result * stage->number_elements;
}

/* What the head of this use makes of the query outputs; whether that is finite is asked later. */
static void run_heads(struct qformer_stage *stage)
{
	struct qformer *qformer = stage->qformer;
	size_t rows = qformer_queries(qformer) * qformer_width(qformer);
	enum qformer_use use = stage->rules.use;
	if (use == QFORMER_PROMPT)
		(void)qformer_project(qformer, stage->rows, stage->result_count, stage->numbers);
	for (size_t i = 0; i < stage->result_count; i++) {
		float *numbers = result_numbers(stage, i);
		if (use == QFORMER_QUERY)
			memcpy(numbers, stage->rows + i * rows, rows * sizeof *numbers);
		else if (use == QFORMER_CONTRAST)
			(void)qformer_contrast(qformer, stage->rows + i * rows, numbers);
		else if (use == QFORMER_MATCH)
			(void)qformer_match(qformer, stage->rows + i * rows, numbers);
	}
}

int qformer_stage_run(struct qformer_stage *stage)
{
	if (stage->result_count == 0)
		return 0;
	if (make_all_images(stage) < 0)
		return -1;
	if (stage->rules.use == QFORMER_CAPTION)
		return 0;
	for (size_t i = 0; i < stage->result_count; i++) {
		const struct result_work *work = &stage->results[i];
		stage->items[i] = (struct qformer_item){ stage->pictures[work->picture].image,
			work->ids.count ? work->ids.at : NULL, work->ids.count };
	}
	if (qformer_forward_items(stage->qformer, stage->items, stage->result_count, stage->rows) < 0)
		return -1;
	run_heads(stage);
	return 0;
}

void qformer_stage_clear(struct qformer_stage *stage)
{
	size_t kept = stage->present ? 1 : 0, last = stage->picture_count - kept;
	drop_pictures(stage, 0, last);
	if (kept && last > 0) {
		stage->pictures[0] = stage->pictures[last];
		stage->pictures[last] = (struct picture_work){ 0 };
	}
	stage->picture_count = kept;
	stage->result_count = 0;
}

int qformer_stage_caption(struct qformer_stage *stage, size_t result, char **text, size_t *size)
{
	struct result_work *work = &stage->results[result];
	work->ids.count = 0;
	if (itg_caption(stage->qformer, stage->pictures[work->picture].image, &stage->itg, &work->ids))
		return -1;
	return wordpiece_decode(stage->wordpiece, work->ids.at, work->ids.count, 1, text, size);
}

int qformer_stage_text(struct qformer_stage *stage, const char *text)
{
	struct ids *ids = &stage->results[0].ids;
	stage->text_source = digest_of(text, strlen(text));
	ids->count = 0;
	if (text_ids(stage, text, ids) ||
	    qformer_text(stage->qformer, ids->at, ids->count, stage->rows))
		return -1;
	return qformer_contrast_text(stage->qformer, stage->rows, stage->numbers);
}

static const char *const names[] = { [QFORMER_PROMPT] = "prompt",
	[QFORMER_QUERY] = "qformer",
	[QFORMER_CONTRAST] = "itc",
	[QFORMER_MATCH] = "itm",
	[QFORMER_CAPTION] = "",
	[QFORMER_TEXT] = "itc" };

const char *qformer_stage_identity(
    struct qformer_stage *stage, const struct record *input, struct digest *maker)
{
	describe(stage, input ? &input->maker : NULL);
	*maker = stage->maker.digest;
	return names[stage->rules.use];
}

/* Shape and name of what this use gives. */
static void result_tensor(const struct qformer_stage *stage, struct record *record)
{
	enum qformer_use use = stage->rules.use;
	const struct qformer *qformer = stage->qformer;
	uint64_t width = use == QFORMER_PROMPT  ? qformer_llm_width(qformer)
	                 : use == QFORMER_QUERY ? qformer_width(qformer)
	                 : use == QFORMER_MATCH ? 2
	                                        : qformer_contrast_width(qformer);
	if (use == QFORMER_MATCH || use == QFORMER_TEXT) {
		record_tensor(record, names[use], 'f', 1, &width);
	} else {
		uint64_t shape[] = { qformer_queries(qformer), width };
		record_tensor(record, names[use], 'f', 2, shape);
	}
}

const float *qformer_stage_record(struct qformer_stage *stage, size_t result, struct record *record)
{
	const float *numbers = result_numbers(stage, result);
	bool of_text = stage->rules.use == QFORMER_TEXT;
	const struct picture_work *picture = &stage->pictures[stage->results[result].picture];
	result_tensor(stage, record);
	if (finite_check(numbers, stage->number_elements, "the result holds") < 0)
		return NULL;
	describe(stage, of_text ? NULL : &picture->maker);
	record->source = of_text ? stage->text_source : picture->source;
	maker_stamp(&stage->maker, record);
	return numbers;
}
