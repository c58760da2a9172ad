/* bank.c - fuzz target: a bank made of the input's lines "KEY NAME DTYPE SHAPE REST", as records whose
 * checksums are right ("+" behind NAME: more parts follow), or of the input itself; read twice, with
 * and without memory for it, searched with one query and with itself. Both readings must show the same.
 */
#define _GNU_SOURCE
#include "fuzz_file.h"

#include "base/program.h"
#include "num/product.h"
#include "search/bank.h"
#include "search/find.h"

#include <float.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line of the input as a record; REST is repeated to fill it, '/' in it is a newline. */
static void put_line(struct fuzz_stream *stream, char *line)
{
	static uint8_t payload[FUZZ_PAYLOAD_MOST];
	struct record record;
	uint64_t shape[RECORD_DIMENSIONS], elements = 1;
	int dimensions = 0;
	const char *key = fuzz_word(&line);
	char *name = fuzz_word(&line);
	const char *dtype = fuzz_word(&line);
	char *sizes = fuzz_word(&line);
	size_t rest = strlen(line), width = dtype_size(dtype[0]), length = strlen(name);
	bool more = length > 0 && name[length - 1] == '+';
	if (more)
		name[length - 1] = '\0';
	for (char *at = sizes; *at && dimensions < RECORD_DIMENSIONS; at += *at == 'x') {
		shape[dimensions] = strtoul(at, &at, 10) % 4096;
		elements = elements * shape[dimensions++] % 65536;
		at += strcspn(at, "x");
	}
	if (width == 0 || elements * width > sizeof payload || strlen(name) > RECORD_NAME_MOST)
		return;
	for (size_t i = 0; i < elements * width; i++)
		payload[i] = rest == 0 ? 0 : line[i % rest] == '/' ? '\n' : (uint8_t)line[i % rest];
	record_tensor(&record, name, *dtype, dimensions, shape);
	record.more = more;
	if (record.payload_size == elements * width && record_set_key(&record, key) == 0)
		fuzz_put(stream, &record, payload);
	error_clear();
}

static const char *make_file(const uint8_t *data, size_t size)
{
	static struct fuzz_stream stream;
	static char line[FUZZ_PAYLOAD_MOST];
	if (size >= RECORD_PREFIX && record_header_size(data) > 0)
		return fuzz_file(data, size);
	error_clear();
	stream.size = 0;
	memset(stream.totals, 0, sizeof stream.totals);
	if (!stream.chain && !(stream.chain = checksummer_new()))
		abort();
	checksummer_reset(stream.chain);
	for (size_t i = 0, used = 0; i <= size; i++) {
		if (i < size && data[i] != '\n') {
			line[used] = data[i] ? (char)data[i] : ' ';
			used += used + 1 < sizeof line;
			continue;
		}
		line[used] = '\0';
		put_line(&stream, line);
		used = 0;
	}
	fuzz_end(&stream);
	return fuzz_file(stream.bytes, stream.size);
}

/* What a pass shows: all keys and numbers. */
static int look(void *context, const struct bank_block *blocks, size_t count)
{
	uint64_t *sum = context;
	for (size_t b = 0; b < count; b++)
		for (size_t i = 0; i < blocks[b].count; i++) {
			size_t size, numbers = blocks[b].vectors * blocks[b].width;
			const char *key = bank_key(&blocks[b], i, &size);
			struct digest source = bank_source(&blocks[b], i);
			float *values = malloc(numbers * sizeof *values);
			if (!values || size == 0 || size > RECORD_KEY_MOST)
				abort();
			bank_numbers(&blocks[b], i, 1, values);
			*sum = *sum * 31 + checksum_of(key, size) +
			       checksum_of(values, numbers * sizeof *values) +
			       checksum_of(source.bytes, sizeof source.bytes);
			free(values);
		}
	return 0;
}

static void report(const char *file)
{
	(void)file;
	if (error_kind() != ERROR_INPUT)
		abort();
}

static void check(const char *path, uint64_t memory)
{
	struct bank_rules rules = {
		.files = &path, .file_count = 1, .memory = memory, .report = report
	};
	struct find_rules best = { .most = 3, .threshold = -FLT_MAX };
	struct bank *bank = bank_open(&rules);
	struct find *find = find_new(&best);
	uint64_t sums[2] = { 0 };
	float ones[64];
	for (size_t i = 0; i < 64; i++)
		ones[i] = 1;
	if (!bank || !find)
		abort();
	for (int pass = 0; pass < 2; pass++)
		if (bank_pass(bank, look, &sums[pass]))
			abort();
	if (sums[0] != sums[1])
		abort();
	/* The width is what the first record has: look for it with queries of some widths. */
	for (size_t width = 1; width <= 16; width++) {
		struct scan_queries queries = { ones, 3, 1, width };
		rules.kind.width = width;
		struct bank *other = bank_open(&rules);
		if (!other || find_run(find, other, &queries))
			abort();
		bank_close(other);
	}
	find_release(find);
	bank_close(bank);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	if (!started && product_start())
		abort();
	started = true;
	common.max_record = 1 << 20;
	const char *path = make_file(data, size);
	check(path, 1 << 20);
	check(path, 0);
	return 0;
}
