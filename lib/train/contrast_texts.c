/* contrast_texts.c - the texts of a micro-batch: in which language, as which ids, and which of them
 * belong to more than one picture (see contrast_stage.h).
 */
#include "train/contrast_stage.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "text/cleanup.h"

#include <string.h>

enum {
	STREAM_WRONG = 0x58, /* of random numbers: which wrong texts are taken */
	TEXT_MOST = 32,      /* ids of a text, as the reference has it */
};

void text_list_clear(struct text_list *list)
{
	list->ids.count = 0;
	list->count = 0;
}

void text_list_release(struct text_list *list)
{
	ids_clear(&list->ids);
	memory_release(list->start);
	*list = (struct text_list){ 0 };
}

int text_list_end(struct text_list *list)
{
	if (memory_grow((void **)&list->start, &list->capacity, list->count + 2, sizeof *list->start) <
	    0)
		return -1;
	if (list->count == 0)
		list->start[0] = 0;
	list->start[++list->count] = list->ids.count;
	return 0;
}

size_t text_list_length(const struct text_list *list, size_t i)
{
	return i < list->count ? list->start[i + 1] - list->start[i] : 0;
}

bool contrast_positive(const struct contrast_batch *batch, size_t b, size_t g)
{
	return batch->picture_id[b] == batch->picture_id[g] || batch->text_id[b] == batch->text_id[g];
}

bool contrast_reads(const struct contrast *contrast, enum example_language language)
{
	const char *word = contrast->options.language;
	return !word || strcmp(word, "both") == 0 ||
	       strcmp(word, language == EXAMPLE_ENGLISH ? "en" : "zh") == 0;
}

enum example_language contrast_language(const struct contrast *contrast, uint64_t micro_step)
{
	enum example_language turn = micro_step & 1 ? EXAMPLE_CHINESE : EXAMPLE_ENGLISH;
	if (contrast_reads(contrast, turn))
		return turn;
	return turn == EXAMPLE_ENGLISH ? EXAMPLE_CHINESE : EXAMPLE_ENGLISH;
}

/* The language that an example's text is taken in, the wanted one if it has it; EXAMPLE_LANGUAGES:
 * it has none. */
static enum example_language caption_language(const struct contrast *contrast,
    const struct example *example, enum example_language language, bool strict)
{
	if (example->caption[language])
		return language;
	enum example_language other = language == EXAMPLE_ENGLISH ? EXAMPLE_CHINESE : EXAMPLE_ENGLISH;
	if (strict || !contrast_reads(contrast, other) || !example->caption[other])
		return EXAMPLE_LANGUAGES;
	return other;
}

int contrast_choose(struct contrast *contrast, const struct example *examples, size_t count,
    enum example_language language, size_t *usable)
{
	*usable = 0;
	if (memory_grow((void **)&contrast->usable, &contrast->usable_capacity, count,
	        sizeof *contrast->usable) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (caption_language(contrast, &examples[i], language, false) != EXAMPLE_LANGUAGES)
			contrast->usable[(*usable)++] = examples[i];
		else
			example_left_out(&examples[i], "no caption in this language");
	}
	return 0;
}

/* Append [CLS] text [SEP], cleaned as the reference does it, to the list. 0, -1: ERROR_INPUT for a
 * text that is none. */
static int add_text(struct contrast *contrast, const char *text, struct text_list *list)
{
	char *clean;
	size_t size, most = contrast->options.text_most ? contrast->options.text_most : TEXT_MOST;
	most = most < 2 ? 2 : most;
	if (most > contrast->network->positions)
		most = contrast->network->positions;
	if (cleanup_text(CLEANUP_CAPTION, text, strlen(text), NULL, &clean, &size) < 0)
		return -1;
	int result = wordpiece_encode_framed(contrast->wordpiece, clean, size, most, 0, &list->ids);
	memory_release(clean);
	return result < 0 ? -1 : text_list_end(list);
}

/* One of the texts that do not fit, in the given share of the examples that have any. */
static int add_wrong(struct contrast *contrast, const struct example *example,
    enum example_language language, uint64_t micro_step, size_t i)
{
	struct text_list *list = &contrast->batch.wrong;
	struct random random =
	    random_begin(contrast->options.seed, (uint64_t)STREAM_WRONG << 56 | micro_step);
	random.position = 4 * i;
	bool wanted = random_unit(&random) < contrast->options.wrong_share;
	size_t count = example->wrong_count[language];
	if (!wanted || count == 0)
		return text_list_end(list);
	size_t which = (size_t)(random_unit(&random) * (double)count);
	return add_text(contrast, example->wrong[language][which], list);
}

static int reserve_batch(struct contrast_batch *batch, size_t count)
{
	size_t capacity[3] = { batch->capacity, batch->capacity, batch->capacity };
	if (memory_grow((void **)&batch->picture, &capacity[0], count, sizeof *batch->picture) < 0 ||
	    memory_grow((void **)&batch->picture_id, &capacity[1], count, sizeof *batch->picture_id) <
	        0 ||
	    memory_grow((void **)&batch->text_id, &capacity[2], count, sizeof *batch->text_id) < 0)
		return -1;
	batch->capacity = capacity[0];
	return 0;
}

int contrast_tokenize(
    struct contrast *contrast, enum example_language language, bool strict, uint64_t micro_step)
{
	struct contrast_batch *batch = &contrast->batch;
	const struct picture_batch *pictures = &contrast->pictures;
	batch->count = 0;
	text_list_clear(&batch->texts);
	text_list_clear(&batch->wrong);
	if (reserve_batch(batch, pictures->count) < 0)
		return -1;
	for (size_t i = 0; i < pictures->count; i++) {
		const struct example *example = &contrast->usable[pictures->example[i]];
		enum example_language taken = caption_language(contrast, example, language, strict);
		if (taken == EXAMPLE_LANGUAGES)
			continue;
		size_t b = batch->count, begin = batch->texts.ids.count;
		if (add_text(contrast, example->caption[taken], &batch->texts) < 0 ||
		    add_wrong(contrast, example, taken, micro_step, i) < 0)
			return error_context("%s", example->key);
		const char *id = example->image_id ? example->image_id : example->key;
		batch->picture[b] = i;
		batch->picture_id[b] = checksum_of(id, strlen(id));
		batch->text_id[b] = checksum_of(batch->texts.ids.at + begin,
		    (batch->texts.ids.count - begin) * sizeof *batch->texts.ids.at);
		batch->count++;
	}
	return 0;
}
