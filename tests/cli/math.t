# math.t - --math: what it changes, that it is said, that bytes do not depend on threads or batches.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
seed-model ziya >/dev/null || { fail "seed-model"; finish; }
cp "$ZV_ROOT/examples/pictures/balls.jpg" photo.jpg
cp "$ZV_ROOT/examples/pictures/beach.jpg" cat.jpg
cp "$ZV_ROOT/examples/pictures/snowman.jpg" dog.jpg

# cosine A B: the least of the cosines that zv-cmp prints
cosine() { zv-cmp "$1" "$2" | sed -n 's/.*cosine \([0-9.]*\).*/\1/p' | sort -n | head -n 1; }
# shellcheck disable=SC2317 # called through ok
at_least() { awk -v x="$1" -v least="$2" 'BEGIN { exit !(x != "" && x + 0 >= least + 0) }'; }

### zv-encode
zv-encode -m ziya -o f32.zv photo.jpg cat.jpg dog.jpg
zv-encode -m ziya --math f32 -o again.zv photo.jpg cat.jpg dog.jpg
same "f32 is the default" f32.zv again.zv
for math in 'bf16 0.9999' 'int8 0.998'; do
	least=${math#* } math=${math% *}
	ok "--math $math" zv-encode -m ziya --math "$math" -o "$math.zv" photo.jpg cat.jpg dog.jpg
	like "$math: the maker says so" "$(zv-ls --meta "$math.zv")" "*math=$math*"
	status "$math: other features than those of f32" 1 zv-cmp -q f32.zv "$math.zv"
	found=$(cosine f32.zv "$math.zv")
	ok "$math: but nearly ($found)" at_least "$found" "$least"
	for options in '-t 1 --batch 1' '-t 3 --batch 2' '-t 2 --batch 3'; do
		# shellcheck disable=SC2086
		zv-encode -m ziya --math "$math" $options photo.jpg cat.jpg dog.jpg >again.zv
		same "$math: the same bytes with $options" "$math.zv" again.zv
	done
	cp f32.zv cache.zv
	is "$math: --append takes those of f32 for others" \
		"$(zv-encode -v -m ziya --math "$math" --append cache.zv photo.jpg cat.jpg 2>&1)" \
		"zv-encode: 2 pictures encoded, 0 failed, 0 already there"
	is "$math: and its own for what they are" \
		"$(zv-encode -v -m ziya --math "$math" --append cache.zv photo.jpg cat.jpg 2>&1)" \
		"zv-encode: 0 pictures encoded, 0 failed, 2 already there"
done

### a model whose matrices are packed has one arithmetic
zv-import -q -o packed --dtype vit=int8 ziya >/dev/null
zv-encode -m packed -o packed.zv photo.jpg
like "packed int8: the maker says int8" "$(zv-ls --meta packed.zv)" "*math=int8*"
zv-export --raw -k photo.jpg int8.zv >one
zv-export --raw -k photo.jpg packed.zv >other
same "packed int8 is what --math int8 makes of f32 matrices" one other
zv-encode -m packed --math bf16 -o x.zv photo.jpg 2>errors
is "packed int8: no other arithmetic" "$?:$(cat errors)" \
	"2:zv-encode: packed: packed/vit.zv: its matrices are packed int8, which is multiplied in int8, not in bf16"
status "--math of another name" 2 zv-encode -m ziya --math f64 -o x.zv photo.jpg
finish
