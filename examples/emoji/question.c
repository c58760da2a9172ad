/* question.c - questions about scenes that have one clear answer, and dialogues of them. */
#include "wording.h"

#include <stdio.h>
#include <string.h>

const char *const question_names[QUESTION_TYPES] = { "what", "where", "count", "total", "colour",
	"exists", "relation", "bigger", "caption" };

enum { FORMS = 3, BIGGER_RATIO = 125 }; /* wordings of a question; per cent */

/* Wordings with {a}, {b}: names of kinds, {as}: plural, {an}: with article, {place}: a direction or a
 * zone. */
struct words {
	const char *a, *b, *as, *place;
	int an; /* kind for {an}, -1: none */
};

static const char *value_of(const struct words *words, const char *name, size_t size)
{
	const struct {
		const char *name, *value;
	} values[] = { { "a", words->a }, { "b", words->b }, { "as", words->as },
		{ "place", words->place } };
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		if (strlen(values[i].name) == size && memcmp(values[i].name, name, size) == 0)
			return values[i].value;
	return NULL;
}

static void fill(
    struct text *text, const struct kinds *kinds, const char *form, const struct words *words)
{
	text_begin(text);
	for (const char *open; (open = strchr(form, '{')) != NULL;) {
		const char *close = strchr(open, '}');
		size_t size = (size_t)(close - open) - 1;
		char part[128];
		snprintf(part, sizeof part, "%.*s", (int)(open - form), form);
		text_add(text, "%s", part);
		if (size == 2 && memcmp(open + 1, "an", 2) == 0)
			add_counted(text, kinds, words->an, 1, ENGLISH);
		else
			text_add(text, "%s", value_of(words, open + 1, size));
		form = close + 1;
	}
	text_add(text, "%s", form);
}

typedef const char *const forms[LANGUAGES][FORMS];

/* --- choosing what to ask ----------------------------------------------------------------------- */

static bool alone(const struct scene *scene, int i)
{
	return scene_kind_count(scene, scene->objects[i].kind) == 1;
}

/* An object whose kind is there once; -1: none. */
static int draw_single(const struct scene *scene, struct random *random)
{
	int weights[OBJECTS_MOST];
	for (int i = 0; i < scene->count; i++)
		weights[i] = alone(scene, i);
	return draw_weighted(random, weights, scene->count);
}

static int draw_absent(const struct kinds *kinds, const struct scene *scene, struct random *random)
{
	int kind;
	do
		kind = draw_below(random, kinds->count);
	while (scene_kind_count(scene, kind) > 0);
	return kind;
}

/* The only object in a direction from b, with none near to being there too; -1: none such. */
static int only_there(const struct scene *scene, int b, enum direction direction)
{
	int only = -1, there = 0;
	for (int i = 0; i < scene->count; i++) {
		if (i == b || scene_distance(&scene->objects[i], &scene->objects[b], direction) <= 8)
			continue;
		there++;
		if (scene_direction(&scene->objects[i], &scene->objects[b]) == direction)
			only = i;
	}
	return there == 1 ? only : -1;
}

/* The only object in a zone; -1: none such, or one near its border. */
static int only_in_zone(const struct scene *scene, int wanted)
{
	int only = -1, there = 0, zone;
	for (int i = 0; i < scene->count; i++) {
		if (!scene_zone(scene, &scene->objects[i], &zone))
			return -1;
		if (zone == wanted) {
			only = i;
			there++;
		}
	}
	return there == 1 ? only : -1;
}

static const char *const directions[LANGUAGES][4] = {
	{ "to the left of", "to the right of", "above", "below" }, { "左边", "右边", "上面", "下面" }
};

/* --- the types ------------------------------------------------------------------------------- */

static bool ask_what_direction(const struct kinds *kinds, const struct scene *scene,
    struct random *random, struct question *question)
{
	static forms what = { { "What is {place} the {a}?", "What can be seen {place} the {a}?",
		                      "Which thing is {place} the {a}?" },
		{ "{a}的{place}是什么？", "{a}的{place}有什么？", "什么在{a}的{place}？" } };
	int weights[OBJECTS_MOST * 4], language = question->language;
	for (int i = 0; i < scene->count * 4; i++)
		weights[i] = alone(scene, i / 4) && only_there(scene, i / 4, i % 4) >= 0;
	int place = draw_weighted(random, weights, scene->count * 4);
	if (place < 0)
		return false;
	int seen = only_there(scene, place / 4, place % 4);
	struct words words = { .a = kind_name(kinds, scene->objects[place / 4].kind, language),
		.place = directions[language][place % 4] };
	fill(&question->question, kinds, what[language][draw_below(random, FORMS)], &words);
	text_add(&question->answer, "%s", kind_name(kinds, scene->objects[seen].kind, language));
	return true;
}

static bool ask_what_zone(const struct kinds *kinds, const struct scene *scene,
    struct random *random, struct question *question)
{
	static forms what = { { "What is {place}?", "What can be seen {place}?",
		                      "Which thing is {place}?" },
		{ "图片{place}是什么？", "图片{place}有什么？", "什么在图片{place}？" } };
	static const char *const places[LANGUAGES][ZONES] = {
		{ "in the top left corner", "at the top in the middle", "in the top right corner",
		    "on the left in the middle", "in the center", "on the right in the middle",
		    "in the bottom left corner", "at the bottom in the middle",
		    "in the bottom right corner" },
		{ "左上角", "上方中间", "右上角", "左边中间", "正中间", "右边中间", "左下角", "下方中间",
		    "右下角" }
	};
	int weights[ZONES], language = question->language;
	for (int i = 0; i < ZONES; i++)
		weights[i] = only_in_zone(scene, i) >= 0;
	int zone = draw_weighted(random, weights, ZONES);
	if (zone < 0)
		return false;
	int seen = only_in_zone(scene, zone);
	struct words words = { .place = places[language][zone] };
	fill(&question->question, kinds, what[language][draw_below(random, FORMS)], &words);
	text_add(&question->answer, "%s", kind_name(kinds, scene->objects[seen].kind, language));
	return true;
}

static bool ask_what(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question *question)
{
	static forms what = { { "What is in the picture?", "What is this?", "What can be seen here?" },
		{ "图中是什么？", "这是什么？", "图片里有什么？" } };
	if (scene->count > 1) {
		bool by_zone = draw_percent(random, 35);
		return by_zone ? ask_what_zone(kinds, scene, random, question)
		               : ask_what_direction(kinds, scene, random, question);
	}
	struct words words = { 0 };
	fill(&question->question, kinds, what[question->language][draw_below(random, FORMS)], &words);
	text_add(&question->answer, "%s", kind_name(kinds, scene->objects[0].kind, question->language));
	return true;
}

static bool ask_where(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question *question)
{
	static forms where = { { "Where is the {a}?", "In which part of the picture is the {a}?",
		                       "Where can the {a} be seen?" },
		{ "{a}在哪里？", "{a}在图片的什么位置？", "{a}在图中哪里？" } };
	int i = draw_single(scene, random), zone;
	if (i < 0 || !scene_zone(scene, &scene->objects[i], &zone))
		return false;
	struct words words = { .a = kind_name(kinds, scene->objects[i].kind, question->language) };
	fill(&question->question, kinds, where[question->language][draw_below(random, FORMS)], &words);
	text_add(&question->answer, "%s", zone_names[question->language][zone]);
	return true;
}

/* Of a kind that is repeated if there is one, else mostly of one that is not there. */
static int draw_counted(const struct kinds *kinds, const struct scene *scene, struct random *random)
{
	int weights[OBJECTS_MOST], chance = draw_below(random, 100);
	for (int i = 0; i < scene->count; i++)
		weights[i] = scene_kind_count(scene, scene->objects[i].kind) - 1;
	int repeated = draw_weighted(random, weights, scene->count);
	if (repeated >= 0 && chance < 70)
		return scene->objects[repeated].kind;
	int single = draw_single(scene, random);
	if (single >= 0 && chance >= 55)
		return scene->objects[single].kind;
	return draw_absent(kinds, scene, random);
}

static bool ask_count(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question *question)
{
	static forms how_many = { { "How many {as} are there?", "How many {as} are in the picture?",
		                          "How many {as} can be seen?" },
		{ "图中有几个{a}？", "有几个{a}？", "图片里有多少个{a}？" } };
	int kind = draw_counted(kinds, scene, random);
	struct words words = { .a = kind_name(kinds, kind, CHINESE),
		.as = kinds->items[kind].name.plural };
	fill(&question->question, kinds, how_many[question->language][draw_below(random, FORMS)],
	    &words);
	text_add(
	    &question->answer, "%s", number_words[question->language][scene_kind_count(scene, kind)]);
	return true;
}

static bool ask_total(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question *question)
{
	static forms how_many = { { "How many objects are there?",
		                          "How many objects are in the picture?",
		                          "How many things can be seen in all?" },
		{ "图中有几个物体？", "一共有几个物体？", "图片里总共有多少个物体？" } };
	struct words words = { 0 };
	fill(&question->question, kinds, how_many[question->language][draw_below(random, FORMS)],
	    &words);
	text_add(&question->answer, "%s", number_words[question->language][scene->count]);
	return true;
}

static bool ask_colour(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question *question)
{
	static forms which = { { "What color is the background?",
		                       "Which color does the background have?",
		                       "What is the color of the background?" },
		{ "背景是什么颜色？", "背景是什么颜色的？", "图片的背景颜色是什么？" } };
	struct words words = { 0 };
	fill(&question->question, kinds, which[question->language][draw_below(random, FORMS)], &words);
	text_add(&question->answer, "%s", colour_names[question->language][scene->backdrop.colour]);
	return true;
}

static bool ask_exists(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question *question)
{
	static forms is_there = { { "Is there {an}?", "Is there {an} in the picture?",
		                          "Can {an} be seen here?" },
		{ "有{a}吗？", "图中有{a}吗？", "图片里有没有{a}？" } };
	static const char *const answers[LANGUAGES][2] = { { "no", "yes" }, { "没有", "有" } };
	bool yes = draw_percent(random, 50);
	int kind = yes ? scene->objects[draw_below(random, scene->count)].kind
	               : draw_absent(kinds, scene, random);
	struct words words = { .a = kind_name(kinds, kind, CHINESE), .an = kind };
	fill(&question->question, kinds, is_there[question->language][draw_below(random, FORMS)],
	    &words);
	text_add(&question->answer, "%s", answers[question->language][yes]);
	return true;
}

/* Two single objects in a clear direction. */
static bool draw_pair(
    const struct scene *scene, struct random *random, int *a, int *b, enum direction *direction)
{
	int weights[OBJECTS_MOST * OBJECTS_MOST], pairs = scene->count * scene->count;
	for (int i = 0; i < pairs; i++) {
		int one = i / scene->count, other = i % scene->count;
		weights[i] = one != other && alone(scene, one) && alone(scene, other) &&
		             scene_direction(&scene->objects[one], &scene->objects[other]) != UNCLEAR;
	}
	int pair = draw_weighted(random, weights, pairs);
	if (pair < 0)
		return false;
	*a = pair / scene->count;
	*b = pair % scene->count;
	*direction = scene_direction(&scene->objects[*a], &scene->objects[*b]);
	return true;
}

static bool ask_relation(const struct kinds *kinds, const struct scene *scene,
    struct random *random, struct question *question)
{
	static forms is = { { "Is the {a} {place} the {b}?", "Does the {a} stand {place} the {b}?",
		                    "Is the {a} located {place} the {b}?" },
		{ "{a}在{b}的{place}吗？", "{a}是在{b}的{place}吗？", "{a}是不是在{b}的{place}？" } };
	static const char *const answers[LANGUAGES][2] = { { "no", "yes" }, { "不是", "是" } };
	int a, b, language = question->language;
	enum direction direction;
	if (!draw_pair(scene, random, &a, &b, &direction))
		return false;
	bool yes = draw_percent(random, 50);
	struct words words = { .a = kind_name(kinds, scene->objects[a].kind, language),
		.b = kind_name(kinds, scene->objects[b].kind, language),
		.place = directions[language][yes ? direction : direction_inverse(direction)] };
	fill(&question->question, kinds, is[language][draw_below(random, FORMS)], &words);
	text_add(&question->answer, "%s", answers[language][yes]);
	return true;
}

static bool ask_bigger(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question *question)
{
	static forms bigger = { { "Which is bigger, the {a} or the {b}?",
		                        "What is larger, the {a} or the {b}?",
		                        "Which one is bigger: the {a} or the {b}?" },
		{ "{a}和{b}哪个更大？", "{a}和{b}哪个大？", "哪个更大，{a}还是{b}？" } };
	static forms smaller = { { "Which is smaller, the {a} or the {b}?",
		                         "What is smaller, the {a} or the {b}?",
		                         "Which one is smaller: the {a} or the {b}?" },
		{ "{a}和{b}哪个更小？", "{a}和{b}哪个小？", "哪个更小，{a}还是{b}？" } };
	int weights[OBJECTS_MOST * OBJECTS_MOST], pairs = scene->count * scene->count;
	for (int i = 0; i < pairs; i++) {
		int one = i / scene->count, other = i % scene->count;
		int size = size_pixels[scene->objects[one].size],
		    size_other = size_pixels[scene->objects[other].size];
		weights[i] =
		    one != other && alone(scene, one) && alone(scene, other) &&
		    (100 * size >= BIGGER_RATIO * size_other || 100 * size_other >= BIGGER_RATIO * size);
	}
	int pair = draw_weighted(random, weights, pairs), language = question->language;
	if (pair < 0)
		return false;
	const struct object *a = &scene->objects[pair / scene->count];
	const struct object *b = &scene->objects[pair % scene->count];
	bool ask_smaller = draw_percent(random, 30);
	struct words words = { .a = kind_name(kinds, a->kind, language),
		.b = kind_name(kinds, b->kind, language) };
	fill(&question->question, kinds,
	    (ask_smaller ? smaller : bigger)[language][draw_below(random, FORMS)], &words);
	text_add(&question->answer, "%s", (a->size > b->size) != ask_smaller ? words.a : words.b);
	return true;
}

static bool ask_caption(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question *question)
{
	static forms describe = { { "Describe the picture.", "What does the picture show?",
		                          "Give a description of the picture." },
		{ "描述这张图片。", "图片里是什么样子？", "请描述一下这张图片。" } };
	struct statement statement;
	struct words words = { 0 };
	statement_draw(scene, random, &statement);
	fill(&question->question, kinds, describe[question->language][draw_below(random, FORMS)],
	    &words);
	statement_say(
	    kinds, &statement, question->language, draw_below(random, WORDINGS), &question->answer);
	return true;
}

/* People leave the question mark out, or type the one of the other keyboard. */
static void vary_mark(struct random *random, struct question *question)
{
	static const char *const marks[LANGUAGES] = { "?", "？" };
	struct text *text = &question->question;
	size_t size = strlen(marks[question->language]);
	int chance = draw_below(random, 100);
	if (chance >= 12 || text->length < size ||
	    strcmp(text->bytes + text->length - size, marks[question->language]) != 0)
		return;
	text->length -= size;
	text->bytes[text->length] = 0;
	if (chance >= 6)
		text_add(text, "?");
}

bool question_draw(const struct kinds *kinds, const struct scene *scene, enum question_type type,
    enum language language, struct random *random, struct question *question)
{
	static bool (*const ask[QUESTION_TYPES])(const struct kinds *, const struct scene *,
	    struct random *, struct question *) = { ask_what, ask_where, ask_count, ask_total,
		ask_colour, ask_exists, ask_relation, ask_bigger, ask_caption };
	question->type = type;
	question->language = language;
	text_begin(&question->question);
	text_begin(&question->answer);
	if (!ask[type](kinds, scene, random, question))
		return false;
	vary_mark(random, question);
	return true;
}

/* --- several --------------------------------------------------------------------------------- */

int questions_draw(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question questions[QUESTIONS_MOST])
{
	int types[ASK_CAPTION], count = 0;
	int wanted = draw_between(random, QUESTIONS_LEAST, QUESTIONS_MOST);
	for (int i = 0; i < ASK_CAPTION; i++)
		types[i] = i;
	draw_shuffle(random, types, ASK_CAPTION);
	enum language language = draw_below(random, LANGUAGES); /* then by turns */
	for (int i = 0; i < ASK_CAPTION && count < wanted; i++)
		if (question_draw(
		        kinds, scene, types[i], (language + count) % LANGUAGES, random, &questions[count]))
			count++;
	return count;
}

int dialogue_draw(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct question turns[TURNS_MOST])
{
	int types[ASK_CAPTION], count = 0;
	int wanted = draw_between(random, 2, TURNS_MOST);
	enum language language = draw_below(random, LANGUAGES);
	for (int i = 0; i < ASK_CAPTION; i++)
		types[i] = i;
	draw_shuffle(random, types, ASK_CAPTION);
	if (draw_percent(random, 40))
		question_draw(kinds, scene, ASK_CAPTION, language, random, &turns[count++]);
	for (int i = 0; i < ASK_CAPTION && count < wanted; i++)
		if (question_draw(kinds, scene, types[i], language, random, &turns[count]))
			count++;
	return count;
}
