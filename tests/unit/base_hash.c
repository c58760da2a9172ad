/* base_hash.c - identities equal `b2sum -l 128`, checksums equal XXH64; pieces equal the whole. */
#include "base/hash.h"
#include "tap.h"

#include <string.h>

/* Values of `printf '' | b2sum -l 128` and `printf abc | b2sum -l 128`. */
static const char empty_text[] = "cae66941d9efbd404e4d88758ea67670";
static const char abc_text[] = "cf4ab791c62b8d2b2109c90275287816";

static void test_digest(void)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest digest = digest_of("", 0), parsed;
	digest_text(&digest, text);
	TAP_OK(strcmp(text, empty_text) == 0, "BLAKE2b-128 of nothing: %s", text);
	digest = digest_of("abc", 3);
	digest_text(&digest, text);
	TAP_OK(strcmp(text, abc_text) == 0, "BLAKE2b-128 of abc: %s", text);
	TAP_OK(digest_parse(text, &parsed) == 0 && digest_equal(&parsed, &digest), "text and back");
	TAP_OK(!digest_is_zero(&digest), "it is not zero");
	memset(&parsed, 0, sizeof parsed);
	TAP_OK(digest_is_zero(&parsed), "zero is zero");
	TAP_OK(digest_parse("CF4AB791C62B8D2B2109C90275287816", &parsed) < 0, "upper case is refused");
	TAP_OK(digest_parse("cf4ab791", &parsed) < 0, "a short text is refused");
	TAP_OK(digest_parse("cf4ab791c62b8d2b2109c902752878161", &parsed) < 0, "a long one too");
	TAP_OK(digest_parse("cf4ab791c62b8d2b2109c9027528781g", &parsed) < 0, "and other letters");
}

static void test_pieces(void)
{
	static unsigned char data[100000];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 2654435761u >> 13);
	struct digest whole = digest_of(data, sizeof data);
	struct hasher *hasher = hasher_new();
	struct checksummer *checksummer = checksummer_new();
	TAP_OK(hasher && checksummer, "there is memory");
	if (!hasher || !checksummer)
		return;
	for (size_t done = 0; done < sizeof data;) {
		size_t step = (done * 7) % 977 + 1;
		if (step > sizeof data - done)
			step = sizeof data - done;
		hasher_add(hasher, data + done, step);
		checksummer_add(checksummer, data + done, step);
		done += step;
	}
	struct digest pieces = hasher_end(hasher);
	TAP_OK(digest_equal(&whole, &pieces), "a digest of pieces is that of the whole");
	uint64_t value = checksum_of(data, sizeof data);
	TAP_OK(checksummer_value(checksummer) == value, "so is a checksum");
	checksummer_reset(checksummer);
	checksummer_add(checksummer, NULL, 0);
	TAP_OK(checksummer_value(checksummer) == checksum_of("", 0), "reset is as new");
	checksummer_release(checksummer);
	checksummer_release(NULL);
}

int main(void)
{
	test_digest();
	test_pieces();
	/* From the specification of XXH64, seed 0. */
	TAP_OK(checksum_of("", 0) == UINT64_C(0xef46db3751d8e999), "XXH64 of nothing");
	TAP_OK(checksum_of("abc", 3) == UINT64_C(0x44bc2cf5ad770999), "XXH64 of abc");
	return tap_finish();
}
