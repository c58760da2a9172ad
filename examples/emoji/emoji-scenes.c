/* emoji-scenes.c - pictures of emoji, what they show, and what is said about them: training and test
 * data for a small bilingual model.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/message.h"
#include "base/number.h"
#include "base/program.h"
#include "lines.h"

enum mode { MODE_KINDS, MODE_WINDOWS, MODE_SCENES, MODE_TEXT, MODES };

static const char *const mode_names[] = { "kinds", "windows", "scenes", "text", NULL };
static const char *const split_names[] = { "train", "valid", "test", "unseen", NULL };

static struct {
	int64_t count, seed, kinds, caption_percent, dialogue_percent;
	int split;
	const char *folder, *set, *objects;
	struct kinds_paths paths;
} option = {
	.count = 1000,
	.seed = 1,
	.kinds = 512,
	.caption_percent = 15,
	.dialogue_percent = 10,
	.folder = ".",
	.objects = "1-4",
	.paths = { { "/usr/share/unicode/emoji/emoji-test.txt",
	               "/usr/share/unicode/cldr/common/annotations" },
	    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf" },
};

static const struct option_entry options[] = {
	{ 'n', "count", "N", OPTION_WHOLE, &option.count, 1, 1e9, NULL,
	    "pictures, or scenes to talk about (1000)" },
	{ 's', "seed", "S", OPTION_WHOLE, &option.seed, 0, 1e15, NULL,
	    "seed: the same seed gives the same bytes (1)" },
	{ 'o', "output", "DIR", OPTION_TEXT, &option.folder, 0, 0, NULL, "folder for the results (.)" },
	{ 0, "set", "NAME", OPTION_TEXT, &option.set, 0, 0, NULL,
	    "name of the files and of the pictures' folder (MODE-SPLIT)" },
	{ 0, "split", "SPLIT", OPTION_CHOICE, &option.split, 0, 0, split_names,
	    "train, valid, test: never a reserved pair of kinds;\nunseen: always one (train)" },
	{ 0, "objects", "A-B", OPTION_TEXT, &option.objects, 0, 0, NULL,
	    "numbers of objects in a scene (1-4)" },
	{ 0, "kinds", "N", OPTION_WHOLE, &option.kinds, 2, 2000, NULL,
	    "kinds of objects, the N that look least alike (512)" },
	{ 0, "captions", "PERCENT", OPTION_WHOLE, &option.caption_percent, 0, 99, NULL,
	    "share of descriptions among the questions (15)" },
	{ 0, "dialogues", "PERCENT", OPTION_WHOLE, &option.dialogue_percent, 0, 100, NULL,
	    "scenes with a dialogue (10)" },
	{ 0, "font", "FILE", OPTION_TEXT, &option.paths.font, 0, 0, NULL,
	    "colour font with bitmaps (Debian's fonts-noto-color-emoji)" },
	{ 0, "annotations", "DIR", OPTION_TEXT, &option.paths.names.annotations, 0, 0, NULL,
	    "folder of CLDR's en.xml and zh.xml (Debian's unicode-cldr-core)" },
	{ 0, "list", "FILE", OPTION_TEXT, &option.paths.names.list, 0, 0, NULL,
	    "emoji-test.txt (Debian's unicode-data)" },
	{ 0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL },
};

static const struct program program = {
	.name = "emoji-scenes",
	.purpose = "compose pictures of emoji with captions and questions",
	.operands = "windows|scenes|text|kinds",
	.options = options,
	.input = "A font and names; no other input.",
	.output = "DIR/SET/NNN/NNNNNN.jpg, DIR/SET.jsonl, DIR/SET-instruct.jsonl, DIR/SET.txt, "
	          "DIR/classes.tsv.",
	.examples = { "emoji-scenes windows -n 600000 -o data",
	    "emoji-scenes scenes -n 1000 --split test -o data" },
	.see_also = "zv-train(1)",
};

/* What a run holds open. */
struct run {
	struct kinds kinds;
	struct canvas *canvas;
	struct output *lines, *second; /* SET.jsonl, and SET-instruct.jsonl or SET.txt */
	struct line line;
	enum mode mode;
	int least, most;
	char set[128];
};

static _Noreturn void fail(void)
{
	program_fail(NULL);
}

static void check(int status)
{
	if (status != 0)
		fail();
}

static struct output *open_result(const char *set, const char *ending)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s%s", option.folder, set, ending);
	struct output *output = output_open(path);
	if (!output)
		fail();
	return output;
}

static void make_folder(const char *path)
{
	struct stat status;
	if (mkdir(path, 0777) != 0 && (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))) {
		error_system("%s:", path);
		fail();
	}
}

/* Numbers of a draw: each mode and split has streams of its own, one for each picture. */
static struct random stream(enum mode mode, int64_t i)
{
	return random_begin(
	    (uint64_t)option.seed, (uint64_t)(mode * 8 + option.split) << 48 | (uint64_t)i);
}

/* "SET/012/012345.jpg", its folder made when it is the first in it. */
static void picture_name(const struct run *run, int64_t i, char *name, size_t size)
{
	char path[1024];
	if (i % 1000 == 0) {
		snprintf(path, sizeof path, "%s/%s/%03d", option.folder, run->set, (int)(i / 1000));
		make_folder(path);
	}
	snprintf(name, size, "%s/%03d/%06lld.jpg", run->set, (int)(i / 1000), (long long)i);
}

static void write_picture(struct run *run, const struct scene *scene, const char *name,
    int patches[PATCHES_MOST], int *patch_count)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s", option.folder, name);
	check(canvas_paint(run->canvas, &run->kinds, scene));
	*patch_count = canvas_patches(run->canvas, scene, patches);
	check(canvas_write(run->canvas, scene, path));
}

/* Thousandths of its room that the object of window i may take: all of it from 30 % of the run on.
 * Pictures that measure are free from the first. */
static int window_spread(int64_t i)
{
	if (option.split != SPLIT_TRAIN || 10 * i >= 3 * option.count)
		return 1000;
	return (int)(10000 * i / (3 * option.count));
}

static void make_window(struct run *run, int64_t i)
{
	struct random random = stream(run->mode, i);
	struct scene scene;
	char name[256];
	int patches[PATCHES_MOST], patch_count;
	check(window_draw(&run->kinds, window_spread(i), &random, &scene));
	picture_name(run, i, name, sizeof name);
	write_picture(run, &scene, name, patches, &patch_count);
	struct window_text text = { .article = draw_percent(&random, 50),
		.coloured = draw_percent(&random, 50) };
	for (int language = 0; language < LANGUAGES; language++)
		text.wording[language] = draw_below(&random, WORDINGS);
	line_window(&run->line, &run->kinds, &scene, name, patches, patch_count, &text);
	check(line_write(&run->line, run->lines));
}

/* All questions, a description in so many of a hundred lines, sometimes a dialogue. */
static void write_instructions(struct run *run, const struct scene *scene, const char *image,
    const struct scene_text *text, struct random *random)
{
	struct question turns[TURNS_MOST];
	for (int i = 0; i < text->question_count; i++) {
		line_question(&run->line, image, &text->questions[i]);
		check(line_write(&run->line, run->second));
		int weights[2] = { (int)(100 - option.caption_percent), (int)option.caption_percent };
		while (draw_weighted(random, weights, 2) == 1) {
			question_draw(
			    &run->kinds, scene, ASK_CAPTION, draw_below(random, LANGUAGES), random, turns);
			line_question(&run->line, image, turns);
			check(line_write(&run->line, run->second));
		}
	}
	if (draw_percent(random, (int)option.dialogue_percent)) {
		int count = dialogue_draw(&run->kinds, scene, random, turns);
		line_dialogue(&run->line, image, turns, count);
		check(line_write(&run->line, run->second));
	}
}

static void make_scene(struct run *run, int64_t i)
{
	struct random random = stream(run->mode, i);
	struct scene_options wanted = { run->least, run->most, option.split == SPLIT_UNSEEN };
	struct scene scene;
	struct scene_text text;
	char name[256];
	int patches[PATCHES_MOST], patch_count;
	check(scene_draw(&run->kinds, &wanted, &random, &scene));
	picture_name(run, i, name, sizeof name);
	write_picture(run, &scene, name, patches, &patch_count);
	scene_text_draw(&run->kinds, &scene, &random, &text);
	line_scene(&run->line, &run->kinds, &scene, name, patches, patch_count, &text, &random);
	if (option.split != SPLIT_TRAIN)
		line_references(&run->line, &run->kinds, &text.statement);
	check(line_write(&run->line, run->lines));
	write_instructions(run, &scene, name, &text, &random);
}

static void plain_line(struct run *run, const char *text)
{
	check(output_write(run->second, text, strlen(text)));
	check(output_write(run->second, "\n", 1));
}

/* Captions of both languages and the questions of a scene that nobody paints. */
static void make_text(struct run *run, int64_t i)
{
	struct random random = stream(run->mode, i);
	struct scene_options wanted = { run->least, run->most, option.split == SPLIT_UNSEEN };
	struct scene scene;
	struct scene_text text;
	check(scene_draw(&run->kinds, &wanted, &random, &scene));
	scene_text_draw(&run->kinds, &scene, &random, &text);
	for (int language = 0; language < LANGUAGES; language++) {
		struct text said;
		statement_say(&run->kinds, &text.statement, language, text.wording[language], &said);
		line_text(&run->line, said.bytes, language);
		check(line_write(&run->line, run->lines));
		plain_line(run, said.bytes);
	}
	for (int j = 0; j < text.question_count; j++) {
		line_question(&run->line, NULL, &text.questions[j]);
		check(line_write(&run->line, run->lines));
		plain_line(run, text.questions[j].question.bytes);
		plain_line(run, text.questions[j].answer.bytes);
	}
}

static void parse_objects(struct run *run)
{
	char text[16];
	int64_t least, most;
	const char *dash = strchr(option.objects, '-');
	snprintf(text, sizeof text, "%.*s", dash ? (int)(dash - option.objects) : 15, option.objects);
	if (number_whole(text, 1, OBJECTS_MOST, &least) != 0 ||
	    number_whole(dash ? dash + 1 : text, least, OBJECTS_MOST, &most) != 0)
		program_usage("--objects: \"%s\" is not A-B with numbers from 1 to 4", option.objects);
	run->least = (int)least;
	run->most = (int)most;
	if (option.split == SPLIT_UNSEEN && most < 2)
		program_usage("--split unseen needs scenes of two objects or more");
}

static void begin(struct run *run)
{
	char path[1024];
	make_folder(option.folder);
	check(kinds_read(&option.paths, (int)option.kinds, &run->kinds));
	message_note(
	    NULL, "%d kinds, the closest two %d/1000 apart", run->kinds.count, run->kinds.closest);
	struct output *classes = open_result("classes", ".tsv");
	check(classes_write(&run->kinds, classes));
	check(output_commit(classes));
	if (run->mode == MODE_KINDS)
		return;
	run->lines = open_result(run->set, ".jsonl");
	if (run->mode == MODE_SCENES)
		run->second = open_result(run->set, "-instruct.jsonl");
	if (run->mode == MODE_TEXT) {
		run->second = open_result(run->set, ".txt");
		return;
	}
	if (!(run->canvas = canvas_open()))
		fail();
	snprintf(path, sizeof path, "%s/%s", option.folder, run->set);
	make_folder(path);
}

static void end(struct run *run)
{
	if (run->lines)
		check(output_commit(run->lines));
	if (run->second)
		check(output_commit(run->second));
	line_clear(&run->line);
	canvas_close(run->canvas);
	kinds_clear(&run->kinds);
}

int main(int argc, char **argv)
{
	static void (*const make[MODES])(
	    struct run *, int64_t) = { NULL, make_window, make_scene, make_text };
	struct run run = { 0 };
	int first = program_begin(&program, argc, argv);
	if (argc - first != 1)
		program_usage("one of windows, scenes, text and kinds is wanted");
	while (run.mode < MODES && strcmp(mode_names[run.mode], argv[first]) != 0)
		run.mode++;
	if (run.mode == MODES)
		program_usage("\"%s\" is none of windows, scenes, text and kinds", argv[first]);
	parse_objects(&run);
	if (option.set)
		snprintf(run.set, sizeof run.set, "%s", option.set);
	else
		snprintf(run.set, sizeof run.set, "%s-%s", argv[first], split_names[option.split]);
	begin(&run);
	for (int64_t i = 0; make[run.mode] && i < option.count; i++)
		make[run.mode](&run, i);
	end(&run);
	return program_end();
}
