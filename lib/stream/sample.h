/* sample.h - samples: the records of one key that belong together (joined by MORE), and the loop
 * that every filter shares: failures pass through, order is kept, the end is checked.
 */
#ifndef ZV_STREAM_SAMPLE_H
#define ZV_STREAM_SAMPLE_H

#include "stream/read.h"
#include "stream/write.h"

enum { SAMPLE_PARTS_MOST = 16 };

struct sample_part {
	struct record record; /* meta is owned by the sample */
	void *payload;
};

/* One sample: 1..16 tensors of one key, or one failed item (parts[0].record.kind == 'F'). */
struct sample {
	struct sample_part parts[SAMPLE_PARTS_MOST];
	int count;
};

/* Read the next sample with its payloads: 1, 0 at the end, -1 with a recorded error (parts whose
 * keys differ, more than 16 parts, damage). Release it with sample_clear(). After -1 a reader that
 * salvages goes on with the record that did not belong. */
int sample_read(struct reader *reader, struct sample *sample);
void sample_clear(struct sample *sample);

/* The part with this name, or NULL. */
struct sample_part *sample_find(struct sample *sample, const char *name);

/* Append a part: takes over payload and copies meta. 0, or -1 (payload stays the caller's). */
int sample_add(struct sample *sample, const struct record *record, void *payload);

/* Write a sample's parts, MORE set on all but the last. 0 or -1. */
int sample_write(struct writer *writer, struct sample *sample);

#endif
