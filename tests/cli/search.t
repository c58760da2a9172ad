# search.t - examples/search.sh: scenes of emoji are found by what is said of them in two languages;
# pictures of one's own by a text and by a picture; the contact sheet; a second run computes nothing.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
search=$ZV_ROOT/examples/search.sh
pictures=$ZV_ROOT/examples/pictures
unset ZV_MODEL MAKEFLAGS MAKELEVEL MFLAGS
export ZV_THREADS=2

like "no model: said, and no failure" "$(ZV_MODEL=nowhere sh "$search" 2>&1; echo $?)" "search: skipped, no model*0"
if ! [ -f "$ZV_ROOT/examples/emoji/model/qformer.zv" ]; then
	skip "search" "no model in examples/emoji/model"
	finish
fi
status "usage: no number" 2 sh "$search" -n many
status "usage: no folder" 2 sh "$search" -p nowhere text
like "usage: a folder, and no query" "$(sh "$search" -p . 2>&1)" "search: what is to be found*"

# checked SHEET: whether each element is closed, each picture has a text, each address leads somewhere;
# prints sections, pictures, pictures in the page, marked ones
cat >checked.py <<'PY'
import html.parser, os, sys, urllib.parse
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.count = [], [], [], dict(section=0, img=0, inside=0, it=0)
    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag not in ("meta", "img", "br"): self.open.append(tag)
        if "id" in given: self.ids.append(given["id"])
        if tag == "a": self.links.append(given["href"])
        if tag in self.count: self.count[tag] += 1
        if given.get("class") == "it": self.count["it"] += 1
        if tag == "html": assert given["lang"]
        if tag == "img":
            assert given["alt"], given
            source = given["src"]
            if source.startswith("data:image/"): self.count["inside"] += 1
            else: assert os.path.isfile(urllib.parse.unquote(source)), source
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())
page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
page.close()
assert not page.open and len(set(page.ids)) == len(page.ids)
assert page.links and all(link[1:] in page.ids for link in page.links)
print(*page.count.values())
PY
checked() {
	if command -v python3 >/dev/null 2>&1; then
		(cd "$(dirname "$1")" && PYTHONDONTWRITEBYTECODE=1 python3 "$OLDPWD/checked.py" "$(basename "$1")") 2>&1
	else echo "$2"; fi
}

### pictures of one's own
mkdir album 'album/a & b'
cp "$pictures"/scene-[1-6].jpg album
cp "$pictures/fruit.png" 'album/a & b/50% <fruit>.png'
echo broken >album/broken.jpg
sh "$search" -p album -k 3 -o own 'We see a sunrise on a black background.' '绿色背景上有一个苹果' album/scene-2.jpg >out 2>err
is "own pictures: a damaged one makes the status 1" "$?" 1
like "own pictures: it is named" "$(cat out err)" "*broken.jpg: not a picture*"
like "own pictures: the sum" "$(tail -n 1 out)" "search: 8 pictures, 3 queries; look at own/sheet.html"
is "own pictures: three of each" "$(cut -f 1,2 own/results.tsv | tr '\t\n' ': ')" "1:1 1:2 1:3 2:1 2:2 2:3 3:1 3:2 3:3 "
is "own pictures: a picture is most similar to itself" "$(awk -F'\t' '$1 == 3 && $2 == 1 { print $3, $4 }' own/results.tsv)" \
	"1.000000 $PWD/album/scene-2.jpg"
is "own pictures: the sheet" "$(checked own/sheet.html "3 10 10 0")" "3 10 10 0"
sh "$search" -p album -k 7 -o own 'fruit' >out 2>err
like "own pictures: nothing is computed twice" "$(cat out err)" "*: 0 pictures encoded, 1 failed, 7 already there*"
like "own pictures: names with marks of HTML" "$(cat own/sheet.html)" '*50% &lt;fruit&gt;.png*'
rm album/scene-2.jpg
sh "$search" -p album -k 9 -o own 'fruit' >out 2>err
is "own pictures: what has left the folder is not found" "$(cut -f 4 own/results.tsv | grep -c scene-2)" 0
status "own pictures: none" 2 sh "$search" -p own/model -o none text

### scenes
if ! sh "$search" -n 40 -k 5 -o made >out 2>err && grep -q 'cannot be built' err; then
	skip "scenes of emoji are found" "$(tail -n 1 err)"
	finish
fi
like "scenes: all that were described are found" "$(tail -n 1 out)" \
	"search: 40 pictures, 7 queries; of 6 pictures described 6 are found, [56] first; look at made/sheet.html"
is "scenes: the table" "$(grep -c '^  *[1-5]  [01-]' out):$(grep -c -- '<- described' out)" "35:6"
is "scenes: both languages" "$(awk -F'\t' '{ print $2 }' made/queries | tr '\n' ' ')" "en zh en zh en zh picture "
is "scenes: the sheet" "$(checked made/sheet.html "7 36 36 6")" "7 36 36 6"
ok "scenes: it is one file of a size to send" test "$(wc -c <made/sheet.html)" -lt 400000
cp made/results.tsv before
sh "$search" -n 40 -k 5 -o made >out 2>err
like "scenes: a second run computes nothing" "$(cat out err)" "*: 0 pictures encoded, 0 failed, 40 already there*"
same "scenes: and finds the same" before made/results.tsv
finish
