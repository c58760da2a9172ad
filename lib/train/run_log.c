/* run_log.c - the log of a run (see run_log.h). */
#include "train/run_log.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/textout.h"
#include "stream/json.h"
#include "train/stage.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 4096 };
static const size_t log_most = (size_t)1 << 30;

struct run_log {
	FILE *file;
	char line[LINE_BYTES];
	size_t used;
};

/* Does the line belong to a step that is kept? What is no line of ours is not. */
static bool is_kept(const char *line, size_t size, uint64_t step)
{
	int64_t number;
	struct json *root = json_parse(line, size);
	bool kept = root && json_whole(json_member(root, "step"), 0, INT64_MAX, &number) == 0 &&
	            (uint64_t)number <= step;
	json_release(root);
	return kept;
}

/* The size of the lines of an earlier log that stay. */
static size_t kept_size(const char *bytes, size_t size, uint64_t step)
{
	size_t at = 0;
	while (at < size) {
		const char *end = memchr(bytes + at, '\n', size - at);
		size_t length = end ? (size_t)(end - (bytes + at)) : 0;
		if (!end || !is_kept(bytes + at, length, step))
			break;
		at += length + 1;
	}
	return at;
}

static int write_kept(struct run_log *log, const char *path, uint64_t step)
{
	char *bytes = NULL;
	size_t size = 0;
	if (step > 0 && file_read_regular(path, log_most, &bytes, &size) < 0 && errno != ENOENT)
		return -1;
	size = bytes ? kept_size(bytes, size, step) : 0;
	log->file = fopen(path, "wb");
	int status = 0;
	if (!log->file || (size > 0 && fwrite(bytes, 1, size, log->file) < size))
		status = error_system("cannot write:");
	memory_release(bytes);
	return status;
}

struct run_log *run_log_open(const char *path, uint64_t step)
{
	struct run_log *log = memory_allocate_zero(1, sizeof *log);
	if (!log)
		return NULL;
	if (write_kept(log, path, step) == 0)
		return log;
	run_log_close(log);
	return NULL;
}

int run_log_close(struct run_log *log)
{
	int status = 0;
	if (log && log->file && fclose(log->file) != 0)
		status = error_system("write error:");
	memory_release(log);
	return status;
}

static void add(struct run_log *log, const char *text)
{
	size_t size = strlen(text);
	if (log->used + size >= sizeof log->line)
		return;
	memcpy(log->line + log->used, text, size + 1);
	log->used += size;
}

/* "NAME":VALUE; JSON has no infinity and no NaN. */
static void add_number(struct run_log *log, const char *name, double value)
{
	char text[128];
	if (isfinite(value))
		snprintf(text, sizeof text, ",\"%s\":%.9g", name, value);
	else
		snprintf(text, sizeof text, ",\"%s\":null", name);
	add(log, text);
}

static void add_losses(struct run_log *log, const struct stage_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->losses[i].count > 0)
			add_number(
			    log, report->losses[i].name, report->losses[i].sum / report->losses[i].count);
}

static void begin_line(struct run_log *log, uint64_t step)
{
	char text[64];
	log->used = 0;
	snprintf(text, sizeof text, "{\"step\":%llu", (unsigned long long)step);
	add(log, text);
}

static int end_line(struct run_log *log)
{
	add(log, "}\n");
	return fputs(log->line, log->file) < 0 || fflush(log->file) != 0 ? error_system("write error:")
	                                                                 : 0;
}

int run_log_step(struct run_log *log, uint64_t step, const struct stage_report *report,
    const struct run_figures *figures)
{
	begin_line(log, step);
	add_losses(log, report);
	add_number(log, "rate", figures->rate);
	add_number(log, "norm", figures->norm);
	add_number(log, "examples_per_second", figures->examples_per_second);
	add_number(log, "seconds", figures->seconds);
	return end_line(log);
}

int run_log_validation(struct run_log *log, uint64_t step, const struct stage_report *report)
{
	begin_line(log, step);
	add(log, ",\"validation\":true");
	add_losses(log, report);
	return end_line(log);
}

void stage_report_text(const struct stage_report *report, char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < report->count && used < size; i++) {
		const struct stage_loss *loss = &report->losses[i];
		if (loss->count > 0)
			used += (size_t)snprintf(text + used, size - used, "%s%s %.4g", used > 0 ? ", " : "",
			    loss->name, loss->sum / loss->count);
	}
}
