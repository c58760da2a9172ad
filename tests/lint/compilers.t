# compilers.t - both compilers take every source without a warning; each header stands alone.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2
scratch=$OLDPWD
flags="$(make -s --no-print-directory flags SANITIZE= CFLAGS=-O2 WERROR=-Werror)" || exit 2
cat >"$scratch/one" <<'ONE'
case $2 in
*_avx512*.c) more='-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c' ;;
*_avx2.c) more='-mavx2 -mfma -mf16c' ;;
*.h) more='-x c -fsyntax-only' ;;
esac
# shellcheck disable=SC2086
$1 $FLAGS $more -S -o /dev/null "$2" 2>&1 || echo "FAILED $2"
ONE
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
out=$(find lib -name '*.h' ! -name kernels_vector.h -print0 | FLAGS="$flags" xargs -0 -P "$(nproc)" -I {} sh "$scratch/one" "${CC:-cc}" {} |
	grep -v 'pragma once in main file')
is "each header stands alone (kernels_vector.h is a text for several files)" "$out" ""
finish
