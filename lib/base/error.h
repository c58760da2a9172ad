/* error.h - how the library says what went wrong.
 * A function that fails records one text for its thread and returns -1 (or NULL); nothing is
 * printed and nothing exits here. cmd/ prints the text (message.h) and decides what follows.
 * Texts are lower case, name the place and the reason, and carry no program or file name and
 * no full stop: "tensor 3: 2 bytes are missing", not "Error: foo.zv: bad tensor.".
 */
#ifndef ZV_BASE_ERROR_H
#define ZV_BASE_ERROR_H

#include <stddef.h>

enum error_kind {
	ERROR_NONE,
	ERROR_INPUT,  /* this item or input is damaged or unsuitable: exit status 1 */
	ERROR_SYSTEM, /* usage, environment, missing model, failed write, memory: exit status 2 */
};

/* Record a text of the given kind; a format that ends in ':' gets " " and strerror(errno)
 * appended. Always return -1, so that a caller can `return error_input(...)`. */
int error_input(const char *format, ...) __attribute__((format(printf, 1, 2)));
int error_system(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Record "out of memory (N bytes wanted)" as ERROR_SYSTEM. Always returns -1. */
int error_memory(size_t bytes);

/* Put "context: " in front of the recorded text. Always returns -1. */
int error_context(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Make the recorded error one of the given kind (a model file that is damaged is
 * ERROR_SYSTEM for the program that needs it). Always returns -1. */
int error_as(enum error_kind kind);

/* The text recorded last by this thread; "" if none. Valid until the thread's next error. */
const char *error_text(void);
enum error_kind error_kind(void);
void error_clear(void);

#endif
