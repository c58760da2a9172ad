# exports.t - no function or object is offered by a file of the library that only that file uses:
# it is static there, or goes. What only tests call must be part of a contract, listed here.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2
scratch=$OLDPWD
if ! command -v nm >/dev/null 2>&1; then
	skip "what is exported is used" "no nm here"
	finish
fi

# Part of a contract, though only tests call it from outside its file:
#   answer_add             stop texts byte by byte, without a vocabulary
#   checkpoint_find        a tensor by name, for who compares checkpoints
#   contrast_of            a micro-batch of ids and pixels, as the reference data has it,
#   contrast_train         through the stage "contrast",
#   match_draw             and one draw of its negatives
#   optimiser_ref          what the optimiser's kernels for a CPU must equal
#   generate_of            with
#   generate_run           the same through "generate" and "instruct", measured by make bench
#   product_run_threads    a product within threads of the caller's, measured by make bench
#   qformer_forward        one picture and text with
#   qformer_image_new      the rows of both, as the reference data has them
#   reader_open_memory     streams in memory, which fuzzing and embedding need
#   saves_most             what recomputation saves
#   template_parse         templates in memory, as above
#   tiles_are_right        the check of AMX at first use, run over tiles with faults
contract='answer_add checkpoint_find contrast_of
	contrast_train generate_of generate_run match_draw optimiser_ref product_run_threads
	qformer_forward qformer_image_new
	reader_open_memory saves_most template_parse tiles_are_right'

for source in lib/*/*.c cmd/*.c; do
	object=$ZV_BUILD/obj/${source%.c}.o
	[ -e "$object" ] && echo "$object"
done >"$scratch/objects"
grep /obj/lib/ "$scratch/objects" | xargs nm -g --defined-only 2>/dev/null |
	awk 'NF == 3 && $3 !~ /^_/ { print $3 }' | sort -u >"$scratch/offered"
xargs nm -g --undefined-only <"$scratch/objects" 2>/dev/null |
	awk 'NF == 2 { print $2 }' | sort -u >"$scratch/wanted"
ok "the library's objects are there" test "$(wc -l <"$scratch/offered")" -gt 100
comm -23 "$scratch/offered" "$scratch/wanted" >"$scratch/alone"
for name in $contract; do echo "$name"; done | sort >"$scratch/contract"
is "what is exported is used outside its file" "$(comm -23 "$scratch/alone" "$scratch/contract")" ""
is "the list of exceptions is no longer than needed" "$(comm -13 "$scratch/alone" "$scratch/contract")" ""
out=$(while read -r name; do
	grep -qrwF --include='*.c' -e "$name" tests/unit tests/tools tests/fuzz || echo "$name"
done <"$scratch/contract")
is "tests call what is excepted" "$out" ""
finish
