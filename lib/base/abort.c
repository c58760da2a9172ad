/* abort.c - what SIGABRT does (see abort.h). */
#include "base/abort.h"
#include "base/message.h"
#include "base/output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HANDLERS = 16 };

static _Thread_local volatile sig_atomic_t no_memory;

void abort_means_memory(bool inside)
{
	no_memory = inside;
}

static void say(const char *text)
{
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
	(void)ignored;
}

static void end_without_memory(void)
{
	if (!no_memory)
		return;
	output_clean_up();
	char line[80];
	snprintf(line, sizeof line, "%s: out of memory (in a library)\n", message_program_name());
	say(line);
	_exit(EXIT_TROUBLE);
}

static void on_abort(int signal_number)
{
	end_without_memory();
	output_clean_up();
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

void abort_prepare(void)
{
	struct sigaction action = { .sa_handler = on_abort };
	sigaction(SIGABRT, &action, NULL);
	/* libgomp calls exit(1) instead, and several of its threads may do so at once: each takes one
	 * handler off the list. */
	for (int i = 0; i < HANDLERS; i++)
		atexit(end_without_memory);
}
