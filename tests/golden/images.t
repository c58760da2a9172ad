# images.t - decoding and resizing equal to the reference data: djpeg, Pillow, PngSuite.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
# the conditions in single quotes are awk's
# shellcheck disable=SC2016
. "$ZV_TESTS/lib.sh"
need_shared oracles
oracles=$ZV_SHARED/oracles
tab=$(printf '\t')

# dump NAME OPTION...: decode the files named in NAME.files (in order) into NAME.d; NAME.got has
# lines "status TAB WxH TAB sha256 TAB text" in the same order
dump() {
	dump_name=$1; shift
	mkdir "$dump_name.d"
	# the list is one word a file; none of the reference names has a blank
	# shellcheck disable=SC2046
	picture-dump "$dump_name.d" "$@" $(cat "$dump_name.files") >"$dump_name.out" || return
	(cd "$dump_name.d" && sha256sum -- *) >"$dump_name.sums"
	paste "$dump_name.out" "$dump_name.sums" |
		awk -F'\t' '{ print $2 "\t" $3 "\t" substr($5, 1, 64) "\t" $4 }' >"$dump_name.got"
	rm -r "$dump_name.d"
}

# report NAME FILE: FILE lists what differs, a line each; there must be nothing
report() { if [ -s "$2" ]; then fail "$1" "$(head -n 8 "$2")"; else pass "$1"; fi; }

### JPEG: columns file, djpeg exit, strict exit, ppm hash, header, mode, orientation, RGB hash,
### upright size, upright hash
grep -v '^#' "$oracles/jpeg-expected.tsv" >jpeg.tsv
cut -f1 jpeg.tsv | sed "s|^|$oracles/|" >jpeg.files
for name in plain strict partial upright; do cp jpeg.files $name.files; done
dump plain --no-orient
dump strict --no-orient --strict
dump partial --no-orient --partial
dump upright
paste jpeg.tsv plain.got strict.got partial.got >jpeg.all # fields 11.., 15.., 19..

# check NAME NUMBER CONDITION PROBLEM FILE: of the lines of FILE that meet CONDITION, NUMBER are
# compared, and none has PROBLEM (both of awk)
check() {
	awk -F'\t' "$3"' { compared++; if ('"$4"') print }
		END { print compared + 0 >"compared" }' "$5" | cut -c 1-300 >differ
	report "$1" differ
	is "$1: number of files compared" "$(cat compared)" "$2"
}
check "JPEG: what djpeg decodes cleanly has the reference's pixels, without a warning" 88 \
	'$2 == 0 && $8 != "-"' '$11 != "ok" || $14 != "" || $13 != $8' jpeg.all
check "JPEG: what djpeg refuses is refused" 247 '$2 == 1' '$11 == "ok"' jpeg.all
check "JPEG: where djpeg warns there is a warning, or the picture is truncated" 25 '$2 == 2' \
	'!($11 == "ok" && $14 != "") && !($11 == "failed" && $14 == "truncated JPEG")' jpeg.all
check "JPEG: --strict takes what djpeg -strict takes" 360 '$3 != ""' '($3 == 0) != ($15 == "ok")' jpeg.all
check "JPEG: damaged ones have the reference's pixels when asked for what there is" 23 \
	'$2 == 2 && $8 != "-"' '$21 != $8' jpeg.all
paste jpeg.tsv upright.got >jpeg.upright
check "JPEG: upright pixels" 88 '$2 == 0 && $10 != "-"' '$13 != $10 || $12 != $9' jpeg.upright

mkdir memory.d
like "JPEG: a progressive one within the memory allowed" "$(picture-dump memory.d --memory 1000 \
	"$oracles/fuzz-seeds/jpeg/corpus/video-005.gray.q50.2x2.progressive.jpeg")" \
	'*failed*needs more memory than allowed'

### PNG and WebP: columns file, format, mode, width, height, orientation, RGBA hash
grep -v '^#' "$oracles/png-webp-expected.tsv" >png.tsv
cut -f1 png.tsv | sed "s|^|$oracles/|" >png.files
dump png --no-orient --rgba
paste png.tsv png.got >png.all # got: 8.. status, size, hash, text
readable='$2 != "-" && $2 !~ /^ERR/'
awk -F'\t' "$readable"' && $8 == "ok" && $10 != $7 { print $1 "\t" $3 "\t" $11 }' png.all >differ
# Pillow compares the transparent grey value of a PNG unscaled with scaled pixels (1, 2, 4 and 16
# bits), so its alpha is wrong there; ours follows the PNG specification. Colours do not depend on it.
grep -v -e 'tbbn0g04\.png' -e 'tbwn0g16\.png' -e '1_trns\.png' differ >other
report "PNG, WebP: what both decode has the reference's pixels and alpha" other
is "PNG: files whose alpha the reference has wrong" "$(wc -l <differ)" 3
check "WebP: what the reference decodes is decoded" 186 "$readable"' && $2 == "WEBP"' '$8 != "ok"' png.all
# Pillow takes PNGs with a bad CRC or a missing end of the compressed data; here they are damaged.
awk -F'\t' "$readable"' && $8 != "ok" { print $1 "\t" $11 }' png.all >refused
grep -v -e 'truncated PNG$' -e 'CRC error$' refused >differ
report "PNG: what only the reference takes is truncated or has a wrong CRC" differ
is "PNG: number of those" "$(wc -l <refused)" 10
check "PNG, WebP: what only we take has a warning" 10 '($2 == "-" || $2 ~ /^ERR/) && $8 == "ok"' \
	'$11 == ""' png.all
is "PNG, WebP: number of pictures with equal pixels" \
	"$(awk -F'\t' "$readable"' && $10 == $7' png.all | wc -l)" 426

### resize
# resized FILTER WIDTHxHEIGHT OPTION: files on standard input
resized() {
	cat >resized.files
	# shellcheck disable=SC2086
	dump resized --no-orient --filter "$1" --size "$2" $3
}
in=$oracles/pillow-resize/in
awk -F'\t' '$1 == "out" { print $3, $5 "x" $6, ($4 == "L" ? "--grey" : "") }
	' "$oracles/pillow-resize/manifest.tsv" | sort -u >tasks
: >differ; : >equal
while read -r filter size grey; do
	awk -F'\t' -v f="$filter" -v s="$size" -v g="$grey" '$1 == "out" && $3 == f && $5 "x" $6 == s &&
		($4 == "L" ? "--grey" : "") == g { print $2 "\t" $9 }' "$oracles/pillow-resize/manifest.tsv" >wanted
	cut -f1 wanted | sed "s|.*|$in/&.png|" | resized "$filter" "$size" "$grey"
	paste wanted resized.got | awk -F'\t' -v job="$filter $size" '
		{ if ($2 == $5) print $1 >>"equal"; else print $1, job, $6 >>"differ" }'
done <tasks
report "resize: equal to Pillow, four filters" differ
is "resize: number of equal outputs" "$(wc -l <equal)" 90
resample=$ZV_SHARED/zoo/A/resample
: >differ; : >equal
grep -v '^#' "$resample/manifest.tsv" | cut -f2,3 | sort -u | while IFS=$tab read -r width height; do
	awk -F'\t' -v w="$width" -v h="$height" '$2 == w && $3 == h { print $1 "\t" $4 }
		' "$resample/manifest.tsv" >wanted
	cut -f1 wanted | sed "s|^|$resample/in/|" | resized bicubic "${width}x$height"
	paste wanted resized.got | awk -F'\t' -v job="$width $height" '
		{ if ($2 == $5) print $1 >>"equal"; else print $1, job, $6 >>"differ" }'
done
report "resize: the pictures of the toy models, odd sizes" differ
is "resize: number of equal outputs of those" "$(wc -l <equal)" 25
finish
