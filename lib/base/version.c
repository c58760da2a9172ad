/* version.c - what --version prints (see version.h). */
#include "base/version.h"

#include <stdio.h>

enum { LINES_MOST = 16 };

static const char *lines[LINES_MOST];
static int line_count;
static const char *(*later[LINES_MOST])(void);
static int later_count;

void version_add(const char *text)
{
	if (line_count < LINES_MOST)
		lines[line_count++] = text;
}

void version_add_later(const char *(*text)(void))
{
	if (later_count < LINES_MOST)
		later[later_count++] = text;
}

void version_print(const char *program)
{
	printf("%s (zv) %s\nstream zvt 1\n", program, ZV_VERSION);
	for (int i = 0; i < line_count; i++)
		printf("%s\n", lines[i]);
	for (int i = 0; i < later_count; i++)
		printf("%s\n", later[i]());
}
