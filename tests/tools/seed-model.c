/* seed-model.c - a model directory with seeded random weights, for tests, benches and the demo:
 * every shape and word of zv-model(5), nothing that can describe a picture.
 *
 *     seed-model [--seed N] [--dtype f32|bf16|f16] [--only STAGE]... [--full STAGE]... [--layers N]
 *                [--plain] [--instruction] [--kv-heads N] [--tied] [--side N]
 *                [--tokenizer FILE] [--vocabulary FILE] DIRECTORY
 *
 * Sizes are toy sizes; --full vit, qformer or llm takes those of EVA ViT-g, BERT base and
 * LLaMA-13B, --layers as many of the full stages' layers. --only writes just that stage. --plain
 * leaves the Q-Former's text branch and heads out.
 */
#define _GNU_SOURCE
#include "base/dtype.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "stream/write.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { VIT, QFORMER, LLM, STAGES };
static const char *const stage_names[STAGES] = { "vit", "qformer", "llm" };

static struct {
	int64_t seed, layers, kv_heads, side;
	char dtype;
	bool only[STAGES], full[STAGES];
	bool plain, instruction, tied;
	const char *tokenizer, *vocabulary, *directory;
} option = { .seed = 1, .dtype = 'f' };

static struct {
	size_t width, layers, heads, mlp_width, patch, side;
} vit = { 48, 4, 4, 209, 14, 56 };
static struct {
	size_t width, layers, heads, mlp_width, queries, contrast_width, positions;
} qformer = { 32, 4, 4, 64, 8, 16, 64 };
static struct {
	size_t width, layers, heads, kv_heads, mlp_width, positions;
} llm = { 64, 3, 4, 4, 172, 512 };

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "seed-model: %s: %s\n", what, error_text());
	exit(2);
}

/* The stage that is being written. */
static struct {
	struct writer *writer;
	char words[2048];
	uint64_t state; /* of the random numbers */
} out;

static void word(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void word(const char *format, ...)
{
	size_t used = strlen(out.words);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(out.words + used, sizeof out.words - used, format, arguments);
	va_end(arguments);
}

/* Uniform in [-1, 1) (splitmix64). */
static float next_random(void)
{
	uint64_t z = out.state += 0x9E3779B97F4A7C15u;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return (float)((z ^ z >> 31) >> 40) * 0x1p-23f - 1.0f;
}

static void begin_stage(int stage)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s.zv", option.directory, stage_names[stage]);
	out.writer = writer_open(path, WRITER_BARE);
	if (!out.writer)
		fail(path);
	out.state = (uint64_t)option.seed * STAGES + (uint64_t)stage;
	out.words[0] = '\0';
	word("stage=%s\n", stage_names[stage]);
}

static void put_config(int stage)
{
	struct record record = { 0 };
	record_tensor(&record, stage_names[stage], 'B', 1, (const uint64_t[]){ 0 });
	record.meta = out.words;
	record.meta_size = strlen(out.words);
	if (record_set_key(&record, "config") < 0 || writer_put(out.writer, &record, "") < 0)
		fail("config");
}

static struct digest end_stage(void)
{
	struct digest fingerprint = writer_fingerprint(out.writer);
	if (writer_finish(out.writer) < 0)
		fail(option.directory);
	return fingerprint;
}

/* A tensor of numbers middle + spread * random, written piece by piece. */
static void put_random(
    char dtype, size_t rows, size_t columns, float middle, float spread, const char *key)
{
	enum { PIECE = 1 << 16 };
	static float values[PIECE];
	static char bytes[PIECE * sizeof(float)];
	struct record record = { 0 };
	const uint64_t shape[2] = { rows, columns };
	record_tensor(&record, "values", dtype, rows ? 2 : 1, rows ? shape : shape + 1);
	if (record_set_key(&record, key) < 0 || writer_begin_large(out.writer, &record) < 0)
		fail(key);
	for (size_t left = (rows ? rows : 1) * columns, n; left > 0; left -= n) {
		n = left < PIECE ? left : PIECE;
		for (size_t i = 0; i < n; i++)
			values[i] = middle + spread * next_random();
		dtype_from_f32(dtype, values, bytes, n);
		if (writer_add_large(out.writer, bytes, n * dtype_size(dtype)) < 0)
			fail(key);
	}
	if (writer_end_large(out.writer) < 0)
		fail(key);
}

static const char *name_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *name_of(const char *format, ...)
{
	static char names[4][200];
	static int turn;
	char *name = names[turn++ & 3];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(name, sizeof names[0], format, arguments);
	va_end(arguments);
	return name;
}

/* Weights that keep the size of what goes through: variance about 1 / inputs. */
static void put_matrix(size_t rows, size_t columns, const char *key)
{
	put_random(option.dtype, rows, columns, 0, 1.7f / sqrtf((float)columns), key);
}

static void put_linear(size_t rows, size_t columns, const char *prefix)
{
	put_matrix(rows, columns, name_of("%s.weight", prefix));
	put_random('f', 0, rows, 0, 0.1f, name_of("%s.bias", prefix));
}

static void put_norm(size_t n, const char *prefix)
{
	put_random('f', 0, n, 1, 0.2f, name_of("%s.weight", prefix));
	put_random('f', 0, n, 0, 0.1f, name_of("%s.bias", prefix));
}

static void put_bytes(const char *key, const void *bytes, size_t size)
{
	struct record record = { 0 };
	record_tensor(&record, "bytes", 'B', 1, (const uint64_t[]){ size });
	if (record_set_key(&record, key) < 0 || writer_put(out.writer, &record, bytes) < 0)
		fail(key);
}

/* Bytes that grow. */
struct text {
	char *bytes;
	size_t size, room;
};

static void text_add(struct text *text, const void *bytes, size_t size)
{
	if (memory_grow((void **)&text->bytes, &text->room, text->size + size, 1) < 0)
		fail("text");
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
}

static struct text read_file(const char *path)
{
	struct text text = { 0 };
	char buffer[65536];
	FILE *file = fopen(path, "rb");
	if (!file) {
		fprintf(stderr, "seed-model: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;)
		text_add(&text, buffer, n);
	fclose(file);
	return text;
}

/* One piece of a SentencePiece ModelProto: text (1), score (2), type (3; 1 normal, 2 unknown,
 * 3 control, 6 byte). */
static void add_piece(struct text *model, const char *piece, float score, int type)
{
	size_t length = strlen(piece);
	uint8_t head[4] = { 0x0A, (uint8_t)(length + 9), 0x0A, (uint8_t)length };
	uint8_t tail[7] = { 0x15, 0, 0, 0, 0, 0x18, (uint8_t)type };
	uint32_t bits;
	memcpy(&bits, &score, sizeof bits);
	for (int i = 0; i < 4; i++)
		tail[1 + i] = (uint8_t)(bits >> 8 * i);
	text_add(model, head, sizeof head);
	text_add(model, piece, length);
	text_add(model, tail, sizeof tail);
}

/* A small tokenizer.model: <unk> <s> </s>, the bytes, a few merges, letters. */
static struct text builtin_tokenizer(void)
{
	static const char *const merges[] = { "\xE2\x96\x81t", "he", "in", "re", "on", "at",
		"\xE2\x96\x81\x61", "er", "or", "is", "an", "\xE2\x96\x81the", "ing", "ed",
		"\xE5\x9B\xBE\xE7\x89\x87" };
	static const char *const others[] = { "\xE2\x96\x81", "\xE5\x9B\xBE", "\xE7\x89\x87",
		"\xEF\xBC\x9F", "\xE3\x80\x82" };
	struct text model = { 0 };
	char piece[8];
	float score = 0;
	add_piece(&model, "<unk>", 0, 2);
	add_piece(&model, "<s>", 0, 3);
	add_piece(&model, "</s>", 0, 3);
	for (int byte = 0; byte < 256; byte++) {
		snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)byte);
		add_piece(&model, piece, 0, 6);
	}
	for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++)
		add_piece(&model, merges[i], score--, 1);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		add_piece(&model, others[i], score--, 1);
	for (char c = 0x21; c < 0x7F; c++)
		add_piece(&model, (const char[]){ c, '\0' }, score--, 1);
	/* trainer_spec: model_type BPE (3: 2), byte_fallback (35: 1). */
	text_add(&model, "\x12\x05\x18\x02\x98\x02\x01", 7);
	return model;
}

/* Pieces of a ModelProto: its fields number 1. */
static size_t count_pieces(const struct text *model)
{
	size_t count = 0, at = 0;
	while (at < model->size) {
		uint8_t tag = (uint8_t)model->bytes[at++];
		size_t length = 0, shift = 0;
		uint8_t byte = 0x80;
		while (at < model->size && byte & 0x80 && shift < 35) {
			byte = (uint8_t)model->bytes[at++];
			length |= (size_t)(byte & 0x7F) << shift;
			shift += 7;
		}
		if ((tag & 7) != 2 || length > model->size - at)
			break;
		count += tag == 0x0A;
		at += length;
	}
	return count;
}

/* A small vocab.txt: special tokens, ASCII as whole and as following pieces, a few words. */
static struct text builtin_vocabulary(void)
{
	static const char *const words[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog",
		"cat", "on", "of", "what", "is", "picture", "red", "##s", "##ing" };
	struct text text = { 0 };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		text_add(&text, words[i], strlen(words[i]));
		text_add(&text, "\n", 1);
	}
	for (char c = 0x21; c < 0x7F; c++) {
		char line[] = { c, '\n', '#', '#', c, '\n' };
		if (c < 'A' || c > 'Z')
			text_add(&text, line, c >= 'a' && c <= 'z' && c != 's' ? 6 : 2);
	}
	return text;
}

static size_t count_lines(const struct text *text)
{
	size_t count = 0;
	for (size_t i = 0; i < text->size; i++)
		count += text->bytes[i] == '\n';
	return count + (text->size > 0 && text->bytes[text->size - 1] != '\n');
}

static struct digest make_vit(void)
{
	size_t width = vit.width, grid = vit.side / vit.patch;
	begin_stage(VIT);
	word("width=%zu\nlayers=%zu\nheads=%zu\nmlp_width=%zu\n", width, vit.layers, vit.heads,
	    vit.mlp_width);
	word("patch=%zu\nside=%zu\nnorm_eps=1e-06\npost_norm_eps=1e-06\n", vit.patch,
	    option.side ? (size_t)option.side : vit.side);
	put_config(VIT);
	put_random('f', 0, width, 0, 1, "embeddings.class_embedding");
	put_random('f', 1 + grid * grid, width, 0, 0.5f, "embeddings.position_embedding");
	put_linear(width, 3 * vit.patch * vit.patch, "embeddings.patch_embedding");
	for (size_t n = 0; n < vit.layers; n++) {
		const char *block = name_of("encoder.layers.%zu", n);
		char prefix[100];
		snprintf(prefix, sizeof prefix, "%s", block);
		put_norm(width, name_of("%s.layer_norm1", prefix));
		put_linear(3 * width, width, name_of("%s.self_attn.qkv", prefix));
		put_linear(width, width, name_of("%s.self_attn.projection", prefix));
		put_norm(width, name_of("%s.layer_norm2", prefix));
		put_linear(vit.mlp_width, width, name_of("%s.mlp.fc1", prefix));
		put_linear(width, vit.mlp_width, name_of("%s.mlp.fc2", prefix));
	}
	put_norm(width, "post_layernorm");
	return end_stage();
}

static struct digest make_llm(void)
{
	static const char roles[] = "%zu\tstrip\t<human>\n%zu\tstrip\t<bot>\n";
	struct text tokenizer = option.tokenizer ? read_file(option.tokenizer) : builtin_tokenizer();
	size_t pieces = count_pieces(&tokenizer), width = llm.width;
	size_t vocabulary = (pieces + 2 + 63) / 64 * 64, kv = width / llm.heads * llm.kv_heads;
	char added[100];
	begin_stage(LLM);
	word("width=%zu\nlayers=%zu\nheads=%zu\nkv_heads=%zu\nmlp_width=%zu\n", width, llm.layers,
	    llm.heads, llm.kv_heads, llm.mlp_width);
	word("vocabulary=%zu\npositions=%zu\nnorm_eps=1e-06\nrope_theta=10000\n", vocabulary,
	    llm.positions);
	word("bos=1\neos=2\npad=0\ntemplate=ziya\n%s", option.tied ? "tied=1\n" : "");
	put_config(LLM);
	put_bytes("tokenizer.model", tokenizer.bytes, tokenizer.size);
	int size = snprintf(added, sizeof added, roles, pieces, pieces + 1);
	put_bytes("added_tokens", added, (size_t)size);
	put_random(option.dtype, vocabulary, width, 0, 1, "model.embed_tokens.weight");
	for (size_t n = 0; n < llm.layers; n++) {
		char prefix[100];
		snprintf(prefix, sizeof prefix, "model.layers.%zu", n);
		put_random('f', 0, width, 1, 0.2f, name_of("%s.input_layernorm.weight", prefix));
		put_matrix(width, width, name_of("%s.self_attn.q_proj.weight", prefix));
		put_matrix(kv, width, name_of("%s.self_attn.k_proj.weight", prefix));
		put_matrix(kv, width, name_of("%s.self_attn.v_proj.weight", prefix));
		put_matrix(width, width, name_of("%s.self_attn.o_proj.weight", prefix));
		put_random('f', 0, width, 1, 0.2f, name_of("%s.post_attention_layernorm.weight", prefix));
		put_matrix(llm.mlp_width, width, name_of("%s.mlp.gate_proj.weight", prefix));
		put_matrix(llm.mlp_width, width, name_of("%s.mlp.up_proj.weight", prefix));
		put_matrix(width, llm.mlp_width, name_of("%s.mlp.down_proj.weight", prefix));
	}
	put_random('f', 0, width, 1, 0.2f, "model.norm.weight");
	if (!option.tied)
		put_matrix(vocabulary, width, "lm_head.weight");
	memory_release(tokenizer.bytes);
	return end_stage();
}

/* Attention of one kind (attention, crossattention) of a Q-Former layer. */
static void put_attention(size_t layer, const char *kind, size_t keys)
{
	char prefix[100];
	snprintf(prefix, sizeof prefix, "encoder.layer.%zu.%s", layer, kind);
	put_linear(qformer.width, qformer.width, name_of("%s.attention.query", prefix));
	put_linear(qformer.width, keys, name_of("%s.attention.key", prefix));
	put_linear(qformer.width, keys, name_of("%s.attention.value", prefix));
	put_linear(qformer.width, qformer.width, name_of("%s.output.dense", prefix));
	put_norm(qformer.width, name_of("%s.output.LayerNorm", prefix));
}

static void put_mlp(size_t layer, const char *suffix)
{
	put_linear(qformer.mlp_width, qformer.width,
	    name_of("encoder.layer.%zu.intermediate%s.dense", layer, suffix));
	put_linear(qformer.width, qformer.mlp_width,
	    name_of("encoder.layer.%zu.output%s.dense", layer, suffix));
	put_norm(qformer.width, name_of("encoder.layer.%zu.output%s.LayerNorm", layer, suffix));
}

static void put_text_branch(const struct text *vocabulary, size_t rows)
{
	size_t width = qformer.width;
	char added[64];
	put_bytes("vocab.txt", vocabulary->bytes, vocabulary->size);
	int size = snprintf(added, sizeof added, "%zu\tstrip\t[DEC]\n", rows - 1);
	put_bytes("added_tokens", added, (size_t)size);
	put_random(option.dtype, rows, width, 0, 1, "embeddings.word_embeddings.weight");
	put_random('f', qformer.positions, width, 0, 0.5f, "embeddings.position_embeddings.weight");
	put_linear(qformer.contrast_width, width, "vision_projection");
	put_linear(qformer.contrast_width, width, "text_projection");
	put_linear(2, width, "itm_head");
	put_random('f', 0, 1, 0.07f, 0, "temp");
	put_random('f', 0, rows, 0, 0.1f, "cls.predictions.bias");
	put_linear(width, width, "cls.predictions.transform.dense");
	put_norm(width, "cls.predictions.transform.LayerNorm");
}

static void put_fingerprint(const char *name, const struct digest *fingerprint)
{
	char text[DIGEST_TEXT_SIZE];
	digest_text(fingerprint, text);
	if (!digest_is_zero(fingerprint))
		word("%s=%s\n", name, text);
}

static void make_qformer(const struct digest *vit_weights, const struct digest *llm_weights)
{
	struct text vocabulary =
	    option.vocabulary ? read_file(option.vocabulary) : builtin_vocabulary();
	size_t rows = count_lines(&vocabulary) + 1, width = qformer.width;
	begin_stage(QFORMER);
	word("width=%zu\nlayers=%zu\nheads=%zu\nmlp_width=%zu\n", width, qformer.layers, qformer.heads,
	    qformer.mlp_width);
	word("cross_frequency=2\nencoder_width=%zu\nqueries=%zu\nnorm_eps=1e-12\n", vit.width,
	    qformer.queries);
	word("llm_width=%zu\n", llm.width);
	if (!option.plain)
		word("text=1\nvocabulary=%zu\npositions=%zu\ncontrast_width=%zu\n", rows, qformer.positions,
		    qformer.contrast_width);
	if (option.instruction)
		word("instruction=1\n");
	put_fingerprint("vit_weights", vit_weights);
	put_fingerprint("llm_weights", llm_weights);
	put_config(QFORMER);
	put_random('f', qformer.queries, width, 0, 1, "query_tokens");
	put_norm(width, "layernorm");
	for (size_t n = 0; n < qformer.layers; n++) {
		put_attention(n, "attention", width);
		if (n % 2 == 0)
			put_attention(n, "crossattention", vit.width);
		put_mlp(n, "_query");
		if (!option.plain)
			put_mlp(n, "");
	}
	put_linear(llm.width, width, "language_projection");
	if (!option.plain)
		put_text_branch(&vocabulary, rows);
	memory_release(vocabulary.bytes);
	end_stage();
}

static int stage_of(const char *name)
{
	for (int stage = 0; stage < STAGES; stage++)
		if (strcmp(name, stage_names[stage]) == 0)
			return stage;
	fprintf(stderr, "seed-model: \"%s\" is none of vit, qformer, llm\n", name);
	exit(2);
}

static int64_t whole(const char *text, int64_t least, int64_t most)
{
	int64_t number;
	if (number_whole(text, least, most, &number) < 0)
		fail(text);
	return number;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = { { "seed", 1, NULL, 's' }, { "dtype", 1, NULL, 'd' },
		{ "only", 1, NULL, 'o' }, { "full", 1, NULL, 'f' }, { "layers", 1, NULL, 'l' },
		{ "plain", 0, NULL, 'p' }, { "instruction", 0, NULL, 'i' }, { "kv-heads", 1, NULL, 'k' },
		{ "tied", 0, NULL, 't' }, { "side", 1, NULL, 'S' }, { "tokenizer", 1, NULL, 'T' },
		{ "vocabulary", 1, NULL, 'V' }, { 0 } };
	int letter;
	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (letter) {
		case 's':
			option.seed = whole(optarg, 0, INT64_MAX / STAGES - 1);
			break;
		case 'd':
			option.dtype = dtype_from_name(optarg);
			break;
		case 'o':
			option.only[stage_of(optarg)] = true;
			break;
		case 'f':
			option.full[stage_of(optarg)] = true;
			break;
		case 'l':
			option.layers = whole(optarg, 1, 1000);
			break;
		case 'p':
			option.plain = true;
			break;
		case 'i':
			option.instruction = true;
			break;
		case 'k':
			option.kv_heads = whole(optarg, 1, 4);
			break;
		case 't':
			option.tied = true;
			break;
		case 'S':
			option.side = whole(optarg, 14, 1400);
			break;
		case 'T':
			option.tokenizer = optarg;
			break;
		case 'V':
			option.vocabulary = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (optind + 1 != argc || !option.dtype || !strchr("eEf", option.dtype)) {
		fprintf(stderr, "usage: seed-model [OPTION...] DIRECTORY\n");
		exit(2);
	}
	option.directory = argv[optind];
}

static void set_sizes(void)
{
	size_t layers = (size_t)option.layers;
	if (option.full[VIT]) {
		vit.width = 1408, vit.layers = layers ? layers : 39, vit.heads = 16;
		vit.mlp_width = 6144, vit.side = 224;
	}
	if (option.full[QFORMER]) {
		qformer.width = 768, qformer.layers = layers ? layers : 12, qformer.heads = 12;
		qformer.mlp_width = 3072, qformer.queries = 32, qformer.contrast_width = 256;
		qformer.positions = 512;
	}
	if (option.full[LLM]) {
		llm.width = 5120, llm.layers = layers ? layers : 40, llm.heads = llm.kv_heads = 40;
		llm.mlp_width = 13824, llm.positions = 2048;
	}
	if (option.kv_heads)
		llm.kv_heads = (size_t)option.kv_heads;
}

int main(int argc, char **argv)
{
	struct digest vit_weights = { { 0 } }, llm_weights = { { 0 } };
	parse(argc, argv);
	set_sizes();
	bool all = !option.only[VIT] && !option.only[QFORMER] && !option.only[LLM];
	mkdir(option.directory, 0777); /* that it may exist already is fine; writing tells the rest */
	if (all || option.only[VIT])
		vit_weights = make_vit();
	if (all || option.only[LLM])
		llm_weights = make_llm();
	if (all || option.only[QFORMER])
		make_qformer(&vit_weights, &llm_weights);
	return 0;
}
