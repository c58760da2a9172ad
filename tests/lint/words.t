# words.t - what must not stand in the sources: functions that cannot be used safely, unfinished
# work, paths of a machine, numbers of issues; and what must: the role of each file.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2
self=tests/lint/words.t
files() { sources "$@" | grep -vx "$self"; }
none() { # none NAME PATTERN PATH...
	name=$1 pattern=$2
	shift 2
	out=$(files "$@" | tr '\n' '\0' | xargs -0 grep -nIE -- "$pattern" 2>/dev/null | head -n 20)
	if [ -z "$out" ]; then pass "$name"; else fail "$name" "$out"; fi
}

none "no functions that cannot be used safely" \
	'\b(atoi|atol|atoll|atof|sscanf|strtok|strtok_r|popen|system|sprintf|vsprintf|gets|rand|srand|strcpy|tmpnam|mktemp|alloca|setlocale)\(' \
	'lib/*.[ch]' 'cmd/*.c'
none "tests keep to that too, but for the shortest" '\b(atoi|sscanf|strtok|popen|system|sprintf|gets|rand|tmpnam)\(' 'tests/*.c'
out=$(files 'lib/*.c' 'cmd/*.c' | xargs grep -nE '[^_a-z](malloc|calloc|realloc|aligned_alloc|posix_memalign)\(' | grep -v '^lib/base/memory.c:')
is "every allocation goes through lib/base/memory.c" "$out" ""
none "input is never checked by assert" '\bassert\(' 'lib/*.[ch]' 'cmd/*.c'
none "no flags that change results or bind to one CPU" '(-f|-O)fast|march=native|mtune=native' Makefile '*.sh' '*.mk'
none "no unfinished work" '\b(TODO|FIXME|XXX|HACK)\b|not (yet )?implemented|for now\b|unimplemented' \
	'*.c' '*.h' '*.sh' '*.py' '*.[157]' 'tests/run' Makefile
none "no path of a machine" '(/w''ork/|/ro''ot/|/ho''me/[a-z]|/tm''p/[a-z])' '*'
is "nor in the embedded model" "$(grep -aoE '/(wo''rk|ro''ot|ho''me|tm''p)/[a-z0-9_]{3,}' examples/emoji/model/*.zv)" ""
none "no number of an issue" '(^|[ (])#[0-9]{2,}\b|(issue|pull request|PR) [#0-9]' '*.c' '*.h' '*.sh' '*.t' '*.md' '*.[157]'
none "no merge left undone" '^(<<<<<<<|>>>>>>>) ' '*'

# Sizes from outside are multiplied and added by checked.h, not in the call that allocates.
out=$(files 'lib/stream/*.c' 'lib/image/*.c' 'lib/text/*.c' |
	xargs grep -nE 'memory_allocate(_zero)?\([^,;]*[]a-z_)>] *[*+] *[a-z_(]' 2>/dev/null)
is "readers leave the arithmetic of sizes to checked.h" "$out" ""

out=$(files '*.c' '*.h' | while read -r file; do
	base=$(basename "$file" .c)
	head -n 1 "$file" | grep -qE "^/\* (tests/)?([a-z]*/)?$base(\.c)? - " || echo "$file"
done)
is "each C file begins with /* NAME - its role" "$out" ""
out=$(files '*.sh' '*.t' '*.py' tests/run tests/fuzz/run .ci/run .ci/deps Makefile | while read -r file; do
	base=$(basename "$file")
	head -n 3 "$file" | grep -qE "^(# |\"\"\")($base|${base%.*}) - " || echo "$file"
done)
is "each script begins with # NAME - its role" "$out" ""
out=$(files '*.h' | grep '^lib/' | while read -r file; do
	guard=ZV_$(printf '%s' "${file#lib/}" | tr 'a-z/.' 'A-Z__')
	[ "$(grep -c "^#ifndef $guard\$\|^#define $guard\$" "$file")" -eq 2 ] || echo "$file: $guard"
done)
is "each header has its guard" "$out" ""
for file in CHANGES LICENSE README.md; do
	ok "there is $file" test -s "$file"
done

# What was committed: texts of the messages, and names.
if git rev-parse -q --verify HEAD >/dev/null 2>&1; then
	out=$(git log --format='%h %s%n%b' | grep -nE '(/w''ork/|/ro''ot/|/tm''p/[a-z]|TODO|FIXME|WIP|fixup!|squash!)|[cC]o-[aA]uthored' | head)
	is "messages of commits speak of the project alone" "$out" ""
	out=$(git ls-files | grep -E '\.(o|a|so|pyc|orig|rej|swp|log)$|^build|/core$')
	is "nothing built is committed" "$out" ""
	out=$(git ls-files | grep -v '^examples/emoji/model/' | while read -r file; do
		[ -f "$file" ] && [ "$(wc -c <"$file")" -gt 1000000 ] && echo "$file"
	done)
	is "no committed file but the embedded model is larger than 1 MB" "$out" ""
	size=$(git ls-files -z examples/emoji/model | xargs -0 cat /dev/null | wc -c)
	ok "the embedded model has at most 24 MB ($size bytes)" test "$size" -le 24000000
else
	skip "messages of commits speak of the project alone" "no git history here"
fi
finish
