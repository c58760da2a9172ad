/* interrupt.c - a clean end on SIGINT, see interrupt.h. */
#include "base/interrupt.h"

#include <stddef.h>
#include <unistd.h>

#include "base/output.h"

static volatile sig_atomic_t flag;
static struct sigaction before;

_Noreturn void interrupt_die(void)
{
	output_clean_up();
	signal(SIGINT, SIG_DFL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	raise(SIGINT);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* inside the handler it is blocked until here */
	_exit(128 + SIGINT);
}

static void note(int number)
{
	(void)number;
	if (flag)
		interrupt_die();
	flag = 1;
}

void interrupt_hold(void)
{
	struct sigaction action = { .sa_handler = note };
	if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
}

void interrupt_release(void)
{
	sigaction(SIGINT, &before, NULL);
}

const volatile sig_atomic_t *interrupt_flag(void)
{
	return &flag;
}
