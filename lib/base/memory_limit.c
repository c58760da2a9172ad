/* memory_limit.c - the machine's memory and the limits of control groups (see memory_limit.h).
 * /proc/self/cgroup has a line for each hierarchy, "NUMBER:CONTROLLERS:PATH": version 2 is number 0
 * without controllers, version 1 the one whose controllers name memory. A limit of a group holds for
 * those inside. In a container the path may be the host's, of which only the last mount is seen:
 * folders that are not there are passed over.
 */
#include "base/memory_limit.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS_MOST = 1 << 16, LIMIT_MOST = 64 };

static uint64_t least(uint64_t a, uint64_t b)
{
	return b < a ? b : a;
}

/* The number in a file; UINT64_MAX when there is none, or "max". */
static uint64_t limit_in(const char *path)
{
	char *text;
	size_t size;
	int64_t limit;
	if (file_read_regular(path, LIMIT_MOST, &text, &size) < 0)
		return UINT64_MAX;
	text[strcspn(text, "\n")] = '\0';
	bool is_number = number_whole(text, 0, INT64_MAX, &limit) == 0;
	memory_release(text);
	return is_number ? (uint64_t)limit : UINT64_MAX;
}

/* The least limit of the group and those above it; shortens group, which begins with '/'. */
static uint64_t limit_of_group(const char *root, const char *mount, char *group, const char *file)
{
	char path[PATH_MAX];
	uint64_t limit = UINT64_MAX;
	for (;;) {
		int length =
		    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%s/%s", root, mount, group, file);
		if (length > 0 && (size_t)length < sizeof path)
			limit = least(limit, limit_in(path));
		char *slash = strrchr(group, '/');
		if (!slash)
			return limit;
		*slash = '\0';
	}
}

/* Is memory among the controllers, "cpu,memory"? */
static bool names_memory(const char *controllers)
{
	for (const char *at = controllers; *at; at += at[0] == ',') {
		size_t length = strcspn(at, ",");
		if (length == 6 && strncmp(at, "memory", 6) == 0)
			return true;
		at += length;
	}
	return false;
}

static uint64_t limit_of_line(const char *root, char *line)
{
	char *controllers = strchr(line, ':'),
	     *group = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!group || group[1] != '/')
		return UINT64_MAX;
	*controllers++ = *group++ = '\0';
	if (controllers[0] == '\0')
		return limit_of_group(root, "", group, "memory.max");
	if (names_memory(controllers))
		return limit_of_group(root, "/memory", group, "memory.limit_in_bytes");
	return UINT64_MAX;
}

uint64_t memory_limit(const char *root)
{
	char path[PATH_MAX], *groups;
	size_t size;
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t limit = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
	int length = snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	if (length > 0 && (size_t)length < sizeof path &&
	    file_read(path, GROUPS_MOST, &groups, &size) == 0) {
		for (char *line = groups, *next; *line; line = next) {
			size_t end = strcspn(line, "\n");
			next = line + end + (line[end] == '\n');
			line[end] = '\0';
			limit = least(limit, limit_of_line(root, line));
		}
		memory_release(groups);
	}
	return limit == UINT64_MAX ? 0 : limit;
}
