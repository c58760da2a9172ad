# sheet.sh - a contact sheet of what was found, for search.sh: write_sheet prints one HTML page from the
# files queries, results.tsv and list of the current folder. Small pictures are in the page itself,
# others are linked. Wants $tab; works without scripts, by keyboard, and read aloud.
# shellcheck shell=sh disable=SC2154
escaped() { printf '%s' "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }

# A picture's address: its bytes, or its name with what an address may not hold as %XX.
picture_address() {
	case $1 in
	*.[jJ][pP][gG] | *.[jJ][pP][eE][gG]) type=jpeg ;;
	*.[pP][nN][gG]) type=png ;;
	*.[wW][eE][bB][pP]) type=webp ;;
	*) type= ;;
	esac
	if [ -n "$type" ] && [ -f "$1" ] && [ "$(wc -c <"$1")" -le 100000 ]; then
		printf 'data:image/%s;base64,' "$type"
		base64 <"$1" | tr -d '\n'
	else
		printf '%s' "$1" | od -An -v -tx1 | tr -d '\n' | sed 's/ 2f/\//g; s/ 2e/./g; s/ /%/g'
	fi
}

sheet_head() {
	cat <<'HTML'
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What was found · 检索结果</title>
<style>
:root { color-scheme: light dark; --ink: #1c1b19; --soft: #5f5b55; --paper: #faf8f4; --card: #fff; --line: #ddd8cf; --mark: #0a6b4f }
@media (prefers-color-scheme: dark) { :root { --ink: #eeebe5; --soft: #aaa59b; --paper: #1b1a18; --card: #2a2724; --line: #3b3934; --mark: #6fd3b0 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 75rem; background: var(--paper); color: var(--ink);
	font: 1rem/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem }
h2 { font-size: 1.2rem; line-height: 1.35; margin: 0 0 1rem; max-width: 60ch }
p { margin: 0 0 .25rem; color: var(--soft) }
a { color: inherit }
a:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px }
nav ol { margin: 1rem 0 0; padding-left: 1.5rem; columns: 22rem; column-gap: 2rem }
nav li { break-inside: avoid; padding: .15rem 0 }
section { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1.5rem }
.asked { display: block; width: 8rem; height: 8rem; object-fit: contain; border-radius: .5rem; margin-bottom: .5rem }
.hits { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)) }
figure { margin: 0; height: 100%; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden }
figure img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain }
.it figure { border: 3px solid var(--mark) }
figcaption { padding: .5rem .65rem .65rem; font-size: .8125rem; line-height: 1.4; overflow-wrap: anywhere }
.rank { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; font-weight: 600; font-size: .875rem }
.bar { height: .25rem; margin: .25rem 0 .4rem; border-radius: 1rem; background: var(--line); overflow: hidden }
.bar span { display: block; height: 100%; background: var(--mark) }
.is { color: var(--mark); font-weight: 600 }
@media print { section { break-inside: avoid } }
</style>
</head>
<body>
HTML
}

# What was asked, as text or as a picture, in the element that is opened and closed elsewhere.
sheet_asked() { # KIND TEXT
	if [ "$1" = picture ]; then
		printf '<span lang="en">Similar to %s</span> <span lang="zh-Hans">与此图相似</span>' "$(escaped "${2##*/}")"
	else
		[ "$1" = zh ] && printf '<span lang="zh-Hans">%s</span>' "$(escaped "$2")" ||
			printf '<span lang="en">%s</span>' "$(escaped "$2")"
	fi
}

sheet_hit() { # KIND RANK SCORE KEY CAPTION CHINESE DESCRIBED
	text=$5 language=en
	[ "$1" != zh ] || { text=$6; [ "$6" = "$4" ] || language=zh-Hans; }
	printf '<li%s><figure><img src="%s" alt="%s" lang="%s" loading="lazy">' \
		"$([ "$7" != described ] || echo ' class="it"')" "$(picture_address "$4")" "$(escaped "$text")" "$language"
	printf '<figcaption><div class="rank"><span>%s.</span><span>%.3f</span></div>' "$2" "$3"
	printf '<div class="bar" aria-hidden="true"><span style="width:%s%%"></span></div>' \
		"$(awk -v score="$3" 'BEGIN { printf "%.0f", score < 0 ? 0 : (score > 1 ? 100 : 100 * score) }')"
	[ "$7" != described ] ||
		printf '<span class="is" lang="en">described</span> <span class="is" lang="zh-Hans">所描述的图</span><br>'
	printf '<span lang="%s">%s</span></figcaption></figure></li>\n' "$language" "$(escaped "$text")"
}

write_sheet() {
	sheet_head
	total=$(wc -l <list | tr -d ' ') asked=$(wc -l <queries | tr -d ' ')
	printf '<header>\n<h1>What was found <span lang="zh-Hans">检索结果</span></h1>\n'
	printf '<p>%s pictures, %s queries; the number beside a rank is the similarity, at most 1.</p>\n' "$total" "$asked"
	printf '<p lang="zh-Hans">共 %s 张图片，%s 个查询；名次旁的数字是相似度，最大为 1。</p>\n' "$total" "$asked"
	printf '<nav aria-label="Queries 查询"><ol>\n'
	while IFS="$tab" read -r number kind text _; do
		printf '<li><a href="#query-%s">%s</a></li>\n' "$number" "$(sheet_asked "$kind" "$text")"
	done <queries
	printf '</ol></nav>\n</header>\n<main>\n'
	while IFS="$tab" read -r number kind text _; do
		printf '<section id="query-%s" aria-labelledby="asked-%s">\n' "$number" "$number"
		[ "$kind" != picture ] || printf '<img class="asked" src="%s" alt="%s">\n' \
			"$(picture_address "$text")" "$(escaped "${text##*/}")"
		printf '<h2 id="asked-%s">%s</h2>\n<ol class="hits">\n' "$number" "$(sheet_asked "$kind" "$text")"
		awk -F '\t' -v number="$number" '$1 == number' results.tsv |
			while IFS="$tab" read -r _ rank score key caption chinese described; do
				sheet_hit "$kind" "$rank" "$score" "$key" "$caption" "$chinese" "$described"
			done
		printf '</ol>\n</section>\n'
	done <queries
	printf '</main>\n</body>\n</html>\n'
}
