# zvt.t - odd streams, which a second implementation of the format writes, are read or refused as
# tests/format/zvt/README says, in little memory and time; salvage gets past each of them.
. "$ZV_TESTS/lib.sh"
command -v python3 >/dev/null 2>&1 || { echo '1..0 # SKIP no python3 to make the files'; exit 0; }
readme=$ZV_TESTS/format/zvt/README
mkdir odd
python3 "$ZV_TESTS/tools/zvt-files.py" odd || { fail "the files are made"; finish; }
is "README explains each file" "$(sed -n 's/^\(\(good\|bad\)-[a-z0-9-]*\): .*/\1/p' "$readme" | sort)" \
	"$(cd odd && for file in *.zv; do echo "${file%.zv}"; done | sort)"

for file in odd/good-*.zv; do
	name=$(basename "$file" .zv)
	is "$name is listed" "$(zv-ls "$file" 2>&1)" "$(cat "odd/$name.ls")"
	is "$name is listed from a pipe" "$(dd bs=100 status=none <"$file" | zv-ls 2>&1)" "$(cat "odd/$name.ls")"
	want=0
	grep -q '	failed	' "odd/$name.ls" && want=1
	status "$name is whole" $want zv-ls --check "$file"
	status "$name is copied" $want zv-cat "$file" -o copy.zv
	is "$name is the same then" "$(zv-ls copy.zv 2>&1)" "$(cat "odd/$name.ls")"
	status "$name: nothing is lost in salvage" $want zv-cat --salvage "$file" -o salvaged.zv
	same "$name: nor changed" salvaged.zv copy.zv
done
sed -n 's/^\(bad-[a-z0-9-]*\): \([^.]*\)\..*/\1 \2/p' "$readme" >words
# shellcheck disable=SC2094
while read -r name words; do
	file=odd/$name.zv
	like "$name is refused: $words" "$(zv-cat "$file" 2>&1 >/dev/null)" "*$words*"
	status "$name is refused from a pipe" 1 sh -c "cat $file | zv-cat >out.zv"
	status "$name leaves no file" 1 zv-cat "$file" -o none.zv
	zv-cat --salvage "$file" >salvaged.zv 2>messages
	is "$name: salvage has a status" $? 1
	ok "$name: and says that something is lost" test -s messages
	like "$name: what is salvaged is whole" "$(zv-ls --check salvaged.zv 2>/dev/null)" "*, whole"
done <words

# A short file may not take more than 64 MiB or a second.
cat >limits.py <<'END'
import resource, subprocess, sys, time
begin = time.monotonic()
status = subprocess.run(['zv-ls', '--check', sys.argv[1]], stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL).returncode
seconds = time.monotonic() - begin
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
if peak >= 64 or seconds >= 1 or status not in (0, 1):
    sys.exit('%s: %d MiB, %.2f s, exit %d' % (sys.argv[1], peak, seconds, status))
END
if nm "$(command -v zv-ls)" 2>/dev/null | grep -q __asan_init; then
	skip "little memory and time" "the address sanitizer has its own"
else
	for file in odd/*.zv; do ok "$file: little memory and time" python3 limits.py "$file"; done
fi
finish
