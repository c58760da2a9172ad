# plot.t - examples/plot.sh draws what zv-train --log wrote.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
plot() { sh "$ZV_ROOT/examples/plot.sh" "$@"; }
lines() { awk -v n="$1" 'BEGIN {
	for (i = 1; i <= n; i++) {
		printf "{\"step\":%d,\"lm\":%.4f,\"lm-right\":%.4f,\"rate\":%g,\"norm\":%g,\"seconds\":%d}\n", 10 * i, 8 / i, 1 - 1 / i, 1e-3 * i / n, 900, i
		if (i % 5 == 0) printf "{\"step\":%d,\"validation\":true,\"lm\":%.4f,\"exact\":0.5}\n", 10 * i, 9 / i
	}
}'; }
lines 20 >log.jsonl

ok "SVG" sh -c "sh '$ZV_ROOT/examples/plot.sh' log.jsonl >graph.svg"
is "SVG: well formed; a line for each figure, a dot for each measure" "$(python3 - <<'PY' 2>&1
import xml.etree.ElementTree as tree
root = tree.parse("graph.svg").getroot()
name = lambda node: node.tag.split("}")[1]
print([len(node.get("points").split()) for node in root if name(node) == "polyline"],
      len([node for node in root if name(node) == "circle"]),
      [node.text for node in root if node.get("x") == "690"])
PY
)" "[20, 20, 20] 8 ['lm', 'lm-right', 'exact', 'rate']"
is "SVG: higher values stand higher, later ones further right" "$(python3 - <<'PY' 2>&1
import xml.etree.ElementTree as tree
line = [node.get("points") for node in tree.parse("graph.svg").getroot() if node.get("points")][0]
points = [tuple(map(float, point.split(","))) for point in line.split()]
print(points == sorted(points), points[0][0], points[-1][0], points[0][1] < points[-1][1])
PY
)" "True 60.0 680.0 True"
plot -t -w 40 log.jsonl >text
is "text: three panels" "$(grep -c '^a ' text)" 3
is "text: a falling loss begins top left" "$(sed -n '/^a lm/,/|/p' text | sed -n 2p)" "        8 |a"
like "text: a rising rate ends top right" "$(sed -n '/^a rate/,/|/p' text | sed -n 2p)" "    0.001 | *a"
ok "text: measures are capitals" grep -q A text
is "text: no line is wider" "$(awk 'length($0) > 51' text)" ""
plot -t -k lm log.jsonl >text
is "chosen figures alone" "$(grep '^[a-z] ' text | tr -d '\n')" "a lm  "
lines 1 | plot -t /dev/stdin >text 2>&1
is "a single line is a graph, too" "$?" 0
printf '{"loss":1}\n{"step":5,"loss":2}\n' >odd
like "lines without a step are left out" "$(plot -t odd 2>&1 >/dev/null)" "plot.sh: 1 lines*"
echo '{}' >none
status "nothing to draw" 1 plot none
status "no such file" 2 plot missing
status "usage" 2 plot -w x log.jsonl
status "usage: one log" 2 plot
finish
