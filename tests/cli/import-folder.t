# import-folder.t - clip-retrieval's folders come in: parts, pictures and texts, and the names from
# Parquet files as pandas and others write them; what is damaged or does not fit is refused.
. "$ZV_TESTS/lib.sh"
said() { { "$@" >/dev/null; } 2>&1; }
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
seq 5 | awk '{ printf "a/b c/picture-%d.jpg\titc\tf32\t2\t%d %d\n", $1, $1, -$1 }' | zvt-make five.zv
zv-export --json five.zv >five.json

### there and back
zv-export --clip ours five.zv
zv-import --tensor --name itc -o again.zv ours
ok "what zv-export wrote comes back" zv-cmp five.zv again.zv
head -c 3000 /dev/zero | tr '\0' x >long
{ sed 's/^a.b c.picture/other/' five.json; printf '{"key":"%s","name":"itc","dtype":"f32","shape":[2],"data":[0,0]}\n' "$(head -c 1000 long)"; } >other.json
zv-import --tensor -o other.zv other.json
zv-export --clip ours --part 1 other.zv
zv-export --clip words --texts other.zv
zv-import --tensor --name itc -o again.zv ours
cat five.zv other.zv >both.zv
ok "parts come one after the other" zv-cmp both.zv again.zv
zv-import --tensor --texts --name itc -o again.zv words
ok "texts" zv-cmp other.zv again.zv
echo 'no part' >ours/img_emb/readme.npy
ok "what is no part is passed over" zv-import --tensor --name itc -o again.zv ours

### as others write it
if ! command -v python3 >/dev/null 2>&1; then
	skip "Parquet files of others" "no python3"
else
	mkdir -p theirs/img_emb theirs/metadata
	cp ours/img_emb/img_emb_0.npy theirs/img_emb/img_emb_00.npy
	write() { # OPTIONS TEXT...
		PARQUET=$1; export PARQUET; shift
		python3 "$ZV_TESTS/support/parquet_write.py" theirs/metadata/metadata_00.parquet "$@"
	}
	five='a/b c/picture-1.jpg|a/b c/picture-2.jpg|a/b c/picture-3.jpg|a/b c/picture-4.jpg|a/b c/picture-5.jpg'
	for options in '' snappy optional dictionary snappy,optional,dictionary snappy,optional,dictionary,fallback \
		second snappy,second,optional,dictionary group=2 snappy,optional,dictionary,group=3 group=1,dictionary; do
		IFS='|'
		# shellcheck disable=SC2086
		write "$options" $five
		unset IFS
		zv-import --tensor --name itc theirs >again.zv 2>err && zv-export --json again.zv >again.json
		if cmp -s five.json again.json; then pass "others' files: ${options:-plain}"
		else fail "others' files: ${options:-plain}" "$(cat err)"; fi
	done
	write snappy,optional,dictionary 相同 相同 相同 相同 相同
	is "one word for all" "$(zv-import --tensor theirs | zv-export --text | cut -f 1 | uniq -c | tr -s ' ')" " 5 相同"
	write snappy "$(cat long)" 1 2 3 4
	is "a text that is longer than a key is cut" "$(zv-import --tensor theirs | zv-ls --keys | awk '{ print length($0) }' | tr '\n' ' ')" "1024 1 1 1 1 "
	write column=url a b c d e
	is "another column" "$(zv-import --tensor --column url theirs | zv-ls --keys | tr '\n' ' ')" "a b c d e "
	# refused OPTIONS PATTERN TEXT...
	refused() {
		options=$1 pattern=$2; shift 2
		write "$options" "$@"
		like "refused: $options ($# names)" "$(said zv-import --tensor -o no.zv theirs)" "zv-import: theirs: $pattern"
		ok "refused: no file" test ! -e no.zv
	}
	refused column=url '*metadata_00.parquet: parquet: no column "image_path"' a b c d e
	refused column=width '*no column "image_path"' a b c d e
	refused optional,null '*row 2 has no image_path' a b c d e
	refused second,optional,null,dictionary '*row 2 has no image_path' a b c d e
	refused codec=6 '*other means than Snappy*' a b c d e
	refused encoding=7 '*encoded in a way (7)*' a b c d e
	refused '' '*metadata_00.parquet: 4 keys for 5 rows' a b c d
	refused '' '*metadata_00.parquet: more keys than the 5 rows' a b c d e f
	refused '' '*row 3: empty key' a b '' d e
	like "a column of numbers" "$(write '' a b c d e; said zv-import --tensor --column width -o no.zv theirs)" '*column "width" holds no texts'
	like "a column inside another" "$(said zv-import --tensor --column caption -o no.zv theirs)" '*no column "caption"'

	# Every byte of every kind of file may be another, and the end missing: no crash, no hang.
	for options in snappy,optional,dictionary,fallback second,optional; do
		write $options aa aab aabb aa c
		cp theirs/metadata/metadata_00.parquet whole
		size=$(wc -c <whole)
		worst=0
		for at in $(seq 0 29 "$size"); do
			head -c "$at" whole >theirs/metadata/metadata_00.parquet
			timeout 5 zv-import --tensor -o no.zv theirs >out 2>&1
			got=$?
			[ $got -eq 1 ] || worst="$at bytes: $got"
			{ head -c "$at" whole; printf '\377'; tail -c +$((at + 2)) whole; } >theirs/metadata/metadata_00.parquet
			timeout 5 zv-import --tensor -o no.zv theirs >out 2>&1
			got=$?
			[ $got -le 1 ] || worst="byte $at: $got"
		done
		is "damaged anywhere ($options)" "$worst" 0
	done
fi
status "a directory of something else: exit 1" 1 zv-import --tensor -o no.zv .
like "says what is missing" "$(said zv-import --tensor -o no.zv .)" "*without clip-retrieval's folder img_emb"
mkdir -p empty/img_emb
like "no part" "$(said zv-import --tensor -o no.zv empty)" "*no part img_emb_N.npy*"
rm ours/metadata/metadata_1.parquet
like "a part without its names" "$(said zv-import --tensor -o no.zv ours)" "*ours/metadata/metadata_1.parquet: cannot open: *"
finish
