/* program.c - start, options and end of every program (see program.h). */
#define _GNU_SOURCE
#include "base/program.h"
#include "base/abort.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/number.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/threads.h"
#include "base/version.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>

enum { OPTIONS_MOST = 96, HELP_COLUMN = 26 };

struct common_options common = {
	.shard = 1,
	.shards = 1,
	.level = 1,
	.max_record = 1 << 30,
};

static const struct program *running;

/* Of the common options, in the order of --help. Values are parsed by kind like a program's own;
 * --shard is a text that parse_shard() takes apart. */
static const char *shard_text;
static const struct {
	unsigned bit; /* 0: every program */
	struct option_entry entry;
} common_entries[] = {
	{ COMMON_MODEL, { 'm', "model", "MODEL", OPTION_TEXT, &common.model, 0, 0, NULL,
	                    "model directory, or a name looked up in ZV_MODELS" } },
	{ COMMON_OUTPUT, { 'o', "output", "FILE", OPTION_TEXT, &common.output, 0, 0, NULL,
	                     "write to FILE, which appears whole or not at all" } },
	{ COMMON_NAMES, { 'T', "files-from", "LIST", OPTION_TEXT, &common.files_from, 0, 0, NULL,
	                    "read names from LIST, one a line (-: standard input)" } },
	{ COMMON_NAMES, { '0', "null", NULL, OPTION_FLAG, &common.null, 0, 0, NULL,
	                    "names in LIST end with a zero byte" } },
	{ COMMON_NAMES, { 0, "shard", "I/N", OPTION_TEXT, &shard_text, 0, 0, NULL,
	                    "take the I-th of N parts of the names, by their hash" } },
	{ COMMON_THREADS, { 't', "threads", "N", OPTION_WHOLE, &common.threads, 1, THREADS_MOST, NULL,
	                      "compute threads (default: ZV_THREADS, or all CPUs)" } },
	{ COMMON_LEVEL, { 0, "level", "N", OPTION_WHOLE, &common.level, 0, 19, NULL,
	                    "zstd level of the stream written, 0 stores (default 1)" } },
	{ COMMON_JSON, { 0, "json", NULL, OPTION_FLAG, &common.json, 0, 0, NULL,
	                   "write one JSON object per line" } },
	{ COMMON_STRICT, { 0, "strict", NULL, OPTION_FLAG, &common.strict, 0, 0, NULL,
	                     "stop at the first item that fails" } },
	{ COMMON_MAKER, { 0, "any-maker", NULL, OPTION_FLAG, &common.any_maker, 0, 0, NULL,
	                    "take input that another model made" } },
	{ COMMON_RECORDS, { 0, "max-record", "SIZE", OPTION_SIZE, &common.max_record, 1, 0x1p50, NULL,
	                      "largest record taken, in bytes or with K, M, G (default 1G)" } },
	{ 0, { 'v', "verbose", NULL, OPTION_FLAG, &common.verbose, 0, 0, NULL,
	         "print counts at the end, on standard error" } },
	{ 0, { 'q', "quiet", NULL, OPTION_FLAG, &common.quiet, 0, 0, NULL,
	         "no progress and no remarks" } },
};
enum { COMMON_COUNT = sizeof common_entries / sizeof common_entries[0] };

static struct {
	const struct option_entry *entries[OPTIONS_MOST];
	bool given[OPTIONS_MOST];
	int count;
} table;

static void collect_option(const struct option_entry *entry)
{
	if (table.count == OPTIONS_MOST)
		abort(); /* a fault of the program: its first run shows it */
	table.entries[table.count++] = entry;
}

static void collect_options(const struct program *program)
{
	table.count = 0;
	for (const struct option_entry *entry = program->options; entry && entry->name; entry++)
		collect_option(entry);
	for (int i = 0; i < COMMON_COUNT; i++)
		if (!common_entries[i].bit || program->common & common_entries[i].bit)
			collect_option(&common_entries[i].entry);
}

static void print_synopsis(FILE *stream)
{
	fprintf(stream, "usage: %s [OPTION...]%s%s\n", running->name, running->operands[0] ? " " : "",
	    running->operands);
}

static void print_help_text(const char *help)
{
	for (const char *at = help; *at;) {
		size_t length = strcspn(at, "\n");
		printf("%.*s\n", (int)length, at);
		at += length;
		if (*at == '\n')
			printf("%*s", HELP_COLUMN, (at++, ""));
	}
}

static void print_option(int letter, const char *name, const char *argument, const char *help)
{
	int width = letter ? printf("  -%c, --%s", letter, name) : printf("      --%s", name);
	if (argument)
		width += printf(" %s", argument);
	if (width >= HELP_COLUMN - 1)
		width = (putchar('\n'), 0);
	printf("%*s", HELP_COLUMN - width, "");
	print_help_text(help);
}

static void print_help(void)
{
	print_synopsis(stdout);
	printf("%s - %s\n\noptions:\n", running->name, running->purpose);
	for (int i = 0; i < table.count; i++)
		print_option(table.entries[i]->letter, table.entries[i]->name, table.entries[i]->argument,
		    table.entries[i]->help);
	print_option('h', "help", NULL, "print this and exit");
	print_option(0, "version", NULL, "print the versions and exit");
	printf("\nin:   %s\nout:  %s\n\nexamples:\n", running->input, running->output);
	for (const char *const *example = running->examples; *example; example++)
		printf("  %s\n", *example);
	printf("\nexit: %s\n", running->exits
	                           ? running->exits
	                           : "0 done, 1 an item failed or the input is damaged, 2 trouble");
	printf("see:  %s\n", running->see_also);
}

_Noreturn void program_exit(void)
{
	output_clean_up();
	/* Not exit(): what the caller had allocated is not a leak to be reported. */
	_exit(program_end());
}

_Noreturn void program_fail(const char *file)
{
	message_error(file);
	program_exit();
}

_Noreturn void program_usage(const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	message_failure(EXIT_TROUBLE, NULL, "%s", text);
	print_synopsis(stderr);
	fprintf(stderr, "try \"%s --help\"\n", running->name);
	program_exit();
}

static void set_choice(const struct option_entry *entry, const char *value)
{
	char all[512] = "";
	for (int i = 0; entry->choices[i]; i++) {
		if (strcmp(entry->choices[i], value) == 0) {
			*(int *)entry->to = i;
			return;
		}
		size_t used = strlen(all);
		snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", entry->choices[i]);
	}
	program_usage("--%s: \"%s\" is none of %s", entry->name, value, all);
}

static void add_to_list(struct option_list *list, const char *value)
{
	const char **texts = memory_allocate((size_t)list->count + 1, sizeof *texts);
	if (!texts)
		program_fail(NULL);
	if (list->count > 0)
		memcpy(texts, list->texts, (size_t)list->count * sizeof *texts);
	memory_release(list->texts);
	list->texts = texts;
	list->texts[list->count++] = value;
}

static void set_option(const struct option_entry *entry, const char *value)
{
	int result = 0;
	switch (entry->kind) {
	case OPTION_FLAG:
		*(bool *)entry->to = true;
		break;
	case OPTION_TEXT:
		*(const char **)entry->to = value;
		break;
	case OPTION_LIST:
		add_to_list(entry->to, value);
		break;
	case OPTION_CHOICE:
		set_choice(entry, value);
		break;
	case OPTION_WHOLE:
		result = number_whole(value, (int64_t)entry->least, (int64_t)entry->most, entry->to);
		break;
	case OPTION_SIZE:
		result = number_size(value, (int64_t)entry->least, (int64_t)entry->most, entry->to);
		break;
	case OPTION_REAL:
		result = number_real(value, entry->least, entry->most, entry->to);
		break;
	}
	if (result < 0)
		program_usage("--%s: %s", entry->name, error_text());
}

static void take_option(int i, const char *value)
{
	table.given[i] = true;
	set_option(table.entries[i], value);
}

bool program_given(const char *name)
{
	for (int i = 0; i < table.count; i++)
		if (table.given[i] && strcmp(table.entries[i]->name, name) == 0)
			return true;
	return false;
}

static void parse_shard(void)
{
	char part[32];
	size_t length = strcspn(shard_text, "/");
	if (shard_text[length] != '/' || length >= sizeof part)
		program_usage("--shard: \"%s\" is not I/N, such as 1/4", shard_text);
	memcpy(part, shard_text, length);
	part[length] = '\0';
	if (number_whole(shard_text + length + 1, 1, 1 << 30, &common.shards) < 0 ||
	    number_whole(part, 1, common.shards, &common.shard) < 0)
		program_usage("--shard: %s", error_text());
}

static void take_environment(void)
{
	const char *threads = getenv("ZV_THREADS");
	if (common.threads == 0 && threads && threads[0])
		if (number_whole(threads, 1, THREADS_MOST, &common.threads) < 0)
			program_usage("ZV_THREADS: %s", error_text());
	if (common.threads == 0)
		common.threads = threads_available();
}

/* getopt takes the beginning of a long name for the name; a script that relied on that would break
 * with the next option that begins alike. word: the option as typed, "--name" or "--name=value". */
static void refuse_abbreviation(const char *word, const char *name)
{
	size_t length = strcspn(word, "=");
	if (length != strlen(name) + 2)
		program_usage("unknown option %.*s; did you mean --%s", (int)length, word, name);
}

static void parse_options(int argc, char **argv)
{
	enum { HELP = 1000, VERSION, FIRST };
	struct option longs[OPTIONS_MOST + 3] = { 0 };
	char shorts[2 * OPTIONS_MOST + 4] = ":h";
	size_t used = strlen(shorts);
	for (int i = 0; i < table.count; i++) {
		const struct option_entry *entry = table.entries[i];
		int argument = entry->kind == OPTION_FLAG ? no_argument : required_argument;
		longs[i] = (struct option){ entry->name, argument, NULL, FIRST + i };
		if (!entry->letter)
			continue;
		shorts[used++] = (char)entry->letter;
		if (argument == required_argument)
			shorts[used++] = ':';
	}
	longs[table.count] = (struct option){ "help", no_argument, NULL, HELP };
	longs[table.count + 1] = (struct option){ "version", no_argument, NULL, VERSION };
	opterr = 0;
	int found, place = -1;
	for (; (found = getopt_long(argc, argv, shorts, longs, &place)) != -1; place = -1) {
		if (place >= 0 && found != '?' && found != ':')
			refuse_abbreviation(
			    argv[optind - 1 - (optarg && optarg == argv[optind - 1])], longs[place].name);
		if (found == 'h' || found == HELP) {
			print_help();
			program_exit();
		}
		if (found == VERSION) {
			version_print(running->name);
			program_exit();
		}
		if (found == ':')
			program_usage("option %s needs an argument", argv[optind - 1]);
		if (found == '?' && optopt && optopt < HELP)
			program_usage("unknown option -%c", optopt);
		if (found == '?' && optopt >= FIRST)
			program_usage("option %s takes no argument", argv[optind - 1]);
		if (found == '?')
			program_usage("unknown or unclear option %s", argv[optind - 1]);
		for (int i = 0; i < table.count; i++)
			if (found == FIRST + i ||
			    (table.entries[i]->letter && found == table.entries[i]->letter))
				take_option(i, optarg);
	}
	if (shard_text)
		parse_shard();
}

/* Descriptors 0-2 that are closed become /dev/null, so that no file opened later takes their
 * number. A closed standard output is remembered: its results would be lost silently. */
static void open_descriptors(void)
{
	bool output_closed = fcntl(STDOUT_FILENO, F_GETFD) < 0 && errno == EBADF;
	int descriptor;
	do
		descriptor = open("/dev/null", O_RDWR);
	while (descriptor >= 0 && descriptor <= STDERR_FILENO);
	if (descriptor > STDERR_FILENO)
		close(descriptor);
	if (output_closed) {
		message_failure(EXIT_TROUBLE, NULL, "standard output is closed");
		exit(EXIT_TROUBLE);
	}
}

static void clean_up_and_die(int signal_number)
{
	output_clean_up();
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

/* A mapped file was cut short, or its disk failed, while we looked at it. */
static void on_lost_mapping(int signal_number)
{
	static const char text[] = ": a file became shorter, or could not be read, while it was used\n";
	const char *name = message_program_name();
	(void)signal_number;
	output_clean_up();
	if (write(STDERR_FILENO, name, strlen(name)) < 0 ||
	    write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(EXIT_TROUBLE);
	_exit(EXIT_TROUBLE);
}

static void prepare_signals(void)
{
	static const int deadly[] = { SIGINT, SIGTERM, SIGHUP, SIGXCPU };
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* Dying of SIGPIPE, whoever started us, but not with a temporary left behind. */
	signal(SIGPIPE, clean_up_and_die);
	signal(SIGBUS, on_lost_mapping);
	/* A file size limit is a failed write like any other, not a death without a word. */
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
		struct sigaction action = { .sa_handler = clean_up_and_die };
		struct sigaction before;
		/* What nohup or a shell's background job ignores stays ignored. */
		if (sigaction(deadly[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(deadly[i], &action, NULL);
	}
}

int program_begin(const struct program *program, int argc, char **argv)
{
	running = program;
	message_program(program->name);
	open_descriptors();
	prepare_signals();
	abort_prepare();
	collect_options(program);
	parse_options(argc, argv);
	if (common.output && strcmp(common.output, "-") == 0)
		common.output = NULL;
	take_environment();
	message_quiet(common.quiet);
	return optind;
}

int program_end(void)
{
	progress_clear();
	threads_stop();
	if (fflush(stdout) != 0 || ferror(stdout) || fclose(stdout) != 0) {
		/* A reader that has gone away is no error of ours. */
		if (errno == EPIPE) {
			signal(SIGPIPE, SIG_DFL);
			raise(SIGPIPE);
		}
		message_failure(EXIT_TROUBLE, NULL, "standard output: write error: %s", strerror(errno));
	}
	return message_status();
}
