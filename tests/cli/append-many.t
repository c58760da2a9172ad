# append-many.t - several writers on shards and on one file, and kill -9 at any moment.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
# shellcheck source=tests/support/append.sh
. "$ZV_TESTS/support/append.sh"
### several writers
parts=8
for part in 1 2 3 4 5 6 7 8; do
	zv-encode -q -t 1 -m ziya --shard $part/$parts --append shard$part.zv -T all &
done
wait
zv-index -q --view shard?.zv | cut -f 1 | uniq >keys
sort all | cmp -s - keys
is "$parts encoders, a shard each: every picture" $? 0
ok "... whole" zv-ls --check shard?.zv
for part in 1 2 3 4; do
	zv-encode -q -t 1 -m ziya --wait --shard $part/4 --append same.zv -T all 2>>wait.errors &
done
wait
is "four that wait for one file: every picture" "$(zv-ls same.zv | cut -f 1 | sort)" "$(sort all)"
ok "... whole" zv-ls --check same.zv
mkfifo names
zv-encode -q -m ziya --append held.zv -T names &
exec 3>names
head -n 1 all >&3
tries=0
until [ "$(size held.zv 2>/dev/null || echo 0)" -gt 100 ] || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
status "one that does not wait is refused" 2 encode --append held.zv -T list
like "... with a reason" "$(encode --append held.zv -T list 2>&1)" "*held.zv: another process appends to it at this moment (--wait waits)"
exec 3>&-
wait

### kill -9 at any moment
kills=0 seed=7
while [ $kills -lt 10 ]; do
	seed=$((seed * 1103515245 % 2147483648 + 12345))
	zv-encode -q -t 1 -m ziya --append killed.zv -T all 2>/dev/null &
	pid=$!
	sleep "0.$(printf '%03d' $((seed / 65536 % 300)))"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	kills=$((kills + 1))
done
encode --append killed.zv -T all 2>/dev/null
is "after $kills kills every picture is there, once" "$(zv-ls killed.zv | cut -f 1 | sort)" "$(sort all)"
ok "... whole" zv-ls --check killed.zv
is "... as a run without kills has them" "$(tensors killed.zv)" "$(tensors same.zv)"
finish
