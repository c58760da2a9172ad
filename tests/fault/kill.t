# kill.t - kill -9 at any moment while a file is made: afterwards it is the old one or the new one,
# whole. 50 kills a program; FAULT_KILLS=1000 makes 1000.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || fail "the example files are made"
kills=${FAULT_KILLS:-50}

# killed NAME FILE COMMAND...: FILE is made by COMMAND; kill it at moments spread over its run
killed() {
	k_name=$1 k_file=$2
	shift 2
	rm -f "$k_file"
	k_start=$(date +%s%N)
	"$@" >/dev/null 2>err </dev/null || { fail "$k_name: runs" "$(head -c 300 err)"; return; }
	k_time=$(($(date +%s%N) - k_start))
	cp "$k_file" new-file
	printf 'the old file\n' >old-file
	k_olds=0 k_news=0 k_mixed=0 k_i=0
	while [ $k_i -lt "$kills" ]; do
		k_i=$((k_i + 1))
		cp old-file "$k_file"
		k_after=$(awk -v t=$k_time -v i=$k_i -v n="$kills" 'BEGIN { printf "%.4f", t / 1e9 * 1.1 * i / n }')
		timeout -s KILL "$k_after" "$@" >/dev/null 2>&1 </dev/null
		if cmp -s old-file "$k_file"; then k_olds=$((k_olds + 1))
		elif cmp -s new-file "$k_file"; then k_news=$((k_news + 1))
		else k_mixed=$((k_mixed + 1)); fi
		rm -f ./.*.part
	done
	is "$k_name: $kills kills leave the old file ($k_olds) or the new one ($k_news), never a mixture" "$k_mixed" 0
}

# Enough pictures that the runs take a moment.
for i in 1 2 3 4 5 6 7 8; do cp photo.jpg "p$i.jpg"; done
# shellcheck disable=SC2086
{
	have zv-encode && killed "zv-encode -o" out.zv zv-encode -m ziya -o out.zv p1.jpg p2.jpg p3.jpg p4.jpg p5.jpg p6.jpg p7.jpg p8.jpg
	if have zv-encode && knows zv-encode --append; then
		zv-encode -m ziya -o base.zv p1.jpg p2.jpg
		# An append that is killed leaves whole records, and the next one goes on.
		i=0 bad=0
		while [ $i -lt "$kills" ]; do
			i=$((i + 1))
			cp base.zv cache.zv
			timeout -s KILL "0.0$((i % 10))$i" zv-encode -m ziya --append cache.zv p3.jpg p4.jpg p5.jpg >/dev/null 2>&1
			# (timeout is gone before what it killed: the lock may be held for a moment)
			zv-encode -q -m ziya --wait --append cache.zv p3.jpg p4.jpg p5.jpg >/dev/null 2>err || bad=$((bad + 1))
			[ "$(zv-ls cache.zv 2>&1 | cut -f 1 | tr '\n' ' ')" = 'p1.jpg p2.jpg p3.jpg p4.jpg p5.jpg ' ] || bad=$((bad + 1))
			rm -f ./.*.part cache.zv.zvi
		done
		is "zv-encode --append: $kills kills, and the next run completes the cache" "$bad" 0
	fi
	have zv-qformer && killed "zv-qformer -o" out.zv zv-qformer -m ziya -o out.zv photos.zv
	have zv-cat && killed "zv-cat -o" out.zv zv-cat -o out.zv photos.zv photos.zv photos.zv photos.zv
	have zv-index && cp photos.zv idx.zv && killed zv-index idx.zv.zvi zv-index idx.zv
}
finish
