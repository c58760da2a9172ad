/* base_output.c - files appear whole or not at all; what exists and is no file is written in
 * place. Runs in a scratch directory. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/message.h"
#include "base/output.h"
#include "tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Entries of the scratch directory. */
static int entries(void)
{
	DIR *directory = opendir(".");
	int count = 0;
	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count - 2;
}

static void make_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	if (!file)
		abort();
	fputs(text, file);
	fclose(file);
}

static int holds(const char *path, const char *text)
{
	char buffer[100] = "";
	FILE *file = fopen(path, "r");
	if (!file)
		return 0;
	size_t size = fread(buffer, 1, sizeof buffer - 1, file);
	fclose(file);
	return size == strlen(text) && memcmp(buffer, text, size) == 0;
}

static void test_flush(void)
{
	int kept = dup(STDOUT_FILENO), file = open("gathered", O_WRONLY | O_CREAT | O_TRUNC, 0666);
	fflush(stdout);
	dup2(file, STDOUT_FILENO);
	struct output *output = output_open(NULL);
	int written = output_write(output, "one", 3);
	bool waits = holds("gathered", "");
	int flushed = output_flush(output), again = output_flush(output);
	bool there = holds("gathered", "one");
	output_commit(output);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	close(file);
	TAP_OK(written == 0 && waits, "small writes to a file are gathered");
	TAP_OK(flushed == 0 && again == 0 && there, "until they are flushed");
	unlink("gathered");
}

static void test_atomic(void)
{
	make_file("old", "before");
	chmod("old", 0662); /* bits that a umask would take */
	struct output *output = output_open("old");
	TAP_OK(output && output_write(output, "after", 5) == 0, "a file is written");
	TAP_OK(holds("old", "before") && entries() == 2, "beside the old one");
	TAP_OK(output_is_regular(output) && !output_is_terminal(output), "it is a file");
	TAP_OK(output_patch(output, 1, "F", 1) == 0, "it can be patched");
	TAP_OK(
	    output_commit(output) == 0 && holds("old", "aFter") && entries() == 1, "and replaces it");
	struct stat status;
	TAP_OK(stat("old", &status) == 0 && (status.st_mode & 0777) == 0662, "with its permissions");
	output = output_open("old");
	if (output)
		output_write(output, "lost", 4);
	output_abandon(output);
	TAP_OK(holds("old", "aFter") && entries() == 1, "abandoned: the old one stays");
	output = output_open("new");
	if (output)
		output_write(output, "unfinished", 10);
	TAP_OK(access("new", F_OK) != 0, "a new file is not there before it is whole");
	output_clean_up();
	TAP_OK(entries() == 1, "the clean-up on signals removes the temporary");
	output_abandon(output);
}

static void test_special(void)
{
	TAP_OK(symlink("old", "link") == 0, "a symbolic link");
	struct output *output = output_open("link");
	TAP_OK(output && output_write(output, "through", 7) == 0 && output_commit(output) == 0 &&
	           holds("old", "through"),
	    "is followed");
	struct stat status;
	TAP_OK(lstat("link", &status) == 0 && S_ISLNK(status.st_mode), "and stays a link");
	TAP_OK(mkdir("far", 0700) == 0 && symlink("far/middle", "dangling") == 0 &&
	           symlink("target", "far/middle") == 0,
	    "a link to a link to nothing");
	output = output_open("dangling");
	TAP_OK(output && output_write(output, "there", 5) == 0 && output_commit(output) == 0 &&
	           holds("far/target", "there") && lstat("dangling", &status) == 0 &&
	           S_ISLNK(status.st_mode),
	    "makes what it names");
	TAP_OK(symlink("loop", "loop") == 0 && !output_open("loop"), "a loop is refused: %s",
	    error_text());
	output = output_open("/dev/null");
	TAP_OK(output && !output_is_regular(output) && output_write(output, "x", 1) == 0 &&
	           output_commit(output) == 0 && stat("/dev/null", &status) == 0 &&
	           S_ISCHR(status.st_mode),
	    "/dev/null is written in place");
	output = output_open("/dev/full");
	TAP_OK(output && output_write(output, "x", 1) < 0 && error_kind() == ERROR_SYSTEM,
	    "a full device is an error: %s", error_text());
	output_abandon(output);
	TAP_OK(output_open(".") == NULL, "a directory is refused: %s", error_text());
	TAP_OK(output_open("none/new") == NULL, "so is a missing one: %s", error_text());
	mkdir("sub", 0700);
	output = output_open("sub/new");
	TAP_OK(
	    output && output_commit(output) == 0 && holds("sub/new", ""), "an empty file in another");
	char name[300];
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	TAP_OK(output_open(name) == NULL, "a name that is too long is refused: %s", error_text());
	name[255] = '\0';
	output = output_open(name);
	TAP_OK(output && output_write(output, "x", 1) == 0 && output_commit(output) == 0 &&
	           holds(name, "x"),
	    "the longest name that the file system takes is not");
	TAP_OK(unlink(name) == 0, "and goes again");
}

static void test_large(void)
{
	enum { PIECE = 70001, PIECES = 40 };
	static char piece[PIECE];
	struct output *output = output_open("large");
	int failed = !output;
	for (int i = 0; !failed && i < PIECES; i++) {
		memset(piece, 'a' + i % 26, sizeof piece);
		failed |= output_write(output, piece, (size_t)(i % 5 == 0 ? PIECE : i)) < 0;
	}
	size_t wanted = 0;
	for (int i = 0; i < PIECES; i++)
		wanted += (size_t)(i % 5 == 0 ? PIECE : i);
	TAP_OK(!failed && output_commit(output) == 0, "gathered and direct writes mixed");
	struct stat status;
	TAP_OK(stat("large", &status) == 0 && (size_t)status.st_size == wanted, "none is lost");
	struct output *many[OUTPUT_MOST + 1];
	char name[20];
	int opened = 0;
	for (int i = 0; i <= OUTPUT_MOST; i++) {
		snprintf(name, sizeof name, "many%d", i);
		many[i] = output_open(name);
		opened += many[i] != NULL;
	}
	TAP_OK(opened == OUTPUT_MOST && !many[OUTPUT_MOST], "%d at once, one more is refused", opened);
	for (int i = 0; i < OUTPUT_MOST; i++)
		output_abandon(many[i]);
}

static void test_trouble(void)
{
	make_file("kept", "old");
	struct output *output = output_open("kept");
	TAP_OK(output && output_write(output, "new", 3) == 0, "a file is begun");
	message_raise(EXIT_TROUBLE);
	TAP_OK(
	    output_commit(output) < 0 && holds("kept", "old"), "after trouble it is not put in place");
}

/* A pipe that somebody else made non-blocking: the writer waits for room. */
static void test_full_pipe(void)
{
	enum { SIZE = 1 << 20 };
	static char bytes[SIZE], back[SIZE];
	memset(bytes, 'p', sizeof bytes);
	int ends[2];
	TAP_OK(pipe(ends) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0, "a non-blocking pipe");
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		struct output *output = output_open(NULL);
		_exit(!output || output_write(output, bytes, sizeof bytes) < 0);
	}
	close(ends[1]);
	size_t got = 0;
	for (ssize_t n = 1; n > 0; got += n > 0 ? (size_t)n : 0)
		n = read(ends[0], back + got, got < sizeof back ? sizeof back - got : 0);
	int status = -1;
	waitpid(child, &status, 0);
	TAP_OK(status == 0 && got == SIZE && memcmp(bytes, back, SIZE) == 0, "takes all in the end");
}

int main(void)
{
	test_flush();
	test_atomic();
	test_special();
	test_large();
	test_trouble();
	test_full_pipe();
	return tap_finish();
}
