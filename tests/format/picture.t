# picture.t - every odd picture decodes or is refused as tests/format/picture/README says, in little
# memory and time.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
readme=$ZV_TESTS/format/picture/README
mkdir odd dump
make-odd-pictures odd || { fail "make-odd-pictures"; finish; }
sed -n 's/^\([a-z0-9-]*\(\.[a-z]*\)\{0,1\}\): \([^.]*\)\..*/\1 \3/p' "$readme" >words
is "README explains each file" "$(cut -d' ' -f1 words | sort)" "$(cd odd && printf '%s\n' * | sort)"
while read -r file word; do
	out=$(picture-dump dump "odd/$file")
	verdict=$(printf '%s\n' "$out" | cut -f2)
	text=$(printf '%s\n' "$out" | cut -f4)
	case $word in
	good) is "$file is good" "$verdict:$text" "ok:" ;;
	note) like "$file passes with a warning" "$verdict:$text" "ok:?*" ;;
	*) like "$file is refused: $word" "$verdict:$text" "failed:*$word*" ;;
	esac
	case $word in note) status "$file is refused strictly" 0 sh -c \
		"picture-dump dump --strict odd/$file | grep -q failed" ;; esac
done <words

# The same pixels from every lossless form of the scene.
pixels() { picture-dump dump "$@" >out && b2sum <dump/000001; }
scene=$(pixels odd/good-raw.ppm)
for file in good-rgb.png good-rgb-16-key.png good-rgba.png good-rgba-16-interlaced.png; do
	is "$file has the pixels of good-raw.ppm" "$(pixels "odd/$file")" "$scene"
done
is "good-progressive-turned.jpg is upright" "$(picture-dump dump odd/good-progressive-turned.jpg | cut -f3)" 17x23
is "... and lies with --no-orient" "$(picture-dump dump --no-orient odd/good-progressive-turned.jpg | cut -f3)" 23x17

# The limit of memory holds (that of JPEG is tested where larger pictures are).
for file in good-rgba-16-interlaced.png good-lossless-alpha.webp; do
	like "$file: more memory than allowed" "$(picture-dump dump --memory 1000 "odd/$file" | cut -f2,4)" \
		'failed*needs more memory than allowed'
done

# A short file may not take more than 64 MiB or a second.
cat >limits.py <<'E2'
import os, resource, subprocess, sys, time
begin = time.monotonic()
subprocess.run(['picture-dump', 'dump', *sys.argv[1:]], stdout=subprocess.DEVNULL, check=True)
seconds = time.monotonic() - begin
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
if peak >= 64 or seconds >= len(sys.argv):
    print(f'{peak} MiB, {seconds:.1f} s')
E2
if nm "$(command -v picture-dump)" 2>/dev/null | grep -q __asan_; then
	skip "all of them in little memory" "the sanitizer takes more"
else
	is "all of them in less than 64 MiB, less than a second each" "$(python3 limits.py odd/*)" ""
fi
finish
