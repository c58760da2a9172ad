#!/bin/sh
# caption.sh - the captions of one shard in one language: those that are not there yet.
# usage: caption.sh WORK SHARD LANGUAGE
# Keeps WORK/LANGUAGE/SHARD.tsv: key, identity, caption. The identity tells picture, model and prompt:
# when it changes, so does the caption. New captions gather in SHARD.part, where they outlive a kill.
set -u
work=$1 shard=$2 language=$3 LC_ALL=C
export LC_ALL
store=$work/$language/$shard.tsv part=$work/$language/$shard.part todo=$work/$language/$shard.todo
features=$work/features/$shard log=$work/log/$shard.$language
. "$work/settings"
eval "prompt=\$PROMPT_$language identity=\$identity_$language"

exec 9>>"$work/lock/$shard.$language"
flock 9

# What captions there should be: key, identity.
awk -F '\t' -v identity="$identity" '$2 == "ok" { print $1 "\t" $3 "." identity }' "$features.tsv" >"$store.wanted"

# Take what a run has written into the store. A last line without its end was being written.
fold() {
	[ -e "$part" ] || : >"$part"
	[ -e "$todo" ] || : >"$todo"
	[ -e "$store" ] || : >"$store"
	[ -z "$(tail -c 1 "$part")" ] || { sed '$d' "$part" >"$part.new" && mv "$part.new" "$part"; } || exit 2
	awk -F '\t' '
		FILENAME == ARGV[1] { caption[$1, $2] = $3; next }
		FILENAME == ARGV[2] { asked[$1] = $2; next }
		FILENAME == ARGV[3] { if ($2 != "") caption[$1, asked[$1]] = $2; next }
		($1, $2) in caption { print $0 "\t" caption[$1, $2] }' \
		"$store" "$todo" "$part" "$store.wanted" >"$store.new" &&
		mv "$store.new" "$store" && rm "$part" "$todo" || exit 2
}

fold
awk -F '\t' 'FILENAME == ARGV[1] { have[$1, $2]; next } !(($1, $2) in have)' "$store" "$store.wanted" >"$todo.new"
[ -s "$todo.new" ] || { rm -f "$todo.new" "$store.wanted"; exit 0; }
mv "$todo.new" "$todo"
# shellcheck disable=SC2086
{
	{
		cut -f 1 "$todo" | sed 's/\\\\/\\/g' | zv-cat -q --newest -K - "$features.zv"
		[ $? -ne 1 ] || : >"$features.damaged"
	} |
		zv-qformer -m "$MODEL" -p "$prompt" | zv-generate -v -m "$MODEL" $GENERATE 2>&1 >>"$part"
	echo $? >"$log.status"
} 2>&1 | tee "$log" | grep --line-buffered -v -e '^zv-generate: [0-9]* records, ' -e '^zv-generate: keys and values in ' >&2
[ "$(cat "$log.status")" -le 1 ] || exit 2
rm -f "$log.status"
fold
[ ! -t 2 ] || sed -n "s,^zv-generate: \([0-9]*\) records.*,batch: shard $shard of $N: \1 captions ($language)," "$log" >&2
rm -f "$store.wanted"
