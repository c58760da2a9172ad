/* holdings.h - which samples a stream file holds, by what they were made of, from its index alone:
 * millions of them in seconds, without a look at the data.
 *
 * The identity of a sample is its key, name, maker and source, and the sources of the texts beside
 * it. Its place is all of that but maker and source: a later sample in the same place supersedes an
 * earlier one.
 */
#ifndef ZV_STREAM_HOLDINGS_H
#define ZV_STREAM_HOLDINGS_H

#include "stream/index.h"

struct holding_wanted {
	const char *key, *name;
	const struct digest *maker;
	const struct digest *source; /* NULL: any, if the newest sample in its place has the maker */
	const struct digest *text;   /* source of the part beside it; NULL: there is none */
};

enum { HOLDING_NONE = 0, HOLDING_WRITTEN = UINT32_MAX }; /* no numbers of samples */

struct holdings;

/* Take all lines of an index, which must outlive the holdings. NULL with a recorded error. */
struct holdings *holdings_read(const struct index *index);
void holdings_release(struct holdings *holdings); /* NULL is fine */

/* The number of the sample (1..), or HOLDING_NONE; of several the last. From any thread. A source of
 * zero is never found. */
uint32_t holdings_find(const struct holdings *holdings, const struct holding_wanted *wanted);
struct reader_place holdings_place(const struct holdings *holdings, uint32_t number);
/* The number of the newest sample that is in the place of this one, or where it would be. */
uint32_t holdings_newest(const struct holdings *holdings, const struct holding_wanted *wanted);
uint32_t holdings_newest_of(const struct holdings *holdings, uint32_t number);
uint32_t holdings_count(const struct holdings *holdings);

/* Failed items, as they lie in the file, i = 0.. : 1 with its place, 0 behind the last. */
int holdings_failure(const struct holdings *holdings, size_t i, struct reader_place *place);

/* The line of the tensor that lies last in the file; all zero: there is none. */
struct index_line holdings_last(const struct holdings *holdings);

#endif
