# append.sh - for the tests of files that grow in place: a model, and tiny pictures, each different, in
# pictures/; all and list (the first 12) are lists of them. ZV_SLOW=1 makes 10 000 pictures instead of
# 48.
# shellcheck shell=sh
seed-model ziya >/dev/null || { fail "seed-model"; finish; }
pictures=48
[ -z "${ZV_SLOW:-}" ] || pictures=10000
mkdir pictures
python3 - $pictures <<'END'
import sys
for i in range(int(sys.argv[1])):
    with open('pictures/p%d.ppm' % i, 'wb') as f:
        f.write(b'P6 4 4 255\n' + bytes((i >> 8 * (k % 2) & 255) ^ k * 5 for k in range(48)))
END
find pictures -name '*.ppm' | sort >all
head -n 12 all >list
encode() { zv-encode -q -m ziya -t 1 "$@"; }
tensors() { zv-ls -l "$@" | grep -v failed | sort; }
size() { stat -c %s "$1"; }
