#!/bin/sh
# report.sh - what came of a run; and that it came to its end, so that the next one is a new one.
# usage: report.sh WORK
set -u
work=$1 LC_ALL=C
export LC_ALL
count() { wc -l <"$1" | tr -d ' '; }
captions=$(cat "$work"/log/* 2>/dev/null | awk '/^zv-generate: [0-9]+ records, / { n += $2 } END { print n + 0 }')
done=$(count "$work/captions.tsv") failed=$(count "$work/failed.tsv") seconds=$(($(date +%s) - $(cat "$work/started")))
new=$(cat "$work"/log/*.features 2>/dev/null | awk '/^zv-encode: [0-9]+ pictures encoded/ { n += $2 } END { print n + 0 }')
cp "$work/model" "$work/model.new" && cp "$work/manifest" "$work/manifest.new" &&
	mv "$work/model.new" "$work/model.done" && mv "$work/manifest.new" "$work/manifest.done" || exit 2
{
	printf 'batch: %d pictures have captions, %d failed, %d were deleted; now %d encoded, %d captions; ' \
		"$done" "$failed" "$(cat "$work/gone")" "$new" "$captions"
	awk -v n="$new" -v s="$seconds" 'BEGIN { printf "%d s, %.1f pictures/s\n", s, n / (s > 0 ? s : 1) }'
	[ "$failed" -eq 0 ] || echo "batch: why they failed: ${work#./}/failed.tsv; the next run tries them again"
} >"$work/report.new" && mv "$work/report.new" "$work/report" && cat "$work/report"
