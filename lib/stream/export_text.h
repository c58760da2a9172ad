/* export_text.h - records as lines of text or JSON. Private to export.c and its tests. */
#ifndef ZV_STREAM_EXPORT_TEXT_H
#define ZV_STREAM_EXPORT_TEXT_H

#include "stream/record.h"

#include <stdio.h>

/* A line for each row of the last dimension: key (escaped), TAB, the numbers with blanks between.
 * Floats have as many digits as bring the same f32 (9) or f64 (17) back. */
void export_put_text(FILE *stream, const struct record *record, const void *payload);

/* One line of JSON; numbers that JSON does not have (NaN, infinity) are null. */
void export_put_json(FILE *stream, const struct record *record, const void *payload);

#endif
