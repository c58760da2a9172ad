# export-tables.t - features for the indexes of others and back: matrices with lists of keys, SQLite
# as llm has it, clip-retrieval's folders; numbers as independent readers see them, records as they were.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
said() { { "$@" >/dev/null; } 2>&1; }
fixture_make || { fail "fixtures"; finish; }
zv-qformer -q -m ziya --text text -o texts.zv || fail "features of texts"
# By hand: the mean of (3,0) and (0,4) has the direction (0.6,0.8); one row stays as it is.
printf '%s\n' 'a	itc	f32	2x2	3 0 0 4' 'b	itc	f32	2	5 12' "c'	itc	f32	1x2	0 2" | zvt-make hand.zv

# --- one vector for a record ---
is "--vectors mean" "$(zv-export --text --vectors mean hand.zv)" "a	0.600000024 0.800000012
b	5 12
c'	0 2"
is "--vectors flat" "$(zv-export --json --vectors flat -k a hand.zv)" \
	'{"key":"a","name":"itc","dtype":"f32","shape":[4],"data":[3,0,0,4]}'
is "--vectors rows" "$(zv-export --json --vectors rows -k a hand.zv)" \
	'{"key":"a","name":"itc","dtype":"f32","shape":[2],"data":[3,0]}
{"key":"a","name":"itc","dtype":"f32","shape":[2],"data":[0,4]}'
printf '%s\n' 'zero	itc	f32	2x2	1 -2 -1 2' 'whole	ids	i32	2x2	1 2 3 4' 'nan	itc	f32	2x1	nan 1' \
	'none	itc	f32	0x4	0' 'good	itc	f32	2x2	0 1 0 1' | zvt-make odd.zv
is "what has no mean is left out" "$(zv-export --text --vectors mean odd.zv 2>err | cut -f 1)" good
is "and said" "$(sed 's/.*: //' err)" 'its rows have no mean direction
whole numbers (i32) have no mean vector
its rows have no mean direction
has no numbers, so it is no vector'

# --- matrices ---
zv-export --stack --vectors rows --keys rows.keys -o rows.npy feats.zv texts.zv
is "a matrix of all rows: as many keys" "$(uniq -c rows.keys | sed 's/^ *//')" '8 photo.jpg
8 cat.jpg
8 dog.jpg
1 a dog on the beach
1 一只狗在海边'
cat feats.zv texts.zv >both.zv
zv-import --tensor --keys rows.keys --group --name itc -o again.zv rows.npy
zv-export --json both.zv >wanted.json
zv-export --json again.zv >again.json
same "and back, grouped by keys" again.json wanted.json
zv-export --stack --vectors rows feats.zv texts.zv | cat >pipe.npy
same "through a pipe" pipe.npy rows.npy
zv-import --tensor --keys rows.keys --name itc -o loose.zv rows.npy
is "not grouped: each row by itself" "$(zv-ls loose.zv | cut -f 2-4 | uniq -c | sed 's/^ *//')" '26 itc	f32	16'
zv-export --stack --to f16 --keys keys -o half.npy feats.zv
zv-import --tensor --keys keys --name itc -o half.zv half.npy
zv-export --json --to f16 feats.zv >wanted.json
zv-export --json half.zv >again.json
same "a stack in f16 and back" again.json wanted.json
printf 'a\nb\n' >two
printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}" >fortran.npy
printf '\0\0\200\77\0\0\0\100%.0s' 1 2 3 >>fortran.npy
is "columns first, as some write it" "$(zv-import --tensor --keys two fortran.npy | zv-export --text)" 'a	1 1 1
b	2 2 2'

# npy NAME PATTERN HEADER-TEXT: 8 bytes of data behind this header are refused
bad_npy() {
	{ printf '\223NUMPY\1\0v\0%-117s\n' "$3"; printf '12345678'; } >bad.npy
	like "refused: $1" "$(said zv-import --tensor --keys two -o bad.zv bad.npy)" "zv-import: bad.npy: $2"
	ok "refused: $1: no file" test ! -e bad.zv
}
bad_npy "big-endian" '*big-endian*' "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}"
bad_npy "objects" '*type "|O" is not read' "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}"
bad_npy "less data than said" '*8 bytes of data where*' "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 256)}"
bad_npy "a product that wraps" '*' "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296)}"
bad_npy "code in the header" '*' "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2,)}"
bad_npy "fewer rows than keys" 'two: more keys than the 1 rows' "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"
printf 'a\n' >one; printf 'a\nb\nc\n' >three
{ printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"; printf '12345678'; } >good.npy
like "refused: fewer keys" "$(said zv-import --tensor --keys one -o bad.zv good.npy)" '*one: 1 keys for 2 rows'
like "refused: more keys" "$(said zv-import --tensor --keys three -o bad.zv good.npy)" '*three: more keys than the 2 rows'
status "refused: no list of keys" 2 zv-import --tensor --keys nowhere -o bad.zv good.npy
printf 'a\n\n' >empty
like "refused: an empty key" "$(said zv-import --tensor --keys empty -o bad.zv good.npy)" '*empty: line 2: empty key'
head -c 3000 /dev/zero | tr '\0' k >longer; printf '\nb\n' >>longer
like "refused: a key that never ends" "$(said zv-import --tensor --keys longer -o bad.zv good.npy)" '*longer: *longer than 2048 bytes'

# Memory does not grow with the rows: 160 MB pass through, either way, in 64 MB.
if [ -n "${ZV_SANITIZE-}" ]; then skip "matrices larger than memory" "sanitizers need more"
else
	printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (20000, 2048)}" >large.npy
	truncate -s $((128 + 20000 * 2048 * 4)) large.npy
	seq 20000 >large.keys
	ok "a matrix larger than memory comes in" sh -c 'ulimit -d 65536; zv-import --tensor --keys large.keys -o large.zv large.npy'
	ok "and leaves" sh -c 'ulimit -d 65536; zv-export --stack --keys out.keys -o out.npy large.zv'
	tail -c +129 large.npy >wanted; tail -c +129 out.npy >found
	same "whole" found wanted
	same "with its keys" out.keys large.keys
	rm -f large.npy large.zv out.npy wanted found
fi

# --- SQLite ---
if ! command -v python3 >/dev/null 2>&1; then skip "the database as another reader sees it" "no python3"; fi
python() { PYTHONDONTWRITEBYTECODE=1 python3 -c "$1" 2>&1; }
ok "--sqlite makes a database" zv-export --sqlite photos.db --collection photos both.zv
cp photos.db once.db
ok "and again" zv-export --sqlite photos.db --collection photos both.zv
zv-export --sqlite twin.db --collection photos both.zv
same "the same input gives the same bytes" twin.db once.db
ok "a second collection" zv-export --sqlite photos.db --collection flat --vectors flat feats.zv
ok "a third" zv-export --sqlite photos.db --collection rows --vectors rows both.zv
ok "a fourth, of another model" zv-export --sqlite photos.db --collection hand --model-id clip hand.zv
if command -v sqlite3 >/dev/null 2>&1; then
	is "llm's tables: collections" "$(sqlite3 photos.db 'SELECT id, name, model FROM collections' | sed 's,/[0-9a-f]*$,/W,')" \
		'1|photos|zv/itc/W
2|flat|zv/itc/W
3|rows|zv/itc/W
4|hand|clip'
	is "llm's tables: embeddings" "$(sqlite3 photos.db "SELECT c.name, e.id, length(embedding) FROM embeddings e JOIN collections c ON c.id = collection_id
		WHERE c.name <> 'rows' OR e.id LIKE '%#7' OR e.id LIKE 'a dog%' ORDER BY e.rowid" | grep -v hand)" 'photos|photo.jpg|64
photos|cat.jpg|64
photos|dog.jpg|64
photos|a dog on the beach|64
photos|一只狗在海边|64
flat|photo.jpg|512
flat|cat.jpg|512
flat|dog.jpg|512
rows|photo.jpg#7|64
rows|cat.jpg#7|64
rows|dog.jpg#7|64
rows|a dog on the beach|64'
	is "llm's steps are done" "$(sqlite3 photos.db "SELECT group_concat(name) FROM _sqlite_migrations WHERE migration_set = 'llm.embeddings'")" \
		m001_create_tables,m002_foreign_key,m003_add_updated,m004_store_content_hash,m005_add_content_blob
	is "the vector is little-endian f32" "$(sqlite3 photos.db "SELECT hex(embedding) FROM embeddings e JOIN collections c ON c.id = collection_id WHERE c.name = 'hand' AND e.id = 'c'''")" \
		0000000000000040
	is "the database is sound" "$(sqlite3 photos.db 'PRAGMA integrity_check; PRAGMA foreign_key_check')" ok
else skip "the database as the sqlite3 command sees it" "no sqlite3"; fi
if command -v python3 >/dev/null 2>&1; then
	# The very query that llm similar makes, with its cosine.
	is "similar to a picture: the order of the cosines" "$(python '
import sqlite3, struct
def vector(blob): return struct.unpack("<%df" % (len(blob) // 4), blob)
def cosine(a, b):
    a, b = vector(a), vector(b)
    dot = lambda x, y: sum(i * j for i, j in zip(x, y))
    return dot(a, b) / (dot(a, a) ** .5 * dot(b, b) ** .5)
db = sqlite3.connect("photos.db")
db.create_function("cosine", 2, cosine)
me, = db.execute("select embedding from embeddings where collection_id = 4 and id = ?", ("a",)).fetchone()
for row in db.execute("select id, round(cosine(embedding, ?), 4) from embeddings where collection_id = ? and id != ? order by 2 desc", (me, 4, "a")):
    print(*row)')" "b 0.9692
c' 0.8"
fi
zv-import --tensor --collection flat -o again.zv photos.db
ok "flat vectors come back as the records they were" zv-cmp feats.zv again.zv
zv-import --tensor --collection rows --group -o again.zv photos.db
ok "and rows, grouped" zv-cmp both.zv again.zv
is "a record's source and maker too" "$(zv-ls --json again.zv | grep -o '"maker":.*')" "$(zv-ls --json both.zv | grep -o '"maker":.*')"
zv-import --tensor --collection photos -o again.zv photos.db
zv-export --json --vectors mean both.zv >wanted.json
zv-export --json again.zv >again.json
same "means as they left" again.json wanted.json
like "means have a maker of their own" "$(zv-ls --meta again.zv)" "*vectors=mean*"
is "several collections: which" "$(said zv-import --tensor -o no.zv photos.db)" \
	'zv-import: photos.db: choose one of its collections with --collection: "photos", "flat", "rows", "hand"'
status "a collection that is not there: exit 1" 1 zv-import --tensor --collection nobody -o no.zv photos.db

# what llm itself made, with ids and metadata of its own
if command -v sqlite3 >/dev/null 2>&1; then
	sqlite3 llm.db "CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT, model TEXT);
		CREATE TABLE embeddings (collection_id INTEGER, id TEXT, embedding BLOB, content TEXT, metadata TEXT, PRIMARY KEY (collection_id, id));
		INSERT INTO collections VALUES (7, 'docs', 'clip');
		INSERT INTO embeddings VALUES (7, 'x.txt', x'0000803f00000040', 'text', NULL);
		INSERT INTO embeddings VALUES (7, 'y.txt', x'000000000000803f', NULL, '{\"shape\":[3],\"name\":5,\"maker\":\"?\"}');"
	is "a collection of llm comes in" "$(zv-import --tensor --name itc llm.db | zv-export --json)" \
		'{"key":"x.txt","name":"itc","dtype":"f32","shape":[2],"data":[1,2]}
{"key":"y.txt","name":"itc","dtype":"f32","shape":[2],"data":[0,1]}'
	like "another model is not mixed in" "$(said zv-export --sqlite llm.db --collection docs hand.zv)" \
		'*"a" itc: is of the model "zv/itc", the collection of "clip"*--model-id clip*'
	ok "but where one says so" zv-export --sqlite llm.db --collection docs --model-id clip -k b hand.zv
	is "it is added" "$(zv-import --tensor llm.db | zv-export --text)" "x.txt	1 2
y.txt	0 1
b	5 12"
	like "vectors of another length are not" "$(said zv-export --sqlite llm.db --collection docs --model-id clip feats.zv)" \
		'*has 16 numbers, the vectors of the collection have 2*'
	for sql in "UPDATE embeddings SET embedding = x'0000803f00' WHERE id = 'y.txt'" "UPDATE embeddings SET embedding = NULL" \
		"UPDATE embeddings SET id = x'00ff' WHERE id = 'b'" "UPDATE embeddings SET embedding = zeroblob(3000000)" \
		"DROP TABLE embeddings; CREATE VIEW embeddings AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 7 AS collection_id, i AS id, x'0000803f' AS embedding, NULL AS metadata, i AS rowid FROM n" \
		"DELETE FROM collections" "DROP TABLE collections"; do
		cp llm.db bad.db
		sqlite3 bad.db "$sql"
		status "refused: $sql" 1 timeout 10 zv-import --tensor --max-record 1M -o bad.zv bad.db
		ok "refused: no file" test ! -e bad.zv
	done
fi
cp photos.db bad.db
dd if=/dev/urandom of=bad.db bs=4096 seek=2 count=4 conv=notrunc 2>/dev/null
zv-import --tensor --collection flat -o bad.zv bad.db >out 2>err
like "a damaged database: an error or what is whole" "$? $(cat err)" '[01] *'
head -c 5000 photos.db >bad.db
status "a database cut off" 1 zv-import --tensor --collection flat -o bad.zv bad.db
zv-export --sqlite bad.db hand.zv >out 2>err
is "nor is one added to" "$?" 1
echo 'no database, but longer than a header' >bad.db
status "a file that is none is not overwritten" 1 zv-export --sqlite bad.db hand.zv
is "as it was" "$(cat bad.db)" 'no database, but longer than a header'
head -c -40 hand.zv >cut.zv
status "a cut stream: exit 1" 1 zv-export --sqlite new.db cut.zv
ok "no database is made of it" test ! -e new.db -a ! -e new.db-journal
cp once.db kept.db
zv-export --sqlite kept.db --collection photos --model-id m cut.zv 2>err
zv-export --sqlite kept.db --collection other cut.zv 2>err
same "nor is one changed" kept.db once.db
zv-export --sqlite new.db -k nobody hand.zv 2>err
ok "nothing chosen: no database" test ! -e new.db
status "a directory is no database: exit 2" 2 zv-export --sqlite ziya hand.zv
ok "a name is a name" zv-export --sqlite file:x.db?mode=memory hand.zv
ok "and not an address" test -e 'file:x.db?mode=memory'
for args in '--sqlite x.db -o y' '--sqlite x.db --keys k' '--sqlite x.db --text' '--text --collection x' '--sqlite x.db --to f16'; do
	# shellcheck disable=SC2086
	status "usage: $args" 2 zv-export $args hand.zv
done
ok "usage: no database" test ! -e x.db

# --- clip-retrieval's folders ---
# python CODE: with read_names, a reader of our Parquet that knows the format and not our code
cat >names.py <<'PY'
import struct, sys
raw = open(sys.argv[1], "rb").read()
assert raw[:4] == raw[-4:] == b"PAR1"
def varint(at):
    number = shift = 0
    while True:
        byte = raw[at]; at += 1
        number |= (byte & 127) << shift; shift += 7
        if byte < 128: return number, at
def value(kind, at):
    if kind in (1, 2): return kind == 1, at
    if kind in (5, 6):
        number, at = varint(at)
        return (number >> 1) ^ -(number & 1), at
    if kind == 8:
        size, at = varint(at)
        return raw[at:at + size].decode(), at + size
    if kind == 9:
        count, kind = raw[at] >> 4, raw[at] & 15; at += 1
        if count == 15: count, at = varint(at)
        items = []
        for _ in range(count):
            item, at = value(kind, at); items.append(item)
        return items, at
    assert kind == 12, kind
    fields, last = {}, 0
    while raw[at]:
        last += raw[at] >> 4
        assert raw[at] >> 4
        fields[last], at = value(raw[at] & 15, at + 1)
    return fields, at + 1
size, = struct.unpack("<I", raw[-8:-4])
meta, end = value(12, len(raw) - 8 - size)
assert end == len(raw) - 8
root, leaf = meta[2]
chunk, = meta[4][0][1]
assert root[5] == 1 and leaf[1] == 6 and leaf[3] == 0 and leaf[6] == 0 and chunk[3][3] == [leaf[4]]
assert meta[3] == meta[4][0][3] == chunk[3][5] and chunk[3][4] == 0
names, at, stop = [], chunk[3][9], chunk[3][9] + chunk[3][7]
pages = 0
while at < stop:
    page, at = value(12, at)
    assert page[1] == 0 and page[2] == page[3] and page[5][2] == 0
    last = at + page[3]
    for _ in range(page[5][1]):
        size, = struct.unpack_from("<I", raw, at)
        names.append(raw[at + 4:at + 4 + size].decode()); at += 4 + size
    assert at == last
    pages += 1
assert at == stop and len(names) == meta[3]
print(leaf[4], pages, *names)
PY
ok "--clip makes the folders" zv-export --clip clip feats.zv
is "they are" "$(find clip -type f | sort | tr '\n' ' ')" 'clip/img_emb/img_emb_0.npy clip/metadata/metadata_0.parquet '
zv-export --stack --vectors mean -o mean.npy feats.zv
same "the matrix has a vector for each picture" clip/img_emb/img_emb_0.npy mean.npy
ok "a second part, of half precision" zv-export --clip clip --part 1 --to f16 -k cat.jpg feats.zv
ok "texts" zv-export --clip captions --texts texts.zv
is "are captions" "$(find captions -type f | sort | tr '\n' ' ')" 'captions/metadata/metadata_0.parquet captions/text_emb/text_emb_0.npy '
if command -v python3 >/dev/null 2>&1; then
	names() { PYTHONDONTWRITEBYTECODE=1 python3 names.py "$1" 2>&1; }
	is "the names, as another reader sees them" "$(names clip/metadata/metadata_0.parquet)" 'image_path 1 photo.jpg cat.jpg dog.jpg'
	is "those of the second part" "$(names clip/metadata/metadata_1.parquet)" 'image_path 1 cat.jpg'
	is "captions" "$(names captions/metadata/metadata_0.parquet)" 'caption 1 a dog on the beach 一只狗在海边'
	seq 30000 | awk '{ printf "a/picture/with/a/long/name/so/that/one/page/does/not/hold/all/of/them/%d\titc\tf32\t2\t%d 1\n", $1, $1 }' | zvt-make many.zv
	zv-export --clip many many.zv
	is "many names: pages" "$(names many/metadata/metadata_0.parquet | awk '{ print $1, ($2 > 1), NF, $30002 }')" \
		'image_path 1 30002 a/picture/with/a/long/name/so/that/one/page/does/not/hold/all/of/them/30000'
fi
status "a cut stream: exit 1" 1 zv-export --clip none cut.zv
is "no part is made of it" "$(find none -type f)" ""
cp -R clip before
zv-export --clip clip cut.zv 2>err
ok "nor is one changed" diff -r clip before
for args in '--clip x -o y' '--clip x --keys k' '--clip x --text' '--text --part 1' '--clip x --part a' '--clip x --part='; do
	# shellcheck disable=SC2086
	status "usage: $args" 2 zv-export $args hand.zv
done
finish
