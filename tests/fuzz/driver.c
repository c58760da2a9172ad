/* driver.c - run a fuzz target without libFuzzer: its corpus, and mutations of it by a fixed
 * generator. usage: fuzz/NAME [-m MUTATIONS] [FILE...]
 * Without files it takes $ZV_TESTS/fuzz/corpus/NAME and prints TAP, so that tests/run can run it.
 * When an input crashes the target, its file and the number of the mutation are on stderr. No input
 * may take a second of CPU time or, without a sanitizer, let the process grow by 64 MiB.
 */
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MOST = 1 << 20, MUTATIONS_DEFAULT = 200, GROWTH_MOST = 64 << 10 /* KiB */ };

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
static const bool memory_is_measured = false; /* the sanitizer keeps what was released */
#else
static const bool memory_is_measured = true;
#endif

static char current[PATH_MAX + 64]; /* what the crash handler prints */
static uint64_t random_state;

/* xorshift64: the same numbers everywhere. */
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void say_input(int signal_number)
{
	static const char text[] = "crashed on ";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
	ignored = write(STDERR_FILENO, current, strlen(current));
	(void)ignored;
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static int over_limit; /* inputs that took too long or too much */

static long peak_memory(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
}

/* The target gets a copy of exactly the size, so that a read behind it is seen by a sanitizer. */
static void run_input(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		exit(2);
	memcpy(copy, data, size);
	long before = peak_memory();
	clock_t start = clock();
	LLVMFuzzerTestOneInput(copy, size);
	double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
	long growth = memory_is_measured ? peak_memory() - before : 0;
	if (seconds >= 1 || growth >= GROWTH_MOST) {
		fprintf(stderr, "%.2f s and %ld KiB for %s", seconds, growth, current);
		over_limit++;
	}
	free(copy);
}

/* Change data (of *size bytes, in a buffer of INPUT_MOST) in one to four places. */
static void mutate(uint8_t *data, size_t *size)
{
	static const uint8_t telling[] = { 0, 1, 0x7f, 0x80, 0xff, '0', '"', '\n', '/' };
	for (uint64_t left = random_next() % 4 + 1; left > 0 && *size > 0; left--) {
		size_t at = random_next() % *size;
		switch (random_next() % 6) {
		case 0:
			data[at] ^= (uint8_t)(1u << random_next() % 8);
			break;
		case 1:
			data[at] = telling[random_next() % sizeof telling];
			break;
		case 2: /* eight bytes of a huge or negative number */
			memset(data + at, random_next() % 2 ? 0xff : 0x7f, *size - at < 8 ? *size - at : 8);
			break;
		case 3:
			*size = at;
			break;
		case 4: /* a piece goes */
			memmove(data + at, data + at + (*size - at) / 8, *size - at - (*size - at) / 8);
			*size -= (*size - at) / 8;
			break;
		default: /* a piece twice */
			if (*size + (*size - at) / 4 < INPUT_MOST) {
				memmove(data + at + (*size - at) / 4, data + at, *size - at);
				*size += (*size - at) / 4;
			}
		}
	}
}

static int run_file(const char *path, long mutations)
{
	static uint8_t original[INPUT_MOST], changed[INPUT_MOST];
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return -1;
	}
	size_t size = fread(original, 1, sizeof original, file);
	fclose(file);
	snprintf(current, sizeof current, "%s\n", path);
	run_input(original, size);
	random_state = 0x9e3779b97f4a7c15 ^ size;
	for (long i = 0; i < mutations; i++) {
		size_t changed_size = size;
		memcpy(changed, original, size);
		mutate(changed, &changed_size);
		snprintf(current, sizeof current, "%s mutation %ld\n", path, i);
		run_input(changed, changed_size);
	}
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* All files of the target's corpus, as one TAP test. */
static int run_corpus(const char *name, long mutations)
{
	char folder[PATH_MAX / 2], path[PATH_MAX];
	const char *tests = getenv("ZV_TESTS");
	snprintf(folder, sizeof folder, "%s/fuzz/corpus/%s", tests ? tests : "tests", name);
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, by_name), ran = 0, failed = 0;
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			run_file(path, mutations) < 0 ? failed++ : ran++;
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	if (ran == 0 || failed > 0)
		printf("not ok 1 - no readable corpus for %s\n#   looked in %s\n1..1\n", name, folder);
	else
		printf(
		    "%s 1 - %d inputs of %s, each with %ld mutations, within a second and 64 MiB\n1..1\n",
		    over_limit ? "not ok" : "ok", ran, name, mutations);
	return ran == 0 || failed > 0 || over_limit > 0;
}

int main(int argc, char **argv)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
		signal(deadly[i], say_input);
	long mutations = MUTATIONS_DEFAULT;
	int option, failed = 0;
	while ((option = getopt(argc, argv, "m:")) != -1) {
		if (option != 'm')
			return 2;
		mutations = strtol(optarg, NULL, 10);
	}
	const char *slash = strrchr(argv[0], '/');
	if (optind == argc)
		return run_corpus(slash ? slash + 1 : argv[0], mutations);
	for (int i = optind; i < argc; i++)
		failed |= run_file(argv[i], mutations) < 0;
	return failed || over_limit > 0;
}
