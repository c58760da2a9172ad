/* import_file.c - files that may be absent, in memory (see import_file.h). */
#include "import/import_file.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>

int import_file_read(const char *path, size_t most, struct import_bytes *file)
{
	errno = 0;
	if (file_read(path, most, &file->bytes, &file->size) == 0)
		return 1;
	if (errno == ENOENT) {
		error_clear();
		return 0;
	}
	return error_context("%s", path);
}
