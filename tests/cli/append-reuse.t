# append-reuse.t - records that later ones supersede, failures that are made good, --reuse and --by-name.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
# shellcheck source=tests/support/append.sh
. "$ZV_TESTS/support/append.sh"
encode -o true.zv -T list
tensors true.zv >wanted

### what is superseded
cp pictures/p1.ppm picture.ppm
encode --append change.zv picture.ppm; tensors change.zv >first
cp pictures/p2.ppm picture.ppm
encode --append change.zv picture.ppm
is "a picture that has changed is encoded again" "$(tensors change.zv | wc -l)" 2
cp pictures/p1.ppm picture.ppm
like "one that has changed back is not" "$(zv-encode -v -m ziya --append change.zv picture.ppm 2>&1)" "*: 0 pictures encoded*1 already there"
is "... but is the newest record again" "$(zv-cat --newest change.zv | zv-ls -l)" "$(cat first)"
is "... which zv-cat -k --newest finds" "$(zv-cat --newest -k picture.ppm change.zv | zv-ls -l)" "$(cat first)"
before=$(size change.zv)
encode --append change.zv picture.ppm
is "... and stays so" "$(size change.zv)" "$before"
echo text >picture.ppm
encode --append change.zv picture.ppm 2>/dev/null
encode --append change.zv missing.ppm 2>/dev/null
is "failures are at the end" "$(zv-ls change.zv | tail -n 2 | cut -f 1 | tr '\n' ' ')" "picture.ppm missing.ppm "
cp pictures/p1.ppm picture.ppm; cp pictures/p3.ppm missing.ppm
encode --append change.zv picture.ppm missing.ppm
is "... until they are made good" "$(zv-ls change.zv | grep -c failed)" 0
encode -o failed.zv none.ppm all 2>/dev/null; zv-index failed.zv
cp pictures/p4.ppm none.ppm
encode --append failed.zv none.ppm
is "a failure amid records: --newest leaves it out" \
	"$(zv-cat --newest failed.zv 2>/dev/null | zv-ls | grep -c '^none.ppm.failed')" 0
status "--newest wants an index" 1 sh -c 'zv-cat --newest <true.zv >x.zv'

### --reuse, --by-name
encode --append whole.zv -T list
place=$(sed -n 5p whole.zv.zvi | cut -f 3)
like "--reuse copies" "$(zv-encode -v -m ziya --reuse whole.zv -o reused.zv -T list 2>&1)" \
	"*: 0 pictures encoded, 0 failed, 12 already there"
is "... the same records" "$(tensors reused.zv)" "$(cat wanted)"
same "... and the bytes of a run that computes" reused.zv true.zv
cp whole.zv old.zv; cp whole.zv.zvi old.zv.zvi
printf 'damage' | dd of=old.zv bs=1 seek=$((place + 300)) conv=notrunc 2>/dev/null
encode --reuse old.zv -o reused.zv -T list 2>/dev/null
is "--reuse: what is damaged is computed" "$(tensors reused.zv)" "$(cat wanted)"
encode --append added.zv --reuse whole.zv -T list
is "--append and --reuse" "$(tensors added.zv)" "$(cat wanted)"
like "--by-name reads no picture that is held" \
	"$(mv pictures away; zv-encode -v -m ziya --by-name --append whole.zv -T list 2>&1; mv away pictures)" \
	"*: 0 pictures encoded, 0 failed, 12 already there"
finish
