# append-qformer.t - zv-qformer --append, and int8 through all stages.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
# shellcheck source=tests/support/append.sh
. "$ZV_TESTS/support/append.sh"
### zv-qformer
encode --append vit.zv -T list
sed 's/$/	what?/' list >questions
printf '%s\twho?\n' "$(head -n 1 list)" >>questions
zv-qformer -q -m ziya --questions questions vit.zv -o asked.zv
zv-qformer -q -m ziya --questions questions --append prompts.zv vit.zv
is "zv-qformer --append: the same results" "$(tensors prompts.zv)" "$(tensors asked.zv)"
is "... once" "$(zv-qformer -v -m ziya --questions questions --append prompts.zv vit.zv 2>&1)" \
	"zv-qformer: 12 read, 0 written, 0 failed, 13 already there"
printf '%s\tnew?\n' "$(head -n 1 list)" >>questions
is "... but for a new question" "$(zv-qformer -v -m ziya --questions questions --append prompts.zv vit.zv 2>&1)" \
	"zv-qformer: 12 read, 1 written, 0 failed, 13 already there"
is "... or another kind of result" "$(zv-qformer -v -m ziya --contrast --append prompts.zv vit.zv 2>&1)" \
	"zv-qformer: 12 read, 12 written, 0 failed, 0 already there"
head -c $(($(size prompts.zv) - 500)) prompts.zv >torn.zv; cp prompts.zv.zvi torn.zv.zvi
zv-qformer -q -m ziya --contrast --append torn.zv vit.zv 2>/dev/null
is "... torn, and completed" "$(tensors torn.zv)" "$(tensors prompts.zv)"

### int8 everywhere
for type in f32 int8; do
	zv-encode -m ziya --dtype $type -o i.zv -T list
	zv-qformer -m ziya --dtype $type i.zv -o j.zv
	zv-generate -m ziya --max-new 4 j.zv >answers.$type
	zv-export --text i.zv | wc -l >rows.$type
done
is "zv-generate takes int8 all the way" "$(cut -f 1 answers.int8)" "$(cut -f 1 answers.f32)"
same "zv-export: as many rows" rows.int8 rows.f32
zv-encode -m ziya -o f.zv -T list
ok "zv-cmp: int8 is within 1/254 of a row's largest value" zv-cmp --rel-max 0.004 i.zv f.zv
zv-cat --stack i.zv | zv-cat --unstack >u.zv
ok "zv-cat --stack and --unstack" zv-cmp u.zv i.zv
finish
