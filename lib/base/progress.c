/* progress.c - the progress line (see progress.h). */
#include "base/progress.h"
#include "base/program.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *unit;
	uint64_t total, skipped;
	char detail[120];
	double started, shown;
	bool visible;
} progress;

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void progress_begin(const char *unit, uint64_t total)
{
	progress.unit = unit;
	progress.total = total;
	progress.started = progress.shown = seconds_now();
	progress.visible = false;
	progress.skipped = 0;
	progress.detail[0] = '\0';
}

void progress_skip(uint64_t done)
{
	progress.skipped = done;
}

void progress_detail(const char *text)
{
	snprintf(progress.detail, sizeof progress.detail, "%s", text);
}

static void print_time_left(double seconds)
{
	if (seconds >= 3600)
		fprintf(stderr, ", %.0f h %02.0f min left", seconds / 3600 - 0.5,
		    (seconds - 3600 * (double)(int)(seconds / 3600)) / 60);
	else if (seconds >= 60)
		fprintf(stderr, ", %.0f min left", seconds / 60);
	else
		fprintf(stderr, ", %.0f s left", seconds);
}

void progress_update(uint64_t done)
{
	if (!progress.unit || common.quiet || !isatty(STDERR_FILENO))
		return;
	double now = seconds_now();
	if (now - progress.shown < 0.2)
		return;
	progress.shown = now;
	progress.visible = true;
	double elapsed = now - progress.started, rate = (double)(done - progress.skipped) / elapsed;
	bool bytes = strcmp(progress.unit, "bytes") == 0;
	double scale = bytes ? 1e-6 : 1;
	const char *unit = bytes ? "MB" : progress.unit;
	int digits = bytes ? 0 : rate < 10 ? 2 : 0;
	if (progress.total)
		fprintf(stderr, "\r\033[K%.0f/%.0f %s, %.*f/s", (double)done * scale,
		    (double)progress.total * scale, unit, digits, rate * scale);
	else
		fprintf(
		    stderr, "\r\033[K%.0f %s, %.*f/s", (double)done * scale, unit, digits, rate * scale);
	if (progress.total > done && rate > 0)
		print_time_left((double)(progress.total - done) / rate);
	if (progress.detail[0] != '\0')
		fprintf(stderr, ", %s", progress.detail);
	fflush(stderr);
}

void progress_clear(void)
{
	if (!progress.visible)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress.visible = false;
}
