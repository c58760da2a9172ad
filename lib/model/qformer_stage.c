/* qformer_stage.c - from samples and texts to records of the Q-Former (see qformer_stage.h). */
#include "model/qformer_stage.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/features.h"
#include "model/itg.h"
#include "model/qformer.h"
#include "model/vocabulary.h"
#include "stream/maker.h"
#include "text/cleanup.h"

#include <string.h>

enum {
	STAGE_VERSION = 1, /* raised when the numbers of a result change */
	INSTRUCTION_MOST = 128,
};

struct qformer_stage {
	struct qformer_rules rules;
	struct qformer *qformer;
	struct wordpiece *wordpiece; /* NULL: this use reads no text */
	bool instruction;            /* the question goes into the Q-Former */
	struct digest fingerprint, vit_weights;
	char llm_weights[DIGEST_TEXT_SIZE]; /* "" when not known */
	struct itg_rules itg;
	struct qformer_image *image; /* the picture */
	bool ready;                  /* its result is there and does not depend on the text */
	struct digest source;        /* of the picture or text */
	struct maker maker;
	float *rows, *result; /* query outputs; what a head makes of them */
	void *stored;         /* result in rules.dtype */
	struct ids ids;
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

static int allocate(struct qformer_stage *stage)
{
	const struct qformer *qformer = stage->qformer;
	size_t queries = qformer_queries(qformer), width = qformer_width(qformer);
	size_t most =
	    largest(width, largest(qformer_llm_width(qformer), qformer_contrast_width(qformer)));
	size_t rows = largest(queries, qformer_text_most(qformer));
	stage->rows = memory_allocate(rows * width, sizeof *stage->rows);
	stage->result = memory_allocate(queries * most, sizeof *stage->result);
	stage->stored = memory_allocate(queries * most, sizeof *stage->result);
	return stage->rows && stage->result && stage->stored ? 0 : -1;
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

void qformer_stage_close(struct qformer_stage *stage)
{
	if (!stage)
		return;
	qformer_image_release(stage->image);
	wordpiece_close(stage->wordpiece);
	qformer_close(stage->qformer);
	memory_release(stage->rows);
	memory_release(stage->result);
	memory_release(stage->stored);
	ids_clear(&stage->ids);
	memory_release(stage);
}

bool qformer_stage_wants_question(const struct qformer_stage *stage)
{
	return stage->instruction;
}

/* What everything that is made from a record (NULL: from a text) is identified by: all that changes
 * its numbers. */
static void describe(struct qformer_stage *stage, const struct record *input)
{
	struct maker *maker = &stage->maker;
	const struct qformer_rules *rules = &stage->rules;
	maker_begin(maker, "qformer", STAGE_VERSION);
	maker_add_digest(maker, "weights", &stage->fingerprint);
	if (input)
		maker_add_digest(maker, "input", &input->maker);
	if (rules->use == QFORMER_PROMPT && stage->llm_weights[0])
		maker_add(maker, "llm", "%s", stage->llm_weights);
	if (rules->use == QFORMER_TEXT || rules->use == QFORMER_MATCH)
		maker_add(maker, "text", "%s %d", rules->clean ? "caption" : "as it is", (int)rules->most);
	if (rules->dtype != 'f')
		maker_add(maker, "dtype", "%s", dtype_name(rules->dtype));
}

int qformer_stage_picture(struct qformer_stage *stage, const struct sample_part *part)
{
	qformer_image_release(stage->image);
	stage->image = NULL;
	stage->ready = false;
	stage->source = part->record.source;
	describe(stage, &part->record);
	float *features =
	    features_read(part, qformer_encoder_width(stage->qformer), &stage->vit_weights);
	if (features)
		stage->image = qformer_image_new(stage->qformer, features, (size_t)part->record.shape[0]);
	memory_release(features);
	return stage->image ? 0 : -1;
}

/* The ids of a text to search with or to match. */
static int text_ids(struct qformer_stage *stage, const char *text)
{
	size_t size, most = stage->rules.most, positions = qformer_text_most(stage->qformer);
	char *clean;
	if (text[0] == '\0')
		return error_input("the text is empty");
	if (cleanup_text(stage->rules.clean ? CLEANUP_CAPTION : CLEANUP_NONE, text, strlen(text), NULL,
	        &clean, &size))
		return -1;
	int status = wordpiece_encode_framed(
	    stage->wordpiece, clean, size, most < positions ? most : positions, 0, &stage->ids);
	memory_release(clean);
	return status;
}

/* The ids of a question for the Q-Former; none if it wants none. */
static int question_ids(struct qformer_stage *stage, const char *question)
{
	size_t positions = qformer_text_most(stage->qformer);
	if (!stage->instruction || !question)
		return 0;
	return wordpiece_encode_framed(stage->wordpiece, question, strlen(question),
	    positions < INSTRUCTION_MOST ? positions : INSTRUCTION_MOST, 1, &stage->ids);
}

int qformer_stage_result(struct qformer_stage *stage, const char *text)
{
	enum qformer_use use = stage->rules.use;
	struct qformer *qformer = stage->qformer;
	if (stage->ready)
		return 0;
	stage->ids.count = 0;
	if (use == QFORMER_MATCH ? text_ids(stage, text) : question_ids(stage, text))
		return -1;
	size_t count = stage->ids.count;
	if (qformer_forward(qformer, stage->image, count ? stage->ids.at : NULL, count,
	        use == QFORMER_QUERY ? stage->result : stage->rows, NULL))
		return -1;
	int status = 0;
	if (use == QFORMER_PROMPT)
		status = qformer_project(qformer, stage->rows, stage->result);
	else if (use == QFORMER_CONTRAST)
		status = qformer_contrast(qformer, stage->rows, stage->result);
	else if (use == QFORMER_MATCH)
		status = qformer_match(qformer, stage->rows, stage->result);
	if (status < 0)
		return -1;
	stage->ready = use != QFORMER_MATCH && !stage->instruction;
	return 0;
}

int qformer_stage_caption(struct qformer_stage *stage, char **text, size_t *size)
{
	stage->ids.count = 0;
	if (itg_caption(stage->qformer, stage->image, &stage->itg, &stage->ids))
		return -1;
	return wordpiece_decode(stage->wordpiece, stage->ids.at, stage->ids.count, 1, text, size);
}

int qformer_stage_text(struct qformer_stage *stage, const char *text)
{
	stage->source = digest_of(text, strlen(text));
	describe(stage, NULL);
	stage->ids.count = 0;
	if (text_ids(stage, text) ||
	    qformer_text(stage->qformer, stage->ids.at, stage->ids.count, stage->rows))
		return -1;
	return qformer_contrast_text(stage->qformer, stage->rows, stage->result);
}

const void *qformer_stage_record(struct qformer_stage *stage, struct record *record)
{
	static const char *const names[] = { [QFORMER_PROMPT] = "prompt",
		[QFORMER_QUERY] = "qformer",
		[QFORMER_CONTRAST] = "itc",
		[QFORMER_MATCH] = "itm",
		[QFORMER_TEXT] = "itc" };
	enum qformer_use use = stage->rules.use;
	const struct qformer *qformer = stage->qformer;
	char dtype = stage->rules.dtype;
	uint64_t width = use == QFORMER_PROMPT  ? qformer_llm_width(qformer)
	                 : use == QFORMER_QUERY ? qformer_width(qformer)
	                 : use == QFORMER_MATCH ? 2
	                                        : qformer_contrast_width(qformer);
	if (use == QFORMER_MATCH || use == QFORMER_TEXT) {
		record_tensor(record, names[use], dtype, 1, &width);
	} else {
		uint64_t shape[] = { qformer_queries(qformer), width };
		record_tensor(record, names[use], dtype, 2, shape);
	}
	record->source = stage->source;
	maker_stamp(&stage->maker, record);
	dtype_from_f32(
	    dtype, stage->result, stage->stored, (size_t)record->payload_size / dtype_size(dtype));
	return stage->stored;
}
