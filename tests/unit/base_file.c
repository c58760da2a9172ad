/* base_file.c - whole files: contents, limits, what cannot be read. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void write_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "wb");
	for (size_t i = 0; i < size; i++)
		putc((int)(i * 7 % 251), file);
	fclose(file);
}

static void test_sizes(void)
{
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 300000 };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char *bytes;
		size_t size, right = 0;
		write_file("file", sizes[i]);
		int result = file_read("file", 300000, &bytes, &size);
		TAP_OK(result == 0 && size == sizes[i] && bytes && bytes[size] == '\0',
		    "%zu bytes and a zero byte", sizes[i]);
		while (right < size && (unsigned char)bytes[right] == right * 7 % 251)
			right++;
		TAP_OK(right == size, "%zu bytes are those of the file", sizes[i]);
		memory_release(bytes);
	}
}

static void test_refused(void)
{
	char *bytes = NULL;
	size_t size = 7;
	write_file("file", 1001);
	TAP_OK(file_read("file", 1000, &bytes, &size) == -1 && !bytes && size == 0 &&
	           error_kind() == ERROR_INPUT && strcmp(error_text(), "larger than 1000 bytes") == 0,
	    "a larger file is refused");
	TAP_OK(file_read("file", 1001, &bytes, &size) == 0, "the largest one is not");
	memory_release(bytes);
	TAP_OK(file_read("absent", 1000, &bytes, &size) == -1 && errno == ENOENT && !bytes &&
	           strstr(error_text(), "cannot open: "),
	    "no file: errno tells");
	mkdir("folder", 0777);
	TAP_OK(file_read("folder", 1000, &bytes, &size) == -1 && !bytes &&
	           strstr(error_text(), "cannot read: "),
	    "a directory cannot be read");
	TAP_OK(file_read("/dev/zero", 100000, &bytes, &size) == -1 && !bytes &&
	           strcmp(error_text(), "larger than 100000 bytes") == 0,
	    "what never ends is refused");
}

int main(void)
{
	test_sizes();
	test_refused();
	return tap_finish();
}
