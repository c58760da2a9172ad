#!/bin/sh
# encode.sh - the features of one shard: those of each picture to be done that belongs to it, added to
# a cache; then what was superseded or deleted leaves the cache.
# usage: encode.sh WORK SHARD
# Writes WORK/features/SHARD.zv and a table SHARD.tsv of it: key, ok or failed, identity or reason.
set -u
work=$1 shard=$2 LC_ALL=C
export LC_ALL
cache=$work/features/$shard.zv log=$work/log/$shard.features
. "$work/settings"

# One at a time: a run whose make was killed may still be at work.
exec 9>>"$work/lock/$shard.features"
flock 9
rm -f "$work"/features/."$shard".*.part "$work/features/$shard".*.new

# Status 1: pictures failed, which is no cause to stop.
{ zv-encode -v -m "$MODEL" --shard "$shard/$N" -T "$work/todo" --append "$cache" 2>&1; echo $? >"$log.status"; } |
	tee "$log" | grep --line-buffered -v '^zv-encode: [0-9]* pictures encoded' >&2
[ "$(cat "$log.status")" -le 1 ] || exit 2

# table CACHE: a line for each record, in order
table() {
	[ -e "$1" ] || return 0
	zv-ls -q -l "$1" 2>"$log.damage" | awk -F '\t' '
		$3 == "failed" { print $1 "\tfailed\t" $5; next }
		{ print $1 "\tok\t" $7 "." $6 }'
	[ ! -s "$log.damage" ] && return
	cat "$log.damage" >&2
	echo "batch: $1 is damaged; \"zv-cat --salvage\" saves what is whole, or remove it" >&2
	exit 2
}

# names KEYS: keys as programs print them to names
names() { sed 's/\\\\/\\/g'; }

# compact FIRST: records from FIRST on (counted from 0) supersede those before
compact() {
	head -n "$1" "$cache.new" | cut -f 1 | sort -u >"$cache.old.new"
	tail -n +$(($1 + 1)) "$cache.new" | cut -f 1 | sort -u >"$cache.late.new"
	comm -12 "$cache.old.new" "$work/keys" | comm -23 - "$cache.late.new" | names >"$cache.head.new"
	comm -12 "$cache.late.new" "$work/keys" | names >"$cache.tail.new"
	{
		zv-cat -q --limit "$1" "$cache" | zv-cat -q -K "$cache.head.new" -
		zv-cat -q --skip "$1" "$cache" | zv-cat -q -K "$cache.tail.new" -
	} >"$cache.zv.new"
	table "$cache.zv.new" | cut -f 1 | sort -u | names | sort >"$cache.old.new"
	cat "$cache.head.new" "$cache.tail.new" | sort | cmp -s - "$cache.old.new" ||
		{ echo "batch: $cache: cannot be written anew" >&2; exit 2; }
	mv "$cache.zv.new" "$cache" && rm -f "$cache.zvi"
}

while :; do
	table "$cache" >"$cache.new" || exit
	first=$(awk -F '\t' '
		FILENAME == ARGV[1] { wanted[$0]; next }
		$1 in seen { again = 1; exit }
		{ seen[$1]; n++; gone += !($1 in wanted) }
		END { if (again || gone) print n }' \
		"$work/keys" "$cache.new")
	[ -n "$first" ] || break
	compact "$first"
done
mv "$cache.new" "$work/features/$shard.tsv"
rm -f "$cache".*.new "$log.status" "$log.damage"
[ ! -t 2 ] || sed -n "s,^zv-encode: \(.* encoded\).*,batch: shard $shard of $N: \1," "$log" >&2
# Asked for keys, zv-cat then reads only their records.
[ ! -e "$cache" ] || [ -n "$(find "$cache.zvi" -newer "$cache" 2>/dev/null)" ] || zv-index "$cache" || exit 2
