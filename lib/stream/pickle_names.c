/* pickle_names.c - the names that a pickle may hold, and names of opcodes it may not (see
 * pickle_names.h). */
#include "stream/pickle_names.h"

#include <string.h>

static const struct {
	const char *module, *name;
	enum pickle_role role;
	char dtype;
} names[] = {
	{ "collections", "OrderedDict", PICKLE_ROLE_ORDERED_DICT, 0 },
	{ "torch._utils", "_rebuild_tensor_v2", PICKLE_ROLE_TENSOR, 0 },
	{ "torch._utils", "_rebuild_parameter", PICKLE_ROLE_PARAMETER, 0 },
	{ "torch", "FloatStorage", PICKLE_ROLE_STORAGE, 'f' },
	{ "torch", "HalfStorage", PICKLE_ROLE_STORAGE, 'e' },
	{ "torch", "BFloat16Storage", PICKLE_ROLE_STORAGE, 'E' },
	{ "torch", "DoubleStorage", PICKLE_ROLE_STORAGE, 'd' },
	{ "torch", "LongStorage", PICKLE_ROLE_STORAGE, 'q' },
	{ "torch", "IntStorage", PICKLE_ROLE_STORAGE, 'i' },
	{ "torch", "ShortStorage", PICKLE_ROLE_STORAGE, 'h' },
	{ "torch", "CharStorage", PICKLE_ROLE_STORAGE, 'b' },
	{ "torch", "ByteStorage", PICKLE_ROLE_STORAGE, 'B' },
	{ "torch", "BoolStorage", PICKLE_ROLE_STORAGE, '?' },
	{ "torch", "Size", PICKLE_ROLE_INERT_CALL, 0 },
	{ "torch", "device", PICKLE_ROLE_INERT_CALL, 0 },
	{ "torch", "float16", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "bfloat16", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "float32", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "float64", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "int8", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "int16", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "int32", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "int64", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "uint8", PICKLE_ROLE_DTYPE, 0 },
	{ "torch", "bool", PICKLE_ROLE_DTYPE, 0 },
};
enum { NAMES = sizeof names / sizeof *names };

int pickle_name_find(const char *module, size_t module_size, const char *name, size_t name_size)
{
	for (int i = 0; i < NAMES; i++)
		if (strlen(names[i].module) == module_size && strlen(names[i].name) == name_size &&
		    memcmp(names[i].module, module, module_size) == 0 &&
		    memcmp(names[i].name, name, name_size) == 0)
			return i;
	return -1;
}

enum pickle_role pickle_name_role(uint8_t number)
{
	return names[number].role;
}

char pickle_name_storage(uint8_t number)
{
	return names[number].dtype;
}

const char *pickle_name_text(uint8_t number)
{
	return names[number].name;
}

const char *pickle_opcode_name(uint8_t opcode)
{
	static const struct {
		uint8_t opcode;
		const char *name;
	} refused[] = {
		{ 'i', "INST" },
		{ 'o', "OBJ" },
		{ 0x81, "NEWOBJ" },
		{ 0x92, "NEWOBJ_EX" },
		{ 0x82, "EXT1" },
		{ 0x83, "EXT2" },
		{ 0x84, "EXT4" },
		{ 'P', "PERSID" },
		{ '0', "POP" },
		{ '1', "POP_MARK" },
		{ '2', "DUP" },
		{ 'I', "INT" },
		{ 'L', "LONG" },
		{ 'F', "FLOAT" },
		{ 'S', "STRING" },
		{ 'T', "BINSTRING" },
		{ 'U', "SHORT_BINSTRING" },
		{ 'V', "UNICODE" },
		{ 'B', "BINBYTES" },
		{ 'C', "SHORT_BINBYTES" },
		{ 'd', "DICT" },
		{ 'l', "LIST" },
		{ 'g', "GET" },
		{ 'p', "PUT" },
		{ 0x80, "PROTO" },
		{ 0x8b, "LONG4" },
		{ 0x8e, "BINBYTES8" },
		{ 0x8f, "EMPTY_SET" },
		{ 0x90, "ADDITEMS" },
		{ 0x91, "FROZENSET" },
		{ 0x96, "BYTEARRAY8" },
		{ 0x97, "NEXT_BUFFER" },
		{ 0x98, "READONLY_BUFFER" },
	};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (refused[i].opcode == opcode)
			return refused[i].name;
	return "unknown";
}
