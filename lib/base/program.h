/* program.h - the start and the end that all programs share: one table of options feeds the
 * parser, --help and the check of the man page; descriptors, signals and standard output are
 * put in order at the start and checked at the end. See zv(7) for the rules themselves.
 *
 * A program is
 *     static struct {...} option;
 *     static const struct option_entry options[] = {...};
 *     static const struct program program = {...};
 *     int main(int argc, char **argv)
 *     {
 *         int first = program_begin(&program, argc, argv);
 *         ...work on argv[first..argc-1]; report with message.h...
 *         return program_end();
 *     }
 */
#ifndef ZV_BASE_PROGRAM_H
#define ZV_BASE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
	OPTION_FLAG,   /* bool *: set to true */
	OPTION_WHOLE,  /* int64_t *: whole number in [least, most] */
	OPTION_SIZE,   /* int64_t *: the same, with suffix K, M, G, T */
	OPTION_REAL,   /* double *: real number in [least, most] */
	OPTION_TEXT,   /* const char **: any text; given twice, the last counts */
	OPTION_CHOICE, /* int *: position in choices */
	OPTION_LIST,   /* struct option_list *: any text, may be given several times */
};

struct option_list {
	const char **texts; /* in the order given; points into argv */
	int count;
};

struct option_entry {
	int letter;           /* short option, or 0 */
	const char *name;     /* long option, without dashes */
	const char *argument; /* its name in --help, upper case; NULL for OPTION_FLAG */
	enum option_kind kind;
	void *to;                   /* holds the default before program_begin() */
	double least, most;         /* OPTION_WHOLE, OPTION_SIZE, OPTION_REAL */
	const char *const *choices; /* OPTION_CHOICE: NULL-terminated */
	const char *help;           /* one sentence with default and unit; '\n' starts a new line */
};

/* Options that are spelt the same everywhere; a program names those it takes. */
enum common_option {
	COMMON_OUTPUT = 1 << 0,  /* -o FILE */
	COMMON_NAMES = 1 << 1,   /* -T LIST, -0, --shard i/n: operands are names to read */
	COMMON_MODEL = 1 << 2,   /* -m MODEL */
	COMMON_THREADS = 1 << 3, /* -t N */
	COMMON_LEVEL = 1 << 4,   /* --level N: zstd level of the stream written */
	COMMON_STRICT = 1 << 5,  /* --strict */
	COMMON_JSON = 1 << 6,    /* --json */
	COMMON_RECORDS = 1 << 7, /* --max-record SIZE: the largest record taken */
	COMMON_MAKER = 1 << 8,   /* --any-maker */
};

struct common_options {
	const char *output;     /* NULL: standard output */
	const char *files_from; /* -T */
	bool null;              /* -0 */
	int64_t shard, shards;  /* --shard i/n, 1-based; 1/1 when not given */
	const char *model;      /* -m */
	int64_t threads;        /* -t, ZV_THREADS, or the CPUs this process may use */
	int64_t level;          /* --level, default 1 */
	bool strict, json, any_maker;
	int64_t max_record; /* --max-record, default 1 GiB */
	bool verbose, quiet;
};

/* Filled by program_begin(). */
extern struct common_options common;

struct program {
	const char *name;     /* "zv-encode" */
	const char *purpose;  /* one line, lower case, as in the man page's NAME */
	const char *operands; /* "[FILE...]" */
	unsigned common;      /* set of enum common_option; -v, -q, -h, --help, --version always */
	const struct option_entry *options; /* ends with an entry whose name is NULL */
	const char *input;                  /* what goes in, for --help */
	const char *output;                 /* what comes out */
	const char *examples[9];            /* lines that can be pasted; NULL-terminated */
	const char *see_also;               /* "zv-qformer(1), zvt(5)" */
	const char *exits;                  /* exit statuses, if 1 means something else here */
};

/* Put descriptors 0-2, SIGPIPE and the clean-up on INT, TERM and HUP in order, parse the options,
 * answer --help and --version (exit 0) and usage errors (exit 2). Returns the index of the first
 * operand in argv; options may stand between operands, "--" ends them. */
int program_begin(const struct program *program, int argc, char **argv);

/* Whether the option of this long name stood on the command line. */
bool program_given(const char *name);

/* Report a usage error (one line, then the synopsis) and exit 2. */
_Noreturn void program_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Report the thread's recorded error about file (may be NULL), drop unfinished output, exit with
 * the status of the error's kind. */
_Noreturn void program_fail(const char *file);

/* Flush and close standard output with check; remove what was not committed; the exit status. */
int program_end(void);

/* Drop unfinished output and exit with the status reached so far. */
_Noreturn void program_exit(void);

#endif
