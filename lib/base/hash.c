/* hash.c - BLAKE2b-128 and XXH64 (see hash.h); the one file that knows libb2 and xxhash. */
#include "base/hash.h"
#include "base/error.h"
#include "base/memory.h"

#include <blake2.h>
#include <string.h>
#include <xxhash.h>

struct hasher {
	blake2b_state state;
};

struct checksummer {
	XXH64_state_t *state;
};

struct hasher *hasher_new(void)
{
	struct hasher *hasher = memory_allocate(1, sizeof *hasher);
	if (hasher)
		blake2b_init(&hasher->state, sizeof(struct digest));
	return hasher;
}

void hasher_add(struct hasher *hasher, const void *bytes, size_t size)
{
	if (size > 0)
		blake2b_update(&hasher->state, bytes, size);
}

struct digest hasher_end(struct hasher *hasher)
{
	struct digest digest;
	blake2b_final(&hasher->state, digest.bytes, sizeof digest.bytes);
	memory_release(hasher);
	return digest;
}

struct digest digest_of(const void *bytes, size_t size)
{
	struct digest digest;
	blake2b_state state;
	blake2b_init(&state, sizeof digest);
	if (size > 0)
		blake2b_update(&state, bytes, size);
	blake2b_final(&state, digest.bytes, sizeof digest.bytes);
	return digest;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool digest_is_zero(const struct digest *digest)
{
	static const struct digest zero;
	return digest_equal(digest, &zero);
}

void digest_text(const struct digest *digest, char text[DIGEST_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < sizeof digest->bytes; i++) {
		text[2 * i] = digits[digest->bytes[i] >> 4];
		text[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	text[DIGEST_TEXT_SIZE - 1] = '\0';
}

static int hexadecimal_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

int digest_parse(const char *text, struct digest *digest)
{
	if (strlen(text) != DIGEST_TEXT_SIZE - 1)
		return -1;
	for (size_t i = 0; i < sizeof digest->bytes; i++) {
		int high = hexadecimal_value(text[2 * i]), low = hexadecimal_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return -1;
		digest->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

uint64_t checksum_of(const void *bytes, size_t size)
{
	return XXH64(bytes, size, 0);
}

struct checksummer *checksummer_new(void)
{
	struct checksummer *checksummer = memory_allocate(1, sizeof *checksummer);
	if (!checksummer)
		return NULL;
	checksummer->state = XXH64_createState();
	if (!checksummer->state) {
		error_memory(sizeof(XXH64_state_t *));
		memory_release(checksummer);
		return NULL;
	}
	XXH64_reset(checksummer->state, 0);
	return checksummer;
}

void checksummer_add(struct checksummer *checksummer, const void *bytes, size_t size)
{
	if (size > 0)
		XXH64_update(checksummer->state, bytes, size);
}

uint64_t checksummer_value(const struct checksummer *checksummer)
{
	return XXH64_digest(checksummer->state);
}

void checksummer_reset(struct checksummer *checksummer)
{
	XXH64_reset(checksummer->state, 0);
}

void checksummer_release(struct checksummer *checksummer)
{
	if (!checksummer)
		return;
	XXH64_freeState(checksummer->state);
	memory_release(checksummer);
}
