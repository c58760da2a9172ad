# foreign.t - files of other programs, good and bad, that tests/tools/foreign-files.py makes and the
# README of each kind explains: the good ones are read, the bad ones refused with a reason, nothing
# runs and nothing is written; every cut of the good ones is refused.
. "$ZV_TESTS/lib.sh"
command -v python3 >/dev/null 2>&1 || { echo '1..0 # SKIP no python3 to make the files'; exit 0; }

# explained NAME README: a line "NAME: ..." or "START*: ..." is in the README
explained() {
	awk -v name="$1" -F: '/^(good|bad)-/ {
		if ($1 == name) found = 1
		else if (sub(/\*$/, "", $1) && index(name, $1) == 1) found = 1
	} END { exit !found }' "$2"
}

for kind in safetensors npy torch zip legacy index; do
	readme=$ZV_TESTS/format/$kind/README
	[ -e "$readme" ] || readme=$ZV_TESTS/format/torch/README
	ok "$kind: the files are made" python3 "$ZV_TESTS/tools/foreign-files.py" $kind $kind
	for file in "$kind"/*; do
		name=$(basename "$file")
		name=${name%.*}
		explained "$name" "$readme" || fail "$kind/$name is explained" "no line in $readme"
		timeout 10 list-tensors "$file" >out 2>err
		got=$?
		case $name in
		good-*)
			is "$kind/$name is read" "$got $(cat err)" "0 "
			timeout 10 list-tensors "$file" 1 >out1 2>err
			same "$kind/$name: the same one element at a time" out out1
			if [ -f "$file" ]; then
				timeout 60 list-tensors --cuts "$file" >cuts 2>err
				is "$kind/$name: every cut is refused" "$? $(cat err)" "0 "
			fi
			;;
		*)
			if [ $got -ne 1 ]; then fail "$kind/$name is refused" "exit $got"
			elif [ -s out ]; then fail "$kind/$name is refused" "tensors are listed all the same"
			else like "$kind/$name is refused" "$(cat err)" "list-tensors: $file*: *"; fi
			;;
		esac
	done
done
is "nothing was run or written" "$(find . -name 'PWNED*'; find . -maxdepth 1 -type f | sort | tr '\n' ' ')" \
	"./cuts ./err ./out ./out1 "

# Beyond 4 GB (a file with a hole): zip64 fields for places and sizes.
if python3 "$ZV_TESTS/tools/foreign-files.py" large large 2>err; then
	list-tensors --only=b large/good-large.pth >out 2>err
	is "a container beyond 4 GB is read" "$(cut -f 1-3 out | tr '\n' ' ') $(cat err)" "a	f32	1073741840 b	f32	2,2  "
	is "and the tensor behind 4 GB is the right one" "$(cut -f 4 out | tail -n 1)" \
		"$(list-tensors legacy/good-legacy.pth | cut -f 4)"
else
	skip "a container beyond 4 GB is read" "such a file cannot be made here: $(tail -n 1 err)"
fi
rm -rf large

# What the reasons name: the function and where it is, the opcode, the entry.
says() { like "$1 says what and where" "$(list-tensors "$1" 2>&1)" "$2"; }
says torch/bad-global-os-system.pth '*data.pkl: pickle byte 10: *os system*'
says torch/bad-stack-global-torch-load.pth '*pickle byte 29: *torch load*'
says torch/bad-inst.pth '*pickle byte 27: *INST (0x69)*'
says torch/bad-ext1.pth '*pickle byte 10: *EXT1 (0x82)*'
says legacy/bad-legacy-call.pth '*byte 98*os system*'
says zip/bad-local-name.pth '*archive/data/0: *byte *another name*'
says zip/bad-encrypted.pth '*archive/data/0: *encrypted*'
says safetensors/bad-overlap.safetensors '*tensor "b" begins at byte 140 *148*'
says index/bad-shard-missing '*2.safetensors is missing*'

# Hostile files of a kilobyte: neither memory nor time grows with what they promise.
if [ -n "${ZV_SANITIZE-}" ]; then
	skip "bad files stay small" "a sanitizer needs more address space"
	finish
fi
for file in */bad-*; do
	[ -f "$file" ] || continue
	# shellcheck disable=SC3045
	if ! out=$( (ulimit -v 262144; ulimit -t 1; exec list-tensors "$file") 2>&1 >/dev/null) && [ -z "$out" ]; then
		fail "$file stays small" "killed or silent"
	fi
	case $out in *'out of memory'*) fail "$file stays small" "$out" ;; esac
done
pass "bad files were refused within 1 s and 256 MB of address space, the program's own included"
finish
