/* levels.h - run the same checks at every CPU level and thread count, each in a process of its own
 * (a process settles its level once), and bring what they found back.
 */
#ifndef ZV_TESTS_LEVELS_H
#define ZV_TESTS_LEVELS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/threads.h"
#include "num/product.h"
#include "tap.h"

enum { LEVELS_CHECKS = 24 };

/* What the checks of a process found. */
struct findings {
	double error[LEVELS_CHECKS]; /* the largest of each check */
	uint64_t digest;             /* of all bytes computed */
};

static inline void findings_digest(struct findings *findings, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < size; i++)
		findings->digest = (findings->digest ^ bytes[i]) * 1099511628211u;
}

/* The largest error of a check; what is not a number counts as endless. */
static inline void findings_error(struct findings *findings, int check, double error)
{
	if (!(error <= findings->error[check]))
		findings->error[check] = error == error ? error : 1e300;
}

/* false: this CPU does not have the level. */
static inline bool levels_run(
    const char *level, int threads, void (*work)(struct findings *), struct findings *findings)
{
	int ends[2], status = -1;
	memset(findings, 0, sizeof *findings);
	if (pipe(ends) < 0)
		exit(2);
	pid_t child = fork();
	if (child == 0) {
		setenv("ZV_CPU", level, 1);
		if (product_start() < 0)
			_exit(3);
		if (threads_start(threads) < 0)
			_exit(2);
		work(findings);
		threads_stop();
		_exit(write(ends[1], findings, sizeof *findings) == (ssize_t)sizeof *findings ? 0 : 2);
	}
	close(ends[1]);
	bool whole = read(ends[0], findings, sizeof *findings) == (ssize_t)sizeof *findings;
	close(ends[0]);
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		return false;
	if (!whole || status != 0)
		findings->error[0] = 1e300;
	return true;
}

/* Errors of every level within the bounds, and the same bytes at 1, 2 and 3 threads. */
static inline void levels_check(
    void (*work)(struct findings *), const char *const *names, const double *bounds, int checks)
{
	static const char *const levels[] = { "ref", "avx2", "avx512" };
	for (int level = 0; level < 3; level++) {
		struct findings one, more;
		if (!levels_run(levels[level], 1, work, &one)) {
			tap_skip(levels[level], "this CPU does not have it");
			continue;
		}
		for (int i = 0; i < checks; i++)
			TAP_OK(
			    one.error[i] <= bounds[i], "%s: %s (%.1e)", levels[level], names[i], one.error[i]);
		for (int threads = 2; threads <= 3; threads++)
			TAP_OK(levels_run(levels[level], threads, work, &more) && more.digest == one.digest,
			    "%s: the same bytes with %d threads", levels[level], threads);
	}
}

#endif
