/* random.c - Philox4x32-10, see random.h. The constants are those of the paper's table 2. */
#include "base/random.h"

enum { PHILOX_ROUNDS = 10 };
static const uint32_t multiplier[2] = { 0xD2511F53u, 0xCD9E8D57u };
static const uint32_t weyl[2] = { 0x9E3779B9u, 0xBB67AE85u };

void random_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4])
{
	uint32_t c[4] = { counter[0], counter[1], counter[2], counter[3] };
	uint32_t k[2] = { key[0], key[1] };
	for (int round = 0; round < PHILOX_ROUNDS; round++) {
		uint64_t product0 = (uint64_t)multiplier[0] * c[0];
		uint64_t product1 = (uint64_t)multiplier[1] * c[2];
		uint32_t next[4] = { (uint32_t)(product1 >> 32) ^ c[1] ^ k[0], (uint32_t)product1,
			(uint32_t)(product0 >> 32) ^ c[3] ^ k[1], (uint32_t)product0 };
		for (int i = 0; i < 4; i++)
			c[i] = next[i];
		k[0] += weyl[0];
		k[1] += weyl[1];
	}
	for (int i = 0; i < 4; i++)
		block[i] = c[i];
}

struct random random_begin(uint64_t seed, uint64_t stream)
{
	return (struct random){ .seed = seed, .stream = stream, .position = 0 };
}

static uint32_t next_word(struct random *random)
{
	uint64_t number = random->position / 4;
	uint32_t counter[4] = { (uint32_t)number, (uint32_t)(number >> 32), (uint32_t)random->stream,
		(uint32_t)(random->stream >> 32) };
	uint32_t key[2] = { (uint32_t)random->seed, (uint32_t)(random->seed >> 32) };
	uint32_t block[4];
	random_block(counter, key, block);
	return block[random->position++ % 4];
}

double random_unit(struct random *random)
{
	uint64_t high = next_word(random) >> 5; /* 27 bits */
	uint64_t low = next_word(random) >> 6;  /* 26 bits */
	return (double)(high << 26 | low) * 0x1p-53;
}
