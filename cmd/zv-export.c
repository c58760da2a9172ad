/* zv-export.c - records in the formats of other programs: npy, safetensors, raw bytes, text, JSON;
 * an adapter file as PEFT has adapters.
 */
#include "base/message.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/names.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/version.h"
#include "import/peft_write.h"
#include "stream/export.h"
#include "stream/frame.h"
#include "stream/key_set.h"
#include "stream/rows.h"

#include <string.h>

static struct {
	bool npy, stack, safetensors, raw, text;
	int to; /* enum export_dtype */
	const char *keys_file, *wanted_file;
	const char *peft, *base;
	struct option_list keys, names;
} option;

static const char *const dtypes[] = { "same", "f32", "f16", "bf16", "bits", NULL };

static const struct option_entry options[] = {
	{ 0, "npy", NULL, OPTION_FLAG, &option.npy, 0, 0, NULL, "one record as a NumPy file" },
	{ 0, "stack", NULL, OPTION_FLAG, &option.stack, 0, 0, NULL,
	    "all records, which have one shape, as one NumPy file" },
	{ 0, "safetensors", NULL, OPTION_FLAG, &option.safetensors, 0, 0, NULL,
	    "all records as a safetensors file; tensors are called KEY,\n"
	    "or KEY.NAME when the name is not \"values\"" },
	{ 0, "raw", NULL, OPTION_FLAG, &option.raw, 0, 0, NULL,
	    "the payloads, little-endian, one after the other" },
	{ 0, "text", NULL, OPTION_FLAG, &option.text, 0, 0, NULL,
	    "a line for each row: key, TAB, numbers with blanks between" },
	{ 0, "peft", "DIR", OPTION_TEXT, &option.peft, 0, 0, NULL,
	    "FILE is an adapter: write adapter_model.safetensors and\n"
	    "adapter_config.json into DIR, as PEFT loads them" },
	{ 0, "base", "NAME", OPTION_TEXT, &option.base, 0, 0, NULL,
	    "the model that adapter_config.json says it is for\n(default none)" },
	{ 'k', "key", "KEY", OPTION_LIST, &option.keys, 0, 0, NULL,
	    "only records with this key; may be given several times" },
	{ 'K', "keys-from", "LIST", OPTION_TEXT, &option.wanted_file, 0, 0, NULL,
	    "only records with the keys in LIST, one a line" },
	{ 'n', "name", "NAME", OPTION_LIST, &option.names, 0, 0, NULL,
	    "only records with this name; may be given several times" },
	{ 0, "to", "DTYPE", OPTION_CHOICE, &option.to, 0, 0, dtypes,
	    "same, f32, f16, bf16, or bits (bf16 as u16) (default same,\n"
	    "but f32 for bf16 in NumPy files)" },
	{ 0, "keys", "FILE", OPTION_TEXT, &option.keys_file, 0, 0, NULL,
	    "write the key of each record to FILE, one a line" },
	{ 0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL },
};

static const struct program program = {
	.name = "zv-export",
	.purpose = "write records in the formats of other programs",
	.operands = "[FILE...]",
	.common = COMMON_OUTPUT | COMMON_NAMES | COMMON_JSON | COMMON_STRICT | COMMON_RECORDS,
	.options = options,
	.input = "zv streams or model files (none or -: standard input)",
	.output = "exactly one of --npy, --stack, --safetensors, --raw, --text, --json, --peft",
	.examples = { "zv-export --stack --keys feats.txt -o feats.npy feats.zv",
	    "zv-export --text -k photo.jpg photos.zv | head -n 3",
	    "zv-export --safetensors -o vit.safetensors ziya/vit.zv",
	    "zv-export --peft mylora mylora.zv", NULL },
	.see_also = "zv-import(1), zv-cat(1), zv-ls(1), zvt(5)",
};

static struct key_set *wanted; /* NULL: all keys */
static uint64_t exported;      /* records */
static bool damaged;           /* an input could not be read to its end */
static bool refused;           /* a record did not fit the form */

static void collect_keys(void)
{
	if (option.keys.count == 0 && !option.wanted_file)
		return;
	wanted = key_set_new();
	if (!wanted)
		program_fail(NULL);
	for (int i = 0; i < option.keys.count; i++)
		if (key_set_add(wanted, option.keys.texts[i], strlen(option.keys.texts[i])) < 0)
			program_usage("-k: %s", error_text());
	if (option.wanted_file && key_set_add_file(wanted, option.wanted_file, common.null) < 0) {
		error_as(ERROR_SYSTEM);
		program_fail(option.wanted_file);
	}
}

static void report_missing_keys(void)
{
	const char *key;
	bool found;
	for (size_t i = 0; wanted && (key = key_set_at(wanted, i, &found)); i++)
		if (!found)
			message_failure(EXIT_ITEM, NULL, "no record has the key \"%s\"", key);
}

static bool name_is_wanted(const char *name)
{
	for (int i = 0; i < option.names.count; i++)
		if (strcmp(option.names.texts[i], name) == 0)
			return true;
	return option.names.count == 0;
}

static enum export_form chosen_form(void)
{
	int count =
	    option.npy + option.stack + option.safetensors + option.raw + option.text + common.json;
	if (count != 1)
		program_usage("give exactly one of --npy, --stack, --safetensors, --raw, --text, --json, "
		              "--peft");
	return option.stack         ? EXPORT_STACK
	       : option.npy         ? EXPORT_NPY
	       : option.safetensors ? EXPORT_SAFETENSORS
	       : option.raw         ? EXPORT_RAW
	       : option.text        ? EXPORT_TEXT
	                            : EXPORT_JSON;
}

static void stop_if_strict(void)
{
	if (common.strict)
		program_exit();
}

/* Hand one record on. Nothing can follow a failed write; an unsuitable
 * record is left out. */
static void put_record(struct export *export, const struct reader *reader,
    const struct record *record, const void *payload)
{
	size_t size = (size_t)record->payload_size;
	if (record->kind == RECORD_FAILED) {
		message_failure(EXIT_ITEM, reader_name(reader), "\"%s\" failed: %.*s", record->key,
		    (int)(size < 500 ? size : 500), (const char *)payload);
		if (export_failure(export, record->key, payload, size) < 0)
			program_fail(common.output);
		stop_if_strict();
	} else if (export_record(export, record, payload) < 0) {
		if (error_kind() == ERROR_SYSTEM)
			program_fail(common.output);
		error_context("\"%s\" %s", record->key, record->name);
		progress_clear();
		message_error(reader_name(reader));
		refused = true;
		stop_if_strict();
	} else {
		exported++;
	}
}

/* Hand on the record just read, int8 with its scales as f32; false if it is damaged. */
static bool take_record(struct export *export, struct reader *reader, struct record *record)
{
	if ((wanted && !key_set_has(wanted, record->key)) ||
	    (record->kind == RECORD_TENSOR && !name_is_wanted(record->name)))
		return true;
	void *values;
	if (rows_join(reader, record, &values) < 0)
		return false;
	const void *payload = values ? values : reader_payload(reader);
	if (payload)
		put_record(export, reader, record, payload);
	memory_release(values);
	return payload != NULL;
}

/* An input (NULL: the list of them) could not be read to its end. */
static void report_damage(const char *name)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(name);
	message_error(name);
	damaged = true;
	stop_if_strict();
}

static void take_file(struct export *export, const char *name)
{
	struct record record;
	struct reader *reader = reader_open(name);
	if (!reader) {
		report_damage(name);
		return;
	}
	int found;
	progress_begin("bytes", reader_size(reader));
	while ((found = reader_next(reader, &record)) > 0) {
		if (!take_record(export, reader, &record)) {
			found = -1;
			break;
		}
		progress_update(reader_position(reader));
	}
	progress_clear();
	if (found < 0)
		report_damage(reader_name(reader));
	reader_close(reader);
}

/* Refuse a binary format on a terminal. */
static struct output *open_output(enum export_form form)
{
	struct output *output = output_open(common.output);
	if (!output)
		program_fail(common.output);
	if (form != EXPORT_TEXT && form != EXPORT_JSON && output_is_terminal(output)) {
		error_system("is a terminal; give -o FILE, or take --text or --json");
		program_fail(output_name(output));
	}
	return output;
}

/* A whole adapter file, which is no stream of records to choose from. */
static int export_adapter(int count, char **names)
{
	bool form = option.npy || option.stack || option.safetensors || option.raw || option.text ||
	            common.json;
	if (form || common.output || option.keys_file || option.wanted_file || option.keys.count > 0 ||
	    option.names.count > 0 || option.to != EXPORT_AS_IS || common.files_from)
		program_usage("--peft writes the adapter as it is, to its directory; it goes with --base");
	if (count != 1)
		program_usage("--peft takes one adapter file, not %d", count);
	struct peft_request request = { names[0], option.peft, option.base };
	if (peft_write(&request) < 0)
		message_error(NULL);
	return program_end();
}

int main(int argc, char **argv)
{
	version_add(frame_library());
	int first = program_begin(&program, argc, argv);
	if (option.peft)
		return export_adapter(argc - first, argv + first);
	if (option.base)
		program_usage("--base is about --peft");
	enum export_form form = chosen_form();
	collect_keys();
	struct names *names = names_open(argv + first, argc - first, true);
	if (!names)
		program_fail(NULL);
	struct output *output = open_output(form), *keys = NULL;
	if (option.keys_file && !(keys = output_open(option.keys_file)))
		program_fail(option.keys_file);
	struct export *export = export_open(output, form, (enum export_dtype)option.to, keys);
	if (!export)
		program_fail(common.output);
	const char *name;
	int status;
	while ((status = names_next(names, &name)) > 0)
		take_file(export, name);
	if (status < 0)
		report_damage(NULL);
	names_close(names);
	/* What is missing would not show in these formats: no FILE, and no header of a whole one. */
	bool named = common.output && strcmp(common.output, "-") != 0;
	if (damaged && (named || (form != EXPORT_RAW && form != EXPORT_TEXT && form != EXPORT_JSON)))
		program_exit();
	/* A file for one record does not hold the first of several. */
	if (refused && form == EXPORT_NPY)
		program_exit();
	if (!damaged)
		report_missing_keys();
	if (export_finish(export) < 0 || output_commit(output) < 0)
		program_fail(common.output);
	if (keys && output_commit(keys) < 0)
		program_fail(option.keys_file);
	key_set_release(wanted);
	if (common.verbose)
		message_note(NULL, "%llu records written", (unsigned long long)exported);
	return program_end();
}
