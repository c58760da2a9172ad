/* base_memory_limit.c - limits of control groups, below a folder that stands for the root. */
#include "base/memory_limit.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of this text below the folder root, with the folders on the way. */
static void write_text(const char *path, const char *text)
{
	char part[512];
	for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
		snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		mkdir(part, 0777);
	}
	FILE *file = fopen(path, "w");
	if (!file)
		abort();
	fputs(text, file);
	fclose(file);
}

static void test_second(void)
{
	uint64_t machine = memory_limit("absent");
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	TAP_OK(machine == pages, "without groups: the memory of the machine (%llu)",
	    (unsigned long long)machine);
	write_text("two/proc/self/cgroup", "0::/jobs/mine\n");
	TAP_OK(memory_limit("two") == machine, "a group without a limit");
	write_text("two/sys/fs/cgroup/jobs/mine/memory.max", "max\n");
	TAP_OK(memory_limit("two") == machine, "the limit \"max\"");
	write_text("two/sys/fs/cgroup/jobs/mine/memory.max", "50000000\n");
	TAP_OK(memory_limit("two") == 50000000, "a limit");
	write_text("two/sys/fs/cgroup/jobs/memory.max", "30000000\n");
	TAP_OK(memory_limit("two") == 30000000, "that of the group around it is less");
	write_text("two/sys/fs/cgroup/memory.max", "10000000\n");
	TAP_OK(memory_limit("two") == 10000000, "and that of a container");
	write_text("two/sys/fs/cgroup/jobs/mine/memory.max", "9223372036854775807\n");
	write_text("two/sys/fs/cgroup/jobs/memory.max", "-5\n");
	write_text("two/sys/fs/cgroup/memory.max", "nonsense\n");
	TAP_OK(memory_limit("two") == machine, "limits that are none");
	write_text("bare/proc/self/cgroup", "0::/host/path/that/is/not/here\n");
	write_text("bare/sys/fs/cgroup/memory.max", "20000000");
	TAP_OK(memory_limit("bare") == 20000000, "the path of a host, seen from a container");
}

static void test_first(void)
{
	uint64_t machine = memory_limit("absent");
	write_text("one/proc/self/cgroup", "12:cpu,cpuacct:/other\n5:memoryless:/no\n4:hugetlb,memory:/"
	                                   "docker/x\n1:name=systemd:/\n0::/\n");
	write_text("one/sys/fs/cgroup/cpu/other/memory.limit_in_bytes", "1\n");
	write_text("one/sys/fs/cgroup/memory/no/memory.limit_in_bytes", "2\n");
	write_text("one/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n");
	TAP_OK(memory_limit("one") == machine, "version 1: its largest number is no limit");
	write_text("one/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "40000000\n");
	TAP_OK(memory_limit("one") == 40000000, "version 1: a limit");
	write_text("one/sys/fs/cgroup/memory/memory.limit_in_bytes", "35000000\n");
	TAP_OK(memory_limit("one") == 35000000, "version 1: that of a container");
	write_text("odd/proc/self/cgroup", "\n:\n::\n0::relative\n::::/\n0:memory\n7:memory:");
	TAP_OK(memory_limit("odd") == machine, "lines that are none");
	TAP_OK(memory_limit("/") > 0 && memory_limit("/") <= machine, "here there is some");
}

int main(void)
{
	test_second();
	test_first();
	return tap_finish();
}
