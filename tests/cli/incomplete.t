# incomplete.t - an input that cannot be read to its end must show downstream: filters write no end
# record and no -o FILE then, so that the last program of a pipeline does not end with 0.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || { fail "the example files are made"; finish; }

zv-cat -k photo.jpg photos.zv -o one.zv
zv-cat -k photo.jpg prompts.zv -o prompt.zv
size=$(wc -c <photos.zv)
head -c $((size * 2 / 3)) photos.zv >cut.zv
# only the end record is missing: everything that is there is sound
zv-cat --level 0 photos.zv >stored.zv
head -c $(($(wc -c <stored.zv) - 213)) stored.zv >endless.zv
zv-cat --salvage endless.zv -o salvaged.zv 2>err
is "the test is right: only the end is missing" "$(zv-ls --keys salvaged.zv 2>/dev/null | tr '\n' ' '):$(zv-ls endless.zv 2>&1 >/dev/null)" \
	'photo.jpg cat.jpg dog.jpg :zv-ls: endless.zv: truncated stream (no end record after "dog.jpg")'
head -c $(($(wc -c <prompts.zv) / 2)) prompts.zv >prompts-half.zv
long=$(printf '%05000d' 0)

# incomplete NAME PROGRAM GOOD ARGUMENT...: run on input that is incomplete; GOOD: keys or lines that
# must be there all the same. $message: the pattern that the one message has.
incomplete() {
	name=$1 program=$2 good=$3
	shift 3
	rm -f file
	"$program" "$@" 2>err | cat >piped
	like "$program, $name: said, once" "$(cat err)" "$program: $message"
	is "$program, $name: one line" "$(wc -l <err | tr -d ' ')" 1
	case $program in
	zv-cat | zv-qformer)
		is "$program, $name: what was read is there" "$(zv-ls --keys piped 2>ls.err | tr '\n' ' ')" "$good"
		like "$program, $name: without the end" "$(cat ls.err)" '*truncated stream*' ;;
	*) is "$program, $name: what was read is there" "$(cut -f 1 piped | tr '\n' ' ')" "$good" ;;
	esac
	status "$program, $name: exit 1" 1 "$program" "$@"
	status "$program -o, $name: exit 1" 1 "$program" -o file "$@"
	ok "$program -o, $name: no file" test ! -e file
	echo before >file
	"$program" -o file "$@" 2>/dev/null
	is "$program -o, $name: an old file stays" "$(cat file)" before
}

printf 'one.zv\n%s\nphotos.zv\n' "$long" >list-stream
printf 'prompt.zv\n%s\nprompts.zv\n' "$long" >list-prompts
printf 'text\n%s\ntext\n' "$long" >list-text
for form in --json --text --raw --safetensors; do
	for input in 'cut.zv' 'endless.zv' 'one.zv absent.zv one.zv' '-T list-stream'; do
		rm -f file
		# shellcheck disable=SC2086
		status "zv-export $form of $input: exit 1" 1 zv-export $form -o file $input
		ok "... and no file" test ! -e file
	done
done
for program in zv-cat 'zv-qformer -m ziya'; do
	# shellcheck disable=SC2086
	set -- $program
	program=$1
	shift
	message='cut.zv: byte *'
	incomplete "a cut stream" "$program" 'photo.jpg cat.jpg ' "$@" cut.zv
	message='endless.zv: truncated stream *'
	incomplete "no end record" "$program" 'photo.jpg cat.jpg dog.jpg ' "$@" endless.zv
	message='absent.zv: cannot open*'
	incomplete "a file that is absent" "$program" 'photo.jpg photo.jpg ' "$@" one.zv absent.zv one.zv
	message='list "list-stream": line 2 *'
	incomplete "a bad line in the list" "$program" 'photo.jpg ' "$@" -T list-stream
	for input in cut.zv endless.zv 'one.zv absent.zv' '-T list-stream'; do
		# shellcheck disable=SC2086
		"$program" "$@" $input 2>/dev/null | zv-ls >/dev/null 2>&1
		is "$program of $input: the program behind it sees it" "$?" 1
	done
done
message='prompts-half.zv: byte *'
incomplete "a cut stream" zv-generate "$(zv-ls --keys prompts-half.zv 2>/dev/null | tr '\n' ' ')" -m ziya --max-new 2 prompts-half.zv
message='absent.zv: cannot open*'
incomplete "a file that is absent" zv-generate 'photo.jpg photo.jpg ' -m ziya --max-new 2 prompt.zv absent.zv prompt.zv
message='list "list-prompts": line 2 *'
incomplete "a bad line in the list" zv-generate 'photo.jpg ' -m ziya --max-new 2 -T list-prompts
message='absent: cannot open*'
incomplete "a file that is absent" zv-tokenize '14 19 14 19 ' -m ziya -c text absent text
message='list "list-text": line 2 *'
incomplete "a bad line in the list" zv-tokenize '14 19 ' -m ziya -c -T list-text
message='absent: cannot open*'
incomplete "a file of texts that is absent" zv-qformer "$(sed 1q text) $(sed -n 2p text) $(sed 1q text) $(sed -n 2p text) " \
	-m ziya --text text absent text

# Whole pipelines, without pipefail
for part in cut.zv endless.zv 'one.zv absent.zv'; do
	# shellcheck disable=SC2086
	zv-cat $part 2>/dev/null | zv-qformer -m ziya 2>/dev/null | zv-generate -m ziya --max-new 2 -o out >/dev/null 2>&1
	is "zv-cat $part | zv-qformer | zv-generate: exit 1" "$?" 1
	ok "... without a file" test ! -e out
done
zv-encode -m absent photo.jpg 2>/dev/null | zv-qformer -m ziya 2>/dev/null | zv-generate -m ziya >/dev/null 2>&1
is "an encoder that never begins: exit 1" "$?" 1
mkdir bin
printf '#!/bin/sh\n"%s/zv-encode" "$@" | head -c 9000\n' "$ZV_BUILD" >bin/zv-encode
chmod +x bin/zv-encode && cp "$(command -v zv-ask)" bin # it would prefer the encoder beside itself
PATH=$PWD/bin:$PATH zv-ask -m ziya --max-new 2 photo.jpg cat.jpg dog.jpg 'What?' >out 2>err
is "zv-ask with an encoder that dies: exit 1" "$?" 1
PATH=$PWD/bin:$PATH zv-ask -m ziya --max-new 2 -o answers photo.jpg cat.jpg dog.jpg 'What?' >out 2>err
ok "... and no file" test ! -e answers

# The way out
status "zv-cat --salvage: exit 1" 1 zv-cat --salvage endless.zv -o salvaged.zv
ok "zv-cat --salvage: the result is whole" zv-qformer -m ziya salvaged.zv -o prompts2.zv
status "zv-cat --salvage: what is not there at all is no damage" 1 zv-cat --salvage one.zv absent.zv -o salvaged2.zv
ok "... and no file" test ! -e salvaged2.zv
finish
