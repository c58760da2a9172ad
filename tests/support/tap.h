/* tap.h - TAP for unit tests in C: TAP_OK(condition, "name"), then return tap_finish(). */
#ifndef ZV_TESTS_TAP_H
#define ZV_TESTS_TAP_H

#include <stdbool.h>

#define TAP_OK(condition, ...) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)

bool tap_ok(bool condition, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void tap_skip(const char *name, const char *reason);
int tap_finish(void); /* prints the plan; the status for main() */

/* A path below the reference data ($ZV_SHARED), or NULL when it is absent. Static storage. */
const char *tap_shared(const char *path);

#endif
