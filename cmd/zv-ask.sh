#!/bin/sh
# zv-ask.sh - an answer about a picture: the pipeline zv-encode | zv-qformer | zv-generate.
# A stage that dies leaves its stream without the end record, so the last stage fails too and its
# status is that of all: no pipefail is needed.
set -u

synopsis='usage: zv-ask [OPTION...] [PICTURE...] QUESTION'

help() {
	cat <<END
$synopsis
zv-ask - ask a question about pictures

options:
  -m, --model MODEL       model directory, or a name looked up in ZV_MODELS
                          (default: the only model in ZV_MODELS, or the installed one)
  -p, --prompt QUESTION   the question; all operands are pictures then
  -T, --files-from LIST   read more pictures from LIST, one a line
  -0, --null              names in LIST and answers end with a zero byte
      --chat              talk about one PICTURE: no QUESTION, turns from standard
                          input, one a line
      --no-orient         do not turn pictures upright by their EXIF orientation
  -o, --output FILE       write to FILE, which appears whole or not at all
      --json              write one JSON object per line
      --max-new N         tokens of an answer at most (default: the model's, or 128)
      --greedy            always the best token, whatever the model's settings say
      --sample            draw tokens at random (default: as the model's settings say)
      --temperature X     sampling: divide the scores by X
      --top-k N           sampling: from the N best
      --top-p P           sampling: from the fewest best that reach probability P
      --seed N            sampling: another N, other answers (default 0)
      --beams N           beam search with N beams
      --repetition-penalty X
                          make tokens that the answer holds already less likely
      --lookup            guess tokens from prompt and answer: the same answers, sooner
                          where they repeat something
      --cache TYPE        keep keys and values as f32, f16, int8, or as the model's
                          weights (default model)
      --template NAME     prompt template (default: the model's)
      --stop TEXT         end the answer in front of TEXT; may be given several times
      --adapter FILE      LoRA adapter of the language model; may be given several times
  -t, --threads N         compute threads of each stage (default: ZV_THREADS, or all CPUs)
      --strict            stop at the first picture that fails
  -v, --verbose           print the counts of each stage at the end, on standard error
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

# The stages beside this script go before others of the same names.
unset CDPATH
here=$(cd -- "$(dirname -- "$0")" && pwd) || here=
[ ! -x "$here/zv-generate" ] || PATH=$here:$PATH
stages() {
	for stage in zv-encode zv-qformer zv-generate; do
		command -v $stage >/dev/null || die "$stage is neither in ${here:-the directory of zv-ask} nor in PATH"
	done
}

# threads OPTION NUMBER: refuse what no stage takes
threads() {
	case $2 in '' | *[!0-9]* | ????*) set -- "$1" 0 ;; esac
	[ "$2" -ge 1 ] && [ "$2" -le 256 ] || usage "$1: must be a whole number from 1 to 256"
}

# models FOLDER:...: the models in folders, a line each
models() (
	IFS=:
	for folder in $1; do
		for file in "$folder"/*/llm.zv; do
			[ ! -f "$file" ] || printf '%s\n' "${file%/llm.zv}"
		done
	done
)

# choose_model: the one in ZV_MODELS when there is just one, else the one installed with the programs
choose_model() {
	model=$(models "${ZV_MODELS-}")
	[ -n "$model" ] || model=$(models "$here/../share/zv/models")
	case $model in
	'') usage 'which model? give -m MODEL: a directory made by zv-import, or a name in ZV_MODELS' ;;
	*'
'*) usage "which model? There are several, give -m with one of: $(printf '%s\n' "$model" |
		sed 's|.*/||' | sort -u | paste -s -d ' ' -)" ;;
	esac
}

# Options are sorted into those of all stages, of zv-encode and of zv-generate; of the operands the
# last is the question unless -p gave it, those before it are pictures. Each list is quoted for eval, so that blanks
# and quotes in arguments survive.
quote() { printf " '"; printf '%s' "$1" | sed "s/'/'\\\\''/g"; printf "'"; }
model='' chat='' list='' null='' all='' encode='' generate='' pictures='' question='' prompted='' count=0
operand() {
	[ $count -eq 0 ] || pictures=$pictures$(quote "$question")
	question=$1 count=$((count + 1))
}
while [ $# -gt 0 ]; do
	word=$1 joined=''
	shift
	# an argument that is part of the word becomes a word of its own
	case $word in
	--) for word; do operand "$word"; done; break ;;
	--*=*) set -- "${word#*=}" "$@"; word=${word%%=*} joined=yes ;;
	-[moTtp]?*) set -- "${word#-?}" "$@"; word=${word%"$1"} ;;
	-[0vq]?*) set -- "-${word#-?}" "$@"; word=${word%"${word#-?}"} ;;
	esac
	case $word in
	-m | --model | -p | --prompt | -T | --files-from | -t | --threads | -o | --output | --max-new | --temperature | --top-k | \
		--top-p | --seed | --beams | --repetition-penalty | --cache | --template | --stop | --adapter)
		[ $# -gt 0 ] || usage "option $word needs an argument"
		value=$(quote "$1")
		case $word in
		-m | --model) model=$1 ;;
		-p | --prompt) prompted=yes prompt=$1 ;;
		-T | --files-from) list=yes encode="$encode $word$value" ;;
		-t | --threads) threads --threads "$1"; all="$all $word$value" ;;
		*) generate="$generate $word$value" ;;
		esac
		shift
		continue ;;
	-?*) [ -z "$joined" ] || usage "option $word takes no argument" ;;
	esac
	case $word in
	-h | --help)
		help 2>/dev/null || die 'standard output: write error'
		exit 0 ;;
	--version)
		stages
		text=$(zv-generate --version) || exit 2
		printf '%s\n' "$text" | sed '1s/^zv-generate/zv-ask/' 2>/dev/null || die 'standard output: write error'
		exit 0 ;;
	--chat) chat=$word ;;
	-0 | --null) null=$word ;;
	-v | -q | --verbose | --quiet | --strict) all="$all $word" ;;
	--no-orient) encode="$encode $word" ;;
	--json | --greedy | --sample | --lookup) generate="$generate $word" ;;
	-?*) usage "unknown option $word" ;;
	*) operand "$word" ;;
	esac
done
case $all in *' -t'* | *' --threads'*) ;; *) threads ZV_THREADS "${ZV_THREADS:-1}" ;; esac
if [ -n "$prompted" ]; then
	[ -z "$chat" ] || usage '-p does not go with --chat'
	operand "$prompt"
fi
if [ -n "$chat" ]; then
	[ "$count$list" = 1 ] || usage '--chat is about one picture'
else
	[ $((count + (${#list} > 0))) -ge 2 ] || usage 'name a picture, then ask a question'
	[ -n "$prompted" ] || [ ! -f "$question" ] ||
		usage "the last operand is the question, but $question is a file; if it is the question, give it as -p TEXT"
fi
[ -n "$model" ] || choose_model
stages
all="-m$(quote "$model")$all"
case $generate in
*' --json'*) ;; # each object has its key
*) [ -n "$list" ] || [ $((count - (${#chat} == 0))) -ne 1 ] || generate="$generate --text-only"
	generate="$generate $null" ;;
esac

if [ -n "$chat" ]; then
	scratch=$(mktemp -d) || die 'cannot make a scratch directory'
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	eval "zv-encode $all$encode -- \"\$question\"" </dev/null |
		eval "zv-qformer $all -o \"\$scratch/prompt.zv\"" || exit $?
	eval "zv-generate $all$generate --chat -- \"\$scratch/prompt.zv\""
else
	# zv-generate gets the question too: it then knows that no other one about a picture follows
	eval "zv-encode $all$encode $null --$pictures" |
		eval "zv-qformer $all -p \"\$question\"" |
		eval "zv-generate $all$generate -p \"\$question\""
fi
exit $?
