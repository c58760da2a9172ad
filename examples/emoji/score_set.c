/* score_set.c - scenes, questions and answers, read from their files. */
#include "score.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "stream/json.h"
#include "text/lines.h"

enum { NUMBER_MOST = 1 << 20 };

/* A copy of a member's text. NULL recorded. */
static char *copy_member(const struct json *object, const char *name)
{
	size_t size;
	const char *text = json_text(json_member(object, name), &size);
	if (!text) {
		error_input("no text \"%s\"", name);
		return NULL;
	}
	return memory_text(text, size);
}

/* Do something with each line's object until it fails or says (1) that it has enough. */
static int each_line(const char *path, int (*take)(void *to, const struct json *object), void *to)
{
	struct lines lines;
	int status;
	if (lines_open(&lines, path, LINES_RAW) != 0)
		return -1;
	while ((status = lines_next(&lines)) > 0) {
		struct json *object = json_parse(lines.text, strlen(lines.text));
		int taken = object ? take(to, object) : -1;
		json_release(object);
		if (taken < 0)
			status = error_context("line %zu", lines.number);
		if (taken != 0)
			break;
	}
	lines_close(&lines);
	return status < 0 ? -1 : 0;
}

/* --- scenes ---------------------------------------------------------------------------------- */

static int read_object(const struct json *json, struct truth_object *object)
{
	static const char *const names[] = { "kind", "x", "y", "width", "height" };
	int64_t numbers[5];
	for (int i = 0; i < 5; i++)
		if (json_whole(json_member(json, names[i]), -NUMBER_MOST, NUMBER_MOST, &numbers[i]) != 0)
			return error_context("\"%s\" of an object", names[i]);
	*object = (struct truth_object){ (int)numbers[0], (int)(2 * numbers[1] + numbers[3]),
		(int)(2 * numbers[2] + numbers[4]) };
	return 0;
}

static int read_layout(const struct json *scene, const struct words *words, struct truth *truth)
{
	const struct json *layout = json_member(scene, "layout");
	const struct json *objects = json_member(layout, "objects");
	const char *colour = json_text(json_member(layout, "colour"), NULL);
	size_t count = json_count(objects);
	if (!colour || json_kind(objects) != JSON_KIND_ARRAY)
		return error_input("no \"layout\" with a colour and objects");
	if (count == 0 || count > OBJECTS_CAP)
		return error_input("%zu objects, but 1 to %d are possible", count, OBJECTS_CAP);
	if ((truth->colour = words_colour(words, colour)) < 0)
		return error_input("colour \"%s\" is not in the table of classes", colour);
	truth->count = (int)count;
	for (size_t i = 0; i < count; i++)
		if (read_object(json_item(objects, i), &truth->objects[i]) != 0)
			return -1;
	return 0;
}

/* Where the file has none, the caption is the one reference. */
static int read_references(const struct json *scene, int language, struct truth *truth)
{
	static const char *const names[SCORE_LANGUAGES] = { "references", "references_zh" };
	const struct json *texts = json_member(scene, names[language]);
	size_t count = json_count(texts);
	if (count > REFERENCES_CAP)
		return error_input("more than %d \"%s\"", REFERENCES_CAP, names[language]);
	for (size_t i = 0; i < count || i == 0; i++) {
		size_t size;
		const char *text = count > 0 ? json_text(json_item(texts, i), &size) : NULL;
		if (count == 0)
			size = strlen(text = truth->captions[language]);
		if (!text)
			return error_input("\"%s\" are no texts", names[language]);
		if (!(truth->references[language][i] = memory_text(text, size)))
			return -1;
		truth->reference_count[language]++;
	}
	return 0;
}

struct truths_reader {
	struct truths *truths;
	const struct words *words;
	size_t most;
};

static int take_scene(void *to, const struct json *object)
{
	static const char *const names[SCORE_LANGUAGES] = { "caption", "caption_zh" };
	struct truths_reader *reader = to;
	struct truths *truths = reader->truths;
	if (reader->most > 0 && truths->count == reader->most)
		return 1;
	if (memory_grow(
	        (void **)&truths->items, &truths->room, truths->count + 1, sizeof(struct truth)) != 0)
		return -1;
	struct truth *truth = &truths->items[truths->count++];
	*truth = (struct truth){ 0 };
	if (!(truth->image = copy_member(object, "image")))
		return -1;
	for (int i = 0; i < SCORE_LANGUAGES; i++)
		if (!(truth->captions[i] = copy_member(object, names[i])) ||
		    read_references(object, i, truth) != 0)
			return -1;
	return reader->words ? read_layout(object, reader->words, truth) : 0;
}

int truths_read(const char *path, size_t most, const struct words *words, struct truths *truths)
{
	struct truths_reader reader = { truths, words, most };
	*truths = (struct truths){ 0 };
	if (each_line(path, take_scene, &reader) != 0) {
		truths_clear(truths);
		return -1;
	}
	return 0;
}

void truths_clear(struct truths *truths)
{
	for (size_t i = 0; i < truths->count; i++) {
		memory_release(truths->items[i].image);
		for (int j = 0; j < SCORE_LANGUAGES; j++) {
			memory_release(truths->items[i].captions[j]);
			for (int k = 0; k < truths->items[i].reference_count[j]; k++)
				memory_release(truths->items[i].references[j][k]);
		}
	}
	memory_release(truths->items);
	*truths = (struct truths){ 0 };
}

/* --- questions ------------------------------------------------------------------------------- */

struct questions_reader {
	struct questions *questions;
	size_t most, each;
	char *image; /* of the line before */
	size_t images, asked;
};

static int read_question(const struct json *object, struct question *question)
{
	const char *code = json_text(json_member(object, "language"), NULL);
	int language = 0;
	while (code && score_languages[language] && strcmp(score_languages[language], code) != 0)
		language++;
	if (!code || !score_languages[language])
		return error_input("\"language\" is neither en nor zh");
	question->language = language;
	if (!(question->image = copy_member(object, "image")) ||
	    !(question->question = copy_member(object, "question")) ||
	    !(question->answer = copy_member(object, "answer")) ||
	    !(question->type = copy_member(object, "type")))
		return -1;
	return 0;
}

/* Count pictures; lines about one stand together. 1: this is one too many. */
static int note_image(struct questions_reader *reader, const struct json *object)
{
	char *image = copy_member(object, "image");
	if (!image)
		return -1;
	if (reader->image && strcmp(reader->image, image) == 0) {
		memory_release(image);
		return 0;
	}
	memory_release(reader->image);
	reader->image = image;
	reader->asked = 0;
	return reader->most > 0 && ++reader->images > reader->most;
}

static int take_question(void *to, const struct json *object)
{
	struct questions_reader *reader = to;
	struct questions *questions = reader->questions;
	int status = note_image(reader, object);
	const char *type = json_text(json_member(object, "type"), NULL);
	if (status != 0)
		return status;
	if (json_member(object, "conversations") || (type && strcmp(type, "caption") == 0) ||
	    (reader->each > 0 && reader->asked == reader->each))
		return 0;
	if (memory_grow((void **)&questions->items, &questions->room, questions->count + 1,
	        sizeof(struct question)) != 0)
		return -1;
	struct question *question = &questions->items[questions->count++];
	*question = (struct question){ .place = reader->asked++ };
	return read_question(object, question);
}

int questions_read(const char *path, size_t most, size_t each, struct questions *questions)
{
	struct questions_reader reader = { .questions = questions, .most = most, .each = each };
	*questions = (struct questions){ 0 };
	int status = each_line(path, take_question, &reader);
	memory_release(reader.image);
	if (status != 0)
		questions_clear(questions);
	return status;
}

void questions_clear(struct questions *questions)
{
	for (size_t i = 0; i < questions->count; i++) {
		struct question *question = &questions->items[i];
		memory_release(question->image);
		memory_release(question->question);
		memory_release(question->answer);
		memory_release(question->type);
	}
	memory_release(questions->items);
	*questions = (struct questions){ 0 };
}

/* --- answers --------------------------------------------------------------------------------- */

static int compare_answers(const void *a, const void *b)
{
	const struct answer *one = a, *other = b;
	int order = strcmp(one->key, other->key);
	return order ? order : (one->number > other->number) - (one->number < other->number);
}

static int add_answer(struct answers *answers, const struct lines *lines)
{
	if (memory_grow((void **)&answers->items, &answers->room, answers->count + 1,
	        sizeof(struct answer)) != 0)
		return -1;
	struct answer *answer = &answers->items[answers->count++];
	*answer = (struct answer){ .number = lines->number };
	answer->key = memory_text(lines->key, strlen(lines->key));
	answer->text = memory_text(lines->text, strlen(lines->text));
	return answer->key && answer->text ? 0 : -1;
}

int answers_read(const char *path, struct answers *answers)
{
	struct lines lines;
	int status;
	*answers = (struct answers){ 0 };
	if (lines_open(&lines, path, LINES_KEYED) != 0)
		return -1;
	while ((status = lines_next(&lines)) > 0)
		if (add_answer(answers, &lines) != 0) {
			status = -1;
			break;
		}
	lines_close(&lines);
	if (status != 0)
		answers_clear(answers);
	else
		qsort(answers->items, answers->count, sizeof(struct answer), compare_answers);
	return status;
}

void answers_clear(struct answers *answers)
{
	for (size_t i = 0; i < answers->count; i++) {
		memory_release(answers->items[i].key);
		memory_release(answers->items[i].text);
	}
	memory_release(answers->items);
	*answers = (struct answers){ 0 };
}

const struct answer *answers_find(const struct answers *answers, const char *key, size_t *count)
{
	size_t low = 0, high = answers->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(answers->items[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < answers->count && strcmp(answers->items[high].key, key) == 0;)
		high++;
	*count = high - low;
	return answers->items + low;
}

/* --- chance ---------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t commonest(const char **texts, size_t n)
{
	size_t most = 0, run = 0;
	if (n > 0)
		qsort(texts, n, sizeof *texts, compare_texts);
	for (size_t i = 0; i < n; i++) {
		run = i > 0 && strcmp(texts[i], texts[i - 1]) == 0 ? run + 1 : 1;
		most = run > most ? run : most;
	}
	return most;
}
