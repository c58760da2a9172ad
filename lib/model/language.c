/* language.c - LLM, tokenizer and template of a model, see language.h. */
#include "model/language.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/program.h"
#include "model/llama.h"
#include "model/vocabulary.h"
#include "stream/maker.h"
#include "stream/model_file.h"
#include "stream/rows.h"

static int open_tokenizer(struct language *language)
{
	language->bpe = vocabulary_bpe(language->file);
	return language->bpe ? 0 : error_context("%s", model_file_path(language->file));
}

static int open_template(struct language *language, const char *model, const char *name)
{
	char directory[PATH_MAX], own[PATH_MAX];
	if (model_find(model, directory, sizeof directory) != 0)
		return -1;
	if (name == NULL)
		name = model_file_text(language->file, "template", own, sizeof own) ? own : "plain";
	language->template = template_open(name, directory);
	return language->template == NULL ? error_as(ERROR_SYSTEM) : 0;
}

int language_open(struct language *language, const char *model, const char *template, bool raw)
{
	*language = (struct language){ 0 };
	language->llama = llama_open(model);
	if (language->llama == NULL)
		return -1;
	language->file = llama_file(language->llama);
	language->fingerprint = model_file_fingerprint(language->file);
	char legacy[8] = "";
	model_file_text(language->file, "legacy", legacy, sizeof legacy);
	if (open_tokenizer(language) != 0 || (!raw && open_template(language, model, template) != 0)) {
		language_close(language);
		return -1;
	}
	language->rules = (struct prompt_rules){
		.bpe = language->bpe,
		.template = language->template,
		.modern = legacy[0] == '0',
	};
	return 0;
}

int language_adapt(struct language *language, const char *const *paths, int count)
{
	for (int i = 0; i < count; i++) {
		if (llama_adapt(language->llama, paths[i]) == 0)
			continue;
		if (strstr(error_text(), paths[i]) == NULL)
			error_context("%s", paths[i]);
		return error_as(ERROR_SYSTEM);
	}
	return 0;
}

void language_close(struct language *language)
{
	template_close(language->template);
	if (language->bpe != NULL)
		bpe_close(language->bpe);
	if (language->llama != NULL)
		llama_close(language->llama);
	*language = (struct language){ 0 };
}

const char **language_stops(
    const struct language *language, const char *const *more, size_t count, size_t *stop_count)
{
	size_t own = 0, total;
	while (language->template != NULL && template_stop(language->template, own) != NULL)
		own++;
	if (!checked_add(own, count, &total)) {
		error_memory(SIZE_MAX);
		return NULL;
	}
	const char **stops = memory_allocate(total, sizeof *stops);
	for (size_t i = 0; stops != NULL && i < total; i++)
		stops[i] = i < own ? template_stop(language->template, i) : more[i - own];
	*stop_count = total;
	return stops;
}

/* A record says reliably what made it; where that names the LLM it is for, it must be this one. */
static int check_maker(struct language *language, const struct record *record)
{
	char llm[DIGEST_TEXT_SIZE];
	if (!common.any_maker && maker_is_honest(record) &&
	    !record_meta(record, "llm", llm, sizeof llm)) {
		language->unnamed = true;
		return 0;
	}
	return maker_expect(record, "llm", &language->fingerprint);
}

float *language_soft_prompt(struct language *language, struct sample *sample, size_t *rows)
{
	size_t width = llama_width(language->llama), total;
	struct rows stored;
	const struct sample_part *part;
	char shape[256];
	int found = rows_find(sample, "prompt", &stored, &part);
	if (found == 0)
		error_input(
		    "holds no soft prompt but \"%s\": zv-qformer makes them", sample->parts[0].record.name);
	if (found <= 0)
		return NULL;
	const struct record *record = &part->record;
	if (record->dimensions != 2 || record->shape[1] != width) {
		error_input("the soft prompt is %s %s, but this model reads rows of %zu: "
		            "zv-qformer and zv-generate need the same model",
		    rows_type_name(record->dtype), record_shape_text(record, shape), width);
		return NULL;
	}
	if (stored.count == 0 || stored.count > llama_positions(language->llama)) {
		error_input("the soft prompt has %zu rows, the model has %zu positions", stored.count,
		    llama_positions(language->llama));
		return NULL;
	}
	if (check_maker(language, record) != 0)
		return NULL;
	if (!checked_multiply(stored.count, width, &total)) {
		error_memory(SIZE_MAX);
		return NULL;
	}
	float *values = memory_allocate(total, sizeof *values);
	if (values == NULL)
		return NULL;
	rows_get(&stored, 0, stored.count, values);
	*rows = stored.count;
	return values;
}

void language_explain_input(void)
{
	char reason[256];
	snprintf(reason, sizeof reason, "%s", error_text());
	enum error_kind kind = error_kind();
	if (strcmp(reason, "byte 0: not a zv stream") != 0 && strncmp(reason, "is a terminal", 13) != 0)
		return;
	error_input("%s; without pictures: --no-image with -p TEXT or --chat, or questions by -P FILE "
	            "(-P -: standard input)",
	    reason);
	error_as(kind);
}
