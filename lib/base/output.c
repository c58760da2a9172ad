/* output.c - atomic output files and checked writes (see output.h). */
#define _GNU_SOURCE
#include "base/output.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { GATHER_SIZE = 1 << 18, NAME_TRIES = 100 };

struct output {
	int descriptor;
	bool regular;
	char *path;              /* NULL: standard output */
	int slot;                /* in temporaries[], or -1 */
	unsigned char *gathered; /* bytes not yet written, for regular files */
	size_t gathered_size;
};

/* What the signal handler removes. A slot is in use while its text is not empty; texts are set
 * before the file exists and emptied after it is gone, so the handler never misses one. */
static char temporaries[OUTPUT_MOST][4096];

static void (*clean_up_also)(void);

void output_clean_up_also(void (*also)(void))
{
	clean_up_also = also;
}

void output_clean_up(void)
{
	for (int slot = 0; slot < OUTPUT_MOST; slot++)
		if (temporaries[slot][0])
			unlink(temporaries[slot]);
	if (clean_up_also)
		clean_up_also();
}

static int create_temporary(struct output *output, mode_t mode)
{
	int slot = 0;
	while (slot < OUTPUT_MOST && temporaries[slot][0])
		slot++;
	if (slot == OUTPUT_MOST)
		return error_system("more than %d outputs at once", OUTPUT_MOST);
	const char *slash = strrchr(output->path, '/');
	int directory_length = slash ? (int)(slash - output->path + 1) : 0;
	for (int attempt = 0; attempt < NAME_TRIES; attempt++) {
		char name[sizeof temporaries[0]];
		/* The name is cut so that the longest allowed one has room for what is added. */
		int length = snprintf(name, sizeof name, "%.*s.%.200s.%ld-%d.part", directory_length,
		    output->path, output->path + directory_length, (long)getpid(), attempt);
		if (length < 0 || (size_t)length >= sizeof name)
			return error_system("file name is too long");
		sigset_t all, before;
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, &before);
		output->descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		int reason = errno;
		if (output->descriptor >= 0)
			memcpy(temporaries[slot], name, (size_t)length + 1);
		sigprocmask(SIG_SETMASK, &before, NULL);
		if (output->descriptor >= 0) {
			output->slot = slot;
			return 0;
		}
		errno = reason;
		if (reason != EEXIST)
			return error_system("cannot create \"%s\":", name);
	}
	return error_system("cannot find a free name for a temporary file");
}

/* The file that a chain of symbolic links names, whether it exists yet or not, so that the file
 * is replaced and not the link. target has PATH_MAX bytes. 0 or -1. */
static int follow_links(const char *path, char *target)
{
	enum { LINKS_MOST = 40 };
	if (strlen(path) >= PATH_MAX)
		return error_system("file name is too long");
	memcpy(target, path, strlen(path) + 1);
	for (int i = 0; i < LINKS_MOST; i++) {
		char link[PATH_MAX], joined[2 * PATH_MAX];
		ssize_t length = readlink(target, link, sizeof link - 1);
		if (length < 0)
			return 0; /* no link, or nothing there */
		link[length] = '\0';
		const char *slash = link[0] == '/' ? NULL : strrchr(target, '/');
		int directory = slash ? (int)(slash - target + 1) : 0;
		if (snprintf(joined, sizeof joined, "%.*s%s", directory, target, link) >= PATH_MAX)
			return error_system("file name is too long");
		memcpy(target, joined, strlen(joined) + 1);
	}
	return error_system("too many symbolic links");
}

static int open_path(struct output *output, const char *path)
{
	struct stat status;
	char target[PATH_MAX];
	bool exists = stat(path, &status) == 0;
	if (!path[0] || (!exists && errno != ENOENT)) {
		if (!path[0])
			errno = ENOENT;
		return error_system("cannot open for writing:");
	}
	if (follow_links(path, target) < 0 || !(output->path = memory_text(target, strlen(target))))
		return -1;
	if (exists && S_ISDIR(status.st_mode))
		return error_system("is a directory");
	if (!exists || S_ISREG(status.st_mode)) {
		output->regular = true;
		if (create_temporary(output, 0666) < 0)
			return -1;
		/* A file that is replaced keeps its mode, whatever the umask; failing that is no harm. */
		return exists && fchmod(output->descriptor, status.st_mode & 0777) < 0 && errno != EPERM
		           ? error_system("cannot set the mode of the new file:")
		           : 0;
	}
	output->descriptor = open(path, O_WRONLY | O_CLOEXEC);
	return output->descriptor < 0 ? error_system("cannot open for writing:") : 0;
}

struct output *output_open(const char *path)
{
	struct output *output = memory_allocate_zero(1, sizeof *output);
	if (!output)
		return NULL;
	output->slot = -1;
	output->descriptor = STDOUT_FILENO;
	if (path && strcmp(path, "-") != 0) {
		output->descriptor = -1;
		if (open_path(output, path) < 0) {
			output_abandon(output);
			return NULL;
		}
	} else {
		struct stat status;
		output->regular = fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode);
	}
	if (output->regular && !(output->gathered = memory_allocate(GATHER_SIZE, 1))) {
		output_abandon(output);
		return NULL;
	}
	return output;
}

struct output *output_open_end(const char *path, int descriptor)
{
	struct output *output = memory_allocate_zero(1, sizeof *output);
	if (!output)
		return NULL;
	output->slot = -1;
	output->regular = true;
	output->descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
	output->path = memory_text(path, strlen(path));
	output->gathered = memory_allocate(GATHER_SIZE, 1);
	if (output->path && output->gathered && output->descriptor >= 0 &&
	    lseek(output->descriptor, 0, SEEK_END) >= 0)
		return output;
	if (output->path && output->gathered)
		error_system("cannot open for writing:");
	output_abandon(output);
	return NULL;
}

/* All of bytes to the descriptor, whatever the kernel takes at a time. */
static int write_fully(int descriptor, const unsigned char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t taken = write(descriptor, bytes, size);
		if (taken < 0 && errno == EINTR)
			continue;
		if (taken < 0 && errno == EAGAIN) { /* a pipe that somebody made non-blocking */
			struct pollfd room = { .fd = descriptor, .events = POLLOUT };
			poll(&room, 1, -1);
			continue;
		}
		if (taken < 0 && errno == EPIPE) {
			output_clean_up();
			signal(SIGPIPE, SIG_DFL);
			raise(SIGPIPE);
		}
		if (taken < 0)
			return error_system("write error:");
		if (taken == 0)
			return error_system("write error: nothing was taken");
		bytes += taken;
		size -= (size_t)taken;
	}
	return 0;
}

int output_flush(struct output *output)
{
	size_t size = output->gathered_size;
	output->gathered_size = 0;
	return size ? write_fully(output->descriptor, output->gathered, size) : 0;
}

int output_sync(struct output *output)
{
	if (output_flush(output) < 0)
		return -1;
	if (fsync(output->descriptor) < 0 && errno != EINVAL && errno != ENOTSUP)
		return error_system("write error:");
	return 0;
}

int output_write(struct output *output, const void *bytes, size_t size)
{
	if (!output->regular || size >= GATHER_SIZE) {
		if (output_flush(output) < 0)
			return -1;
		return write_fully(output->descriptor, bytes, size);
	}
	if (output->gathered_size + size > GATHER_SIZE && output_flush(output) < 0)
		return -1;
	memcpy(output->gathered + output->gathered_size, bytes, size);
	output->gathered_size += size;
	return 0;
}

int output_patch(struct output *output, uint64_t offset, const void *bytes, size_t size)
{
	if (output_flush(output) < 0)
		return -1;
	const unsigned char *at = bytes;
	while (size > 0) {
		ssize_t taken = pwrite(output->descriptor, at, size, (off_t)offset);
		if (taken < 0 && errno == EINTR)
			continue;
		if (taken <= 0)
			return error_system("write error:");
		at += taken;
		offset += (uint64_t)taken;
		size -= (size_t)taken;
	}
	return 0;
}

bool output_is_regular(const struct output *output)
{
	return output->regular;
}

bool output_is_terminal(const struct output *output)
{
	return isatty(output->descriptor);
}

const char *output_name(const struct output *output)
{
	return output->path ? output->path : "standard output";
}

/* A descriptor of the directory that path is in, or -1 recorded. */
static int open_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory =
	    slash ? memory_text(path, slash == path ? 1 : (size_t)(slash - path)) : memory_text(".", 1);
	if (!directory)
		return -1;
	int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memory_release(directory);
	return descriptor < 0 ? error_system("cannot open its directory:") : descriptor;
}

static int sync_directory(int descriptor)
{
	/* Some file systems cannot sync a directory and say EINVAL; the rename stands. */
	int result = fsync(descriptor) < 0 && errno != EINVAL && errno != ENOTSUP ? -1 : 0;
	if (result < 0)
		error_system("cannot sync its directory:");
	return result;
}

static int publish(struct output *output)
{
	if (fsync(output->descriptor) < 0 && errno != EINVAL && errno != ENOTSUP)
		return error_system("write error:");
	int closed = close(output->descriptor);
	output->descriptor = -1;
	if (closed < 0)
		return error_system("write error:");
	/* Opened before the rename: afterwards nothing may fail for want of memory. */
	int directory = open_directory(output->path);
	if (directory < 0)
		return -1;
	int result = rename(temporaries[output->slot], output->path);
	if (result < 0) {
		error_system("cannot put the new file in place:");
	} else {
		temporaries[output->slot][0] = '\0';
		output->slot = -1;
		result = sync_directory(directory);
	}
	close(directory);
	return result;
}

int output_commit(struct output *output)
{
	int result = output_flush(output);
	/* A program that is in trouble has not written all that it should have. */
	if (result == 0 && output->slot >= 0 && message_status() == EXIT_TROUBLE)
		result = error_system("not written because of the trouble above");
	else if (result == 0 && output->slot >= 0)
		result = publish(output);
	else if (result == 0 && output->path && output->descriptor >= 0) {
		result = close(output->descriptor) < 0 ? error_system("write error:") : 0;
		output->descriptor = -1;
	}
	output_abandon(output);
	return result;
}

void output_abandon(struct output *output)
{
	if (!output)
		return;
	if (output->path && output->descriptor >= 0)
		close(output->descriptor);
	if (output->slot >= 0) {
		unlink(temporaries[output->slot]);
		temporaries[output->slot][0] = '\0';
	}
	memory_release(output->gathered);
	memory_release(output->path);
	memory_release(output);
}
