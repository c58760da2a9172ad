# compilers.t - both compilers take every source without a warning; each header stands alone.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2
scratch=$OLDPWD
value() { make -s --no-print-directory "print-$1" SANITIZE= CFLAGS=-O2 WERROR=-Werror; }
flags=$(value ALL_CFLAGS) && avx2=$(value AVX2_FLAGS) && avx512=$(value AVX512_FLAGS) &&
	vnni=$(value VNNI_FLAGS) && bf16=$(value BF16_FLAGS) || exit 2
# What a data file of the tree is made into is included as well.
make -s BUILD="$scratch/made" "$scratch/made/text/train/caption_prompts.inc" >/dev/null || exit 2
flags="$flags -I$scratch/made/text"
cat >"$scratch/one" <<'ONE'
case $2 in
*_avx512.c | *_amx.c) more=$AVX512 ;;
*_avx2.c) more=$AVX2 ;;
*_vnni.c) more=$VNNI ;;
*_bf16.c) more=$BF16 ;;
*.h) more='-x c -fsyntax-only' ;;
esac
# shellcheck disable=SC2086
$1 $FLAGS $more -S -o /dev/null "$2" 2>&1 || echo "FAILED $2"
ONE
AVX2=$avx2 AVX512=$avx512 VNNI=$vnni BF16=$bf16
export AVX2 AVX512 VNNI BF16
for compiler in gcc clang; do
	if ! command -v $compiler >/dev/null 2>&1; then
		skip "$compiler takes everything without a warning" "no $compiler here"
		continue
	fi
	out=$(find lib cmd tests/unit tests/tools tests/fuzz tests/support -name '*.c' -print0 |
		FLAGS=$flags xargs -0 -P "$(nproc)" -I {} sh "$scratch/one" $compiler {})
	case $out in *FAILED*) fail "$compiler takes everything without a warning" \
		"$(printf '%s\n' "$out" | grep -E 'error|FAILED' | head -n 20)" ;;
	*) pass "$compiler takes everything without a warning" ;; esac
done
# kernels_vector.h and its like are the text of several files, each with vectors of its own.
out=$(find lib -name '*.h' ! -name '*_vector.h' ! -name '*_512.h' ! -name kernels_matrix.h ! -name kernels_gradient.h ! -name kernels_tiles.h \
	-print0 | FLAGS="$flags" xargs -0 -P "$(nproc)" -I {} sh "$scratch/one" "${CC:-cc}" {} |
	grep -v 'pragma once in main file')
is "each header stands alone" "$out" ""
out=$(make -n BUILD="$scratch/other" ARCHITECTURE=other programs 2>&1 | grep -n avx)
is "no x86 kernel and no x86 flag on another architecture" "$out" ""
like "but on x86-64" "$(make -n BUILD="$scratch/other" ARCHITECTURE=x86_64 programs 2>&1)" '*-mavx2*-mavx512f*'

# Other flags, other objects; the same flags, nothing to do. The lightest of objects shows it.
object=$scratch/flags/obj/lib/base/utf8.o
compile() { make -s BUILD="$scratch/flags" CFLAGS="$1" "$object" && stat -c %Y.%i "$object"; }
first=$(compile -O1) && again=$(compile -O1) && other=$(compile -O0) || fail "an object is compiled"
is "the same flags: nothing is compiled anew" "$again" "$first"
ok "other flags: it is" grep -q -e -O0 "$scratch/flags/flags"
ok "other flags: the object is another" test -n "$other"
finish
