/* generate_work.h - what the parts of zv-generate share: the model, its settings, where answers go. */
#ifndef ZV_CMD_GENERATE_WORK_H
#define ZV_CMD_GENERATE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/batch.h"
#include "model/candidates.h"
#include "model/language.h"
#include "model/outlet.h"

struct generate_work {
	struct language language;
	struct generation_settings settings;
	struct generator *generator;
	struct batch *batch;
	struct candidates candidates;
	const char **stops;
	size_t stop_count;
	struct outlet outlet;
	bool damaged;          /* an input could not be read to its end */
	double since, seconds; /* when the work at hand began, or 0; what took work so far */
	size_t most;           /* records answered at once; as many are read ahead */
	uint64_t records;
	uint64_t rows, kept; /* of prompts, and how many of them a cache held already */
};

extern struct generate_work work;

void work_open(void); /* as the options say; what fails ends the program */
void work_close(void);
bool work_has_file(void); /* is there a FILE, which appears whole or not at all? */

/* From here on SIGINT ends answers, not the program. */
void work_begin(void);
/* Nothing is being answered, the program is going to wait: SIGINT while it worked ends it here. */
void work_end(void);
/* Results for a file that is standard output are gathered; whoever interrupts has paid for them. */
void work_flush(void);

/* An item failed for the recorded reason: say so, keep the results in line with the input. */
void work_report(const char *key);
/* Tell a failure in its turn, as if it had happened only now. */
void work_tell(const struct batch_failure *failure);
_Noreturn void work_stop(void); /* without a FILE */

/* The scores of what comes, up to the end of the input (--score). */
void score_all(struct inlet *inlet);

/* A talk about the picture in the file (--chat). */
void talk(const char *name);

#endif
