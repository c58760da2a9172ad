#!/bin/sh
# merge.sh - all shards to one result: a line for each picture of the folder, key and captions.
# usage: merge.sh WORK
# Writes WORK/captions.tsv, the same as WORK/captions.jsonl, and WORK/failed.tsv: key, reason.
set -u
work=$1 LC_ALL=C
export LC_ALL
tab=$(printf '\t')
cp "$work/keys" "$work/result.new" || exit 2
for language in $LANGUAGES; do
	seq "$N" | while read -r shard; do cat "$work/$language/$shard.tsv" || exit 2; done |
		cut -f 1,3 | sort | join -t "$tab" "$work/result.new" - >"$work/result.next" || exit 2
	mv "$work/result.next" "$work/result.new"
done
# Escapes of the table are those of JSON but for \xNN.
awk -F '\t' -v languages="$LANGUAGES" '
	function text(field) {
		gsub(/\\\\/, "\001", field); gsub(/\\x/, "\\u00", field)
		gsub(/"/, "\\\"", field); gsub(/\001/, "\\\\\\\\", field)
		return "\"" field "\""
	}
	BEGIN { count = split(languages, name, " ") }
	{ printf "{\"key\":%s", text($1)
	  for (i = 1; i <= count; i++) printf ",\"%s\":%s", name[i], text($(i + 1))
	  print "}" }' "$work/result.new" >"$work/captions.jsonl.new" || exit 2

# The reasons, and whatever else has no caption.
{
	cat "$work/refused"
	seq "$N" | while read -r shard; do cat "$work/features/$shard.tsv"; done |
		awk -F '\t' '$2 == "failed" { print $1 "\t" $3 }' | sort | join -t "$tab" - "$work/keys"
} | sort >"$work/failed.new"
cut -f 1 "$work/result.new" "$work/failed.new" | sort | comm -13 - "$work/keys" |
	sed "s,\$,${tab}no caption; see ${work#./}/log," | sort -m - "$work/failed.new" >"$work/failed.next"
rm "$work/failed.new"
mv "$work/captions.jsonl.new" "$work/captions.jsonl" && mv "$work/failed.next" "$work/failed.tsv" &&
	mv "$work/result.new" "$work/captions.tsv"
