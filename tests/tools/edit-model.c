/* edit-model.c - a model file with other words or values, right checksums included, for tests:
 *     edit-model IN OUT CHANGE...
 * CHANGE: WORD=VALUE sets a word of the config, WORD= followed by nothing removes it; nan:KEY and
 * inf:KEY put NaN or infinity in front of the f32 values of a tensor; bytes:KEY=FILE gives a byte file
 * other content; meta:KEY:WORD=VALUE sets a word of a tensor. Fails if KEY does not come.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "stream/read.h"
#include "stream/write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void stop(const char *where)
{
	fprintf(stderr, "edit-model: %s: %s\n", where, error_text());
	exit(2);
}

static char meta[RECORD_META_MOST];

/* The config's text without the word of this change, and with it anew, into meta. */
static void change_word(struct record *record, const char *change)
{
	static char old[RECORD_META_MOST + 1];
	size_t word = (size_t)(strchr(change, '=') - change) + 1, size = 0;
	memcpy(old, record->meta, record->meta_size);
	old[record->meta_size] = '\0';
	for (char *line = old, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (strncmp(line, change, word) != 0)
			size += (size_t)snprintf(meta + size, sizeof meta - size, "%s\n", line);
	}
	if (change[word])
		size += (size_t)snprintf(meta + size, sizeof meta - size, "%s\n", change);
	if (size >= sizeof meta) {
		error_input("too long");
		stop(change);
	}
	record->meta = meta;
	record->meta_size = size;
}

/* bytes:KEY=FILE, if this is the record of KEY: its payload anew. */
static bool change_bytes(struct record *record, const char *change, char **payload)
{
	const char *key = change + strlen("bytes:"), *file = strchr(key, '=');
	size_t size;
	if (!file || strlen(record->key) != (size_t)(file - key) ||
	    strncmp(record->key, key, (size_t)(file - key)) != 0)
		return false;
	memory_release(*payload);
	if (file_read_regular(file + 1, 1 << 28, payload, &size) < 0)
		stop(file + 1);
	struct record changed;
	record_tensor(&changed, "bytes", 'B', 1, (const uint64_t[]){ size });
	if (record_set_key(&changed, record->key) < 0)
		stop(change);
	*record = changed;
	return true;
}

/* meta:KEY:WORD=VALUE, if this is the record of KEY. */
static bool change_meta(struct record *record, const char *change)
{
	const char *key = change + strlen("meta:"), *word = strchr(key, ':');
	if (!word || strlen(record->key) != (size_t)(word - key) ||
	    strncmp(record->key, key, (size_t)(word - key)) != 0)
		return false;
	change_word(record, word + 1);
	return true;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	common.max_record = 1 << 30;
	struct reader *reader = reader_open(argv[1]);
	struct writer *writer = reader ? writer_open(argv[2], WRITER_BARE) : NULL;
	struct record record;
	int found = writer ? 0 : -1, left = 0;
	for (int i = 3; i < argc; i++)
		left += strncmp(argv[i], "nan:", 4) == 0 || strncmp(argv[i], "inf:", 4) == 0 ||
		        strncmp(argv[i], "bytes:", 6) == 0 || strncmp(argv[i], "meta:", 5) == 0;
	while (writer && (found = reader_next(reader, &record)) > 0) {
		char *payload = reader_take_payload(reader);
		if (!payload)
			stop(argv[1]);
		for (int i = 3; i < argc; i++) {
			bool nan = strncmp(argv[i], "nan:", 4) == 0, inf = strncmp(argv[i], "inf:", 4) == 0;
			float value = nan ? NAN : INFINITY;
			if (strncmp(argv[i], "bytes:", 6) == 0) {
				left -= change_bytes(&record, argv[i], &payload);
				continue;
			}
			if (strncmp(argv[i], "meta:", 5) == 0) {
				left -= change_meta(&record, argv[i]);
				continue;
			}
			if (!nan && !inf && strcmp(record.key, "config") == 0)
				change_word(&record, argv[i]);
			if ((nan || inf) && strcmp(record.key, argv[i] + 4) == 0) {
				memcpy(payload, &value, sizeof value);
				left--;
			}
		}
		if (writer_put(writer, &record, payload) < 0)
			stop(argv[2]);
		memory_release(payload);
	}
	if (found < 0)
		stop(argv[1]);
	if (writer_finish(writer) < 0)
		stop(argv[2]);
	reader_close(reader);
	return left > 0 ? 2 : 0;
}
