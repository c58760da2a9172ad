/* import_directory.c - build a directory beside its place (see import_directory.h). */
#define _GNU_SOURCE
#include "import/import_directory.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MOST = 32, PATH_SIZE = 4096, LONG_PATH_SIZE = PATH_SIZE + 300 };

/* What is being built, in static storage for the signal handler. A text that is not empty names
 * something that may exist. */
static char place[PATH_SIZE];                  /* where the directory is to appear */
static char building[PATH_SIZE];               /* where it is now */
static char files[FILES_MOST][LONG_PATH_SIZE]; /* in it */
static bool exists;                            /* place holds an older one */

/* Nothing that was built is ours to remove any more. */
static void forget(void)
{
	for (int i = 0; i < FILES_MOST; i++)
		files[i][0] = '\0';
	building[0] = '\0';
}

void import_directory_abandon(void)
{
	for (int i = 0; i < FILES_MOST; i++) {
		if (files[i][0])
			unlink(files[i]);
		files[i][0] = '\0';
	}
	if (building[0])
		rmdir(building);
	building[0] = '\0';
}

static bool is_directory(DIR *directory, const char *name)
{
	struct stat status;
	return fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(status.st_mode);
}

static bool is_named(const char *name, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Only files that a new model replaces may be lost with the old one. */
static int check_old(const char *const *names)
{
	DIR *directory = opendir(place);
	if (!directory)
		return error_system("cannot open:");
	int result = 0;
	for (struct dirent *entry; result == 0 && (entry = readdir(directory));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    (!is_named(entry->d_name, names) || is_directory(directory, entry->d_name)))
			result = error_system("holds \"%s\", which is no part of a model; move it away before "
			                      "the directory is replaced",
			    entry->d_name);
	closedir(directory);
	return result;
}

/* Note every file that the old directory may hold: once the two have changed places, what is
 * behind these names is the old model, and goes whether or not a signal comes between. */
static int note_old(const char *const *names)
{
	for (int i = 0; exists && names[i]; i++)
		if (!import_directory_file(names[i]))
			return -1;
	return 0;
}

static int choose_place(const char *path, bool force, const char *const *names)
{
	struct stat status;
	exists = lstat(path, &status) == 0;
	char *resolved = exists ? realpath(path, NULL) : NULL;
	int length = snprintf(place, sizeof place, "%s", resolved ? resolved : path);
	free(resolved);
	if (length <= 0 || (size_t)length >= sizeof place - 64)
		return error_system("name is empty or too long");
	while (length > 1 && place[length - 1] == '/')
		place[--length] = '\0';
	if (!exists)
		return 0;
	if (stat(place, &status) < 0 || !S_ISDIR(status.st_mode))
		return error_system("exists and is no directory");
	if (!force)
		return error_system("exists; give --force to replace it");
	return check_old(names);
}

int import_directory_begin(const char *path, bool force, const char *const *names)
{
	if (choose_place(path, force, names) < 0)
		return -1;
	const char *slash = strrchr(place, '/');
	int before = slash ? (int)(slash - place) + 1 : 0;
	char name[PATH_SIZE];
	int length = snprintf(
	    name, sizeof name, "%.*s.%s.%ld.part", before, place, place + before, (long)getpid());
	if (length < 0 || (size_t)length >= sizeof name)
		return error_system("name is too long");
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	int result = mkdir(name, 0777);
	int reason = errno;
	if (result == 0)
		memcpy(building, name, (size_t)length + 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = reason;
	if (result < 0)
		return error_system("cannot create \"%s\":", name);
	if (note_old(names) == 0)
		return 0;
	import_directory_abandon();
	return -1;
}

const char *import_directory_file(const char *name)
{
	char path[LONG_PATH_SIZE];
	int length = snprintf(path, sizeof path, "%s/%s", building, name);
	if (length < 0 || (size_t)length >= sizeof path) {
		error_system("%s: name is too long", name);
		return NULL;
	}
	int slot = 0;
	while (slot < FILES_MOST && files[slot][0] && strcmp(files[slot], path) != 0)
		slot++;
	if (slot == FILES_MOST) {
		error_system("more than %d files in a model", FILES_MOST);
		return NULL;
	}
	memcpy(files[slot], path, (size_t)length + 1);
	return files[slot];
}

static int sync_directory(const char *path)
{
	int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (descriptor < 0)
		return error_system("cannot open:");
	int result = 0;
	if (fsync(descriptor) < 0 && errno != EINVAL && errno != ENOTSUP)
		result = error_system("write error:");
	close(descriptor);
	return result;
}

/* Remove the old directory, which now lies where the new one was built. */
static int remove_old(void)
{
	char left[PATH_SIZE];
	memcpy(left, building, sizeof left);
	import_directory_abandon();
	struct stat status;
	return lstat(left, &status) == 0
	           ? error_system("the new model is in place, but the old one could not be removed; it "
	                          "is \"%s\"",
	                 left)
	           : 0;
}

/* The new directory at its place and the old one where the new one was built. */
static int exchange(void)
{
	if (renameat2(AT_FDCWD, building, AT_FDCWD, place, RENAME_EXCHANGE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* This file system cannot exchange: for a moment there is no directory at the place. */
	char away[PATH_SIZE + 8];
	snprintf(away, sizeof away, "%s.old", building);
	if (rename(place, away) < 0)
		return -1;
	if (rename(building, place) < 0) {
		int reason = errno;
		rename(away, place);
		errno = reason;
		return -1;
	}
	return rename(away, building);
}

static int put_in_place(void)
{
	if (sync_directory(building) < 0)
		return -1;
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	int result = exists ? exchange() : rename(building, place);
	int reason = errno;
	/* From here on the names in building are those of the old directory, if of anything. */
	if (result == 0 && !exists)
		forget();
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = reason;
	if (result < 0)
		return error_system("cannot put the new directory in place:");
	if (exists && remove_old() < 0)
		return -1;
	const char *slash = strrchr(place, '/');
	char parent[PATH_SIZE];
	snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - place) + (slash == place) : 1,
	    slash ? place : ".");
	return sync_directory(parent);
}

int import_directory_commit(void)
{
	int result = put_in_place();
	import_directory_abandon();
	return result;
}
