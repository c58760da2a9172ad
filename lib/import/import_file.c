/* import_file.c - files that may be absent, in memory (see import_file.h). */
#include "import/import_file.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>

static int tell(const char *path, int result)
{
	if (result == 0)
		return 1;
	if (errno == ENOENT) {
		error_clear();
		return 0;
	}
	return error_context("%s", path);
}

int import_file_read(const char *path, size_t most, struct import_bytes *file)
{
	errno = 0;
	return tell(path, file_read(path, most, &file->bytes, &file->size));
}

int import_file_find(const char *path, size_t most, struct import_bytes *file)
{
	errno = 0;
	return tell(path, file_read_regular(path, most, &file->bytes, &file->size));
}
