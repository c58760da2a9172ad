/* embeddings.c - collections of vectors in SQLite, written and read (see embeddings.h). */
#include "stream/embeddings.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/textout.h"
#include "stream/json.h"
#include "stream/maker.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODEL_SIZE = 256, WAIT_MILLISECONDS = 5000, CACHE_KIB = 16384 };

struct embeddings {
	sqlite3 *database;
	sqlite3_stmt *statement; /* insert, or select */
	sqlite3_stmt *makers;    /* insert, or select */
	sqlite3_int64 collection;
	char model[MODEL_SIZE]; /* of the collection; "": to be known from the first record */
	const char *name;       /* of the collection to be made */
	bool model_is_given, creates;
	int bytes;           /* of each vector of the collection; 0: none yet */
	struct digest maker; /* of the record before */
	char *text;          /* its text, when reading; NULL: not known */
	size_t text_size;
	float *numbers; /* a vector being written */
	size_t capacity;
};

/* The tables as llm makes them, and the names of the steps by which it does, so that it takes them
 * for done. What makes no difference to it, a time, is left out. */
static const char layout[] =
    "CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT, model TEXT);"
    "CREATE UNIQUE INDEX idx_collections_name ON collections (name);"
    "CREATE TABLE embeddings (collection_id INTEGER REFERENCES collections(id), id TEXT,"
    " embedding BLOB, content TEXT, content_blob BLOB, content_hash BLOB, metadata TEXT,"
    " updated INTEGER, PRIMARY KEY (collection_id, id));"
    "CREATE INDEX idx_embeddings_content_hash ON embeddings (content_hash);"
    "CREATE TABLE IF NOT EXISTS _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT,"
    " name TEXT, applied_at TEXT);"
    "CREATE UNIQUE INDEX IF NOT EXISTS idx__sqlite_migrations_migration_set_name"
    " ON _sqlite_migrations (migration_set, name);"
    "INSERT INTO _sqlite_migrations (migration_set, name) VALUES"
    " ('llm.embeddings', 'm001_create_tables'), ('llm.embeddings', 'm002_foreign_key'),"
    " ('llm.embeddings', 'm003_add_updated'), ('llm.embeddings', 'm004_store_content_hash'),"
    " ('llm.embeddings', 'm005_add_content_blob');";

/* The database that is being made, for the signal handler; "": none. */
static char created[PATH_MAX];

void embeddings_clean_up(void)
{
	char journal[PATH_MAX + 16];
	size_t size = strlen(created);
	if (size == 0)
		return;
	memcpy(journal, created, size);
	memcpy(journal + size, "-journal", sizeof "-journal");
	unlink(created);
	unlink(journal);
	created[0] = '\0';
}

const char *embeddings_library(void)
{
	return "sqlite " SQLITE_VERSION;
}

/* What SQLite says; damage and foreign layouts are the input's fault. */
static int tell(const struct embeddings *embeddings)
{
	int code = sqlite3_errcode(embeddings->database) & 0xff;
	const char *text = sqlite3_errmsg(embeddings->database);
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR ||
	    code == SQLITE_TOOBIG || code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH)
		return error_input("%s", text);
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return error_system("is in use by another program (%s)", text);
	return error_system("%s", text);
}

static int run(struct embeddings *embeddings, const char *sql)
{
	return sqlite3_exec(embeddings->database, sql, NULL, NULL, NULL) == SQLITE_OK
	           ? 0
	           : tell(embeddings);
}

static int prepare(struct embeddings *embeddings, const char *sql, sqlite3_stmt **statement)
{
	return sqlite3_prepare_v2(embeddings->database, sql, -1, statement, NULL) == SQLITE_OK
	           ? 0
	           : tell(embeddings);
}

/* The statement's next row: 1, 0 without, -1. */
static int step(struct embeddings *embeddings, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : tell(embeddings);
}

static struct embeddings *open_database(const char *path, int flags)
{
	struct embeddings *embeddings = memory_allocate_zero(1, sizeof *embeddings);
	if (!embeddings)
		return NULL;
	/* A name is a name: "file:..." is no address, ":memory:" no memory. */
	char plain[PATH_MAX];
	int length = snprintf(plain, sizeof plain, "%s%s", path[0] == '/' ? "" : "./", path);
	if (length < 0 || (size_t)length >= sizeof plain) {
		error_system("name is too long");
		memory_release(embeddings);
		return NULL;
	}
	if (sqlite3_open_v2(plain, &embeddings->database, flags, NULL) != SQLITE_OK) {
		if (embeddings->database)
			error_system("%s", sqlite3_errmsg(embeddings->database));
		else
			error_memory(0);
		embeddings_close(embeddings);
		return NULL;
	}
	/* A database of somebody else gets no code to run. */
	sqlite3_db_config(embeddings->database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(embeddings->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(embeddings->database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(embeddings->database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_busy_timeout(embeddings->database, WAIT_MILLISECONDS);
	return embeddings;
}

/* Is there an ordinary table of this name? 1, 0, or -1. */
static int has_table(struct embeddings *embeddings, const char *name)
{
	sqlite3_stmt *statement;
	if (prepare(embeddings,
	        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? AND sql NOT LIKE "
	        "'CREATE VIRTUAL%'",
	        &statement) < 0)
		return -1;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	int found = step(embeddings, statement);
	sqlite3_finalize(statement);
	return found;
}

/* Look the collection up: 1 with its number and model; 0 without; -1. */
static int find_collection(struct embeddings *embeddings, const char *name)
{
	sqlite3_stmt *statement;
	if (prepare(embeddings, "SELECT id, model FROM collections WHERE name = ?", &statement) < 0)
		return -1;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	int found = step(embeddings, statement);
	if (found > 0) {
		const char *model = (const char *)sqlite3_column_text(statement, 1);
		embeddings->collection = sqlite3_column_int64(statement, 0);
		snprintf(embeddings->model, sizeof embeddings->model, "%s", model ? model : "?");
	}
	sqlite3_finalize(statement);
	return found;
}

/* How long the vectors of the collection are. */
static int find_length(struct embeddings *embeddings)
{
	sqlite3_stmt *statement;
	if (prepare(embeddings,
	        "SELECT length(embedding) FROM embeddings WHERE collection_id = ? LIMIT 1",
	        &statement) < 0)
		return -1;
	sqlite3_bind_int64(statement, 1, embeddings->collection);
	int found = step(embeddings, statement);
	if (found > 0)
		embeddings->bytes = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return found < 0 ? -1 : 0;
}

static int prepare_writing(struct embeddings *embeddings, const char *model)
{
	char sql[64];
	snprintf(sql, sizeof sql, "PRAGMA cache_size = -%d", CACHE_KIB);
	if (run(embeddings, sql) < 0 || run(embeddings, "BEGIN IMMEDIATE") < 0)
		return -1;
	int found = has_table(embeddings, "collections");
	if (found < 0 || (found == 0 && run(embeddings, layout) < 0) ||
	    run(embeddings,
	        "CREATE TABLE IF NOT EXISTS zv_makers (maker TEXT PRIMARY KEY, text TEXT)") < 0)
		return -1;
	found = find_collection(embeddings, embeddings->name);
	if (found < 0 || (found > 0 && find_length(embeddings) < 0))
		return -1;
	if (found > 0)
		embeddings->name = NULL;
	if (found > 0 && model && strcmp(model, embeddings->model) != 0)
		return error_input("the collection is of the model \"%s\"", embeddings->model);
	embeddings->model_is_given = model != NULL;
	if (model)
		snprintf(embeddings->model, sizeof embeddings->model, "%s", model);
	if (prepare(embeddings,
	        "INSERT OR REPLACE INTO embeddings (collection_id, id, embedding, metadata)"
	        " VALUES (?, ?, ?, ?)",
	        &embeddings->statement) < 0)
		return -1;
	return prepare(embeddings, "INSERT OR IGNORE INTO zv_makers (maker, text) VALUES (?, ?)",
	    &embeddings->makers);
}

struct embeddings *embeddings_append(const char *path, const char *collection, const char *model)
{
	struct stat status;
	bool there = stat(path, &status) == 0;
	if (there && !S_ISREG(status.st_mode)) {
		error_system("is no regular file");
		return NULL;
	}
	if (model && strlen(model) >= MODEL_SIZE) {
		error_system("the name of the model is too long");
		return NULL;
	}
	if (!there && strlen(path) < sizeof created)
		memcpy(created, path, strlen(path) + 1);
	struct embeddings *embeddings = open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	if (!embeddings)
		return NULL;
	embeddings->creates = !there;
	embeddings->name = collection;
	if (prepare_writing(embeddings, model) < 0) {
		embeddings_close(embeddings);
		return NULL;
	}
	return embeddings;
}

/* "zv/itc/9f2c41d0e1b2": what kind of vectors of which weights. */
static void name_model(const struct record *record, char model[MODEL_SIZE])
{
	char weights[DIGEST_TEXT_SIZE];
	bool known = maker_is_honest(record) && record_meta(record, "weights", weights, sizeof weights);
	snprintf(
	    model, MODEL_SIZE, "zv/%s%s%.12s", record->name, known ? "/" : "", known ? weights : "");
}

static int make_collection(struct embeddings *embeddings)
{
	sqlite3_stmt *statement;
	if (prepare(embeddings, "INSERT INTO collections (name, model) VALUES (?, ?)", &statement) < 0)
		return -1;
	sqlite3_bind_text(statement, 1, embeddings->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, embeddings->model, -1, SQLITE_STATIC);
	int result = step(embeddings, statement);
	sqlite3_finalize(statement);
	embeddings->collection = sqlite3_last_insert_rowid(embeddings->database);
	embeddings->name = NULL;
	return result;
}

/* Does the vector belong to the others? */
static int check_vector(struct embeddings *embeddings, const struct record *record, int bytes)
{
	char model[MODEL_SIZE];
	name_model(record, model);
	if (!embeddings->model_is_given && embeddings->model[0] == '\0')
		memcpy(embeddings->model, model, sizeof model);
	if (!embeddings->model_is_given && strcmp(model, embeddings->model) != 0)
		return error_input("is of the model \"%s\", the collection of \"%s\"; take another "
		                   "--collection, or say --model-id %s",
		    model, embeddings->model, embeddings->model);
	if (embeddings->bytes == 0)
		embeddings->bytes = bytes;
	if (embeddings->bytes != bytes)
		return error_input("has %d numbers, the vectors of the collection have %d; take another "
		                   "--collection or --vectors",
		    bytes / 4, embeddings->bytes / 4);
	return embeddings->name ? make_collection(embeddings) : 0;
}

static int put_maker(struct embeddings *embeddings, const struct record *record)
{
	char maker[DIGEST_TEXT_SIZE];
	if (!maker_is_honest(record) || digest_equal(&record->maker, &embeddings->maker))
		return 0;
	digest_text(&record->maker, maker);
	sqlite3_reset(embeddings->makers);
	sqlite3_bind_text(embeddings->makers, 1, maker, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(
	    embeddings->makers, 2, record->meta, (int)record->meta_size, SQLITE_TRANSIENT);
	if (step(embeddings, embeddings->makers) < 0)
		return -1;
	embeddings->maker = record->maker;
	return 0;
}

static void put_digest(FILE *stream, const char *word, const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];
	digest_text(digest, text);
	if (!digest_is_zero(digest))
		fprintf(stream, ",\"%s\":\"%s\"", word, text);
}

/* {"name":"itc","shape":[32,256],"maker":"...","source":"..."}, and of a row {"key","row"}. */
static int format_metadata(const struct vectors *vector, char **text, size_t *size)
{
	const struct record *record = &vector->record;
	FILE *stream = textout_open(text, size);
	if (!stream)
		return -1;
	fputs("{\"name\":", stream);
	textout_json(stream, record->name, strlen(record->name));
	fputs(",\"shape\":[", stream);
	for (int i = 0; i < vector->dimensions; i++)
		fprintf(stream, "%s%llu", i ? "," : "", (unsigned long long)vector->shape[i]);
	fputs("]", stream);
	put_digest(stream, "maker", &record->maker);
	put_digest(stream, "source", &record->source);
	if (vector->rows > 1) {
		fputs(",\"key\":", stream);
		textout_json(stream, record->key, strlen(record->key));
		fprintf(stream, ",\"row\":%llu", (unsigned long long)vector->row);
	}
	fputs("}", stream);
	return textout_close(stream);
}

static int take_numbers(struct embeddings *embeddings, const struct vectors *vector, size_t count)
{
	void *numbers = embeddings->numbers;
	if (memory_grow(&numbers, &embeddings->capacity, count, sizeof *embeddings->numbers) < 0)
		return -1;
	embeddings->numbers = numbers;
	dtype_to_f32(vector->record.dtype, vector->payload, embeddings->numbers, count);
	return 0;
}

/* KEY, or KEY#07 of 32 rows. */
static void format_id(const struct vectors *vector, char id[RECORD_KEY_MOST + 32])
{
	char last[24];
	int digits = snprintf(last, sizeof last, "%llu", (unsigned long long)vector->rows - 1);
	if (vector->rows == 1)
		snprintf(id, RECORD_KEY_MOST + 32, "%s", vector->record.key);
	else
		snprintf(id, RECORD_KEY_MOST + 32, "%s#%0*llu", vector->record.key, digits,
		    (unsigned long long)vector->row);
}

int embeddings_add(struct embeddings *embeddings, const struct vectors *vector)
{
	const struct record *record = &vector->record;
	char id[RECORD_KEY_MOST + 32], *metadata = NULL;
	size_t size = 0, count = (size_t)record->payload_size / dtype_size(record->dtype);
	if (!dtype_is_float(record->dtype))
		return error_input("holds whole numbers (%s), no vector", dtype_name(record->dtype));
	if (count == 0 || count > INT_MAX / sizeof(float))
		return error_input("has %zu numbers, so it is no vector for SQLite", count);
	if (check_vector(embeddings, record, (int)(count * sizeof(float))) < 0 ||
	    put_maker(embeddings, record) < 0 || take_numbers(embeddings, vector, count) < 0)
		return -1;
	int result = format_metadata(vector, &metadata, &size);
	if (result == 0) {
		sqlite3_stmt *insert = embeddings->statement;
		format_id(vector, id);
		sqlite3_reset(insert);
		sqlite3_bind_int64(insert, 1, embeddings->collection);
		sqlite3_bind_text(insert, 2, id, -1, SQLITE_TRANSIENT);
		sqlite3_bind_blob(insert, 3, embeddings->numbers, embeddings->bytes, SQLITE_STATIC);
		sqlite3_bind_text(insert, 4, metadata, (int)size, SQLITE_STATIC);
		result = step(embeddings, insert) < 0 ? -1 : 0;
		sqlite3_clear_bindings(insert);
	}
	memory_release(metadata);
	return result;
}

int embeddings_commit(struct embeddings *embeddings)
{
	int result = 0;
	if (embeddings->name)
		result = error_input("no record was chosen, so there is nothing to write");
	else
		result = run(embeddings, "COMMIT");
	if (result == 0) {
		created[0] = '\0';
		embeddings->creates = false;
	}
	embeddings_close(embeddings);
	return result;
}

void embeddings_close(struct embeddings *embeddings)
{
	if (!embeddings)
		return;
	sqlite3_finalize(embeddings->statement);
	sqlite3_finalize(embeddings->makers);
	sqlite3_close(embeddings->database); /* an open transaction is rolled back */
	if (embeddings->creates)
		embeddings_clean_up();
	memory_release(embeddings->text);
	memory_release(embeddings->numbers);
	memory_release(embeddings);
}

/* What one may choose from, for a message. */
static int refuse_choice(struct embeddings *embeddings)
{
	char names[512] = "";
	size_t used = 0;
	sqlite3_stmt *statement;
	if (prepare(embeddings, "SELECT name FROM collections ORDER BY id LIMIT 8", &statement) < 0)
		return -1;
	while (step(embeddings, statement) > 0 && used < sizeof names) {
		const char *name = (const char *)sqlite3_column_text(statement, 0);
		used += (size_t)snprintf(
		    names + used, sizeof names - used, "%s\"%.50s\"", used ? ", " : "", name ? name : "");
	}
	sqlite3_finalize(statement);
	if (used == 0)
		return error_input("holds no collection");
	return error_input("choose one of its collections with --collection: %s", names);
}

/* The number of the only collection. 1, 0 when there is not one, -1. */
static int find_only(struct embeddings *embeddings)
{
	sqlite3_stmt *statement;
	if (prepare(embeddings, "SELECT max(id), count(*) FROM collections", &statement) < 0)
		return -1;
	int found = step(embeddings, statement);
	if (found > 0) {
		embeddings->collection = sqlite3_column_int64(statement, 0);
		found = sqlite3_column_int64(statement, 1) == 1;
	}
	sqlite3_finalize(statement);
	return found;
}

static int prepare_reading(struct embeddings *embeddings, const char *collection, size_t most)
{
	int found = has_table(embeddings, "collections");
	if (found > 0)
		found = has_table(embeddings, "embeddings");
	if (found < 0)
		return -1;
	if (found == 0)
		return error_input("holds no embeddings as llm stores them (tables collections and "
		                   "embeddings)");
	found = collection ? find_collection(embeddings, collection) : find_only(embeddings);
	if (found < 0 || (found == 0 && !collection))
		return found < 0 ? -1 : refuse_choice(embeddings);
	if (found == 0)
		return error_input("holds no collection \"%s\"", collection);
	sqlite3_limit(embeddings->database, SQLITE_LIMIT_LENGTH, most < INT_MAX ? (int)most : INT_MAX);
	if (has_table(embeddings, "zv_makers") > 0 &&
	    prepare(embeddings, "SELECT text FROM zv_makers WHERE maker = ?", &embeddings->makers) < 0)
		return -1;
	/* The plus keeps it from an index, so that rows come as they lie, without being sorted. */
	if (prepare(embeddings,
	        "SELECT id, embedding, metadata FROM embeddings WHERE +collection_id = ? ORDER BY "
	        "rowid",
	        &embeddings->statement) < 0)
		return -1;
	sqlite3_bind_int64(embeddings->statement, 1, embeddings->collection);
	return 0;
}

struct embeddings *embeddings_open(const char *path, const char *collection, size_t most)
{
	struct embeddings *embeddings = open_database(path, SQLITE_OPEN_READONLY);
	if (embeddings && prepare_reading(embeddings, collection, most) < 0) {
		embeddings_close(embeddings);
		return NULL;
	}
	return embeddings;
}

/* The shape in metadata, if it is one of count numbers; else they are one row. */
static void take_shape(struct record *record, const struct json *list, uint64_t count)
{
	uint64_t shape[RECORD_DIMENSIONS], product = 1;
	size_t dimensions = json_count(list);
	record->dimensions = 1;
	record->shape[0] = count;
	if (json_kind(list) != JSON_KIND_ARRAY || dimensions > RECORD_DIMENSIONS)
		return;
	for (size_t i = 0; i < dimensions; i++) {
		int64_t size;
		if (json_whole(json_item(list, i), 1, INT_MAX, &size) < 0 ||
		    __builtin_mul_overflow(product, (uint64_t)size, &product))
			return error_clear();
		shape[i] = (uint64_t)size;
	}
	if (product != count)
		return;
	record->dimensions = (int)dimensions;
	memcpy(record->shape, shape, dimensions * sizeof *shape);
}

static void take_digest(struct digest *digest, const struct json *value)
{
	const char *text = json_text(value, NULL);
	if (text && digest_parse(text, digest) < 0)
		*digest = (struct digest){ { 0 } };
}

/* The text of a maker, if the database has it, into embeddings->text. */
static int fetch_maker(struct embeddings *embeddings, const struct digest *digest)
{
	char maker[DIGEST_TEXT_SIZE];
	embeddings->maker = *digest;
	memory_release(embeddings->text);
	embeddings->text = NULL;
	embeddings->text_size = 0;
	if (!embeddings->makers)
		return 0;
	digest_text(digest, maker);
	sqlite3_reset(embeddings->makers);
	sqlite3_bind_text(embeddings->makers, 1, maker, -1, SQLITE_TRANSIENT);
	int found = step(embeddings, embeddings->makers);
	if (found <= 0)
		return found;
	const char *text = (const char *)sqlite3_column_text(embeddings->makers, 0);
	size_t size = (size_t)sqlite3_column_bytes(embeddings->makers, 0);
	if (!text || size > RECORD_META_MOST)
		return 0;
	embeddings->text = memory_text(text, size);
	embeddings->text_size = size;
	return embeddings->text ? 0 : -1;
}

/* The maker's text, which is that of the row before but for the first, if it is the right one. */
static int take_maker(struct embeddings *embeddings, struct record *record)
{
	if (digest_is_zero(&record->maker))
		return 0;
	if (!digest_equal(&record->maker, &embeddings->maker) &&
	    fetch_maker(embeddings, &record->maker) < 0)
		return -1;
	record->meta = embeddings->text;
	record->meta_size = embeddings->text_size;
	if (!maker_is_honest(record))
		record->meta_size = 0;
	return 0;
}

/* What metadata says of the record; that of others, and what is odd, says nothing. */
static int take_metadata(
    struct embeddings *embeddings, bool whole, struct record *record, uint64_t count)
{
	const char *text = (const char *)sqlite3_column_text(embeddings->statement, 2);
	struct json *root =
	    text ? json_parse(text, (size_t)sqlite3_column_bytes(embeddings->statement, 2)) : NULL;
	if (!root)
		error_clear();
	const char *name = json_text(json_member(root, "name"), NULL);
	const char *key = json_text(json_member(root, "key"), NULL);
	record_tensor(
	    record, name && strlen(name) <= RECORD_NAME_MOST ? name : "values", 'f', 1, &count);
	take_shape(record, json_member(root, "shape"), count);
	take_digest(&record->maker, json_member(root, "maker"));
	take_digest(&record->source, json_member(root, "source"));
	int result = whole && key ? record_set_key(record, key) : 0;
	json_release(root);
	return result < 0 ? -1 : take_maker(embeddings, record);
}

int embeddings_next(
    struct embeddings *embeddings, bool whole, struct record *record, const void **payload)
{
	sqlite3_stmt *statement = embeddings->statement;
	int found = step(embeddings, statement);
	if (found <= 0)
		return found;
	const char *id = (const char *)sqlite3_column_text(statement, 0);
	size_t size = id ? (size_t)sqlite3_column_bytes(statement, 0) : 0;
	*payload = sqlite3_column_blob(statement, 1);
	size_t bytes = (size_t)sqlite3_column_bytes(statement, 1);
	if (!id || strlen(id) != size)
		return error_input("an id is no text");
	if (sqlite3_column_type(statement, 1) != SQLITE_BLOB || bytes == 0 ||
	    bytes % sizeof(float) != 0)
		return error_input("\"%.200s\": %zu bytes are no vector of f32", id, bytes);
	if (take_metadata(embeddings, whole, record, bytes / sizeof(float)) < 0)
		return -1;
	return record->key[0] == '\0' && record_set_key(record, id) < 0 ? -1 : 1;
}
