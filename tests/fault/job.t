# job.t - kill -9 of examples/batch.mk at any moment, then make again: every caption is there once and
# is that of an undisturbed run, nothing that was complete is computed again. 8 kills; BATCH_KILLS=50
# makes 50.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
unset MAKEFLAGS MAKELEVEL MFLAGS N WORK PICTURES LANGUAGES
kills=${BATCH_KILLS:-8} pictures=24
MODEL=$ZV_ROOT/examples/emoji/model GENERATE=--max-new=12 PICTURES=album N=3
export MODEL GENERATE PICTURES N
mkdir album
for i in $(seq $pictures); do
	# turned about, so that their captions differ
	awk -v n="$i" 'BEGIN { print "P3 24 24 255"
		for (y = 0; y < 24; y++) for (x = 0; x < 24; x++)
			print (x * n * 7 + y) % 256, ((x - 12) ^ 2 + (y - 12) ^ 2 < 10 * n) * 200, n * 9 }' >"album/$i.ppm"
done
rm album/7.ppm && echo broken >album/7.ppm
wanted=$((pictures - 1))
batch() { make -s -j2 -f "$ZV_ROOT/examples/batch.mk" "$@"; }
start=$(date +%s%N)
like "an undisturbed run" "$(batch WORK=calm 2>err)" "batch: $wanted pictures have captions, 1 failed, 0 were deleted; now $wanted encoded, $((2 * wanted)) captions*"
time=$(($(date +%s%N) - start))
ok "captions differ ($(cut -f 2 calm/captions.tsv | sort -u | wc -l))" test "$(cut -f 2 calm/captions.tsv | sort -u | wc -l)" -gt 3

# What is complete: features; captions whose line has its end.
features() { zv-ls --keys work/features/*.zv 2>/dev/null | sort -u | wc -l; }
captions() {
	for language in en zh; do
		for file in work/"$language"/*.tsv work/"$language"/*.part; do
			[ -e "$file" ] || continue
			if [ -n "$(tail -c 1 "$file")" ]; then sed '$d' "$file"; else cat "$file"; fi
		done | cut -f 1 | sort -u
	done | wc -l
}
# check NAME: the run after the kills
check() {
	had=$(features) said=$(captions)
	now=$(batch WORK=work 2>err | sed -n '1s/.*now \([0-9]*\) encoded, \([0-9]*\) captions; .*/\1 \2/p')
	same "$1: every caption once, and none wrong" calm/captions.tsv work/captions.tsv
	same "$1: JSON lines, too" calm/captions.jsonl work/captions.jsonl
	same "$1: the same failure" calm/failed.tsv work/failed.tsv
	is "$1: no features were computed twice" "$(zv-ls -l work/features/*.zv | cut -f 1,7 | sort | uniq -d)" ""
	is "$1: nothing is left over" "$(find work -name '*.part' -o -name '.*.part' -o -name '*.new')" ""
}
i=0 lost='' ended=0 last_features=0 last_captions=0
while [ $i -lt "$kills" ]; do
	i=$((i + 1))
	after=$(awk -v t=$time -v seed=$i 'BEGIN { srand(seed); printf "%.3f", t / 1e9 * 0.7 * rand() }')
	setsid make -s -j2 -f "$ZV_ROOT/examples/batch.mk" WORK=work >out 2>err &
	job=$!
	sleep "$after"
	kill -9 -$job 2>/dev/null
	wait $job 2>/dev/null
	had=$(features) said=$(captions)
	[ "$had" -ge "$last_features" ] && [ "$said" -ge "$last_captions" ] ||
		lost="$lost $i: $last_features features and $last_captions captions became $had and $said;"
	last_features=$had last_captions=$said
	if grep -q '^batch: ' out; then
		ended=$((ended + 1))
		cmp -s calm/captions.tsv work/captions.tsv || lost="$lost $i: another result;"
		rm -rf work
		last_features=0 last_captions=0
	fi
done
is "$kills kills lose nothing that was complete ($ended came too late)" "$lost" ""
[ -d work ] || timeout -s KILL "$(awk -v t=$time 'BEGIN { print t / 2e9 }')" make -s -j2 -f "$ZV_ROOT/examples/batch.mk" WORK=work >out 2>&1
check "after $kills kills"
is "after $kills kills: what was complete ($had features, $said captions) is not computed again" \
	"$now" "$((wanted - had)) $((2 * wanted - said))"

# make alone dies; what it started works on, and the next run waits for it.
rm -rf work
make -s -j2 -f "$ZV_ROOT/examples/batch.mk" WORK=work >out 2>err &
job=$!
sleep "$(awk -v t=$time 'BEGIN { printf "%.3f", t / 4e9 }')"
kill -9 $job
wait $job 2>/dev/null
check "make alone is killed"
# Between two runs the folder changes, and then the kill.
rm album/1.ppm
cp album/2.ppm album/3.ppm
cp album/4.ppm album/30.ppm
timeout -s KILL "$(awk -v t=$time 'BEGIN { printf "%.3f", t / 6e9 }')" make -s -j2 -f "$ZV_ROOT/examples/batch.mk" WORK=work >out 2>&1
sleep 0.2
batch WORK=again >out 2>err
mv again calm.now && rm -rf calm && mv calm.now calm
check "the folder changes, then a kill"
finish
