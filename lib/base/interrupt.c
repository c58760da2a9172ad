/* interrupt.c - a clean end on a signal, see interrupt.h. */
#include "base/interrupt.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/output.h"

static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static volatile sig_atomic_t flag;
static struct timespec first; /* when flag was set */
static struct sigaction before[NUMBERS];
static int held; /* of numbers[] */

_Noreturn void interrupt_die(void)
{
	int number = flag ? flag : SIGINT;
	output_clean_up();
	signal(number, SIG_DFL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* inside the handler it is blocked until here */
	_exit(128 + number);
}

static bool is_echo(int number)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	double seconds =
	    (double)(now.tv_sec - first.tv_sec) + 1e-9 * (double)(now.tv_nsec - first.tv_nsec);
	return number != SIGINT && number == flag && seconds < 1;
}

static void note(int number)
{
	if (flag && is_echo(number))
		return;
	if (flag)
		interrupt_die();
	clock_gettime(CLOCK_MONOTONIC, &first);
	flag = number;
}

static void hold(int count, int flags)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = flags };
	for (held = 0; held < count; held++)
		if (sigaction(numbers[held], NULL, &before[held]) == 0 &&
		    before[held].sa_handler != SIG_IGN)
			sigaction(numbers[held], &action, NULL);
}

void interrupt_hold(void)
{
	hold(1, 0);
}

void interrupt_hold_all(void)
{
	hold(NUMBERS, SA_RESTART);
}

void interrupt_release(void)
{
	for (; held > 0; held--)
		sigaction(numbers[held - 1], &before[held - 1], NULL);
}

const volatile sig_atomic_t *interrupt_flag(void)
{
	return &flag;
}
