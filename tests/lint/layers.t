# layers.t - includes go down only: cmd -> {train search} -> {model import} -> {image text stream num} -> base; a foreign
# library is known to one file of the library.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2

below() {
	case $1 in
	base) echo base ;;
	num | stream | text | image) echo "$1 base" ;;
	model) echo "model image text stream num base" ;;
	import) echo "import image stream text base" ;;
	search) echo "search model text stream num base" ;;
	train) echo "train model import image text stream num base" ;;
	cmd) echo "train search model import image text stream num base" ;;
	*) echo "" ;;
	esac
}
for folder in lib/* cmd; do
	layer=${folder#lib/}
	may=" $(below "$layer") "
	[ "$may" != "  " ] || { fail "$folder is a layer"; continue; }
	out=$(grep -nH '^#include "' "$folder"/*.[ch] 2>/dev/null | while IFS=: read -r file line rest; do
		used=$(printf '%s\n' "$rest" | sed 's/^#include "\([^/"]*\)\/*.*/\1/')
		[ "$folder" = cmd ] && [ -e "cmd/$used" ] && continue
		case $may in *" $used "*) ;; *) echo "$file:$line: $rest" ;; esac
	done)
	is "$folder includes only itself and lower layers" "$out" ""
done

# LIBRARY=its headers, as a pattern
for pair in zstd='zstd.*\.h' jansson='jansson.h' libjpeg='jpeglib.h|jerror.h|turbojpeg.h' \
	libpng='png.h' libwebp='webp/.*' utf8proc='utf8proc.h' xxhash='xxhash.h' libb2='blake2.h' sqlite='sqlite3.h' \
	blis='blis.*|cblas.h'; do
	out=$(grep -lE "^#include <(${pair#*=})>" lib/*/*.[ch] cmd/*.c 2>/dev/null)
	count=$(printf '%s' "$out" | grep -c .)
	if [ "$count" -le 1 ]; then pass "${pair%%=*} is known to one file at most ($out)"
	else fail "${pair%%=*} is known to one file at most" "$out"; fi
	case $out in *.h) fail "${pair%%=*} does not leak through a header" "$out" ;; esac
done
out=$(grep -nE '\b(printf|puts|putchar|exit|_exit|abort)\(|\bfprintf\(std' lib/num/*.c lib/stream/*.c lib/text/*.c \
	lib/image/*.c lib/model/*.c lib/import/*.c lib/search/*.c lib/train/*.c 2>/dev/null | grep -vE '^[^:]*:[0-9]*:[[:space:]]*(/?\*|//)')
is "the library neither prints nor exits (base has the two files that do)" "$out" ""
finish
