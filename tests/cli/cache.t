# cache.t - zv-generate --cache: keys and values in f16 and int8. f16 writes what f32 does; both have
# the same bytes in any company and at any number of threads; int8 is close.
. "$ZV_TESTS/lib.sh"
model=$ZV_ROOT/examples/emoji/model
pictures=$ZV_ROOT/examples/pictures
zv-encode -q -m "$model" "$pictures"/scene-[123].jpg -o features.zv
cut -f 1,2 "$pictures/questions.tsv" | head -n 14 | sed "s,^,$pictures/," >asked.tsv
zv-qformer -q -m "$model" --questions asked.tsv features.zv -o prompts.zv
cut -f 2 "$pictures/questions.tsv" | head -n 12 >questions
answer() { zv-generate -q -m "$model" --max-new 24 "$@"; }

# bytes TYPE [MODEL]: of a token's keys and values, as -v tells them
bytes() { zv-generate -v -m "${2:-$model}" --cache "$1" --max-new 1 --no-image -p hi 2>&1 >out |
	sed -n 's/.*keys and values in \([a-z0-9]*\), \([0-9]*\) bytes a token.*/\1 \2/p'; }
full=$(bytes f32)
half=$(bytes f16)
byte=$(bytes int8)
is "f16 takes half of f32" "${half#f16 }" "$((${full#f32 } / 2))"
ok "int8 takes little more than a quarter (${byte#int8 } of ${full#f32 })" \
	test "${byte#int8 }" -ge $((${full#f32 } / 4)) -a "${byte#int8 }" -le $((${full#f32 } * 5 / 16))
seed-model --dtype bf16 half >/dev/null || fail "seed-model"
like "f32 unless asked for otherwise, whatever the weights are" "$(zv-generate -v -m half --max-new 1 \
	--no-image -p hi 2>&1 >out)" "*keys and values in f32, *"

for input in "prompts.zv" "-P questions"; do
	# shellcheck disable=SC2086
	answer --cache f32 $input >f32
	# shellcheck disable=SC2086
	answer --cache f16 $input >f16
	same "f16 writes what f32 does: $input" f32 f16
done
for type in f16 int8; do
	answer --cache $type -b 1 -t 1 --json --ids --logprobs prompts.zv >wanted
	wrong=
	for run in '2 1' '3 2' '8 3' '16 1'; do
		answer --cache $type -b "${run% *}" -t "${run#* }" --json --ids --logprobs prompts.zv >got
		cmp -s wanted got || wrong="$wrong -b $run"
	done
	answer --cache $type --lookup -b 3 --json --ids --logprobs prompts.zv >got
	cmp -s wanted got || wrong="$wrong --lookup"
	is "$type: the same bytes whatever runs beside" "$wrong" ""
	answer --cache $type -b 1 --json --beams 3 prompts.zv >wanted
	answer --cache $type -b 5 -t 3 --json --beams 3 prompts.zv >got
	same "$type: and with beams" wanted got
done

# What the answers in f32 are worth in the others: log-probability a token
answer --cache f32 --json prompts.zv >f32.json
python3 -c 'import json
for line in open("f32.json", encoding="utf-8"):
    print(json.loads(line)["text"] or "-")' | sort -u >answers
for type in f32 f16 int8; do answer --cache $type --score answers --json prompts.zv >score.$type; done
python3 - >check <<'EOF'
import json
def means(name):
    return [json.loads(line)["mean"] for line in open("score." + name)]
wanted = means("f32")
for name, bound in ("f16", 0.005), ("int8", 0.1):
    off = max(abs(a - b) for a, b in zip(wanted, means(name)))
    print(name, "%s: %.5f" % ("good" if 0 < off < bound else "bad", off))
EOF
like "f16: log-probabilities within 0.005 a token ($(sed -n 1p check))" "$(sed -n 1p check)" "*good*"
like "int8: within 0.1 ($(sed -n 2p check))" "$(sed -n 2p check)" "*good*"
zv-generate -q -m "$model" --cache f8 --no-image -p hi >out 2>err
is "an unknown type: exit 2" "$?" 2
finish
