#!/bin/sh
# encode.sh - the features of one shard: those of each picture to be done that belongs to it, added to
# a cache that grows in place.
# usage: encode.sh WORK SHARD
# Writes WORK/features/SHARD.zv with its index, and a table SHARD.tsv of the pictures in it that the
# folder has: key, ok or failed, identity or reason.
set -u
work=$1 shard=$2 LC_ALL=C
export LC_ALL
features=$work/features/$shard log=$work/log/$shard.features
. "$work/settings"

# One at a time: a run whose make was killed may still be at work.
exec 9>>"$work/lock/$shard.features"
flock 9
rm -f "$work"/features/."$shard".*.part "$features".*.new

# Status 1: pictures failed, which is no cause to stop. caption.sh tells of damage.
verify=
[ ! -e "$features.damaged" ] || verify=--verify
{
	zv-encode -v -m "$MODEL" --shard "$shard/$N" -T "$work/todo" --append "$features.zv" $verify 2>&1
	echo $? >"$log.status"
} | tee "$log" | grep --line-buffered -v '^zv-encode: [0-9]* pictures encoded' >&2
[ "$(cat "$log.status")" -le 1 ] || exit 2
rm -f "$features.damaged" "$log.status"
[ ! -t 2 ] || sed -n "s,^zv-encode: \(.* encoded\).*,batch: shard $shard of $N: \1," "$log" >&2

# The index knows what the cache holds: of each picture of the folder the last record.
table() {
	tail -n +2 "$features.zv.zvi" 2>/dev/null | awk -F '\t' '
		FILENAME == ARGV[1] { wanted[$0]; next }
		{ records++ }
		!($1 in wanted) { next }
		!($1 in place) || $3 > place[$1] || ($3 == place[$1] && $5 > skip[$1]) {
			place[$1] = $3; skip[$1] = $5; state[$1] = $2 == "" ? "failed\t" : "ok\t" $10 "." $9
		}
		END { for (key in state) { print key "\t" state[key]; kept++ }
		      print records - kept >"/dev/stderr" }' "$work/list" - 2>"$features.waste.new" | sort
}
table >"$features.list.new"

# Superseded and deleted records are borne with until they are a quarter.
if [ "$(cat "$features.waste.new")" -gt $(($(wc -l <"$features.list.new") / 3)) ]; then
	cut -f 1 "$features.list.new" | zv-cat -q --newest -K - "$features.zv" -o "$features.zv"
	zv-index "$features.zv" || exit 2
	table >"$features.list.new"
fi

# Reasons are in the cache itself. From here on keys are written as programs print them.
awk -F '\t' '$2 == "failed" { print $1 }' "$features.list.new" >"$features.failed.new"
{
	awk -F '\t' '$2 == "ok"' "$features.list.new" | sed 's/\\/\\\\/g'
	[ ! -s "$features.failed.new" ] || zv-cat -q --newest -K "$features.failed.new" "$features.zv" | zv-ls -q |
		awk -F '\t' '$3 == "failed" { print $1 "\tfailed\t" $5 }'
} | sort >"$features.tsv.new"
mv "$features.tsv.new" "$features.tsv"
rm -f "$features".*.new
