/* pty.c - run a command with a terminal as standard input, output or error.
 * usage: pty [-i] [-o] [-e] COMMAND [ARGUMENT...]
 * What the command writes to the terminal goes to standard output. The status is the command's;
 * 128 + N when signal N ended it. After 20 seconds the command is killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int trouble(const char *what)
{
	perror(what);
	return 125;
}

static _Noreturn void run_command(int terminal, const bool replace[3], char **command)
{
	for (int descriptor = 0; descriptor < 3; descriptor++)
		if (replace[descriptor])
			dup2(terminal, descriptor);
	close(terminal);
	execvp(command[0], command);
	_exit(127);
}

/* Copy until the command has closed the terminal. */
static void copy_output(int controller)
{
	char buffer[4096];
	for (;;) {
		ssize_t size = read(controller, buffer, sizeof buffer);
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0) /* EIO: the last one has closed it */
			return;
		if (write(STDOUT_FILENO, buffer, (size_t)size) < 0)
			return;
	}
}

int main(int argc, char **argv)
{
	bool replace[3] = { false, false, false };
	int option;
	while ((option = getopt(argc, argv, "+ioe")) != -1) {
		if (option == '?')
			return 125;
		replace[option == 'i' ? 0 : option == 'o' ? 1 : 2] = true;
	}
	if (optind == argc)
		return 125;
	int controller = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (controller < 0 || grantpt(controller) < 0 || unlockpt(controller) < 0)
		return trouble("pty");
	int terminal = open(ptsname(controller), O_RDWR | O_NOCTTY);
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	if (terminal < 0 || ioctl(terminal, TIOCSWINSZ, &size) < 0)
		return trouble("pty");
	pid_t child = fork();
	if (child < 0)
		return trouble("pty");
	if (child == 0) {
		alarm(20);
		run_command(terminal, replace, argv + optind);
	}
	close(terminal);
	copy_output(controller);
	int status;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
