/* record.c - headers of records: the layout, the rules in both directions, makers, meta. */
#include "base/error.h"
#include "base/program.h"
#include "stream/maker.h"
#include "stream/record.h"
#include "tap.h"

#include <string.h>

static uint8_t header[RECORD_HEADER_MOST];

/* A tensor record of key "k" and name "x", f32 [2, 3]. */
static struct record usual(void)
{
	struct record record;
	const uint64_t shape[2] = { 2, 3 };
	record_tensor(&record, "x", 'f', 2, shape);
	record_set_key(&record, "k");
	return record;
}

/* Put the checksum of a changed header right, then parse it. */
static int parse_changed(uint8_t *changed, size_t size, struct record *record)
{
	uint64_t checksum = checksum_of(changed, size - 8);
	for (int i = 0; i < 8; i++)
		changed[size - 8 + (size_t)i] = (uint8_t)(checksum >> 8 * i);
	size_t told = record_header_size(changed);
	return told == 0 ? -1 : record_parse(changed, told, record);
}

static void test_layout(void)
{
	struct record record = usual(), back;
	record.more = true;
	record.payload_checksum = 0x1122334455667788;
	record.meta = "a=1\nab=2\n";
	record.meta_size = 9;
	memset(record.maker.bytes, 7, 16);
	size_t size = record_format(&record, header);
	TAP_OK(size == 128, "an ordinary header has 128 bytes");
	TAP_OK(memcmp(header, "ZVT1Tf\2\1\1\0\1\0\11\0\0\0\30\0\0\0\0\0\0\0", 24) == 0,
	    "the fields lie where zvt(5) says");
	TAP_OK(header[56] == 0x88 && header[63] == 0x11, "numbers are little-endian");
	TAP_OK(header[64] == 2 && header[72] == 3 && memcmp(header + 80, "kxa=1", 5) == 0,
	    "shape, key, name and meta follow");
	TAP_OK(record_header_size(header) == size && record_parse(header, size, &back) == 0,
	    "it is parsed");
	TAP_OK(back.more && back.payload_checksum == record.payload_checksum &&
	           back.payload_size == 24 && back.shape[1] == 3 && strcmp(back.key, "k") == 0 &&
	           strcmp(back.name, "x") == 0 && digest_equal(&back.maker, &record.maker),
	    "and gives the same record");
	char value[8];
	TAP_OK(
	    record_meta(&back, "ab", value, sizeof value) && strcmp(value, "2") == 0, "meta: a word");
	TAP_OK(record_meta(&back, "a", value, sizeof value) && strcmp(value, "1") == 0,
	    "meta: a word that begins another");
	TAP_OK(!record_meta(&back, "b", value, sizeof value), "meta: no such word");
	TAP_OK(!record_meta(&back, "ab", value, 1), "meta: a value that does not fit");
}

static void test_largest(void)
{
	static char meta[RECORD_META_MOST];
	const uint64_t shape[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	char key[RECORD_KEY_MOST + 2], name[RECORD_NAME_MOST + 1];
	struct record record, back;
	memset(meta, 'm', sizeof meta);
	meta[1] = '=';
	meta[sizeof meta - 1] = '\n';
	memset(key, 'k', sizeof key);
	key[RECORD_KEY_MOST + 1] = '\0';
	memset(name, 'n', sizeof name);
	name[RECORD_NAME_MOST] = '\0';
	record_tensor(&record, name, 'B', 8, shape);
	TAP_OK(record_set_key(&record, key) == -1, "a key of 1025 bytes is refused");
	key[RECORD_KEY_MOST] = '\0';
	TAP_OK(record_set_key(&record, key) == 0, "one of 1024 is not");
	record.meta = meta;
	record.meta_size = sizeof meta;
	size_t size = record_format(&record, header);
	TAP_OK(size > 0 && size <= RECORD_HEADER_MOST, "the largest header fits (%zu bytes)", size);
	TAP_OK(record_parse(header, size, &back) == 0, "and is parsed");
}

static void test_every_change(void)
{
	struct record record = usual(), back;
	size_t size = record_format(&record, header), accepted = 0;
	for (size_t bit = 0; bit < 8 * size; bit++) {
		header[bit / 8] ^= (uint8_t)(1 << bit % 8);
		size_t told = record_header_size(header);
		accepted += told == size && record_parse(header, size, &back) == 0;
		header[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	TAP_OK(accepted == 0, "no flipped bit of a header is accepted");
}

/* One byte of a good header changed, with the checksum made right. */
static const struct {
	size_t at;
	uint8_t value;
	const char *what, *reason;
} changes[] = {
	{ 0, 'z', "magic", "no record" },
	{ 3, '2', "version", "no record" },
	{ 4, 'X', "kind", "unknown kind of record 'X'" },
	{ 4, 0, "kind zero", "unknown kind of record 0x00" },
	{ 4, 'E', "end record with a key", "end record" },
	{ 4, 'F', "failure of floats", "reason of a failure" },
	{ 5, 'x', "dtype", "unknown dtype 'x'" },
	{ 5, 'd', "dtype of another size", "shape and dtype" },
	{ 6, 9, "dimensions", "9 dimensions" },
	{ 7, 2, "flags", "unknown flags 0x02" },
	{ 8, 0, "no key", "empty key" },
	{ 9, 5, "long key", "key of 1281 bytes" },
	{ 10, 65, "long name", "name of 65 bytes" },
	{ 14, 2, "long meta", "meta of 131072 bytes" },
	{ 16, 25, "payload size", "shape and dtype" },
	{ 23, 0x80, "huge payload", "shape and dtype" },
	{ 64, 3, "shape", "shape and dtype" },
	{ 70, 1, "huge dimension", "2^40" },
	{ 80, '\n', "key with a newline", "key holds" },
	{ 80, 0xff, "key not UTF-8", "key holds" },
	{ 80, 0, "key with a zero byte", "key holds" },
	{ 80, 0x7f, "key with DEL", "key holds" },
	{ 81, '/', "name with a slash", "name holds" },
	{ 82, 1, "padding", "padding" },
	{ 119, 1, "last byte of padding", "padding" },
};

static void test_hostile_fields(void)
{
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct record record = usual(), back;
		size_t size = record_format(&record, header);
		header[changes[i].at] = changes[i].value;
		error_clear();
		bool refused = parse_changed(header, size, &back) == -1;
		TAP_OK(refused && strstr(error_text(), changes[i].reason), "refused: %s (%s)",
		    changes[i].what, error_text());
	}
	struct record record = usual(), back;
	size_t size = record_format(&record, header);
	header[4] = 'q';
	TAP_OK(parse_changed(header, size, &back) == 0, "an unknown lower-case kind is parsed");
}

static void test_shapes(void)
{
	const uint64_t wraps[3] = { (uint64_t)1 << 32, (uint64_t)1 << 32, 4 };
	const uint64_t empty[3] = { (uint64_t)1 << 40, (uint64_t)1 << 40, 0 };
	const uint64_t exact[2] = { (uint64_t)1 << 31, (uint64_t)1 << 30 };
	char text[200];
	uint64_t elements;
	struct record record;
	record_tensor(&record, "x", 'f', 3, wraps);
	record_set_key(&record, "k");
	TAP_OK(record_format(&record, header) == 0, "a shape that wraps to 0 is refused");
	record_tensor(&record, "x", 'f', 3, empty);
	record_set_key(&record, "k");
	TAP_OK(record_elements(&record, &elements) == 0 && elements == 0, "a zero anywhere is empty");
	TAP_OK(record_format(&record, header) > 0, "and may be written");
	record_tensor(&record, "x", 'd', 2, exact);
	record_set_key(&record, "k");
	TAP_OK(record.payload_size == 0 || record_format(&record, header) == 0,
	    "a payload of 2^64 bytes is refused");
	record_tensor(&record, "x", 'f', 0, NULL);
	TAP_OK(record.payload_size == 4 && strcmp(record_shape_text(&record, text), "scalar") == 0,
	    "no dimensions are a scalar");
	record = usual();
	TAP_OK(strcmp(record_shape_text(&record, text), "2x3") == 0, "a shape as text");
}

static void test_meta_rules(void)
{
	static const char *const bad[] = { "a", "a=1", "=1\n", "a\n", "\n", "a=\xff\n",
		"a=1\n\nb=2\n" };
	static const char *const good[] = { "a=\n", "a=b=c\n", "zv=1\nstage=encode 1\n",
		"note=\xe4\xb8\xad\n" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct record record = usual();
		record.meta = bad[i];
		record.meta_size = strlen(bad[i]);
		TAP_OK(record_format(&record, header) == 0, "meta that is refused (%zu)", i);
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct record record = usual();
		record.meta = good[i];
		record.meta_size = strlen(good[i]);
		TAP_OK(record_format(&record, header) > 0, "meta that is taken (%zu)", i);
	}
}

static void test_keys(void)
{
	struct record record = usual();
	TAP_OK(record_set_key(&record, "") == -1, "an empty key");
	TAP_OK(record_set_key(&record, "a\tb") == -1, "a key with a tab");
	TAP_OK(record_set_key(&record, "\xe4\xb8") == -1, "a key with half a character");
	TAP_OK(record_set_key(&record, "\xe4\xb8\xad/ 1.jpg") == 0, "a key in Chinese with a blank");
}

static void test_maker(void)
{
	struct maker maker;
	struct digest weights = digest_of("weights", 7), other = digest_of("other", 5), none;
	struct record record = usual();
	memset(&none, 0, sizeof none);
	maker_begin(&maker, "encode", 1);
	maker_add_digest(&maker, "weights", &weights);
	maker_add(&maker, "prep", "rgb %dx%d", 224, 224);
	TAP_OK(strncmp(maker.text, "zv=1\nstage=encode 1\nweights=", 28) == 0, "a maker's text");
	struct digest digest = digest_of(maker.text, strlen(maker.text));
	TAP_OK(digest_equal(&digest, &maker.digest), "its digest is that of the text");
	TAP_OK(maker_expect(&record, "weights", &weights) == -1, "no maker is refused");
	TAP_OK(maker_expect(&record, "weights", &none) == 0, "unless nothing is wanted");
	maker_stamp(&maker, &record);
	TAP_OK(maker_is_honest(&record), "a stamped record is honest");
	TAP_OK(maker_expect(&record, "weights", &weights) == 0, "the wanted maker");
	TAP_OK(maker_expect(&record, "weights", &other) == -1 &&
	           strstr(error_text(), "image encoder (") && !strstr(error_text(), "weights"),
	    "another maker (%s)", error_text());
	TAP_OK(maker_expect(&record, "llm", &weights) == -1, "a word that is not there");
	record.maker.bytes[0] ^= 1;
	TAP_OK(!maker_is_honest(&record) && maker_expect(&record, "weights", &weights) == -1,
	    "a fingerprint of another text");
	common.any_maker = true;
	TAP_OK(maker_expect(&record, "weights", &other) == 0, "--any-maker takes all");
	common.any_maker = false;
}

int main(void)
{
	test_layout();
	test_largest();
	test_every_change();
	test_hostile_fields();
	test_shapes();
	test_meta_rules();
	test_keys();
	test_maker();
	return tap_finish();
}
