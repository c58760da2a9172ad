/* parquet.c - fuzz target: a column of texts out of any bytes; each byte of a text may be looked at.
 */
#include "base/memory.h"
#include "stream/parquet_read.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { ROWS_MOST = 100000 }; /* a run in a few bytes stands for millions */
	struct parquet_reader *reader = parquet_read(data, size, "image_path");
	const char *text;
	size_t length, sum = 0;
	for (int rows = 0; reader && rows < ROWS_MOST && parquet_next(reader, &text, &length) > 0;
	     rows++)
		for (size_t i = 0; i < length && i < 4096; i++)
			sum += (unsigned char)text[i];
	parquet_close(reader);
	return sum == SIZE_MAX; /* never: what was read counts */
}
