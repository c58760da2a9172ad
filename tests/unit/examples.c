/* examples.c - training data: every kind of line of spec 1.4, bad lines told with file and number,
 * the share of bad ones that stops, weights of files, and the order in which lines are drawn.
 */
#include "tap.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/example_line.h"
#include "train/examples.h"

enum { CYCLE = 4096 }; /* draws in which shares are exact */

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "wb");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		exit(2);
}

/* count lines, each {"key": "PATH-i"}; those at a multiple of bad (0: none) are no JSON. */
static void write_lines(const char *path, int count, int bad)
{
	FILE *file = fopen(path, "wb");
	if (!file)
		exit(2);
	for (int i = 0; i < count; i++)
		if (bad > 0 && i % bad == bad - 1)
			fprintf(file, "{\"key\": }\n");
		else
			fprintf(file, "{\"key\": \"%s-%d\", \"caption\": \"c\"}\n", path, i);
	if (fclose(file) != 0)
		exit(2);
}

static struct examples *open_files(
    const char *const *files, size_t count, bool in_order, uint64_t seed)
{
	struct examples_options options = {
		.files = files, .count = count, .in_order = in_order, .seed = seed
	};
	return examples_open(&options);
}

static bool is(const char *text, const char *wanted)
{
	return wanted ? text && strcmp(text, wanted) == 0 : !text;
}

/* --- single lines --------------------------------------------------------------------------------*/

static bool parse(const char *line, struct example *example)
{
	if (example_parse(line, strlen(line), example) == 0)
		return true;
	printf("# %s: %s\n", line, error_text());
	return false;
}

static void test_names(void)
{
	static const struct {
		const char *line, *key, *id;
	} cases[] = {
		{ "{\"key\": \"a\"}", "a", "a" },
		{ "{\"image\": \"b\", \"image_id\": \"x\"}", "b", "x" },
		{ "{\"img\": \"c\", \"image_id\": 12}", "c", "12" },
		{ "{\"img_path\": \"d\", \"image_id\": null}", "d", "d" },
		{ "{\"npy_path\": \"e\", \"image_id\": -9223372036854775808}", "e",
		    "-9223372036854775808" },
		{ "{\"image\": \"b\", \"key\": \"a\"}", "a", "a" },
		{ "{\"image_id\": 5}", NULL, "5" },
		{ "{}", NULL, NULL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct example example;
		bool done = parse(cases[i].line, &example);
		TAP_OK(done && is(example.key, cases[i].key) && is(example.image_id, cases[i].id) &&
		           example.kind == -1 && example.turn_count == 0,
		    "the picture of %s", cases[i].line);
		example_clear(&example);
	}
}

static void test_captions(void)
{
	struct example example;
	bool done = parse("{\"image\": \"a\", \"caption\": \"an \\u82f9\", \"caption_zh\": \"\","
	                  " \"wrong\": [\"x\", \"\"], \"wrong_zh\": [], \"unknown\": {\"a\": [1]}}",
	    &example);
	TAP_OK(done && is(example.caption[EXAMPLE_ENGLISH], "an \xe8\x8b\xb9") &&
	           is(example.caption[EXAMPLE_CHINESE], ""),
	    "captions, an empty one too");
	TAP_OK(done && example.wrong_count[EXAMPLE_ENGLISH] == 2 &&
	           is(example.wrong[EXAMPLE_ENGLISH][0], "x") &&
	           is(example.wrong[EXAMPLE_ENGLISH][1], "") &&
	           example.wrong_count[EXAMPLE_CHINESE] == 0,
	    "wrong captions");
	example_clear(&example);
	done = parse("{\"caption\": null, \"wrong\": null, \"text\": \"t\\n\"}", &example);
	TAP_OK(done && !example.caption[EXAMPLE_ENGLISH] && is(example.text, "t\n"),
	    "null is as if absent; plain text");
	example_clear(&example);
}

static void test_turns(void)
{
	static const struct {
		const char *line, *turns; /* "question|answer;" */
	} cases[] = {
		{ "{\"question\": \"q\", \"answer\": \"a\"}", "q|a;" },
		{ "{\"answer\": \"a\"}", "|a;" },
		{ "{\"instruction\": \"i\", \"inputs\": \"n\", \"outputs\": \"o\"}", "i\nn|o;" },
		{ "{\"instruction\": \"i\", \"inputs\": \"\", \"outputs\": \"o\"}", "i|o;" },
		{ "{\"instruction\": \"\", \"inputs\": \"n\", \"outputs\": \"o\"}", "n|o;" },
		{ "{\"outputs\": \"o\"}", "|o;" },
		{ "{\"text\": [{\"question\": \"q\", \"answer\": \"a\"}, {\"question\": \"r\","
		  " \"answer\": \"b\"}]}",
		    "q|a;r|b;" },
		{ "{\"conversations\": [{\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"gpt\","
		  " \"value\": \"a\"}, {\"from\": \"human\", \"value\": \"r\"}, {\"from\": \"gpt\","
		  " \"value\": \"b\"}]}",
		    "q|a;r|b;" },
		{ "{\"question\": \"q\", \"answer\": \"a\", \"outputs\": \"o\"}", "q|a;|o;" },
		{ "{\"answer\": \"a\", \"instruction\": null, \"outputs\": null}", "|a;" },
		/* LLaVA's mark of the picture */
		{ "{\"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat colour?\"},"
		  " {\"from\": \"gpt\", \"value\": \"a <image>\"}]}",
		    "What colour?|a <image>;" },
		{ "{\"conversations\": [{\"from\": \"human\", \"value\": \"What colour?\\n<image>\"},"
		  " {\"from\": \"gpt\", \"value\": \"a\"}]}",
		    "What colour?|a;" },
		{ "{\"question\": \"q\\n<image>\\nr\", \"answer\": \"a\"}", "q\nr|a;" },
		{ "{\"question\": \"<image><image> \\n\", \"answer\": \"a\"}", "|a;" },
		{ "{\"question\": \"is <image> a <imag\", \"answer\": \"a\"}", "is  a <imag|a;" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct example example;
		char turns[200] = "";
		bool done = parse(cases[i].line, &example);
		for (size_t k = 0; done && k < example.turn_count; k++)
			snprintf(turns + strlen(turns), sizeof turns - strlen(turns), "%s|%s;",
			    example.turns[k].question, example.turns[k].answer);
		TAP_OK(done && strcmp(turns, cases[i].turns) == 0, "turns of %s", cases[i].line);
		example_clear(&example);
	}
}

static void test_classes(void)
{
	struct example example;
	bool done = parse("{\"kind\": 4, \"kinds\": [1, -1, 1048575], \"patches\": []}", &example);
	TAP_OK(done && example.kind == 4 && example.kind_count == 3 && example.kinds[1] == -1 &&
	           example.kinds[2] == EXAMPLE_CLASS_MOST && example.patch_count == 0,
	    "classes");
	example_clear(&example);
}

/* {NAME: [item, item, ...]} with count items. */
static char *list_of(const char *name, const char *item, size_t count)
{
	size_t size = count * (strlen(item) + 1) + strlen(name) + 20, used;
	char *line = memory_allocate(size, 1);
	if (!line)
		exit(2);
	used = (size_t)snprintf(line, size, "{\"%s\": [", name);
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(line + used, size - used, "%s%s", i > 0 ? "," : "", item);
	snprintf(line + used, size - used, "]}");
	return line;
}

static void refused(const char *line, const char *words)
{
	struct example example;
	int result = example_parse(line, strlen(line), &example);
	TAP_OK(result < 0 && error_kind() == ERROR_INPUT && strstr(error_text(), words),
	    "%.60s is refused: %s", line, result < 0 ? error_text() : "was taken");
	if (result == 0)
		example_clear(&example);
}

static void test_refusals(void)
{
	refused("[1]", "where an object is wanted");
	refused("{\"key\": \"a\"", "JSON column ");
	refused("{\"key\": 1}", "\"key\" is whole number, not a text");
	refused("{\"caption\": [\"a\"]}", "\"caption\" is");
	refused("{\"image_id\": 1.5}", "\"image_id\" is");
	refused("{\"question\": \"q\"}", "a question without answer");
	refused("{\"instruction\": \"q\", \"answer\": 1}", "");
	refused("{\"text\": [\"a\"]}", "a turn is");
	refused("{\"conversations\": [{\"from\": \"human\", \"value\": \"q\"}]}", "by turns");
	refused("{\"conversations\": [{\"from\": \"gpt\", \"value\": \"q\"}, {\"from\": \"human\"}]}",
	    "by turns");
	refused("{\"conversations\": \"abc\"}", "\"conversations\" is text, not a list of turns");
	refused(
	    "{\"conversations\": [{\"role\": \"user\", \"content\": \"q\"}]}", "a turn has neither");
	refused("{\"text\": 3}", "\"text\" is");
	refused("{\"inputs\": 3, \"outputs\": \"o\"}", "\"inputs\" is");
	refused("{\"image_base64_str\": \"/9j/\", \"caption\": \"a\"}", "write it into a file");
	refused("{\"kind\": 1048576}", "\"kind\"");
	refused("{\"kinds\": [0, -2]}", "\"kinds\"");
	refused("{\"kinds\": 3}", "\"kinds\" is no list");
	refused("{\"wrong\": [\"a\", 1]}", "\"wrong\" holds something that is no text");
	refused("{\"caption\": \"\\ud800\"}", "");
	refused("{\"caption\": \"a\\u0000b\"}", "");
	static const struct {
		const char *name, *item;
		size_t most;
	} lists[] = {
		{ "kinds", "1", EXAMPLE_LABELS_MOST },
		{ "patches", "0", EXAMPLE_LABELS_MOST },
		{ "wrong_zh", "\"a\"", EXAMPLE_WRONG_MOST },
		{ "text", "{\"question\":\"q\",\"answer\":\"a\"}", EXAMPLE_TURNS_MOST },
	};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct example example;
		char *line = list_of(lists[i].name, lists[i].item, lists[i].most);
		TAP_OK(parse(line, &example), "%zu in \"%s\"", lists[i].most, lists[i].name);
		example_clear(&example);
		memory_release(line);
		line = list_of(lists[i].name, lists[i].item, lists[i].most + 1);
		refused(line, "");
		memory_release(line);
	}
}

/* --- files of lines ------------------------------------------------------------------------------*/

/* What was said on standard error while the files were opened. */
static struct examples *open_told(const char *const *files, size_t count, char *told, size_t size)
{
	int kept = dup(STDERR_FILENO), file = open("told", O_RDWR | O_CREAT | O_TRUNC, 0666);
	if (kept < 0 || file < 0 || dup2(file, STDERR_FILENO) < 0)
		exit(2);
	struct examples *examples = open_files(files, count, true, 0);
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	ssize_t length = pread(file, told, size - 1, 0);
	close(file);
	told[length > 0 ? length : 0] = '\0';
	return examples;
}

static void test_bad_lines(void)
{
	static const char *const files[] = { "hundred", "odd" };
	char told[4000];
	write_lines("hundred", 300, 100);
	write_text("odd", "\n{\"key\": \"1\"}\r\n   \n{\"key\": \"2\"} \t\n{\"key\": \"3\"}");
	struct examples *examples = open_told(files, 2, told, sizeof told);
	TAP_OK(examples && examples_count(examples) == 300,
	    "one bad line of a hundred is left out; so are empty ones");
	for (int line = 100; line <= 300; line += 100) {
		char wanted[40];
		snprintf(wanted, sizeof wanted, "hundred: line %d: ", line);
		TAP_OK(strstr(told, wanted), "and told: %s", wanted);
	}
	TAP_OK(strstr(told, "3 bad lines of 300"), "and counted");
	struct example example = { 0 };
	char place[40] = "";
	if (examples && examples_read(examples, 298, &example) == 0)
		example_name(&example, place, sizeof place);
	TAP_OK(is(example.key, "2") && is(place, "odd:4: 2"), "a line's number counts all lines");
	example_clear(&example);
	examples_close(examples);

	write_lines("many", 298, 99);
	examples = open_told((const char *[]){ "many" }, 1, told, sizeof told);
	TAP_OK(!examples && error_kind() == ERROR_SYSTEM && strstr(error_text(), "many") &&
	           strstr(error_text(), "3 of 298 lines are bad"),
	    "more than one of a hundred stops: %s", error_text());
	examples_close(examples);
}

/* Files that are none at all do not fill the screen. */
static void test_wrong_files(void)
{
	char told[8000];
	write_lines("wrong", 500, 1);
	TAP_OK(!open_told((const char *[]){ "wrong" }, 1, told, sizeof told) &&
	           error_kind() == ERROR_SYSTEM &&
	           strstr(error_text(), "wrong: the first 20 lines are no examples: line 20: "),
	    "20 bad lines at the start end it: %s", error_text());
	TAP_OK(strstr(told, "line 19: ") && !strstr(told, "line 20: "), "19 of them are told before");
	write_lines("third", 300, 3);
	TAP_OK(!open_told((const char *[]){ "third" }, 1, told, sizeof told) &&
	           strstr(error_text(), "100 of 300 lines are bad (the 20 above and 80 more): that is "
	                                "more than one of 100"),
	    "later ones are counted: %s", error_text());
	TAP_OK(strstr(told, "line 60: ") && !strstr(told, "line 63: "), "20 are told");
	write_lines("large", 3000, 100);
	struct examples *examples = open_told((const char *[]){ "large" }, 1, told, sizeof told);
	TAP_OK(examples && examples_count(examples) == 2970 && strstr(told, "line 2000: ") &&
	           !strstr(told, "line 2100: ") &&
	           strstr(told, "30 bad lines of 3000 are left out (the 20 above and 10 more)"),
	    "and so in a file that is taken");
	examples_close(examples);
	write_text("array", "\xef\xbb\xbf \n[{\"key\": \"a\"},\n{\"key\": \"b\"}]\n");
	TAP_OK(!open_told((const char *[]){ "array" }, 1, told, sizeof told) &&
	           error_kind() == ERROR_SYSTEM &&
	           strstr(error_text(), "array: this is one JSON array;") && told[0] == '\0',
	    "a file that is an array: %s", error_text());
}

static void test_files(void)
{
	static const struct {
		const char *name, *words;
	} cases[] = {
		{ "none", "none: cannot open" },
		{ "empty", "empty: no lines in it" },
		{ "folder", "folder: not a regular file" },
		{ "fifo", "fifo: not a regular file" },
		{ "/dev/null", "/dev/null: not a regular file" },
		{ "blank", "blank: no lines in it" },
		{ "good=0", "good=0: cannot open" },
	};
	write_text("empty", "");
	write_text("blank", "\n\n \n");
	write_text("good", "{\"key\": \"a\"}\n");
	mkdir("folder", 0777);
	mkfifo("fifo", 0666);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct examples *examples = open_files(&cases[i].name, 1, false, 0);
		TAP_OK(!examples && error_kind() == ERROR_SYSTEM && strstr(error_text(), cases[i].words),
		    "%s: %s", cases[i].name, error_text());
		examples_close(examples);
	}
	TAP_OK(!open_files(NULL, 0, false, 0), "no file at all");
	write_text("marked", "\xef\xbb\xbf{\"key\": \"a\"}\n{\"key\": \"b\"}\n");
	struct examples *examples = open_files((const char *[]){ "marked" }, 1, false, 0);
	TAP_OK(examples && examples_count(examples) == 2, "a byte order mark is no part of a line");
	examples_close(examples);
}

/* --- drawing -------------------------------------------------------------------------------------*/

/* Draws of files of 10, 90 and 1000 lines follow each other in the file as epochs do. */
static void test_epochs(uint64_t seed)
{
	static const char *const files[] = { "ten", "ninety", "thousand" };
	enum { FILES = 3, ALL = 1100, DRAWS = 3 * CYCLE };
	static const size_t sizes[FILES] = { 10, 90, 1000 };
	static int seen[ALL];
	size_t drawn[FILES] = { 0 };
	bool once = true, moved = false;
	size_t before[10] = { 0 };
	for (int i = 0; i < FILES; i++)
		write_lines(files[i], (int)sizes[i], 0);
	struct examples *examples = open_files(files, FILES, false, seed);
	if (!examples || examples_count(examples) != ALL)
		exit(2);
	memset(seen, 0, sizeof seen);
	for (uint64_t p = 0; p < DRAWS; p++) {
		size_t line = examples_draw(examples, p), file = line < 10 ? 0 : line < 100 ? 1 : 2;
		int epoch = (int)(drawn[file] / sizes[file]);
		once &= line < ALL && seen[line] == epoch;
		seen[line] = epoch + 1;
		if (file == 0) {
			moved |= epoch == 1 && before[drawn[0] % 10] != line;
			before[drawn[0] % 10] = line;
		}
		drawn[file]++;
	}
	TAP_OK(once, "every line once in each epoch of its file");
	TAP_OK(moved, "another order in the next");
	/* shares: square roots of 10, 90, 1000 */
	double sum = sqrt(10) + sqrt(90) + sqrt(1000);
	for (int i = 0; i < FILES; i++)
		TAP_OK(fabs((double)drawn[i] / DRAWS - sqrt((double)sizes[i]) / sum) < 0.001,
		    "%s: its share is the root of its size (%zu draws)", files[i], drawn[i]);
	examples_close(examples);
}

static void test_one_file(void)
{
	struct examples *examples = open_files((const char *[]){ "ten" }, 1, false, 3);
	bool once = true;
	int different = 0;
	for (uint64_t epoch = 0; epoch < 1000; epoch++) {
		unsigned seen = 0;
		for (uint64_t i = 0; i < 10; i++) {
			size_t line = examples_draw(examples, 10 * epoch + i);
			seen |= 1u << line;
			different += line != i;
		}
		once &= seen == 1023;
	}
	TAP_OK(once, "a file alone: ten draws are its ten lines, a thousand times");
	TAP_OK(different > 8500 && different < 9500, "in random order (%d of 10000 moved)", different);
	examples_close(examples);
	examples = open_files((const char *[]){ "good" }, 1, false, 3);
	TAP_OK(examples_draw(examples, 0) == 0 && examples_draw(examples, UINT64_MAX) == 0,
	    "a file of one line");
	examples_close(examples);
}

static void test_weights(void)
{
	static const char *const files[] = { "ten=3", "ninety=1e-6", "thousand=1" };
	struct examples *examples = open_files(files, 3, false, 0);
	int drawn[3] = { 0 };
	if (!examples)
		exit(2);
	for (uint64_t p = 0; p < CYCLE; p++) {
		size_t line = examples_draw(examples, p + CYCLE);
		drawn[line < 10 ? 0 : line < 100 ? 1 : 2]++;
	}
	TAP_OK(abs(drawn[0] - CYCLE * 3 / 4) <= 3 && abs(drawn[2] - CYCLE / 4) <= 3,
	    "weights 3 and 1: %d and %d of %d", drawn[0], drawn[2], CYCLE);
	TAP_OK(drawn[1] >= 1 && drawn[1] <= 2, "a tiny weight: %d", drawn[1]);
	examples_close(examples);
	if (rename("good", "good=x") != 0)
		exit(2);
	examples = open_files((const char *[]){ "good=x" }, 1, false, 0);
	TAP_OK(examples != NULL, "a name with = and no number behind it");
	examples_close(examples);
	rename("good=x", "good");
}

static void test_pure(void)
{
	static const char *const files[] = { "ten", "thousand" };
	enum { DRAWS = 2 * CYCLE };
	static size_t draws[DRAWS];
	struct examples *one = open_files(files, 2, false, 5), *two = open_files(files, 2, false, 5);
	struct examples *other = open_files(files, 2, false, 6);
	int same = 0, others = 0;
	for (uint64_t p = 0; p < DRAWS; p++)
		draws[p] = examples_draw(one, p);
	for (uint64_t p = DRAWS; p-- > 0;) {
		same += examples_draw(two, p) == draws[p];
		others += examples_draw(other, p) != draws[p];
	}
	TAP_OK(same == DRAWS, "a draw depends on seed and position alone");
	TAP_OK(others > DRAWS / 2, "another seed, other draws (%d)", others);
	examples_close(one);
	examples_close(two);
	examples_close(other);
	struct examples *in_order = open_files(files, 2, true, 5);
	bool right = true;
	for (uint64_t p = 0; p < 3000; p++)
		right &= examples_draw(in_order, p) == p % 1010;
	TAP_OK(right, "in order: line by line, then from the start");
	struct example example = { 0 };
	char place[40];
	TAP_OK(examples_read(in_order, 1009, &example) == 0 && is(example.key, "thousand-999"),
	    "the last line of the last file");
	example_name(&example, place, sizeof place);
	TAP_OK(is(place, "thousand:1000: thousand-999"), "its name is %s", place);
	example_clear(&example);
	struct example keyless = { .file = "pairs", .line = 7 };
	example_name(&keyless, place, sizeof place);
	TAP_OK(is(place, "pairs:7"), "without a key it is %s", place);
	examples_close(in_order);
}

int main(void)
{
	test_names();
	test_captions();
	test_turns();
	test_classes();
	test_refusals();
	test_bad_lines();
	test_wrong_files();
	test_files();
	test_epochs(0);
	test_epochs(7);
	test_one_file();
	test_weights();
	test_pure();
	return tap_finish();
}
