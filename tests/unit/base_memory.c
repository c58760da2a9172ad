/* base_memory.c - allocation: alignment, growth, refusal; and the thread's recorded error. */
#include "base/error.h"
#include "base/memory.h"
#include "tap.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static void test_allocate(void)
{
	void *none = memory_allocate(0, 8);
	TAP_OK(none != NULL, "nothing is a valid pointer");
	memory_release(none);
	unsigned char *zero = memory_allocate_zero(100, 3);
	size_t set = 0;
	for (size_t i = 0; zero && i < 300; i++)
		set += zero[i] != 0;
	TAP_OK(zero && set == 0 && (uintptr_t)zero % 64 == 0, "zeroed and aligned to 64");
	memory_release(zero);
	TAP_OK(memory_allocate(SIZE_MAX / 2, 3) == NULL, "a product that wraps is refused");
	TAP_OK(error_kind() == ERROR_SYSTEM, "as a system error: %s", error_text());
	TAP_OK(memory_allocate(SIZE_MAX, 1) == NULL, "so is rounding past the end");
	TAP_OK(memory_text("abc", SIZE_MAX) == NULL, "and a text of all memory");
	char *text = memory_text("abcdef", 3);
	TAP_OK(text && strcmp(text, "abc") == 0, "a text ends where it is told");
	memory_release(text);
	memory_release(NULL);
}

static void test_grow(void)
{
	int *numbers = NULL;
	size_t capacity = 0, moves = 0;
	int failed = 0;
	for (int i = 0; i < 100000; i++) {
		size_t before = capacity;
		failed |= memory_grow((void **)&numbers, &capacity, (size_t)i + 1, sizeof *numbers);
		moves += before != capacity;
		numbers[i] = i;
	}
	int wrong = 0;
	for (int i = 0; i < 100000; i++)
		wrong += numbers[i] != i;
	TAP_OK(!failed && !wrong && moves < 40, "100000 appends move %zu times", moves);
	size_t kept = capacity;
	int *where = numbers;
	TAP_OK(memory_grow((void **)&numbers, &capacity, SIZE_MAX / 2, sizeof *numbers) < 0 &&
	           capacity == kept && numbers == where,
	    "growth that fails leaves everything as it was");
	memory_release(numbers);
}

static void test_error(void)
{
	error_clear();
	TAP_OK(error_kind() == ERROR_NONE && !error_text()[0], "no error");
	TAP_OK(error_input("tensor %d is cut", 3) == -1, "recording returns -1");
	TAP_OK(
	    strcmp(error_text(), "tensor 3 is cut") == 0 && error_kind() == ERROR_INPUT, "text, kind");
	error_context("record %d", 7);
	TAP_OK(strcmp(error_text(), "record 7: tensor 3 is cut") == 0, "context goes in front");
	errno = ENOENT;
	error_system("cannot open \"%s\":", "x");
	TAP_OK(strcmp(error_text(), "cannot open \"x\": No such file or directory") == 0,
	    "a colon at the end brings the reason: %s", error_text());
	errno = ENOMEM;
	error_input("cannot open:");
	TAP_OK(error_kind() == ERROR_SYSTEM, "no memory is never the fault of an input");
	error_system("cannot open \"x\"");
	error_input("again: %s", error_text());
	TAP_OK(strncmp(error_text(), "again: cannot open", 18) == 0, "the old text may be an argument");
	char large[5000];
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	error_input("%s", large);
	error_context("%s", large);
	TAP_OK(strlen(error_text()) < 1024, "long texts are cut, not overrun");
	error_as(ERROR_SYSTEM);
	TAP_OK(error_kind() == ERROR_SYSTEM, "an error can be made another kind");
}

int main(void)
{
	test_allocate();
	test_grow();
	test_error();
	return tap_finish();
}
