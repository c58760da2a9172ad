#!/bin/sh
# plot.sh - how a training run went: a graph of what zv-train --log wrote.
# usage: plot.sh [-t] [-k NAMES] [-w COLUMNS] LOG >GRAPH.svg
#   -t   draw with characters, for a terminal, instead of an SVG
#   -k   figures to draw, with commas between them (all but speed, norm and time)
#   -w   width in characters, with -t (72)
# Figures of one range share a panel: losses, shares between 0 and 1 (named ...-right, exact and the
# like), the learning rate. Measures on held-out examples are dots in SVG, capital letters with -t.
set -eu
usage() {
	sed -n 's/^# \{0,1\}//; 3,8p' "$0" >&2
	exit 2
}
kind=svg names='' width=72
while getopts tk:w: letter; do
	case $letter in
	t) kind=text ;;
	k) names=$OPTARG ;;
	w) width=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
case $width in '' | *[!0-9]* | ????*) usage ;; esac
if [ $# -ne 1 ] || [ "$width" -lt 20 ]; then usage; fi
[ -r "$1" ] || { echo "plot.sh: cannot read $1" >&2; exit 2; }

LC_ALL=C awk -v kind="$kind" -v names="$names" -v columns="$width" -v title="$(basename -- "$1")" '
# Lines are flat objects of numbers and true: {"step":10,"loss":1.5,"validation":true}
function parse(line,   n, parts, i, at, name, value) {
	gsub(/[{} \t"\r]/, "", line)
	n = split(line, parts, ",")
	for (name in field) delete field[name]
	for (i = 1; i <= n; i++) {
		at = index(parts[i], ":")
		name = substr(parts[i], 1, at - 1)
		value = substr(parts[i], at + 1)
		if (at > 1 && (value == "true" || value ~ /^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$/)) {
			field[name] = value == "true" ? 1 : value + 0
			if (!(name in known)) { known[name] = ++figures; figure[figures] = name }
		}
	}
}
function wanted(name) {
	if (name == "step" || name == "validation") return 0
	if (names != "") return index("," names ",", "," name ",") > 0
	return name !~ /^(norm|seconds|examples_per_second)$/
}
function panel_of(name) {
	if (name == "rate") return "rate"
	return shared[name] ? "share" : "loss"
}
function keep(name, step, value, held) {
	n = ++count[name, held]
	x[name, held, n] = step
	y[name, held, n] = value
	if (!(name in drawn)) { drawn[name] = 1; order[++series] = name; shared[name] = name ~ /(right|exact|first)$|@/ }
	if (first == "" || step < first) first = step
	if (last == "" || step > last) last = step
}
NF {
	parse($0)
	if (!("step" in field)) { bad++; next }
	for (name in field)
		if (wanted(name)) keep(name, field["step"], field[name], ("validation" in field) ? 1 : 0)
}
# The order of the log, whatever order awk walks arrays in; panels with what they range over.
function arrange(   i, j, k, n, name, panel, held) {
	n = 0
	for (i = 1; i <= figures; i++)
		if (figure[i] in drawn) order[++n] = figure[i]
	panels = 0
	for (k = 1; k <= 3; k++) {
		panel = k == 1 ? "loss" : k == 2 ? "share" : "rate"
		for (i = 1; i <= series; i++) {
			name = order[i]
			if (panel_of(name) != panel) continue
			if (!(panel in number)) {
				number[panel] = ++panels
				called[panels] = panel
				low[panels] = 0
				high[panels] = panel == "share" ? 1 : 0
			}
			members[panels]++
			for (held = 0; held < 2; held++)
				for (j = 1; j <= count[name, held]; j++) {
					if (y[name, held, j] > high[panels]) high[panels] = y[name, held, j]
					if (y[name, held, j] < low[panels]) low[panels] = y[name, held, j]
				}
		}
	}
	for (k = 1; k <= panels; k++)
		if (high[k] <= low[k]) high[k] = low[k] + 1
	if (last <= first) last = first + 1
}
function colour(i) { return substr("#1f77b4#d62728#2ca02c#9467bd#ff7f0e#8c564b#17becf#7f7f7f", (i - 1) % 8 * 7 + 1, 7) }
function across(step) { return 60 + 620 * (step - first) / (last - first) }
function down(k, value) { return 40 + 220 * (k - 1) + 170 * (high[k] - value) / (high[k] - low[k]) }
function svg(   i, j, k, name, places) {
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", 30 + 220 * panels
	print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
	gsub(/&/, "\\&amp;", title); gsub(/</, "\\&lt;", title)
	printf "<text x=\"60\" y=\"20\" font-size=\"14\">%s</text>\n", title
	for (k = 1; k <= panels; k++) {
		for (i = 0; i <= 4; i++) {
			value = low[k] + (high[k] - low[k]) * i / 4
			printf "<path d=\"M60 %.1fH680\" stroke=\"#ddd\"/><text x=\"54\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n", down(k, value), down(k, value) + 4, value
		}
		for (i = 0; i <= 4; i++) {
			step = first + (last - first) * i / 4
			printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%d</text>\n", across(step), down(k, low[k]) + 16, step
		}
		places = 0
		for (i = 1; i <= series; i++) {
			name = order[i]
			if (number[panel_of(name)] != k) continue
			printf "<text x=\"690\" y=\"%.1f\" fill=\"%s\">%s</text>\n", down(k, high[k]) + 10 + 16 * places++, colour(i), name
			if (count[name, 0] > 1) {
				printf "<polyline fill=\"none\" stroke=\"%s\" points=\"", colour(i)
				for (j = 1; j <= count[name, 0]; j++)
					printf "%s%.1f,%.1f", (j > 1 ? " " : ""), across(x[name, 0, j]), down(k, y[name, 0, j])
				print "\"/>"
			} else if (count[name, 0])
				printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" fill=\"%s\"/>\n", across(x[name, 0, 1]), down(k, y[name, 0, 1]), colour(i)
			for (j = 1; j <= count[name, 1]; j++)
				printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\" stroke=\"black\"/>\n", across(x[name, 1, j]), down(k, y[name, 1, j]), colour(i)
		}
	}
	print "</svg>"
}
function text(   i, j, k, name, held, row, column, line, letter, rows) {
	rows = 12
	print title
	for (k = 1; k <= panels; k++) {
		for (name in cell) delete cell[name]
		printf "\n"
		places = 0
		for (i = 1; i <= series; i++) {
			name = order[i]
			if (number[panel_of(name)] != k) continue
			letter = substr("abcdefghijklmnopqrstuvwxyz", places++ % 26 + 1, 1)
			printf "%s %s  ", letter, name
			for (held = 0; held < 2; held++)
				for (j = 1; j <= count[name, held]; j++) {
					column = int((columns - 1) * (x[name, held, j] - first) / (last - first) + 0.5)
					row = int((rows - 1) * (high[k] - y[name, held, j]) / (high[k] - low[k]) + 0.5)
					cell[row, column] = held ? toupper(letter) : letter
				}
		}
		printf "\n"
		for (row = 0; row < rows; row++) {
			line = ""
			for (column = 0; column < columns; column++)
				line = line (cell[row, column] == "" ? " " : cell[row, column])
			sub(/ +$/, "", line)
			printf "%9s |%s\n", (row % 11 == 0 ? sprintf("%.3g", row ? low[k] : high[k]) : ""), line
		}
	}
	printf "%9s  %-*d%*d\n", "step", columns - 10, first, 10, last
}
END {
	if (!series) { print "plot.sh: no figures in " title >"/dev/stderr"; exit 1 }
	arrange()
	if (kind == "svg") svg(); else text()
	if (bad) print "plot.sh: " bad " lines without a step left out" >"/dev/stderr"
}' "$1"
