#!/bin/sh
# cache.sh - keep the features of a picture collection up to date; ask about some of the pictures.
# usage: cache.sh update MODEL CACHE FOLDER...     encode what is new or has changed
#        cache.sh ask MODEL CACHE QUESTION KEY...  KEY: the name of a picture as zv-ls shows it
#        cache.sh keys CACHE
set -u
usage() { sed -n 's/^# \{0,1\}//; 3,5p' "$0" >&2; exit 2; }

case ${1-} in
update)
	[ $# -ge 4 ] || usage
	model=$2 cache=$3
	shift 3
	# Names end with a zero byte: a name may hold anything else. A file that cannot be read costs one
	# line and status 1, and the rest is in the cache.
	find "$@" -type f \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' \) -print0 |
		sort -z | zv-encode -v -m "$model" -0 -T - --append "$cache"
	status=$?
	[ $status -le 1 ] || exit $status
	[ -n "$(find "$cache.zvi" -newer "$cache" 2>/dev/null)" ] || zv-index "$cache" || exit 2
	exit $status
	;;
ask)
	[ $# -ge 5 ] || usage
	model=$2 cache=$3 question=$4
	shift 4
	# one line a key; with the index only their records are read
	printf '%s\n' "$@" | zv-cat -K - "$cache" |
		zv-qformer -m "$model" -p "$question" |
		zv-generate -m "$model"
	;;
keys)
	[ $# -eq 2 ] || usage
	zv-ls --keys "$2" | sort -u
	;;
*) usage ;;
esac
