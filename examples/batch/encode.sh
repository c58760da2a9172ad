#!/bin/sh
# encode.sh - the features of the I-th of N parts of a list of pictures: of each name that the list
# has now, once, as the picture is now.
# usage: encode.sh MODEL LIST I N CACHE SHARD
# CACHE keeps what an interrupted run has done; at the end it is SHARD. Pictures that cannot be read
# are in SHARD as failed, with the reason, and are no cause to stop.
set -u
[ $# -eq 6 ] || { sed -n 's/^# //; 4p' "$0" >&2; exit 2; }
model=$1 list=$2 i=$3 n=$4 cache=$5 shard=$6
LC_ALL=C
export LC_ALL

# the names of this part, as zv-encode --shard counts
names() { awk -v i="$i" -v n="$n" 'length && k++ % n == i - 1' "$list"; }

# Status 1: some pictures failed. So is a damaged cache, which the end finds.
encode() { zv-encode -m "$model" --shard "$i/$n" -T "$list" --append "$cache" || [ $? -eq 1 ]; }

rm -f "$shard"
encode || exit
# A picture that has changed is in the cache twice. Leave both out, and encode it again.
zv-ls "$cache" | cut -f 1 | sort | uniq -d >"$cache.twice"
if [ -s "$cache.twice" ]; then
	names | grep -Fxvf "$cache.twice" | zv-cat -q -K - "$cache" -o "$cache"
	encode || exit
fi
rm -f "$cache.twice"
# What the list has no more stays behind. Without its end a stream is not taken.
names | zv-cat -q -K - "$cache" -o "$shard"
if [ "$(names | sort -u | wc -l)" -ne "$(zv-ls "$shard" | wc -l)" ]; then
	echo "encode.sh: $cache: damaged, or $list has changed meanwhile; remove it if this comes again" >&2
	rm -f "$shard"
	exit 1
fi
ln -f "$shard" "$cache"
