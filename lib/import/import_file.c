/* import_file.c - read whole files (see import_file.h). */
#include "import/import_file.h"
#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { STEP = 1 << 16 };

/* Everything from descriptor; the buffer grows as data arrives. */
static int read_all(int descriptor, size_t most, struct import_bytes *file)
{
	size_t capacity = 0;
	for (;;) {
		void *grown = file->bytes;
		if (memory_grow(&grown, &capacity, file->size + STEP, 1) < 0)
			return -1;
		file->bytes = grown;
		ssize_t taken = read(descriptor, file->bytes + file->size, STEP);
		if (taken < 0 && errno == EINTR)
			continue;
		if (taken < 0)
			return error_input("cannot be read:");
		if (taken == 0)
			return 0;
		file->size += (size_t)taken;
		if (file->size > most)
			return error_input("is larger than %zu bytes", most);
	}
}

int import_file_read(const char *path, size_t most, struct import_bytes *file)
{
	*file = (struct import_bytes){ 0 };
	bool standard = strcmp(path, "-") == 0;
	int descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return errno == ENOENT ? 0 : (error_input("cannot open:"), error_context("%s", path));
	int result = read_all(descriptor, most, file);
	if (!standard)
		close(descriptor);
	if (result == 0)
		return 1;
	memory_release(file->bytes);
	*file = (struct import_bytes){ 0 };
	return error_context("%s", path);
}
