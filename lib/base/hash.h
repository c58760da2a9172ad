/* hash.h - identities (BLAKE2b-128, libb2) and checksums (XXH64, xxhash).
 * Identities survive an adversary and equal `b2sum -l 128`; checksums only catch accidents.
 */
#ifndef ZV_BASE_HASH_H
#define ZV_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest {
	uint8_t bytes[16];
};

enum { DIGEST_TEXT_SIZE = 33 };

struct hasher; /* BLAKE2b-128 over data that arrives in pieces */

struct hasher *hasher_new(void); /* NULL: out of memory */
void hasher_add(struct hasher *hasher, const void *bytes, size_t size);
struct digest hasher_end(struct hasher *hasher); /* releases it */

struct digest digest_of(const void *bytes, size_t size);
bool digest_equal(const struct digest *a, const struct digest *b);
bool digest_is_zero(const struct digest *digest);

/* 32 hexadecimal digits and a zero byte. */
void digest_text(const struct digest *digest, char text[DIGEST_TEXT_SIZE]);
/* 0, or -1 (nothing recorded) if text is not exactly 32 lower-case hexadecimal digits. */
int digest_parse(const char *text, struct digest *digest);

/* XXH64 with seed 0 of size bytes; the second is incremental. */
uint64_t checksum_of(const void *bytes, size_t size);
struct checksummer;                        /* XXH64 over data that arrives in pieces */
struct checksummer *checksummer_new(void); /* NULL: out of memory */
void checksummer_add(struct checksummer *checksummer, const void *bytes, size_t size);
uint64_t checksummer_value(const struct checksummer *checksummer); /* so far; may be continued */
void checksummer_reset(struct checksummer *checksummer);
void checksummer_release(struct checksummer *checksummer);

#endif
