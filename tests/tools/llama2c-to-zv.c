/* llama2c-to-zv.c - a checkpoint of llama2.c (stories260K.bin with its tokenizer tok512.bin) as
 * llm.zv: a small trained model with grouped keys, a tied output and rotary pairs that interleave,
 * for tests. usage: llama2c-to-zv MODEL.bin TOKENIZER.bin DIRECTORY
 */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/memory.h"
#include "stream/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct sizes {
	int32_t width, mlp_width, layers, heads, kv_heads, vocabulary, positions;
};

static FILE *input;
static struct writer *writer;

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "llama2c-to-zv: %s: %s\n", what, error_text());
	exit(2);
}

static void open_input(const char *path)
{
	input = fopen(path, "rb");
	if (!input) {
		perror(path);
		exit(2);
	}
}

static void take(void *bytes, size_t size)
{
	if (fread(bytes, 1, size, input) != size) {
		fprintf(stderr, "llama2c-to-zv: the file is too short\n");
		exit(2);
	}
}

static void put(
    const char *key, const char *name, char dtype, size_t rows, size_t columns, const void *payload)
{
	struct record record = { 0 };
	const uint64_t shape[2] = { rows, columns };
	record_tensor(&record, name, dtype, rows ? 2 : 1, rows ? shape : shape + 1);
	if (record_set_key(&record, key) < 0 || writer_put(writer, &record, payload) < 0)
		fail(key);
}

/* Rows of a query or key matrix from pairs (2j, 2j + 1) to the half-split pairs (j, j + half). */
static void split_pairs(float *matrix, size_t heads, size_t head_width, size_t columns)
{
	size_t head_size = head_width * columns, half = head_width / 2;
	float *turned = memory_allocate(head_size, sizeof *turned);
	if (!turned)
		fail("memory");
	for (size_t head = 0; head < heads; head++, matrix += head_size) {
		for (size_t row = 0; row < head_width; row++)
			memcpy(turned + (row % 2 * half + row / 2) * columns, matrix + row * columns,
			    columns * sizeof *turned);
		memcpy(matrix, turned, head_size * sizeof *turned);
	}
	memory_release(turned);
}

/* One kind of tensor for all layers, as the file holds them. */
static void convert_layers(
    const struct sizes *sizes, const char *part, size_t rows, size_t columns, size_t rotary_heads)
{
	size_t count = (rows ? rows : 1) * columns;
	float *values = memory_allocate(count, sizeof *values);
	if (!values)
		fail("memory");
	for (int layer = 0; layer < sizes->layers; layer++) {
		char key[100];
		take(values, count * sizeof *values);
		if (rotary_heads > 0)
			split_pairs(values, rotary_heads, rows / rotary_heads, columns);
		snprintf(key, sizeof key, "model.layers.%d.%s.weight", layer, part);
		put(key, "values", 'f', rows, columns, values);
	}
	memory_release(values);
}

static void convert_one(const char *key, size_t rows, size_t columns)
{
	size_t count = (rows ? rows : 1) * columns;
	float *values = memory_allocate(count, sizeof *values);
	if (!values)
		fail("memory");
	take(values, count * sizeof *values);
	put(key, "values", 'f', rows, columns, values);
	memory_release(values);
}

static void put_config(const struct sizes *sizes)
{
	char words[1000];
	struct record record = { 0 };
	snprintf(words, sizeof words,
	    "stage=llm\nwidth=%d\nlayers=%d\nheads=%d\nkv_heads=%d\nmlp_width=%d\nvocabulary=%d\n"
	    "positions=%d\nnorm_eps=1e-05\nrope_theta=10000\nbos=1\neos=2\ntied=1\ntemplate=plain\n",
	    sizes->width, sizes->layers, sizes->heads, sizes->kv_heads, sizes->mlp_width,
	    sizes->vocabulary, sizes->positions);
	record_tensor(&record, "llm", 'B', 1, (const uint64_t[]){ 0 });
	record.meta = words;
	record.meta_size = strlen(words);
	if (record_set_key(&record, "config") < 0 || writer_put(writer, &record, "") < 0)
		fail("config");
}

static void convert_weights(const struct sizes *sizes)
{
	size_t width = (size_t)sizes->width, mlp = (size_t)sizes->mlp_width;
	size_t heads = (size_t)sizes->heads, kv_heads = (size_t)sizes->kv_heads;
	size_t kv = width / heads * kv_heads;
	convert_one("model.embed_tokens.weight", (size_t)sizes->vocabulary, width);
	convert_layers(sizes, "input_layernorm", 0, width, 0);
	convert_layers(sizes, "self_attn.q_proj", width, width, heads);
	convert_layers(sizes, "self_attn.k_proj", kv, width, kv_heads);
	convert_layers(sizes, "self_attn.v_proj", kv, width, 0);
	convert_layers(sizes, "self_attn.o_proj", width, width, 0);
	convert_layers(sizes, "post_attention_layernorm", 0, width, 0);
	convert_layers(sizes, "mlp.gate_proj", mlp, width, 0);
	convert_layers(sizes, "mlp.down_proj", width, mlp, 0);
	convert_layers(sizes, "mlp.up_proj", mlp, width, 0);
	convert_one("model.norm.weight", 0, width);
}

/* A field of a SentencePiece piece message that holds bytes. */
static size_t add_bytes(uint8_t *to, uint8_t tag, const void *bytes, size_t size)
{
	to[0] = tag;
	to[1] = (uint8_t)size;
	memcpy(to + 2, bytes, size);
	return 2 + size;
}

/* The tokenizer as a ModelProto: pieces with their scores; blanks become U+2581. */
static void convert_tokenizer(const struct sizes *sizes)
{
	static const char *const control[] = { "<unk>", "<s>", "</s>" };
	uint8_t *model = memory_allocate((size_t)sizes->vocabulary, 256);
	size_t size = 0;
	int32_t longest;
	if (!model)
		fail("memory");
	take(&longest, sizeof longest);
	for (int32_t id = 0; id < sizes->vocabulary; id++) {
		float score;
		int32_t length;
		char text[40], piece[100] = "";
		uint8_t message[200];
		take(&score, sizeof score);
		take(&length, sizeof length);
		if (length < 0 || length >= (int32_t)sizeof text)
			exit(2);
		take(text, (size_t)length);
		size_t used = 0;
		for (int32_t i = 0; i < length; i++)
			used += (size_t)snprintf(
			    piece + used, sizeof piece - used, text[i] == ' ' ? "\xE2\x96\x81" : "%c", text[i]);
		int type = id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1;
		const char *name = id < 3 ? control[id] : piece;
		size_t at = add_bytes(message, 0x0A, name, strlen(name));
		message[at++] = 0x15;
		memcpy(message + at, &score, sizeof score);
		at += sizeof score;
		message[at++] = 0x18;
		message[at++] = (uint8_t)type;
		size += add_bytes(model + size, 0x0A, message, at);
	}
	/* trainer_spec: model_type BPE (3: 2), byte_fallback (35: 1). */
	memcpy(model + size, "\x12\x05\x18\x02\x98\x02\x01", 7);
	put("tokenizer.model", "bytes", 'B', 0, size + 7, model);
	memory_release(model);
}

int main(int argc, char **argv)
{
	struct sizes sizes;
	char path[4096];
	if (argc != 4) {
		fprintf(stderr, "usage: llama2c-to-zv MODEL.bin TOKENIZER.bin DIRECTORY\n");
		return 2;
	}
	open_input(argv[1]);
	take(&sizes, sizeof sizes);
	if (sizes.vocabulary <= 0 || sizes.vocabulary > 100000 || sizes.heads <= 0 ||
	    sizes.kv_heads <= 0 || sizes.width <= 0 || sizes.mlp_width <= 0 || sizes.layers <= 0) {
		fprintf(stderr, "llama2c-to-zv: not a model with a tied output\n");
		return 2;
	}
	mkdir(argv[3], 0777); /* that it may exist already is fine; writing tells the rest */
	snprintf(path, sizeof path, "%s/llm.zv", argv[3]);
	writer = writer_open(path, WRITER_BARE);
	if (!writer)
		fail(path);
	put_config(&sizes);
	convert_weights(&sizes);
	fclose(input);
	open_input(argv[2]);
	convert_tokenizer(&sizes);
	fclose(input);
	if (writer_finish(writer) < 0)
		fail(path);
	return 0;
}
