#!/bin/sh
# zv-ask.sh - an answer about a picture: the pipeline zv-encode | zv-qformer | zv-generate.
# A stage that dies leaves its stream without the end record, so the last stage fails too and its
# status is that of all: no pipefail is needed.
set -u
unset CDPATH

synopsis='usage: zv-ask [OPTION...] PICTURE... QUESTION'

help() {
	cat <<END
$synopsis
zv-ask - ask a question about pictures

options:
  -m, --model MODEL       model directory, or a name looked up in ZV_MODELS
                          (default: the only model in ZV_MODELS)
      --chat              talk about one PICTURE: no QUESTION, turns from standard
                          input, one a line
      --no-orient         do not turn pictures upright by their EXIF orientation
  -o, --output FILE       write to FILE, which appears whole or not at all
      --json              write one JSON object per line
      --max-new N         tokens of an answer at most (default: the model's, or 128)
      --sample            draw tokens at random (default: as the model's settings say)
      --temperature X     sampling: divide the scores by X
      --top-k N           sampling: from the N best
      --top-p P           sampling: from the fewest best that reach probability P
      --seed N            sampling: another N, other answers (default 0)
      --beams N           beam search with N beams
      --repetition-penalty X
                          make tokens that the answer holds already less likely
      --template NAME     prompt template (default: the model's)
      --stop TEXT         end the answer in front of TEXT; may be given several times
      --adapter FILE      LoRA adapter of the language model; may be given several times
  -v, --verbose           print counts at the end, on standard error
  -q, --quiet             no progress and no remarks
  -h, --help              print this and exit
      --version           print the versions and exit

in:   pictures (JPEG, PNG, WebP, PNM) and a question in the model's language
out:  the answer; for several pictures a line "picture TAB answer" each

examples:
  zv-ask -m ziya photo.jpg '图里有什么？'
  zv-ask -m ziya --chat photo.jpg

exit: 0 done, 1 a picture failed, 2 trouble
see:  zv-encode(1), zv-qformer(1), zv-generate(1), zv(7)
END
}

# say TEXT: a message, control bytes taken out; die TEXT: with status 2; usage TEXT: with synopsis
say() { printf 'zv-ask: %s\n' "$(printf '%s' "$1" | tr -d '\000-\037\177')" >&2; }
die() { say "$1"; exit 2; }
usage() { say "$1"; printf '%s\ntry "zv-ask --help"\n' "$synopsis" >&2; exit 2; }

# Standard output must be there before anything is computed for it.
(exec 3>&1) 2>/dev/null || die 'standard output is closed'

# only_model: the model in ZV_MODELS when there is just one
only_model() {
	found=
	old_ifs=$IFS
	IFS=:
	for folder in ${ZV_MODELS-}; do
		for file in "$folder"/*/llm.zv; do
			[ -f "$file" ] || continue
			[ -z "$found" ] || { IFS=$old_ifs; return 1; }
			found=${file%/llm.zv}
		done
	done
	IFS=$old_ifs
	[ -n "$found" ] && printf '%s\n' "$found"
}

# Options are sorted into those of all stages, of zv-encode and of zv-generate; operands stay. Each
# list is quoted for eval, so that blanks and quotes in arguments survive.
quote() { printf "'"; printf '%s' "$1" | sed "s/'/'\\\\''/g"; printf "' "; }
model='' chat='' all='' encode='' generate='' operands='' count=0 more=yes
# shellcheck disable=SC2034 # the question is used inside eval
operand() { operands=$operands$(quote "$1"); count=$((count + 1)); question=$1; }
while [ $# -gt 0 ]; do
	word=$1
	shift
	[ "$more" = yes ] || { operand "$word"; continue; }
	value='' has_value=
	case $word in
	--*=*) value=${word#*=} word=${word%%=*} has_value=yes ;;
	-[mo]?*) value=${word#-?} word=${word%"${word#-?}"} has_value=yes ;;
	esac
	case $word in
	-m | -o | --model | --output | --max-new | --temperature | --top-k | --top-p | --seed | --beams | \
		--repetition-penalty | --template | --stop | --adapter)
		if [ -z "$has_value" ]; then
			[ $# -gt 0 ] || usage "option $word needs an argument"
			value=$1
			shift
		fi ;;
	--*) [ -z "$has_value" ] || usage "option $word takes no argument" ;;
	esac
	case $word in
	--) more=no ;;
	-h | --help)
		help 2>/dev/null || die 'standard output: write error'
		exit 0 ;;
	--version)
		text=$(zv-generate --version) || exit 2
		printf '%s\n' "$text" | sed '1s/^zv-generate/zv-ask/' 2>/dev/null || die 'standard output: write error'
		exit 0 ;;
	-m | --model) model=$value ;;
	--chat) chat=--chat ;;
	-v | -q | --verbose | --quiet) all="$all $word" ;;
	--no-orient) encode=$word ;;
	--json | --sample) generate="$generate $word" ;;
	-o | --output | --max-new | --temperature | --top-k | --top-p | --seed | --beams | --repetition-penalty | \
		--template | --stop | --adapter) generate="$generate $word $(quote "$value")" ;;
	-?*) usage "unknown option $word" ;;
	*) operand "$word" ;;
	esac
done
if [ -n "$chat" ]; then
	[ $count -eq 1 ] || usage '--chat is about one picture'
else
	[ $count -ge 2 ] || usage 'name a picture, then ask a question'
fi
[ -n "$model" ] || model=$(only_model) ||
	usage 'which model? give -m MODEL: a directory made by zv-import, or a name in ZV_MODELS'

if [ -n "$chat" ]; then
	scratch=$(mktemp -d) || die 'cannot make a scratch directory'
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	eval "zv-encode -m \"\$model\" $all $encode -- $operands" </dev/null |
		eval "zv-qformer -m \"\$model\" $all -o \"\$scratch/prompt.zv\"" || exit $?
	case $generate in *--json*) ;; *) generate="$generate --text-only" ;; esac
	eval "zv-generate -m \"\$model\" $all $generate --chat -- \"\$scratch/prompt.zv\""
	exit $?
fi
# The last operand is the question, those before are pictures.
eval "set -- $operands"
pictures=''
while [ $# -gt 1 ]; do
	pictures=$pictures$(quote "$1")
	shift
done
case $generate in
*--json*) ;;
*) [ $count -gt 2 ] || generate="$generate --text-only" ;;
esac
eval "zv-encode -m \"\$model\" $all $encode -- $pictures" |
	eval "zv-qformer -m \"\$model\" $all -p \"\$question\"" |
	eval "zv-generate -m \"\$model\" $all $generate"
exit $?
