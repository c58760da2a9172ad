/* bpe_model.c - reading tokenizer.model: the ModelProto of sentencepiece_model.proto, as far as a
 * BPE encoder needs it.
 */
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/bpe_private.h"
#include "text/protobuf.h"

#include <math.h>
#include <string.h>

/* User-defined pieces are looked for at each character, length by length. */
enum { USER_BYTES_MOST = 512 };

/* Field numbers of sentencepiece_model.proto. */
enum {
	MODEL_PIECE = 1,
	MODEL_TRAINER = 2,
	MODEL_NORMALIZER = 3,
	MODEL_DENORMALIZER = 5,
	PIECE_TEXT = 1,
	PIECE_SCORE = 2,
	PIECE_TYPE = 3,
	TRAINER_MODEL_TYPE = 3,
	TRAINER_BLANK_AS_SUFFIX = 24,
	TRAINER_BYTE_FALLBACK = 35,
	TRAINER_BOS_PIECE = 46,
	TRAINER_EOS_PIECE = 47,
	NORMALIZER_NAME = 1,
	NORMALIZER_CHARSMAP = 2,
	NORMALIZER_DUMMY_PREFIX = 3,
	NORMALIZER_TRIM_BLANKS = 4,
	NORMALIZER_ESCAPE_BLANKS = 5,
	NORMALIZER_RULES = 6,
};

/* The names of the control pieces in the model. */
struct bpe_names {
	const uint8_t *bos, *eos; /* not terminated; NULL: the default */
	size_t bos_size, eos_size;
};

static int expect_wire(const struct protobuf_field *field, enum protobuf_wire wire)
{
	if (field->wire == wire)
		return 0;
	return error_input("field %u has the wrong wire type", (unsigned)field->number);
}

/* One SentencePiece message. */
struct raw_piece {
	const uint8_t *text;
	size_t size;
	float score;
	uint64_t type;
};

static int parse_piece(const struct protobuf_field *piece, struct raw_piece *raw)
{
	struct protobuf message = { piece->bytes, piece->bytes + piece->size };
	struct protobuf_field field;
	*raw = (struct raw_piece){ .type = BPE_NORMAL };
	int found;
	while ((found = protobuf_next(&message, &field)) > 0) {
		if (field.number == PIECE_TEXT) {
			if (expect_wire(&field, PROTOBUF_BYTES))
				return -1;
			raw->text = field.bytes;
			raw->size = field.size;
		} else if (field.number == PIECE_SCORE) {
			if (expect_wire(&field, PROTOBUF_FIXED32))
				return -1;
			raw->score = protobuf_float(&field);
		} else if (field.number == PIECE_TYPE) {
			if (expect_wire(&field, PROTOBUF_VARINT))
				return -1;
			raw->type = field.value;
		}
	}
	if (found < 0)
		return -1;
	if (raw->size == 0)
		return error_input("the piece is empty");
	if (isnan(raw->score))
		return error_input("the score is not a number");
	if (raw->type < BPE_NORMAL || raw->type > BPE_BYTE)
		return error_input("piece type %llu is unknown", (unsigned long long)raw->type);
	if (utf8_valid_prefix(raw->text, raw->size) != raw->size)
		return error_input("the piece is not valid UTF-8");
	return 0;
}

static int hexadecimal(uint8_t digit)
{
	return digit >= '0' && digit <= '9'   ? digit - '0'
	       : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
	                                      : -1;
}

/* The value of "<0xHH>", exactly two upper-case digits, or -1. */
static int byte_value(const struct raw_piece *raw)
{
	if (raw->size != 6 || memcmp(raw->text, "<0x", 3) != 0 || raw->text[5] != '>')
		return -1;
	int high = hexadecimal(raw->text[3]), low = hexadecimal(raw->text[4]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Note what is special about a piece of this type. */
static int note_type(struct bpe *bpe, const struct raw_piece *raw, int32_t id)
{
	if (raw->type == BPE_UNKNOWN) {
		if (bpe->unknown >= 0)
			return error_input("there are two unknown pieces");
		bpe->unknown = id;
	} else if (raw->type == BPE_BYTE) {
		int value = byte_value(raw);
		if (value < 0)
			return error_input("the byte piece is not of the form <0xHH>");
		bpe->bytes[value] = id;
	} else if (raw->type == BPE_USER) {
		if (raw->size > USER_BYTES_MOST)
			return error_input(
			    "the user-defined piece has %zu bytes (at most %d)", raw->size, USER_BYTES_MOST);
		if (raw->size > bpe->user_longest)
			bpe->user_longest = raw->size;
	}
	return 0;
}

static int add_piece(struct bpe *bpe, const struct protobuf_field *field)
{
	struct raw_piece raw;
	size_t id = bpe->model_count;
	int32_t before = -1;
	if (expect_wire(field, PROTOBUF_BYTES) || parse_piece(field, &raw) ||
	    pieces_set(&bpe->pieces, id, (const char *)raw.text, raw.size) ||
	    pieces_index(&bpe->pieces, id, &before) || note_type(bpe, &raw, (int32_t)id))
		return -1;
	if (before >= 0)
		return error_input("the piece is the same as piece %d", (int)before);
	if (id >= bpe->capacity) {
		void *scores = bpe->scores, *types = bpe->types;
		size_t capacity = bpe->capacity;
		int failed = memory_grow(&scores, &capacity, id + 1, sizeof *bpe->scores);
		bpe->scores = scores;
		if (failed)
			return -1;
		capacity = bpe->capacity;
		failed = memory_grow(&types, &capacity, id + 1, sizeof *bpe->types);
		bpe->types = types;
		if (failed)
			return -1;
		bpe->capacity = capacity;
	}
	bpe->scores[id] = raw.score;
	bpe->types[id] = (uint8_t)raw.type;
	bpe->model_count++;
	return 0;
}

static int read_trainer(
    struct bpe *bpe, const struct protobuf_field *trainer, struct bpe_names *names)
{
	static const char *const kinds[] = { "no kind", "unigram", "BPE", "word", "character" };
	struct protobuf message = { trainer->bytes, trainer->bytes + trainer->size };
	struct protobuf_field field;
	uint64_t kind = 1;
	int found;
	while ((found = protobuf_next(&message, &field)) > 0) {
		bool bytes = field.wire == PROTOBUF_BYTES, varint = field.wire == PROTOBUF_VARINT;
		if (field.number == TRAINER_MODEL_TYPE && varint) {
			kind = field.value;
		} else if (field.number == TRAINER_BLANK_AS_SUFFIX && varint && field.value) {
			return error_input("blanks as suffixes are not supported");
		} else if (field.number == TRAINER_BYTE_FALLBACK && varint) {
			bpe->byte_fallback = field.value != 0;
		} else if (field.number == TRAINER_BOS_PIECE && bytes) {
			names->bos = field.bytes;
			names->bos_size = field.size;
		} else if (field.number == TRAINER_EOS_PIECE && bytes) {
			names->eos = field.bytes;
			names->eos_size = field.size;
		}
	}
	if (found == 0 && kind != 2)
		return error_input("the model is of the kind %s; only BPE models can be used",
		    kind < 5 ? kinds[kind] : "unknown");
	return found;
}

static int read_normalizer(struct bpe *bpe, const struct protobuf_field *normalizer)
{
	struct protobuf message = { normalizer->bytes, normalizer->bytes + normalizer->size };
	struct protobuf_field field;
	int found;
	while ((found = protobuf_next(&message, &field)) > 0) {
		bool bytes = field.wire == PROTOBUF_BYTES, varint = field.wire == PROTOBUF_VARINT;
		if (bytes && field.size > 0 &&
		    (field.number == NORMALIZER_CHARSMAP || field.number == NORMALIZER_RULES))
			return error_input("the model normalises its text; only identity models can be used");
		if (field.number == NORMALIZER_DUMMY_PREFIX && varint)
			bpe->dummy_prefix = field.value != 0;
		else if (field.number == NORMALIZER_TRIM_BLANKS && varint)
			bpe->trim_blanks = field.value != 0;
		else if (field.number == NORMALIZER_ESCAPE_BLANKS && varint)
			bpe->escape_blanks = field.value != 0;
	}
	return found;
}

static int read_denormalizer(const struct protobuf_field *denormalizer)
{
	struct protobuf message = { denormalizer->bytes, denormalizer->bytes + denormalizer->size };
	struct protobuf_field field;
	int found;
	while ((found = protobuf_next(&message, &field)) > 0)
		if (field.number == NORMALIZER_CHARSMAP && field.wire == PROTOBUF_BYTES && field.size > 0)
			return error_input("the model denormalises its text; only identity models can be used");
	return found;
}

/* The id of a control piece by its name, -1 if there is none. */
static int32_t find_control(
    const struct bpe *bpe, const uint8_t *name, size_t size, const char *otherwise)
{
	int32_t id = name ? pieces_find(&bpe->pieces, (const char *)name, size)
	                  : pieces_find(&bpe->pieces, otherwise, strlen(otherwise));
	return id >= 0 && bpe->types[id] == BPE_CONTROL ? id : -1;
}

static int check_model(struct bpe *bpe, const struct bpe_names *names)
{
	if (bpe->unknown < 0)
		return error_input("the model has no unknown piece");
	size_t missing = 0;
	for (int byte = 0; byte < 256; byte++)
		missing += bpe->bytes[byte] < 0;
	if (bpe->byte_fallback && missing > 0)
		return error_input("%zu of the 256 byte pieces are missing", missing);
	bpe->bos = find_control(bpe, names->bos, names->bos_size, "<s>");
	bpe->eos = find_control(bpe, names->eos, names->eos_size, "</s>");
	return 0;
}

int bpe_read_model(struct bpe *bpe, const void *model, size_t size)
{
	struct protobuf message = { model, (const uint8_t *)model + size };
	struct protobuf_field field;
	struct bpe_names names = { 0 };
	bool trainer = false;
	int found;
	bpe->unknown = bpe->bos = bpe->eos = -1;
	bpe->dummy_prefix = bpe->trim_blanks = bpe->escape_blanks = true;
	memset(bpe->bytes, -1, sizeof bpe->bytes);
	while ((found = protobuf_next(&message, &field)) > 0) {
		if (field.number == MODEL_PIECE) {
			if (add_piece(bpe, &field))
				return error_context("piece %zu", bpe->model_count);
			continue;
		}
		if (field.number != MODEL_TRAINER && field.number != MODEL_NORMALIZER &&
		    field.number != MODEL_DENORMALIZER)
			continue;
		if (expect_wire(&field, PROTOBUF_BYTES))
			return -1;
		trainer = trainer || field.number == MODEL_TRAINER;
		if ((field.number == MODEL_TRAINER && read_trainer(bpe, &field, &names)) ||
		    (field.number == MODEL_NORMALIZER && read_normalizer(bpe, &field)) ||
		    (field.number == MODEL_DENORMALIZER && read_denormalizer(&field)))
			return -1;
	}
	if (found < 0)
		return -1;
	if (!trainer || bpe->model_count == 0)
		return error_input("not a sentencepiece model");
	return check_model(bpe, &names);
}
