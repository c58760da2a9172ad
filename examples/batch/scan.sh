#!/bin/sh
# scan.sh - what is in the folder, and which pictures are new, have changed or failed last time.
# usage: scan.sh WORK     PICTURES, MODEL, N and so on in the environment (batch.mk)
# Writes into WORK: list (names), keys (the same as programs print them), manifest (with size and
# time), refused (names that cannot be keys), settings (for the other stages), and last todo.
set -u
work=$1 LC_ALL=C
export LC_ALL
tab=$(printf '\t')
fail() { echo "batch: $*" >&2; exit 2; }
# keep FILE: FILE.new becomes FILE, which keeps its time when it is the same
keep() { if cmp -s "$work/$1.new" "$work/$1"; then rm "$work/$1.new"; else mv "$work/$1.new" "$work/$1"; fi; }
quoted() { printf "%s='%s'\n" "$1" "$(printf '%s' "$2" | sed "s/'/'\\\\''/g")"; }

case $PICTURES in -*) PICTURES=./$PICTURES ;; esac
[ -d "$PICTURES" ] || fail "there is no folder \"$PICTURES\"; say PICTURES=FOLDER"
case $N in '' | *[!0-9]* | 0*) fail "N=$N is no number of shards" ;; esac
if [ -s "$work/shards" ] && [ "$(cat "$work/shards")" != "$N" ]; then
	fail "$work has $(cat "$work/shards") shards, not $N; leave N out, or give another WORK"
fi
mkdir -p "$work/features" "$work/done" "$work/lock" "$work/log" || exit 2
for language in $LANGUAGES; do mkdir -p "$work/$language" || exit 2; done
echo "$N" >"$work/shards.new" && keep shards || exit 2
rm -f "$work"/log/*
date +%s >"$work/started"

# Another model makes all features and captions anew, another prompt its captions.
stamp=$(IFS=:; for folder in "$MODEL" $(printf '%s' "${ZV_MODELS-}" | sed "s,:\|\$,/$MODEL&,g"); do
	[ -d "$folder" ] && stat -L -c '%n %s %Y' "$folder"/*.zv && break
done)
printf '%s\n' "$MODEL" "$stamp" >"$work/model.new" || exit 2
{
	for name in MODEL N GENERATE LANGUAGES; do eval "quoted $name \"\$$name\""; done
	for language in $LANGUAGES; do
		eval "prompt=\${PROMPT_$language-}"
		[ -n "$prompt" ] || fail "there is no PROMPT_$language"
		quoted "PROMPT_$language" "$prompt"
		quoted "identity_$language" "$(printf '%s\n' "$MODEL" "$stamp" "$prompt" "$GENERATE" | b2sum -l 64 | cut -c 1-16)"
	done
} >"$work/settings.new" || exit 2

# A name with control characters, or longer, or not UTF-8, cannot be a key.
pictures() {
	find -L "$PICTURES" -type f \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o \
		-iname '*.webp' -o -iname '*.p[pgbn]m' \) "$@"
}
pictures ! -path '*[[:cntrl:]]*' -printf '%p\t%s\t%T@\n' >"$work/found" || fail "cannot read all of $PICTURES"
LC_ALL=C.UTF-8 grep -axv '.*' "$work/found" | cat -v >"$work/not-utf8"
LC_ALL=C.UTF-8 grep -ax '.*' "$work/found" |
	awk -F '\t' -v long="$work/long" 'length($1) > 1024 { print $1 >long; next } { print }' |
	sort >"$work/manifest.new"
{
	pictures -path '*[[:cntrl:]]*' -print0 | tr '\n\t\r' '???' | tr '\0' '\n' | cat -v |
		sed "s/\$/${tab}the name has control characters; rename it/"
	cut -f 1 "$work/not-utf8" | sed "s/\$/${tab}the name is not UTF-8; rename it/"
	sed "s/\$/${tab}the name is longer than 1024 bytes; rename it/" "$work/long" 2>/dev/null
} | sort >"$work/refused.new"
rm -f "$work/found" "$work/not-utf8" "$work/long"
cut -f 1 "$work/manifest.new" | sort >"$work/list.new"
sed 's/\\/\\\\/g' "$work/list.new" | sort >"$work/keys.new"

touch "$work/failed.tsv"
[ -e "$work/manifest.done" ] || : >"$work/manifest.done"
if cmp -s "$work/model.new" "$work/model.done"; then
	{
		comm -23 "$work/manifest.new" "$work/manifest.done" | cut -f 1
		cut -f 1 "$work/failed.tsv" | sed 's/\\\\/\\/g' | sort | comm -12 - "$work/list.new"
	} | sort -u
else
	cat "$work/list.new"
fi >"$work/todo.new"
cut -f 1 "$work/manifest.done" | sort | comm -23 - "$work/list.new" | wc -l >"$work/gone"
for file in model settings manifest refused list keys; do keep $file; done
is_over() { [ -n "$(find "$work/manifest.done" -newer "$work/todo" 2>/dev/null)" ]; }
# A new run begins when the one before has come to its end; before that, what is done is done.
if [ ! -e "$work/todo" ] || ! cmp -s "$work/todo.new" "$work/todo"; then
	[ ! -s "$work/todo.new" ] && is_over ||
		mv "$work/todo.new" "$work/todo"
elif [ -s "$work/todo" ] && is_over; then
	touch "$work/todo"
fi
rm -f "$work/todo.new"
