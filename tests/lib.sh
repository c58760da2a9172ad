# lib.sh - TAP for shell tests: . "$ZV_TESTS/lib.sh", then ok/is/like/skip, then finish.
# Each test runs in a scratch directory of its own with the built programs first in PATH.
# ZV_SHARED names the folder with the reference data; tests that need it call need_shared.
# shellcheck shell=sh

tap_count=0
tap_failed=0

# pass NAME / fail NAME [DIAGNOSTIC]
pass() { tap_count=$((tap_count + 1)); printf 'ok %d - %s\n' "$tap_count" "$1"; }
fail() {
	tap_count=$((tap_count + 1)); tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_count" "$1"
	[ -z "${2-}" ] || printf '%s\n' "$2" | sed 's/^/#   /'
}

# ok NAME COMMAND...: the command succeeds
ok() {
	tap_name=$1; shift
	if tap_out=$("$@" 2>&1); then pass "$tap_name"; else fail "$tap_name" "exit $? of: $* ; $tap_out"; fi
}

# status NAME WANTED COMMAND...: the command ends with this status; a signal is never a clean failure
status() {
	tap_name=$1; tap_want=$2; shift 2
	tap_out=$("$@" 2>&1); tap_got=$?
	if [ "$tap_got" -eq "$tap_want" ]; then pass "$tap_name"
	else fail "$tap_name" "exit $tap_got, wanted $tap_want, of: $* ; $tap_out"; fi
}

# is NAME GOT WANTED: equal strings
is() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "got:    $2
wanted: $3"; fi; }

# like NAME GOT PATTERN: the string matches a shell pattern
like() {
	# shellcheck disable=SC2254
	case $2 in $3) pass "$1" ;; *) fail "$1" "got:    $2
wanted: $3" ;; esac
}

# same NAME FILE FILE: equal bytes
same() { if cmp -s -- "$2" "$3"; then pass "$1"; else fail "$1" "$2 and $3 differ"; fi; }

# skip NAME REASON: counts as passed, and says why nothing was checked
skip() { tap_count=$((tap_count + 1)); printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"; }

# need_shared FOLDER: skip the whole file when the reference data is absent
need_shared() {
	[ -d "$ZV_SHARED/$1" ] && return
	printf '1..0 # SKIP no reference data (%s)\n' "$1"
	exit 0
}

# sources PATTERN...: the files of the tree that match, without what is built; * matches / too
sources() {
	if git -C "$ZV_ROOT" rev-parse -q --verify HEAD >/dev/null 2>&1; then
		(cd "$ZV_ROOT" && git ls-files -co --exclude-standard -- "$@")
	else
		(cd "$ZV_ROOT" && find . -name .git -prune -o -name 'build*' -prune -o -name fuzz-work -prune -o -type f -print) |
			sed 's,^\./,,' | while read -r tap_file; do
			for tap_pattern; do
				# shellcheck disable=SC2254
				case $tap_file in $tap_pattern | "$tap_pattern"/*) echo "$tap_file"; break ;; esac
			done
		done
	fi | while read -r tap_file; do [ -f "$ZV_ROOT/$tap_file" ] && printf '%s\n' "$tap_file"; done
}

finish() {
	printf '1..%d\n' "$tap_count"
	[ "$tap_failed" -eq 0 ] || exit 1
	exit 0
}
