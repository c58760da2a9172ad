#!/bin/sh
# search.sh - find pictures by a text in English or Chinese, or by a picture: a table, a contact sheet.
# usage: search.sh [-n COUNT] [-p PICTURES] [-k HITS] [-o FOLDER] [QUERY...]
# Without -p it makes COUNT (2000) scenes of emoji that no training set holds, and describes six of them
# in two languages; with -p it searches the folder PICTURES. QUERY is a text or the name of a picture.
# FOLDER (search) keeps the features, so that a second run computes only what is new, and gets
# results.tsv and sheet.html. Programs: ZV_BUILD (build); model: ZV_MODEL (examples/emoji/model).
set -eu
root=$(unset CDPATH && cd -- "$(dirname -- "$0")/.." && pwd)
build=${ZV_BUILD:-$root/build} model=${ZV_MODEL:-$root/examples/emoji/model}
count=2000 pictures='' hits=8 folder=search tab=$(printf '\t')
usage() { sed -n 's/^# \{0,1\}//; 3,7p' "$0" >&2; exit 2; }
fail() { echo "search: $*" >&2; exit 2; }
while getopts n:p:k:o: letter; do
	case $letter in
	n) count=$OPTARG ;;
	p) pictures=$OPTARG ;;
	k) hits=$OPTARG ;;
	o) folder=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
for number in "$count" "$hits"; do
	case $number in '' | 0* | *[!0-9]* | ????????*) usage ;; esac
done
full() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$PWD/$1" ;; esac; }
build=$(full "$build") model=$(full "$model")
PATH=$build:$PATH
if ! [ -f "$model/vit.zv" ] || ! [ -f "$model/qformer.zv" ]; then
	echo "search: skipped, no model in $model; examples/emoji/README.md tells how it is made"
	exit
fi
[ -z "$pictures" ] || [ -d "$pictures" ] || fail "no folder $pictures"
[ -z "$pictures" ] || [ $# -gt 0 ] || fail "what is to be found in $pictures? give a text or a picture"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Queries, one a line: number TAB kind TAB text or picture TAB the key of the picture described, or -.
add_query() { # TEXT-OR-PICTURE [KEY]
	number=$((number + 1))
	text=$(printf '%s' "$1" | tr '\t\n' '  ')
	if [ -f "$text" ]; then kind=picture text=$(full "$text")
	else case $text in *[!\ -~]*) kind=zh ;; *) kind=en ;; esac; fi
	printf '%s\t%s\t%s\t%s\n' "$number" "$kind" "$text" "${2:--}" >>"$scratch/queries"
}
number=0
for query; do add_query "$query"; done
[ -z "$pictures" ] || pictures=$(full "$pictures")
mkdir -p "$folder"
cd "$folder"
[ -e model ] || ln -s "$model" model

run() { printf '$ %s\n' "$1"; sh -c "$1"; }

if [ -n "$pictures" ]; then
	find "$pictures" -type f \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' \) |
		LC_ALL=C sort >list
	: >said
else
	set=scenes-$count
	if ! [ -f "$set.jsonl" ]; then
		[ -x "$build/emoji-scenes" ] ||
			make -s -f "$root/examples/emoji/Makefile" BUILD="$build" program >"$scratch/make" 2>&1 || {
			cat "$scratch/make" >&2
			fail "emoji-scenes cannot be built (.ci/deps emoji installs what it needs)"
		}
		run "emoji-scenes -q scenes -n $count --split test --seed 21 -o . --set $set"
	fi
	# picture TAB caption TAB caption in Chinese
	sed -n 's/^{"image":"\([^"]*\)".*"caption":"\([^"]*\)","caption_zh":"\([^"]*\)".*/\1\t\2\t\3/p' \
		"$set.jsonl" >said
	cut -f 1 said >list
	if [ "$number" -eq 0 ]; then
		awk -F '\t' -v count="$count" '
			BEGIN { for (i = 0; i < 6; i++) wanted[int(count * (2 * i + 1) / 12) + 1] = i % 2 }
			NR in wanted { print $1 "\t" $(2 + wanted[NR]) }' said >"$scratch/described"
		while IFS="$tab" read -r key text; do add_query "$text" "$key"; done <"$scratch/described"
		add_query "$root/examples/pictures/scene-3.jpg"
	fi
fi
[ -s list ] || fail "no picture to be searched"

echo "What is in the pictures, computed once; a picture that cannot be read costs a line:"
status=0
run 'zv-encode -v -m model -T list --append photos.zv' 2>&1 || status=$?
[ $status -le 1 ] || exit $status
[ -n "$(find feats.zv -newer photos.zv 2>/dev/null)" ] ||
	run 'zv-cat --no-failed photos.zv | zv-qformer -m model --contrast -o feats.zv'

echo "Queries, and what is most similar to them:"
cp "$scratch/queries" queries
awk -F '\t' '$2 != "picture" { print $1 "\t" $3 }' queries >texts
awk -F '\t' '$2 == "picture" { print $3 }' queries >examples
# Only what is in the list and could be read: the files may hold pictures that have left the folder.
zv-ls --keys feats.zv | LC_ALL=C sort -u >"$scratch/there"
LC_ALL=C sort -u list | LC_ALL=C comm -12 - "$scratch/there" >keys
: >found
search() { # COMMAND: queries that failed cost a line each
	run "$1 | zv-search -k $hits --unique -K keys feats.zv >>found" || [ $? -eq 1 ] || exit 2
}
[ ! -s texts ] || search "zv-qformer -m model --text --keyed texts"
[ ! -s examples ] || search "zv-encode -m model -T examples | zv-qformer -m model --contrast"
# number TAB rank TAB score TAB picture TAB caption TAB in Chinese TAB "described" or -
awk -F '\t' '
	FILENAME == "said" { en[$1] = $2; zh[$1] = $3; next }
	FILENAME == "queries" { if ($2 == "picture") number[$3] = $1; number[$1] = $1; wanted[$1] = $4; next }
	{ n = number[$1]
	  print n "\t" $2 "\t" $3 "\t" $4 "\t" ($4 in en ? en[$4] "\t" zh[$4] : $4 "\t" $4) "\t" \
		(wanted[n] == $4 ? "described" : "-") }' said queries found | sort -t "$tab" -k1,1n -k2,2n >results.tsv

awk -F '\t' '
	FILENAME == "queries" { text[$1] = $3; kind[$1] = $2; next }
	$1 != last { printf "\n%s\n", text[last = $1] }
	{ printf "  %2d  %.4f  %s  %s%s\n", $2, $3, $4, kind[$1] == "zh" ? $6 : $5 != $4 ? $5 : "",
		$7 == "described" ? "  <- described" : "" }' queries results.tsv

. "$root/examples/sheet.sh"
write_sheet >sheet.part && mv sheet.part sheet.html
awk -F '\t' -v pictures="$(wc -l <list)" -v folder="$folder" '
	FILENAME == "queries" { queries++; described += $4 != "-"; next }
	$7 == "described" { found++; first += $2 == 1 }
	END {
		printf "\nsearch: %d pictures, %d queries", pictures, queries
		if (described) printf "; of %d pictures described %d are found, %d first", described, found, first
		printf "; look at %s/sheet.html\n", folder
	}' queries results.tsv
exit $status
