/* score.c - emoji-score: how good a model's captions, answers and features for search are, on scenes
 * that emoji-scenes made; and the lists that the programs of the pipeline want as input.
 */
#include "score.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/message.h"
#include "base/program.h"
#include "base/textout.h"

enum mode {
	MODE_CAPTIONS,
	MODE_ANSWERS,
	MODE_RETRIEVAL,
	MODE_SENTENCES,
	MODE_PICTURES,
	MODE_TEXTS,
	MODE_QUESTIONS,
	MODES
};

/* With how many operands. */
static const struct {
	const char *name;
	int operands;
} modes[MODES] = { { "captions", 1 }, { "answers", 1 }, { "retrieval", 2 }, { "sentences", 2 },
	{ "pictures", 0 }, { "texts", 0 }, { "questions", 0 } };

static struct {
	const char *scenes, *questions, *classes;
	int language;
	int64_t count, each;
	bool tsv;
} option;

static const struct option_entry options[] = {
	{ 'l', "language", "LANGUAGE", OPTION_CHOICE, &option.language, 0, 0, score_languages,
	    "language of captions and texts: en or zh (en)" },
	{ 's', "scenes", "SET.jsonl", OPTION_TEXT, &option.scenes, 0, 0, NULL,
	    "the scenes; for captions, pictures and texts" },
	{ 'Q', "questions", "SET-instruct.jsonl", OPTION_TEXT, &option.questions, 0, 0, NULL,
	    "the questions; for answers and questions" },
	{ 'c', "classes", "FILE", OPTION_TEXT, &option.classes, 0, 0, NULL,
	    "names of kinds (classes.tsv beside SET.jsonl)" },
	{ 'n', "count", "N", OPTION_WHOLE, &option.count, 1, 1e9, NULL,
	    "take the first N scenes (all)" },
	{ 0, "each", "N", OPTION_WHOLE, &option.each, 1, 1e9, NULL,
	    "take the first N questions of each scene (all)" },
	{ 0, "tsv", NULL, OPTION_FLAG, &option.tsv, 0, 0, NULL,
	    "write lines of what, language, measure, value, chance, number" },
	{ 0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL },
};

static const struct program program = {
	.name = "emoji-score",
	.purpose = "score captions, answers and features for search of emoji scenes",
	.operands = "captions ANSWERS | answers ANSWERS | retrieval PICTURES.zv TEXTS.zv |\n"
	            "       sentences REFERENCES ANSWERS | pictures | texts | questions",
	.options = options,
	.input = "ANSWERS and REFERENCES are lines \"key TAB text\", as zv-generate writes them;\n"
	         "      PICTURES.zv and TEXTS.zv are of zv-qformer --contrast and --text.",
	.output = "A table; for pictures, texts and questions the list for zv-encode -T,\n"
	          "      zv-qformer --text --keyed and zv-qformer --questions.",
	.examples = { "emoji-score captions -s scenes-test-11.jsonl -l zh captions.tsv",
	    "emoji-score questions -Q scenes-test-11-instruct.jsonl -n 100" },
	.see_also = "zv-qformer(1), zv-generate(1)",
};

static _Noreturn void fail(const char *file)
{
	program_fail(file);
}

/* classes.tsv beside the set, unless it was named. */
static void read_words(struct words *words)
{
	char path[4096];
	const char *slash = strrchr(option.scenes, '/');
	int size = slash ? (int)(slash - option.scenes) + 1 : 0;
	snprintf(path, sizeof path, "%.*sclasses.tsv", size, option.scenes);
	const char *name = option.classes ? option.classes : path;
	if (words_read(name, words) != 0)
		fail(name);
}

static void read_scenes(const struct words *words, struct truths *truths)
{
	if (truths_read(option.scenes, (size_t)option.count, words, truths) != 0)
		fail(option.scenes);
}

static void read_questions(struct questions *questions)
{
	if (questions_read(option.questions, (size_t)option.count, (size_t)option.each, questions) != 0)
		fail(option.questions);
}

static void read_answers(const char *path, struct answers *answers)
{
	if (answers_read(path, answers) != 0)
		fail(path);
}

static void run_captions(char **operands, struct report *report)
{
	struct words words;
	struct truths truths;
	struct answers answers;
	read_words(&words);
	read_scenes(&words, &truths);
	read_answers(operands[0], &answers);
	if (score_captions(&words, &truths, &answers, option.language, report) != 0)
		fail(operands[0]);
	answers_clear(&answers);
	truths_clear(&truths);
	words_clear(&words);
}

static void run_answers(char **operands, struct report *report)
{
	struct questions questions;
	struct answers answers;
	read_questions(&questions);
	read_answers(operands[0], &answers);
	if (score_answers(&questions, &answers, report) != 0)
		fail(operands[0]);
	answers_clear(&answers);
	questions_clear(&questions);
}

static void run_retrieval(char **operands, struct report *report)
{
	if (score_retrieval(operands[0], operands[1], option.language, report) != 0)
		fail(NULL);
}

static void run_sentences(char **operands, struct report *report)
{
	struct answers references, answers;
	read_answers(operands[0], &references);
	read_answers(operands[1], &answers);
	if (score_sentences(&references, &answers, option.language, report) != 0)
		fail(operands[0]);
	answers_clear(&references);
	answers_clear(&answers);
}

/* "key TAB text", or the key alone as it is. */
static void write_line(const char *key, const char *text)
{
	if (text) {
		textout_field(stdout, key, strlen(key));
		putchar('\t');
		textout_field(stdout, text, strlen(text));
	} else {
		fputs(key, stdout);
	}
	putchar('\n');
}

static void list_scenes(bool texts)
{
	struct truths truths;
	read_scenes(NULL, &truths);
	for (size_t i = 0; i < truths.count; i++)
		write_line(truths.items[i].image, texts ? truths.items[i].captions[option.language] : NULL);
	truths_clear(&truths);
}

static void list_questions(void)
{
	struct questions questions;
	read_questions(&questions);
	for (size_t i = 0; i < questions.count; i++)
		write_line(questions.items[i].image, questions.items[i].question);
	questions_clear(&questions);
}

static enum mode parse_mode(int argc, char **argv, int first)
{
	int mode = 0;
	if (first == argc)
		program_usage("say what to score, or which list to write");
	while (mode < MODES && strcmp(modes[mode].name, argv[first]) != 0)
		mode++;
	if (mode == MODES)
		program_usage("\"%s\" is nothing that can be scored or listed", argv[first]);
	if (argc - first - 1 != modes[mode].operands)
		program_usage("%s wants %d files", modes[mode].name, modes[mode].operands);
	if (!option.scenes && (mode == MODE_CAPTIONS || mode == MODE_PICTURES || mode == MODE_TEXTS))
		program_usage("%s wants --scenes", modes[mode].name);
	if (!option.questions && (mode == MODE_ANSWERS || mode == MODE_QUESTIONS))
		program_usage("%s wants --questions", modes[mode].name);
	return mode;
}

int main(int argc, char **argv)
{
	static void (*const run[])(
	    char **, struct report *) = { run_captions, run_answers, run_retrieval, run_sentences };
	static struct report report;
	int first = program_begin(&program, argc, argv);
	enum mode mode = parse_mode(argc, argv, first);
	if (mode < MODE_PICTURES) {
		run[mode](argv + first + 1, &report);
		report_write(&report, option.tsv);
	} else if (mode == MODE_QUESTIONS) {
		list_questions();
	} else {
		list_scenes(mode == MODE_TEXTS);
	}
	return program_end();
}
