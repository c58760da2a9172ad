/* message.h - what a program says on standard error, and the exit status that follows.
 * One place prints and one place remembers: whatever is reported here raises the status that
 * program_end() returns. Lines read "zv-encode: FILE: reason"; control bytes in names and
 * reasons are shown as \xNN, the name "-" as "standard input"; standard output is flushed first so
 * that both appear in order.
 */
#ifndef ZV_BASE_MESSAGE_H
#define ZV_BASE_MESSAGE_H

enum exit_status {
	EXIT_DONE = 0,    /* all done */
	EXIT_ITEM = 1,    /* some item failed, or input damaged or truncated */
	EXIT_TROUBLE = 2, /* usage, environment, model missing, write error, out of memory */
};

/* The name in front of every line; program_begin() sets it. */
void message_program(const char *name);
const char *message_program_name(void);

/* Report the thread's recorded error (error.h) about file; NULL: about nothing in particular.
 * Raises the status to EXIT_ITEM or EXIT_TROUBLE by the error's kind. */
void message_error(const char *file);

/* Report a failure in the program's own words and raise the status. */
void message_failure(enum exit_status status, const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A remark that changes no status; suppressed by -q (message_quiet). */
void message_note(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
void message_quiet(int quiet);

/* Raise the status without a line (a failed item that arrived from upstream). */
void message_raise(enum exit_status status);
enum exit_status message_status(void);

#endif
