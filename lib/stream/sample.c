/* sample.c - the records of one key that belong together (see sample.h). */
#include "stream/sample.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

void sample_clear(struct sample *sample)
{
	for (int i = 0; i < sample->count; i++) {
		memory_release((void *)sample->parts[i].record.meta);
		memory_release(sample->parts[i].payload);
	}
	sample->count = 0;
}

int sample_add(struct sample *sample, const struct record *record, void *payload)
{
	struct sample_part *part = &sample->parts[sample->count];
	char *meta = NULL;
	if (sample->count == SAMPLE_PARTS_MOST)
		return error_input("\"%.200s\" has more than %d parts", record->key, SAMPLE_PARTS_MOST);
	if (record->meta_size > 0 && !(meta = memory_text(record->meta, record->meta_size)))
		return -1;
	part->record = *record;
	part->record.meta = meta;
	part->payload = payload;
	sample->count++;
	return 0;
}

/* Take over the record just read. */
static int add_part(struct sample *sample, struct reader *reader, const struct record *record)
{
	void *payload = reader_take_payload(reader);
	if (!payload)
		return -1;
	if (sample_add(sample, record, payload) < 0) {
		memory_release(payload);
		return -1;
	}
	return 0;
}

/* Does record carry on the sample? 0, or -1 with ERROR_INPUT. */
static int check_part(const struct sample *sample, const struct record *record)
{
	if (sample->count == 0)
		return 0;
	const char *key = sample->parts[0].record.key;
	if (record->kind != RECORD_TENSOR || strcmp(record->key, key) != 0)
		return error_input(
		    "\"%.200s\" follows where another part of \"%.200s\" was promised", record->key, key);
	return 0;
}

int sample_read(struct reader *reader, struct sample *sample)
{
	struct record record;
	bool more = true;
	sample->count = 0;
	while (more) {
		int found = reader_next(reader, &record);
		if (found == 0 && sample->count == 0)
			return 0;
		if (found == 0)
			found = error_input("\"%.200s\" lacks its other parts", sample->parts[0].record.key);
		if (found > 0 && check_part(sample, &record) < 0) {
			reader_again(reader); /* it begins a sample of its own, should the caller go on */
			found = -1;
		}
		if (found < 0 || add_part(sample, reader, &record) < 0) {
			sample_clear(sample);
			return -1;
		}
		more = record.more;
	}
	return 1;
}

struct sample_part *sample_find(struct sample *sample, const char *name)
{
	for (int i = 0; i < sample->count; i++)
		if (strcmp(sample->parts[i].record.name, name) == 0)
			return &sample->parts[i];
	return NULL;
}

int sample_write(struct writer *writer, struct sample *sample)
{
	for (int i = 0; i < sample->count; i++) {
		struct sample_part *part = &sample->parts[i];
		part->record.more = i + 1 < sample->count;
		if (writer_put(writer, &part->record, part->payload) < 0)
			return -1;
	}
	return 0;
}
