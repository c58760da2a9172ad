/* lines.c - lines of text with keys and escapes, good and bad, from a file. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tap.h"
#include "text/lines.h"

static void write_file(const char *bytes, size_t size)
{
	FILE *file = fopen("lines", "wb");
	if (file != NULL) {
		fwrite(bytes, 1, size, file);
		fclose(file);
	}
}

/* One line: found as lines_next() says, its key and text, or a word of the error. */
static void test_line(const char *bytes, size_t size, enum lines_key keyed, int wanted,
    const char *key, const char *text)
{
	struct lines lines;
	write_file(bytes, size);
	int found = lines_open(&lines, "lines", keyed) == 0 ? lines_next(&lines) : -2;
	bool right = found == wanted;
	if (right && found > 0)
		right = strcmp(lines.text, text) == 0 && (lines.key == NULL) == (key == NULL) &&
		        (key == NULL || strcmp(lines.key, key) == 0);
	if (right && found < 0)
		right = strstr(error_text(), text) != NULL && strstr(error_text(), "line 1") != NULL;
	TAP_OK(right, "%.20s, keys %d", text, (int)keyed);
	lines_close(&lines);
}

int main(void)
{
	test_line("", 0, LINES_PLAIN, 0, NULL, "nothing");
	test_line("hi\n", 3, LINES_PLAIN, 1, NULL, "hi");
	test_line("hi", 2, LINES_PLAIN, 1, NULL, "hi");
	test_line("\n", 1, LINES_PLAIN, 1, NULL, "");
	test_line("a\tb\\nc\\\\\n", 9, LINES_PLAIN, 1, NULL, "a\tb\nc\\");
	test_line("a\\q\n", 4, LINES_PLAIN, -1, NULL, "escape");
	test_line("a\\\n", 3, LINES_PLAIN, -1, NULL, "escape");
	test_line("a\\q\tb\n", 6, LINES_RAW, 1, NULL, "a\\q\tb");
	test_line("a\xff\n", 3, LINES_RAW, -1, NULL, "UTF-8");
	test_line("a\0b\n", 4, LINES_RAW, -1, NULL, "zero byte");
	test_line("\xef\xbb\xbfhi\n", 6, LINES_RAW, 1, NULL, "hi");
	test_line("\xef\xbb\xbfk\thi", 7, LINES_KEYED, 1, "k", "hi");
	test_line("\xef\xbb\xbf", 3, LINES_PLAIN, 1, NULL, "");
	test_line("\xef\xbb", 2, LINES_PLAIN, -1, NULL, "UTF-8");
	test_line("a\xef\xbb\xbf\n", 5, LINES_PLAIN, 1, NULL, "a\xef\xbb\xbf");
	test_line("hi\n", 3, LINES_OPTIONAL, 1, NULL, "hi");
	test_line("k\\t1\thi\\tho\n", 12, LINES_OPTIONAL, 1, "k\t1", "hi\tho");
	test_line("hi\n", 3, LINES_KEYED, -1, NULL, "no TAB");
	test_line("\thi\n", 4, LINES_KEYED, 1, "", "hi");
	test_line("k\ta\tb\n", 6, LINES_KEYED, 1, "k", "a\tb");
	test_line("k\\q\ta\n", 6, LINES_KEYED, -1, NULL, "escape");

	static const char three[] = "one\nbad \\q\nthree\n";
	struct lines lines;
	write_file(three, sizeof three - 1);
	lines_open(&lines, "lines", LINES_PLAIN);
	int first = lines_next(&lines), second = lines_next(&lines), third = lines_next(&lines);
	TAP_OK(first == 1 && second == -1 && third == 1 && strcmp(lines.text, "three") == 0,
	    "behind a bad line it goes on");
	TAP_OK(lines.number == 3 && lines_next(&lines) == 0, "lines are counted to the end");
	lines_close(&lines);
	static char longest[LINES_MOST + 1];
	memset(longest, 'x', sizeof longest);
	write_file(longest, LINES_MOST);
	lines_open(&lines, "lines", LINES_PLAIN);
	TAP_OK(lines_next(&lines) == 1 && strlen(lines.text) == LINES_MOST, "the longest line");
	lines_close(&lines);
	write_file(longest, sizeof longest);
	lines_open(&lines, "lines", LINES_PLAIN);
	TAP_OK(lines_next(&lines) == -1 && error_kind() == ERROR_INPUT && lines_next(&lines) == 0,
	    "a longer one: %s", error_text());
	lines_close(&lines);
	lines_open(&lines, "/dev/zero", LINES_PLAIN);
	TAP_OK(lines_next(&lines) == -1 && strstr(error_text(), "line 1 is longer") &&
	           lines_next(&lines) == 0,
	    "one that never ends");
	lines_close(&lines);
	lines_open(&lines, ".", LINES_PLAIN);
	TAP_OK(lines_next(&lines) == -1 && error_kind() == ERROR_SYSTEM && lines_next(&lines) == 0,
	    "a folder: %s", error_text());
	lines_close(&lines);
	TAP_OK(lines_open(&lines, "absent", LINES_PLAIN) == -1 && error_kind() == ERROR_SYSTEM,
	    "a file that is not there");
	lines_close(&lines);
	remove("lines");
	return tap_finish();
}
