/* lines.c - JSON lines and the table of classes. */
#include "lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { CELLS = 4 }; /* a side of the grid that the queries look at, 16 of them */

void line_clear(struct line *line)
{
	memory_release(line->bytes);
	*line = (struct line){ 0 };
}

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
	enum { ADDED_MOST = 4096 };
	if (line->failed ||
	    memory_grow((void **)&line->bytes, &line->room, line->length + ADDED_MOST, 1) != 0) {
		line->failed = 1;
		return;
	}
	va_list list;
	va_start(list, format);
	int length = vsnprintf(line->bytes + line->length, ADDED_MOST, format, list);
	va_end(list);
	line->length += length < ADDED_MOST ? (size_t)length : ADDED_MOST - 1;
}

/* No text here holds a quote, a backslash or a control character. */
static void add_text(struct line *line, const char *name, const char *text)
{
	add(line, "%s\"%s\":\"%s\"", line->length > 1 ? "," : "", name, text);
}

static void add_numbers(struct line *line, const char *name, const int *numbers, int count)
{
	add(line, ",\"%s\":[", name);
	for (int i = 0; i < count; i++)
		add(line, "%s%d", i ? "," : "", numbers[i]);
	add(line, "]");
}

int line_write(struct line *line, struct output *output)
{
	add(line, "}\n");
	int status = line->failed ? -1 : output_write(output, line->bytes, line->length);
	line->length = 0;
	return status;
}

static void begin(struct line *line, const char *image)
{
	line->length = 0;
	add(line, "{");
	if (image)
		add_text(line, "image", image);
}

/* --- windows ---------------------------------------------------------------------------------- */

void line_window(struct line *line, const struct kinds *kinds, const struct scene *scene,
    const char *image, const int *patches, int patch_count, const struct window_text *text)
{
	static const char *const names[LANGUAGES] = { "caption", "caption_zh" };
	int kind = scene->objects[0].kind, colour = scene->backdrop.colour;
	begin(line, image);
	/* windows that the same text describes are one picture to the contrast stage */
	if (text->coloured)
		add(line, ",\"image_id\":\"%d/%d\"", kind, colour);
	else
		add(line, ",\"image_id\":\"%d\"", kind);
	add(line, ",\"kind\":%d", kind);
	add_numbers(line, "patches", patches, patch_count);
	for (int language = 0; language < LANGUAGES; language++) {
		struct text said;
		window_say(
		    kinds, scene, language, text->article, text->coloured, text->wording[language], &said);
		add_text(line, names[language], said.bytes);
	}
}

/* --- scenes ----------------------------------------------------------------------------------- */

void scene_text_draw(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct scene_text *text)
{
	statement_draw(scene, random, &text->statement);
	for (int i = 0; i < LANGUAGES; i++)
		text->wording[i] = draw_below(random, WORDINGS);
	text->question_count = questions_draw(kinds, scene, random, text->questions);
}

/* What each query is asked for. Query i looks at cell i of a grid over the picture, columns from left
 * to right and in each from the top, so that a language model reads the queries as captions are
 * written: the kind whose middle lies in the cell, the larger one's where two do; in an empty cell the
 * colour of the background, but in three of five nothing, as there are so many. */
static void add_query_classes(
    struct line *line, const struct kinds *kinds, const struct scene *scene)
{
	int classes[CELLS * CELLS], area[CELLS * CELLS] = { 0 };
	for (int i = 0; i < CELLS * CELLS; i++)
		classes[i] = (i * 7 + scene->objects[0].kind) % 5 < 2
		                 ? class_colour(kinds, scene->backdrop.colour)
		                 : -1;
	for (int i = 0; i < scene->count; i++) {
		const struct object *object = &scene->objects[i];
		int column = (2 * object->x + object->width) * CELLS / (2 * scene->side);
		int row = (2 * object->y + object->height) * CELLS / (2 * scene->side);
		int cell = column * CELLS + row;
		if (object->width * object->height > area[cell]) {
			area[cell] = object->width * object->height;
			classes[cell] = object->kind;
		}
	}
	add_numbers(line, "kinds", classes, CELLS * CELLS);
}

static void add_wrong(struct line *line, const struct kinds *kinds, const struct scene_text *text,
    struct random *random)
{
	/* colour or count by turns, and the relation where the caption has one, else both */
	enum wrong sorts[3] = { WRONG_KIND, WRONG_COLOUR, WRONG_COUNT };
	if (text->statement.direction != UNCLEAR)
		sorts[1 + draw_below(random, 2)] = WRONG_RELATION;
	struct statement wrong[3];
	for (int i = 0; i < 3; i++) {
		wrong[i] = text->statement;
		statement_spoil(kinds, sorts[i], random, &wrong[i]);
	}
	for (int language = 0; language < LANGUAGES; language++) {
		add(line, ",\"%s\":[", language == ENGLISH ? "wrong" : "wrong_zh");
		for (int i = 0; i < 3; i++) {
			struct text said;
			statement_say(kinds, &wrong[i], language, text->wording[language], &said);
			add(line, "%s\"%s\"", i ? "," : "", said.bytes);
		}
		add(line, "]");
	}
	add(line, ",\"wrong_types\":[\"%s\",\"%s\",\"%s\"]", wrong_names[sorts[0]],
	    wrong_names[sorts[1]], wrong_names[sorts[2]]);
}

static void add_layout(struct line *line, const struct kinds *kinds, const struct scene *scene)
{
	add(line, ",\"layout\":{\"colour\":\"%s\",\"objects\":[",
	    colour_names[ENGLISH][scene->backdrop.colour]);
	for (int i = 0; i < scene->count; i++) {
		const struct object *object = &scene->objects[i];
		add(line,
		    "%s{\"kind\":%d,\"name\":\"%s\",\"x\":%d,\"y\":%d,\"width\":%d,\"height\":%d,"
		    "\"size\":%d,\"rotation\":%d}",
		    i ? "," : "", object->kind, kind_name(kinds, object->kind, ENGLISH), object->x,
		    object->y, object->width, object->height, size_pixels[object->size],
		    turn_degrees[object->turn]);
	}
	add(line, "]}");
}

void line_scene(struct line *line, const struct kinds *kinds, const struct scene *scene,
    const char *image, const int *patches, int patch_count, const struct scene_text *text,
    struct random *random)
{
	static const char *const names[LANGUAGES] = { "caption", "caption_zh" };
	begin(line, image);
	add_text(line, "image_id", image);
	for (int language = 0; language < LANGUAGES; language++) {
		struct text said;
		statement_say(kinds, &text->statement, language, text->wording[language], &said);
		add_text(line, names[language], said.bytes);
	}
	add_wrong(line, kinds, text, random);
	add_numbers(line, "patches", patches, patch_count);
	add_query_classes(line, kinds, scene);
	add_layout(line, kinds, scene);
	add(line, ",\"questions\":[");
	for (int i = 0; i < text->question_count; i++) {
		const struct question *question = &text->questions[i];
		add(line, "%s{\"question\":\"%s\",\"answer\":\"%s\",\"language\":\"%s\",\"type\":\"%s\"}",
		    i ? "," : "", question->question.bytes, question->answer.bytes,
		    language_codes[question->language], question_names[question->type]);
	}
	add(line, "]");
}

void line_references(
    struct line *line, const struct kinds *kinds, const struct statement *statement)
{
	struct statement plain = *statement;
	plain.direction = UNCLEAR;
	for (int language = 0; language < LANGUAGES; language++) {
		add(line, ",\"%s\":[", language == ENGLISH ? "references" : "references_zh");
		for (int i = 0; i < 2 * WORDINGS; i++) {
			struct text said;
			if (i >= WORDINGS && statement->direction == UNCLEAR)
				break;
			statement_say(kinds, i < WORDINGS ? &plain : statement, language, i % WORDINGS, &said);
			add(line, "%s\"%s\"", i ? "," : "", said.bytes);
		}
		add(line, "]");
	}
}

void line_question(struct line *line, const char *image, const struct question *question)
{
	begin(line, image);
	add_text(line, "question", question->question.bytes);
	add_text(line, "answer", question->answer.bytes);
	add_text(line, "type", question_names[question->type]);
	add_text(line, "language", language_codes[question->language]);
}

void line_dialogue(struct line *line, const char *image, const struct question *turns, int count)
{
	begin(line, image);
	add_text(line, "language", language_codes[turns->language]);
	add(line, ",\"conversations\":[");
	for (int i = 0; i < count; i++)
		add(line, "%s{\"from\":\"human\",\"value\":\"%s\"},{\"from\":\"gpt\",\"value\":\"%s\"}",
		    i ? "," : "", turns[i].question.bytes, turns[i].answer.bytes);
	add(line, "]");
}

void line_text(struct line *line, const char *text, enum language language)
{
	begin(line, NULL);
	add_text(line, "text", text);
	add_text(line, "language", language_codes[language]);
}

/* --- classes ------------------------------------------------------------------------------- */

static int write_class(struct output *output, int number, const char *group, const char *english,
    const char *chinese, const char *plural, uint32_t code)
{
	struct text row;
	text_begin(&row);
	text_add(&row, "%d\t%s\t%s\t%s\t%s\t", number, group, english, chinese, plural);
	if (code)
		text_add(&row, "U+%04X", (unsigned)code);
	text_add(&row, "\n");
	return output_write(output, row.bytes, row.length);
}

/* Nothing is ever labelled with "none" or a size. Their rows stay all the same: the zones' and colours'
 * numbers lie behind that of "none", and the words of all rows are in vocab.txt, where the number of a
 * word is its line ("medium" stands nowhere else). Models that were trained know both numberings. */
int classes_write(const struct kinds *kinds, struct output *output)
{
	static const char *const sizes[SIZE_CLASSES][LANGUAGES] = { { "small", "小" },
		{ "medium", "中" }, { "large", "大" } };
	int status = 0;
	for (int i = 0; i < kinds->count && status == 0; i++) {
		const struct name *name = &kinds->items[i].name;
		status =
		    write_class(output, i, "kind", name->english, name->chinese, name->plural, name->code);
	}
	if (status == 0)
		status = write_class(output, class_none(kinds), "none", "none", "没有", "", 0);
	for (int i = 0; i < ZONES && status == 0; i++)
		status = write_class(output, class_zone(kinds, i), "zone", zone_names[ENGLISH][i],
		    zone_names[CHINESE][i], "", 0);
	for (int i = 0; i < COLOURS && status == 0; i++)
		status = write_class(output, class_colour(kinds, i), "colour", colour_names[ENGLISH][i],
		    colour_names[CHINESE][i], "", 0);
	for (int i = 1; i <= OBJECTS_MOST && status == 0; i++)
		status = write_class(output, class_number(kinds, i), "number", number_words[ENGLISH][i],
		    number_words[CHINESE][i], "", 0);
	for (int i = 0; i < SIZE_CLASSES && status == 0; i++)
		status = write_class(output, class_size(kinds, i * SIZES / SIZE_CLASSES), "size",
		    sizes[i][ENGLISH], sizes[i][CHINESE], "", 0);
	return status;
}
