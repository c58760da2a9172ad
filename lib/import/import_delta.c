/* import_delta.c - target = base + delta in f16 (see import_delta.h; Fengshenbang-LM
 * apply_delta.py). f16 has 11 significant bits and f32 24, which is 2 * 11 + 2: rounding the sum
 * to f32 first does not change what rounding to f16 makes of it.
 */
#include "import/import_delta.h"
#include "base/dtype.h"

#include <string.h>

bool import_delta_replaces(const char *name)
{
	static const char *const parts[] = { "embed_tokens", "lm_head.weight",
		"self_attn.rotary_emb.inv_freq" };
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (strstr(name, parts[i]))
			return true;
	return false;
}

void import_delta_add(const uint16_t *base, const uint16_t *delta, uint16_t *sum, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] = f16_from_f32(f32_from_f16(base[i]) + f32_from_f16(delta[i]));
}
