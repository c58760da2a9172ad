/* shim.c - faults for a program under test, by LD_PRELOAD. All counts begin with the process.
 *   FAULT_ALLOCATION=K  the K-th allocation and (FAULT_FOREVER=1) all later ones fail
 *   FAULT_SHORT=1       read and write move one byte at a time for small sizes, an odd part of
 *                       large ones, and every third call is interrupted first (EINTR)
 *   FAULT_WRITE_AFTER=N writing fails with ENOSPC once N bytes have been written
 *   FAULT_READ_AFTER=N  reading fails with EIO once N bytes have been read
 *   FAULT_COUNT=FILE    at the end, the number of allocations is appended to FILE
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* glibc's own names for the allocator, so that no look-up (which allocates) is needed. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *memalign(size_t alignment, size_t size);

static atomic_long allocations, bytes_written, bytes_read, calls;
static long fail_at, write_after = -1, read_after = -1;
static bool fail_forever, shorten;
static bool ready;

static long number_from(const char *name, long absent)
{
	const char *text = getenv(name);
	return text ? strtol(text, NULL, 10) : absent;
}

__attribute__((constructor)) static void begin(void)
{
	fail_at = number_from("FAULT_ALLOCATION", 0);
	fail_forever = number_from("FAULT_FOREVER", 0) != 0;
	shorten = number_from("FAULT_SHORT", 0) != 0;
	write_after = number_from("FAULT_WRITE_AFTER", -1);
	read_after = number_from("FAULT_READ_AFTER", -1);
	ready = true;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("FAULT_COUNT");
	ready = false;
	int descriptor = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
	if (descriptor >= 0)
		dprintf(descriptor, "%ld\n", atomic_load(&allocations));
	if (descriptor >= 0)
		close(descriptor);
}

static bool allocation_fails(void)
{
	if (!ready)
		return false;
	long number = atomic_fetch_add(&allocations, 1) + 1;
	if (fail_at == 0 || number < fail_at || (number > fail_at && !fail_forever))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size)
{
	return allocation_fails() ? NULL : __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size)
{
	return allocation_fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return allocation_fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size)
{
	if (allocation_fails())
		return ENOMEM;
	*pointer = __libc_memalign(alignment, size);
	return *pointer ? 0 : ENOMEM;
}

/* How much of size may move now; -1 with errno for a fault. */
static ssize_t allowed(size_t size, atomic_long *moved, long after, int reason)
{
	if (after >= 0 && size > 0) {
		long left = after - atomic_load(moved);
		if (left <= 0) {
			errno = reason;
			return -1;
		}
		if (size > (size_t)left)
			size = (size_t)left;
	}
	if (shorten && size > 1) {
		if (atomic_fetch_add(&calls, 1) % 3 == 2) {
			errno = EINTR;
			return -1;
		}
		size = size <= 512 ? 1 : size / 3;
	}
	return (ssize_t)size;
}

ssize_t write(int descriptor, const void *bytes, size_t size)
{
	static ssize_t (*next)(int, const void *, size_t);
	if (!next)
		next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	if (descriptor == STDERR_FILENO)
		return next(descriptor, bytes, size);
	ssize_t part = allowed(size, &bytes_written, write_after, ENOSPC);
	ssize_t result = part < 0 ? -1 : next(descriptor, bytes, (size_t)part);
	if (result > 0)
		atomic_fetch_add(&bytes_written, result);
	return result;
}

ssize_t read(int descriptor, void *bytes, size_t size)
{
	static ssize_t (*next)(int, void *, size_t);
	if (!next)
		next = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	ssize_t part = allowed(size, &bytes_read, read_after, EIO);
	ssize_t result = part < 0 ? -1 : next(descriptor, bytes, (size_t)part);
	if (result > 0)
		atomic_fetch_add(&bytes_read, result);
	return result;
}

ssize_t pread(int descriptor, void *bytes, size_t size, off_t offset)
{
	static ssize_t (*next)(int, void *, size_t, off_t);
	if (!next)
		next = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
	ssize_t part = allowed(size, &bytes_read, read_after, EIO);
	return part < 0 ? -1 : next(descriptor, bytes, (size_t)part, offset);
}
