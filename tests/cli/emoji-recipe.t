# emoji-recipe.t - the recipe of examples/emoji from nothing to a model, all stages, with very few
# scenes and steps: what comes out knows nothing, but every program takes it.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"

missing=
for file in /usr/include/freetype2/ft2build.h /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf \
	/usr/share/unicode/cldr/common/annotations/zh.xml /usr/share/unicode/emoji/emoji-test.txt; do
	[ -e "$file" ] || missing="$missing $file"
done
for program in spm_train pkg-config; do
	command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
if [ -n "$missing" ] || [ -n "${ZV_SANITIZE-}" ]; then
	skip "the recipe" "${missing:+missing:$missing (.ci/deps emoji)}${ZV_SANITIZE:+ too slow under sanitizers}"
	finish
fi
unset MAKEFLAGS MAKELEVEL MFLAGS
make_model() {
	make -C "$ZV_ROOT/examples/emoji" BUILD="$ZV_BUILD" WORK="$PWD/work" THREADS=1 WINDOWS=400 \
		SCENES_ALL=300 TEXTS=200 TESTS=40 PIECES=1200 WARM=2 TEXT_STEPS=4 WINDOW_STEPS=4 \
		SCENE_STEPS=3 CELL_STEPS=4 CONTRAST_STEPS=3 SINGLE_STEPS=3 GENERATE_STEPS=3 INSTRUCT_STEPS=4 LAST_STEPS=3 model
}
if ! make_model >log 2>&1; then
	fail "make model" "$(tail -n 20 log)"
	finish
fi
pass "make model"
for part in vit qformer llm; do
	ok "$part.zv is whole" zv-ls --check "work/emoji/$part.zv"
done
for stage in text windows scenes cells contrast single generate instruct emoji; do
	ok "$stage keeps a log" grep -q '"step"' "work/$stage.log"
	is "no checkpoint of $stage stays behind" "$(ls "work/$stage.checkpoint" 2>/dev/null)" ""
done
picture=work/scenes-valid/000/000001.jpg
ok "the model answers" zv-ask -m work/emoji "$picture" 'What is in the picture?'
ok "in Chinese, too" zv-ask -m work/emoji "$picture" '图里有什么？'
is "a second make trains nothing" "$(make_model 2>&1 | grep -c 'zv-train -t')" 0
finish
