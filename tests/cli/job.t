# job.t - examples/batch.mk keeps a folder captioned: what is new, changed, failed, deleted, asked for
# anew; odd names; the same by parallel.sh and slurm.sbatch. (fault/job.t kills it.)
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || { fail "fixtures"; finish; }
unset MAKEFLAGS MAKELEVEL MFLAGS N WORK MODEL PICTURES LANGUAGES GENERATE
PROMPT_en='What is it?' PROMPT_zh='这是什么？' GENERATE=--max-new=4 MODEL=ziya
export PROMPT_en PROMPT_zh GENERATE MODEL
batch() { make -s -f "$ZV_ROOT/examples/batch.mk" PICTURES=album N=3 "$@"; }
keys() { cut -f 1 "$1" | tr '\n' '|'; }
# answers LANGUAGE-PROMPT PICTURE...: what the pipeline says, as "key TAB caption"
answers() {
	answers_prompt=$1
	shift
	zv-encode -q -m ziya "$@" | zv-qformer -q -m ziya -p "$answers_prompt" | zv-generate -q -m ziya $GENERATE
}

### A first run
mkdir -p 'album/a b'
cp photo.jpg 'album/a b/one "two" '\''three'\'' \four.jpg'
cp cat.jpg album/cat.JPG
cp dog.jpg album/-dog.jpg
echo broken >album/bad.png
echo notes >album/notes.txt
odd=$(printf 'album/caf\351.jpg')
cp cat.jpg "$odd"
cp cat.jpg 'album/two
lines.jpg'
is "a first run" "$(batch -j2 2>err | sed '1s/; [0-9]* s, .*//')" \
	"batch: 3 pictures have captions, 3 failed, 0 were deleted; now 3 encoded, 6 captions
batch: why they failed: work/failed.tsv; the next run tries them again"
is "failures are told" "$(cat err)" "zv-encode: album/bad.png: not a picture (JPEG, PNG, WebP or PNM)"
is "keys" "$(keys work/captions.tsv)" \
	"album/-dog.jpg|album/a b/one \"two\" 'three' \\\\four.jpg|album/cat.JPG|"
is "failed" "$(cut -f 2 work/failed.tsv | tr '\n' '|')" \
	"not a picture (JPEG, PNG, WebP or PNM)|the name is not UTF-8; rename it|the name has control characters; rename it|"
is "make failed" "$(batch failed | cut -f 1 | tr '\n' '|')" "album/bad.png|album/cafM-i.jpg|album/two?lines.jpg|"
for language in en zh; do
	eval "prompt=\$PROMPT_$language"
	answers "$prompt" album/-dog.jpg 'album/a b/one "two" '\''three'\'' \four.jpg' album/cat.JPG >"wanted.$language"
done
cut -f 1,2 work/captions.tsv | cmp - wanted.en && cut -f 1,3 work/captions.tsv | cmp - wanted.zh
is "captions are those of the pipeline, in both languages" "$?" 0
is "JSON lines say the same" "$(python3 - <<'PY'
import json
undo = lambda text: text.encode().decode('unicode_escape').encode('latin1').decode()
rows = [[undo(field) for field in line.rstrip('\n').split('\t')] for line in open('work/captions.tsv')]
lines = [json.loads(line) for line in open('work/captions.jsonl')]
print(len(rows), rows == [[line['key'], line['en'], line['zh']] for line in lines])
PY
)" "3 True"

### Run again
now() { batch "$@" 2>err | sed -n '1s/.*now \(.*\); [0-9]* s, .*/\1/p'; }
is "again: only what failed is tried" "$(now):$(cat err)" \
	"0 encoded, 0 captions:zv-encode: album/bad.png: not a picture (JPEG, PNG, WebP or PNM)"
rm "$odd" 'album/two
lines.jpg'
cp photo.jpg album/bad.png
is "what failed is there now" "$(now):$(cat err work/failed.tsv)" "1 encoded, 2 captions:"
is "the report says so, too" "$(sed 's/;.*//' work/report)" "batch: 4 pictures have captions, 0 failed, 0 were deleted"
is "nothing is left to do" "$(now)$(ls work/log)" "0 encoded, 0 captions"
before=$(cat work/captions.tsv)
cp cat.jpg album/new.jpg; cp dog.jpg album/cat.JPG
is "a new picture and another in an old one's place" "$(now -j2)" "2 encoded, 4 captions"
is "the caption is that of the picture now" "$(grep '^album/cat.JPG' work/captions.tsv | cut -f 2,3)" \
	"$(grep '^album/-dog.jpg' work/captions.tsv | cut -f 2,3)"
is "the others are as they were" "$(printf '%s\n' "$before" | grep -v cat.JPG)" "$(grep -v 'cat.JPG\|new' work/captions.tsv)"
is "each picture is once among the newest" "$(for i in 1 2 3; do zv-cat --newest work/features/$i.zv; done | zv-ls --keys - | sort | tr '\n' '|')" \
	"$(keys work/captions.tsv)"
rm album/new.jpg
is "a deleted picture" "$(batch | sed 's/; now.*//'):$(keys work/captions.tsv)" \
	"batch: 4 pictures have captions, 0 failed, 1 were deleted:album/-dog.jpg|album/a b/one \"two\" 'three' \\\\four.jpg|album/bad.png|album/cat.JPG|"
touch album/*
is "touched, but the same: nothing is computed" "$(now)" "0 encoded, 0 captions"
for i in 1 2 3 4 5 6; do
	cp album/-dog.jpg dog.tmp; mv album/cat.JPG album/-dog.jpg; mv dog.tmp album/cat.JPG
	batch >/dev/null
done
is "what was deleted or superseded leaves the caches in time" \
	"$(test "$(zv-ls --keys work/features/?.zv | wc -l)" -le 6; echo $?):$(zv-ls --keys work/features/?.zv | grep -c new)" 0:0
cp dog.jpg album/cat.JPG; cp dog.jpg album/-dog.jpg
batch >/dev/null
PROMPT_en='What else?'
is "another prompt: its captions alone" "$(now)" "0 encoded, 4 captions"
is "are those of the pipeline" "$(cut -f 1,2 work/captions.tsv | grep cat.JPG)" "$(answers "$PROMPT_en" album/cat.JPG)"
PROMPT_fr='Quoi ?'
export PROMPT_fr
is "another language" "$(now LANGUAGES='en zh fr'):$(awk -F '\t' '{ print NF }' work/captions.tsv | sort -u)" "0 encoded, 4 captions:4"
seed-model --seed 2 other >/dev/null
is "another model" "$(now MODEL=other)" "4 encoded, 8 captions"
is "is not mixed with the one before" "$(zv-ls -l work/features/?.zv | cut -f 6 | sort -u | wc -l | tr -d ' ')" 1
ok "all features in one file" batch MODEL=other features
is "with an index" "$(zv-cat -k album/cat.JPG work/features.zv | zv-ls --keys)" album/cat.JPG

### What cannot be
refused() { # NAME PATTERN ARGUMENT...
	refused_name=$1 refused_pattern=$2
	shift 2
	batch "$@" >out 2>err
	refused_got=$?
	ok "$refused_name: make fails" test $refused_got -ne 0
	like "$refused_name: says why" "$(cat err)" "$refused_pattern"
}
refused "another number of shards" '*batch: ./work has 3 shards, not 4*' N=4
refused "no such folder" '*batch: there is no folder "none"*' PICTURES=none
refused "a blank in WORK" '*folder whose name has no blanks*' WORK='my work'
refused "a language without a prompt" '*batch: there is no PROMPT_it*' LANGUAGES='en it' WORK=other-work
refused "a shard before the scan" '*first*scan*' WORK=none shard I=1
refused "no model" '*none*' WORK=other-work MODEL=none
refused "no result without a model" '*none*' WORK=other-work MODEL=none
ok "no result" test ! -e other-work/captions.tsv
mkdir empty
is "an empty folder" "$(batch PICTURES=empty WORK=empty-work | sed 's/;.*//')" "batch: 0 pictures have captions, 0 failed, 0 were deleted"
rm -rf other-work

### By other means
batch WORK=plain -j2 >/dev/null
cat >stand-in <<'SH'
#!/bin/sh
# what of GNU parallel is needed here: a job for each line, -jN at once, --wd FOLDER
jobs=1
while [ $# -gt 1 ]; do
	case $1 in -j*) jobs=${1#-j} ;; --wd) cd "$2" || exit; shift ;; *) exit 2 ;; esac
	shift
done
while read -r line; do printf '%s\n' "$1" | sed "s/{}/$line/g"; done | tr '\n' '\0' | xargs -0 -P "$jobs" -n 1 sh -c
SH
chmod +x stand-in
command -v parallel >/dev/null 2>&1 && programs='./stand-in parallel' || programs=./stand-in
for program in $programs; do
	rm -rf spread
	is "parallel.sh with $program" "$(PICTURES=album WORK=spread N=3 PARALLEL_PROGRAM=$program sh "$ZV_ROOT/examples/parallel.sh" -j2 2>err |
		sed 's/; [0-9]* s, .*//')" "batch: 4 pictures have captions, 0 failed, 0 were deleted; now 4 encoded, 8 captions"
	same "parallel.sh with $program: the captions of make" plain/captions.tsv spread/captions.tsv
done
export PICTURES=album WORK=cluster N=3 BATCH="$ZV_ROOT/examples/batch.mk"
slurm() { sh "$ZV_ROOT/examples/slurm.sbatch"; }
ok "slurm.sbatch: scan" make -s -f "$BATCH" scan
for task in 2 1 3; do
	ok "slurm.sbatch: task $task" env SLURM_ARRAY_TASK_ID=$task SLURM_CPUS_PER_TASK=1 sh "$ZV_ROOT/examples/slurm.sbatch"
	[ $task != 2 ] || is "slurm.sbatch: a task makes its shard alone" "$(cd cluster/done && echo *)" "2.en 2.features 2.zh"
done
status "slurm.sbatch: a task that there is not" 2 env SLURM_ARRAY_TASK_ID=4 sh "$ZV_ROOT/examples/slurm.sbatch"
is "slurm.sbatch: the joining" "$(slurm | sed 's/; [0-9]* s, .*//')" \
	"batch: 4 pictures have captions, 0 failed, 0 were deleted; now 4 encoded, 8 captions"
same "slurm.sbatch: the captions of make" plain/captions.tsv cluster/captions.tsv

### Damage
cp plain/captions.tsv before
size=$(wc -c <plain/features/3.zv)
printf ABCD | dd of=plain/features/3.zv bs=1 seek=$((size / 4)) conv=notrunc 2>/dev/null
PROMPT_zh='还有什么？'
batch WORK=plain >out 2>err
like "a damaged cache is named" "$(cat err)" "*plain/features/3.zv*"
ok "nothing is told about its pictures that may be wrong" test -s plain/failed.tsv
like "but that they have no caption" "$(cat plain/failed.tsv)" "*no caption; see plain/log*"
is "the next run mends it" "$(batch WORK=plain 2>err | sed 's/;.*//')" "batch: 4 pictures have captions, 0 failed, 0 were deleted"
is "all captions are there" "$(cut -f 1,2 plain/captions.tsv)" "$(cut -f 1,2 before)"
finish
