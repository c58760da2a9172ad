/* tap.c - TAP for unit tests (see tap.h). */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int count, failed;

bool tap_ok(bool condition, const char *file, int line, const char *format, ...)
{
	printf("%s %d - ", condition ? "ok" : "not ok", ++count);
	va_list arguments;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	if (!condition) {
		failed++;
		printf("#   at %s:%d\n", file, line);
	}
	fflush(stdout);
	return condition;
}

void tap_skip(const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++count, name, reason);
}

int tap_finish(void)
{
	printf("1..%d\n", count);
	return failed ? 1 : 0;
}

const char *tap_shared(const char *path)
{
	static char full[4096];
	const char *shared = getenv("ZV_SHARED");
	snprintf(full, sizeof full, "%s/%s", shared ? shared : "../shared", path);
	return access(full, R_OK) == 0 ? full : NULL;
}
