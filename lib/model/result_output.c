/* result_output.c - results of the Q-Former as samples (see result_output.h). */
#include "model/result_output.h"
#include "base/utf8.h"

#include <string.h>

static struct holding_wanted wanted(const struct result_identity *identity)
{
	return (struct holding_wanted){ identity->key, identity->name, &identity->maker,
		&identity->source, identity->text ? &identity->text_digest : NULL };
}

bool result_held(struct cache *cache, struct result_identity *identity)
{
	if (identity->text)
		identity->text_digest = digest_of(identity->text, strlen(identity->text));
	struct holding_wanted item = wanted(identity);
	return cache_has(cache, &item);
}

int result_keep(struct cache *cache, const struct result_identity *identity)
{
	struct holding_wanted item = wanted(identity);
	return cache_keep(cache, &item);
}

int result_put(struct cache *cache, const struct result_identity *identity, struct record *record,
    const float *numbers, char dtype, const char *text_name, struct rows_stored *stored)
{
	struct holding_wanted item = wanted(identity);
	record->more = identity->text != NULL;
	if (record_set_key(record, identity->key) || rows_store(stored, dtype, record, numbers))
		return -1;
	cache_begin(cache, &item);
	if (cache_put_rows(cache, stored))
		return -1;
	if (!identity->text)
		return 0;
	struct record beside;
	uint64_t size = strlen(identity->text);
	record_tensor(&beside, text_name, 'B', 1, &size);
	beside.source = identity->text_digest;
	return record_set_key(&beside, identity->key) || cache_put(cache, &beside, identity->text) ? -1
	                                                                                           : 0;
}

void result_text_key(const char *text, char key[RECORD_KEY_MOST + 1])
{
	size_t size = strlen(text);
	if (size > RECORD_KEY_MOST)
		size = utf8_valid_prefix(text, RECORD_KEY_MOST);
	for (size_t i = 0; i < size; i++)
		key[i] = (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
	key[size] = '\0';
}
