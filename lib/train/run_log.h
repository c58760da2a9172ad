/* run_log.h - figures of a run as JSON lines: {"step":10,"lm":2.5,"rate":0.0001,...}. */
#ifndef ZV_TRAIN_RUN_LOG_H
#define ZV_TRAIN_RUN_LOG_H

#include <stddef.h>
#include <stdint.h>

struct stage_report;
struct run_log;

/* Lines of steps up to `step` stay of an earlier run's log, the rest is cut off. NULL recorded. */
struct run_log *run_log_open(const char *path, uint64_t step);
int run_log_close(struct run_log *log); /* NULL is fine. 0 or -1 */

struct run_figures {
	double rate, norm, examples_per_second, seconds;
};
/* Losses since the last line. 0 or -1. */
int run_log_step(struct run_log *log, uint64_t step, const struct stage_report *report,
    const struct run_figures *figures);
/* What a validation gave. 0 or -1. */
int run_log_validation(struct run_log *log, uint64_t step, const struct stage_report *report);

/* "lm 2.314, lm-right 0.41" into text: for people. */
void stage_report_text(const struct stage_report *report, char *text, size_t size);

#endif
