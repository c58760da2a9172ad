/* zv-tokenize.c - text to token ids and back, line by line. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/file.h"
#include "base/line.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/number.h"
#include "base/output.h"
#include "base/program.h"
#include "base/textout.h"
#include "base/utf8.h"
#include "base/version.h"
#include "model/vocabulary.h"
#include "text/bpe.h"
#include "text/cleanup.h"
#include "text/wordpiece.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MOST = 1 << 28, LINE_MOST = 1 << 26 /* bytes of a text */ };

static struct {
	const char *tokenizer, *added_tokens, *prompt;
	bool qformer, decode, stream, special, pieces, count, legacy, modern, bos, eos, plain, framed,
	    escaped;
	int added, clean;
	int64_t most, word;
} option = { .word = 100 };

static const char *const added_modes[] = { "model", "strip", "keep", NULL };
static const char *const clean_kinds[] = { "none", "caption", "question", NULL };

static const struct option_entry options[] = {
	{ 0, "tokenizer", "FILE", OPTION_TEXT, &option.tokenizer, 0, 0, NULL,
	    "a tokenizer.model or a vocab.txt instead of a model's" },
	{ 0, "added-tokens", "FILE", OPTION_TEXT, &option.added_tokens, 0, 0, NULL,
	    "with --tokenizer: the list of added tokens, see zv-model(5)" },
	{ 0, "qformer", NULL, OPTION_FLAG, &option.qformer, 0, 0, NULL,
	    "with -m: the Q-Former's WordPiece, not the language model's BPE" },
	{ 'd', "decode", NULL, OPTION_FLAG, &option.decode, 0, 0, NULL, "ids to text" },
	{ 0, "stream", NULL, OPTION_FLAG, &option.stream, 0, 0, NULL,
	    "with -d: the input is one text; write each character\nas soon as it is whole" },
	{ 0, "special", NULL, OPTION_FLAG, &option.special, 0, 0, NULL,
	    "with -d: show added and control tokens" },
	{ 'p', "pieces", NULL, OPTION_FLAG, &option.pieces, 0, 0, NULL, "write pieces, not ids" },
	{ 'c', "count", NULL, OPTION_FLAG, &option.count, 0, 0, NULL,
	    "write how many ids each line has" },
	{ 0, "added", "MODE", OPTION_CHOICE, &option.added, 0, 0, added_modes,
	    "white space beside added tokens: as the model\nsays (model, the default), strip or keep" },
	{ 0, "legacy", NULL, OPTION_FLAG, &option.legacy, 0, 0, NULL,
	    "a blank in front of the text behind each added\ntoken, as older tokenizers do (default: "
	    "model)" },
	{ 0, "modern", NULL, OPTION_FLAG, &option.modern, 0, 0, NULL,
	    "a blank in front of the first text only" },
	{ 'b', "bos", NULL, OPTION_FLAG, &option.bos, 0, 0, NULL, "put <s> in front" },
	{ 'e', "eos", NULL, OPTION_FLAG, &option.eos, 0, 0, NULL, "put </s> behind" },
	{ 0, "plain", NULL, OPTION_FLAG, &option.plain, 0, 0, NULL,
	    "added and control tokens are ordinary text" },
	{ 'f', "framed", NULL, OPTION_FLAG, &option.framed, 0, 0, NULL,
	    "WordPiece: [CLS] in front, [SEP] behind" },
	{ 0, "most", "N", OPTION_WHOLE, &option.most, 2, 1 << 20, NULL,
	    "with -f: at most N ids, the end is cut (default: all)" },
	{ 0, "word-most", "N", OPTION_WHOLE, &option.word, 1, 200, NULL,
	    "WordPiece: longer words are unknown (default 100\ncharacters; the original program has "
	    "200)" },
	{ 0, "clean", "KIND", OPTION_CHOICE, &option.clean, 0, 0, clean_kinds,
	    "clean each text as BLIP-2 does: none (default), caption\nor question" },
	{ 0, "prompt", "TEXT", OPTION_TEXT, &option.prompt, 0, 0, NULL,
	    "put TEXT in front of each cleaned text" },
	{ 0, "escaped", NULL, OPTION_FLAG, &option.escaped, 0, 0, NULL,
	    "texts have \\n, \\t, \\r and \\\\ for a newline, a tab,\na return and a backslash" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-tokenize",
	.purpose = "text to token ids and back",
	.operands = "[FILE...]",
	.common = COMMON_OUTPUT | COMMON_NAMES | COMMON_MODEL | COMMON_STRICT | COMMON_JSON,
	.options = options,
	.input = "texts, one a line (with -0: each ended by a zero byte), or ids with -d",
	.output = "one line for each line that came in; an empty one where that failed",
	.examples = { "echo 'What is in the picture?' | zv-tokenize -m ziya --pieces",
	    "zv-tokenize -m ziya -c questions.txt", NULL },
	.see_also = "zv-generate(1), zv-qformer(1), zv-model(5)",
};

/* The tokenizer in use (one of the two), the line being written, and the counts for -v. */
static struct {
	struct bpe *bpe;
	struct wordpiece *wordpiece;
	struct bpe_options rules;
	struct bpe_stream stream;
	struct output *output;
	FILE *line;
	char *text;
	size_t text_size;
	struct ids ids;
	bool damaged; /* an input could not be read to its end */
	uint64_t lines, total, failed;
} work;

/* A file that the program cannot do without; the caller's. */
static char *read_needed(const char *path, size_t *size)
{
	char *bytes;
	if (file_read(path, FILE_BYTES_MOST, &bytes, size)) {
		error_as(ERROR_SYSTEM);
		program_fail(path);
	}
	return bytes;
}

/* A SentencePiece model begins with its first piece's tag, 0x0A; a vocabulary is text lines. */
static bool looks_like_vocabulary(const char *bytes, size_t size)
{
	return size > 0 && bytes[0] != '\n' && !memchr(bytes, '\0', size) &&
	       utf8_valid_prefix(bytes, size) == size;
}

static void open_tokenizer_file(void)
{
	size_t size, added_size = 0;
	char *bytes = read_needed(option.tokenizer, &size), *added = NULL;
	if (option.added_tokens)
		added = read_needed(option.added_tokens, &added_size);
	if (looks_like_vocabulary(bytes, size))
		work.wordpiece = wordpiece_open(bytes, size, added, added_size);
	else
		work.bpe = bpe_open(bytes, size, added, added_size);
	memory_release(bytes);
	memory_release(added);
	if (!work.wordpiece && !work.bpe) {
		error_as(ERROR_SYSTEM);
		program_fail(option.tokenizer);
	}
}

static void open_tokenizer(void)
{
	char legacy[8];
	bool modern = false;
	if (option.tokenizer) {
		open_tokenizer_file();
	} else {
		if (!common.model)
			program_usage("a model (-m) or a tokenizer (--tokenizer) is needed");
		struct model_file *file = model_file_open(common.model, option.qformer ? "qformer" : "llm");
		if (!file)
			program_fail(common.model);
		if (option.qformer)
			work.wordpiece = vocabulary_wordpiece(file);
		else
			work.bpe = vocabulary_bpe(file);
		if (!work.bpe && !work.wordpiece)
			program_fail(model_file_path(file));
		modern = model_file_text(file, "legacy", legacy, sizeof legacy) && strcmp(legacy, "0") == 0;
		model_file_close(file);
	}
	if (work.wordpiece)
		wordpiece_limit_words(work.wordpiece, (size_t)option.word);
	work.rules = (struct bpe_options){ .bos = option.bos,
		.eos = option.eos,
		.added = (enum bpe_added)option.added,
		.modern = option.modern || (modern && !option.legacy),
		.plain = option.plain };
}

static void check_options(void)
{
	if (option.qformer && option.tokenizer)
		program_usage("--qformer is for -m; --tokenizer tells by itself what FILE is");
	if (option.added_tokens && !option.tokenizer)
		program_usage("--added-tokens needs --tokenizer");
	if (option.legacy && option.modern)
		program_usage("--legacy and --modern exclude each other");
	if (option.decode && (option.pieces || option.count || option.clean || option.prompt))
		program_usage("--pieces, --count, --clean and --prompt are not for --decode");
	if ((option.stream || option.special) && !option.decode)
		program_usage("--stream and --special are for --decode");
	if (option.stream && (option.special || common.json))
		program_usage("--stream writes bare text");
	if (option.most && !option.framed)
		program_usage("--most needs --framed");
	if (option.pieces && option.count)
		program_usage("--pieces and --count exclude each other");
}

static void check_tokenizer(void)
{
	if (work.bpe && option.framed)
		program_usage("--framed is for WordPiece, this tokenizer is a BPE model");
	if (work.wordpiece && (option.bos || option.eos))
		program_usage("--bos and --eos are for BPE models, this tokenizer is a WordPiece list");
	if (work.wordpiece && option.stream)
		program_usage("--stream is for BPE models, this tokenizer is a WordPiece list");
}

/* ids of one text into work.ids. 0 or -1. */
static int encode(const char *text, size_t size)
{
	if (work.bpe)
		return bpe_encode(work.bpe, text, size, &work.rules, &work.ids);
	if (!option.framed)
		return wordpiece_encode(work.wordpiece, text, size, &work.ids);
	size_t most = option.most ? (size_t)option.most : SIZE_MAX;
	return wordpiece_encode_framed(work.wordpiece, text, size, most, 0, &work.ids);
}

static int encode_text(char *text, size_t size)
{
	if (option.escaped && (size = textout_unescape(text, size)) == (size_t)-1)
		return error_input("there is an unknown escape");
	if (!option.clean && !option.prompt)
		return encode(text, size);
	char *clean;
	size_t clean_size;
	if (cleanup_text(
	        (enum cleanup_kind)option.clean, text, size, option.prompt, &clean, &clean_size))
		return -1;
	int status = encode(clean, clean_size);
	memory_release(clean);
	return status;
}

static const char *piece_of(int32_t id)
{
	return work.bpe ? bpe_piece(work.bpe, id) : wordpiece_piece(work.wordpiece, id);
}

static void print_ids(void)
{
	if (option.count) {
		fprintf(work.line, common.json ? "{\"count\":%zu}" : "%zu", work.ids.count);
		return;
	}
	if (common.json)
		fputs(option.pieces ? "{\"pieces\":[" : "{\"ids\":[", work.line);
	for (size_t i = 0; i < work.ids.count; i++) {
		const char *piece = piece_of(work.ids.at[i]);
		if (i > 0)
			putc(common.json ? ',' : ' ', work.line);
		if (!option.pieces)
			fprintf(work.line, "%d", (int)work.ids.at[i]);
		else if (common.json)
			textout_json(work.line, piece, strlen(piece));
		else if (option.escaped)
			textout_field(work.line, piece, strlen(piece));
		else
			fputs(piece, work.line);
	}
	if (common.json)
		fputs("]}", work.line);
}

/* The numbers of one line into work.ids. 0 or -1. */
static int parse_ids(char *text)
{
	static const char blanks[] = " \t\r";
	for (char *word = text + strspn(text, blanks), *next; *word; word = next) {
		size_t length = strcspn(word, blanks);
		next = word + length + strspn(word + length, blanks);
		word[length] = '\0';
		int64_t id;
		if (number_whole(word, 0, INT32_MAX, &id))
			return error_input("\"%.20s\" is no id", word);
		if (!piece_of((int32_t)id))
			return error_input("id %lld is not in the vocabulary", (long long)id);
		if (ids_add(&work.ids, (int32_t)id))
			return -1;
	}
	return 0;
}

static int print_decoded(void)
{
	char *text;
	size_t size;
	if (work.bpe ? bpe_decode(work.bpe, work.ids.at, work.ids.count, !option.special, &text, &size)
	             : wordpiece_decode(
	                   work.wordpiece, work.ids.at, work.ids.count, !option.special, &text, &size))
		return -1;
	if (common.json) {
		fputs("{\"text\":", work.line);
		textout_json(work.line, text, size);
		putc('}', work.line);
	} else if (option.escaped) {
		textout_field(work.line, text, size);
	} else {
		fwrite(text, 1, size, work.line);
	}
	memory_release(text);
	return 0;
}

/* Hand over what is in the line; whole: with its end. */
static void write_line(bool whole)
{
	if (whole)
		putc(common.null ? '\0' : '\n', work.line);
	if (fflush(work.line) != 0 || ferror(work.line)) {
		error_memory(work.text_size);
		program_fail(NULL);
	}
	if (output_write(work.output, work.text, work.text_size))
		program_fail(output_name(work.output));
	rewind(work.line);
}

/* The ids of one more line to the text that is being streamed. 0 or -1. */
static int stream_ids(void)
{
	char *out = memory_allocate(bpe_piece_most(work.bpe) + 8, 1);
	if (!out)
		return -1;
	for (size_t i = 0; i < work.ids.count; i++) {
		size_t size = bpe_stream_next(work.bpe, &work.stream, work.ids.at[i], out);
		if (option.escaped)
			textout_field(work.line, out, size);
		else
			fwrite(out, 1, size, work.line);
	}
	memory_release(out);
	write_line(false);
	return 0;
}

static void end_stream(void)
{
	char *out = memory_allocate(bpe_piece_most(work.bpe) + 8, 1);
	if (!out)
		program_fail(NULL);
	fwrite(out, 1, bpe_stream_next(work.bpe, &work.stream, -1, out), work.line);
	memory_release(out);
	write_line(true);
}

static void fail_line(const char *file, size_t number)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(file);
	work.failed++;
	message_failure(EXIT_ITEM, file, "line %zu: %s", number, error_text());
	if (common.strict) {
		output_abandon(work.output);
		program_exit();
	}
	if (option.stream)
		return;
	rewind(work.line); /* what an unfinished line may have left */
	if (common.json) {
		fputs("{\"error\":", work.line);
		textout_json(work.line, error_text(), strlen(error_text()));
		putc('}', work.line);
	}
	write_line(true);
}

static void take_line(const char *file, size_t number, char *text, size_t size)
{
	work.ids.count = 0;
	work.lines++;
	int status;
	if (!option.decode)
		status = encode_text(text, size);
	else if (strlen(text) != size)
		status = error_input("there is a zero byte");
	else
		status = parse_ids(text);
	work.total += work.ids.count;
	if (status == 0 && option.stream)
		status = stream_ids();
	else if (status == 0 && option.decode)
		status = print_decoded();
	else if (status == 0)
		print_ids();
	if (status)
		fail_line(file, number);
	else if (!option.stream)
		write_line(true);
}

_Noreturn static void stop(void)
{
	output_abandon(work.output);
	program_exit();
}

/* An input (NULL: the list of them) could not be read to its end: no FILE will appear. */
static void report_damage(const char *name)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(name);
	message_error(name);
	work.damaged = true;
	if (common.strict)
		stop();
}

static void take_file(const char *name)
{
	bool standard = strcmp(name, "-") == 0;
	const char *shown = standard ? "standard input" : name;
	FILE *file = standard ? stdin : fopen(name, "rbe");
	if (!file) {
		error_input("cannot open:");
		report_damage(shown);
		return;
	}
	char *line = NULL;
	size_t capacity = 0, length, number = 1;
	int end = common.null ? '\0' : '\n', found;
	while ((found = line_read(file, end, LINE_MOST, &line, &capacity, &length)) > 0)
		take_line(shown, number++, line, length);
	if (found < 0 && error_kind() == ERROR_INPUT)
		error_context("line %zu", number);
	if (found < 0 && ferror(file)) /* a directory, a bad disk: the input's fault */
		error_as(ERROR_INPUT);
	if (found < 0)
		report_damage(shown);
	memory_release(line);
	if (!standard)
		fclose(file);
}

static void close_all(void)
{
	fclose(work.line);
	free(work.text);
	ids_clear(&work.ids);
	bpe_close(work.bpe);
	wordpiece_close(work.wordpiece);
}

int main(int argc, char **argv)
{
	int first = program_begin(&program, argc, argv), found;
	check_options();
	open_tokenizer();
	check_tokenizer();
	struct names *names = names_open(argv + first, argc - first, true);
	work.output = names ? output_open(common.output) : NULL;
	work.line = textout_open(&work.text, &work.text_size);
	if (!work.output || !work.line)
		program_fail(NULL);
	const char *name;
	while ((found = names_next(names, &name)) > 0)
		take_file(name);
	if (found < 0)
		report_damage(NULL);
	if (option.stream)
		end_stream();
	names_close(names);
	if (work.damaged && common.output && strcmp(common.output, "-") != 0)
		stop();
	if (output_commit(work.output))
		program_fail(common.output);
	if (common.verbose)
		message_note(NULL, "%llu lines, %llu ids, %llu failed", (unsigned long long)work.lines,
		    (unsigned long long)work.total, (unsigned long long)work.failed);
	close_all();
	return program_end();
}
