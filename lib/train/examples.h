/* examples.h - training data: JSON lines about pictures (fields of spec 1.4), several files with
 * mixing weights. Lines are read when they are needed; the file is scanned once at the start, bad
 * lines are reported with file and line (the first 20 of a file), counted and left out; more than 1 %
 * bad is an error.
 */
#ifndef ZV_TRAIN_EXAMPLES_H
#define ZV_TRAIN_EXAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXAMPLE_TURNS_MOST = 64, EXAMPLE_LABELS_MOST = 1 << 14, EXAMPLE_WRONG_MOST = 64 };

enum example_language { EXAMPLE_ENGLISH, EXAMPLE_CHINESE, EXAMPLE_LANGUAGES };

struct example_turn {
	char *question; /* may be empty: caption */
	char *answer;
};

/* One line. All texts belong to the example (example_clear). */
struct example {
	char *key;      /* "key", else "image" (also img, img_path, npy_path): name of the picture */
	char *image_id; /* "image_id" as text, else the key: equal ids are the same picture */
	char *caption[EXAMPLE_LANGUAGES]; /* "caption", "caption_zh"; NULL: none */
	char **wrong[EXAMPLE_LANGUAGES];  /* "wrong", "wrong_zh": captions that do not fit */
	size_t wrong_count[EXAMPLE_LANGUAGES];
	struct example_turn
	    *turns; /* question/answer, instruction+inputs/outputs, text[], conversations[] */
	size_t turn_count;
	char *text;               /* "text" as a string: plain text for the stage text */
	int32_t *kinds, *patches; /* classes of the stage classify: by query, by patch; -1: none */
	size_t kind_count, patch_count;
	int32_t kind;     /* class of the whole picture, -1: none */
	const char *file; /* where it stands, if it was read from examples, and their property */
	uint32_t line;
};
void example_clear(struct example *example);

/* "FILE:LINE: KEY" of it, as far as they are known, into text. */
void example_name(const struct example *example, char *text, size_t size);
/* Tell as a failed item that it is left out, and why. */
void example_left_out(const struct example *example, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct examples;
struct examples_options {
	const char *const *files; /* "FILE" or "FILE=WEIGHT" */
	size_t count;
	bool in_order; /* no shuffling: lines in file order, files one after the other */
	uint64_t seed;
};
/* NULL recorded. What is wrong with a line is told by message_* as it is found. */
struct examples *examples_open(const struct examples_options *options);
void examples_close(struct examples *examples);
size_t examples_count(const struct examples *examples); /* good lines of all files */

uint64_t examples_checksum(const struct examples *examples); /* XXH64 of all files' bytes */

/* Read line number i of all files together, 0.. (for validation). 0 or -1. */
int examples_read(struct examples *examples, size_t i, struct example *example);

/* The example drawn at position p of the run, 0, 1, 2, ...: a pure function of seed and p (resume
 * needs no state). A file is chosen with its weight (default: square root of its lines), in it
 * every line comes once per epoch in a shuffled order. Returns the i of examples_read(). */
size_t examples_draw(const struct examples *examples, uint64_t p);

#endif
