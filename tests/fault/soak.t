# soak.t - thousands of small pictures through the embedded model, damaged ones among them: memory
# stays flat, progress is right, a damaged picture costs a line and a failed record; throughput of the
# first and the last fifth is told. 2000 pictures; SOAK_PICTURES=100000 is what it is made for
# (with ZV_TEST_SECONDS=7200).
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
command -v python3 >/dev/null 2>&1 || { echo '1..0 # SKIP no python3 to watch the run'; exit 0; }
if [ -n "${ZV_SANITIZE-}" ]; then
	skip "memory of a long run" "sanitizers have their own"
	finish
fi
count=${SOAK_PICTURES:-2000}
free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
ok "there is room for $count names" test "$free" -gt $((count / 100 + 100))

# 300 pictures under many names, every 200th name a damaged one.
cat >make.py <<'END'
import os, random, sys
count, random = int(sys.argv[1]), random.Random(1)
for folder in ['source'] + ['album/%03d' % n for n in range((count + 999) // 1000)]:
    os.makedirs(folder)
for n in range(300):
    shades = [random.randrange(256) for _ in range(9)]
    with open('source/%d' % n, 'wb') as file:
        file.write(b'P6 16 16 255\n' + bytes(shades[(x // 6 + y // 6 * 3 + c) % 9]
                                             for y in range(16) for x in range(16) for c in range(3)))
damage = [b'', b'P6 16 16 255\nshort', b'no picture', b'\x89PNG\r\n\x1a\n' + b'\0' * 40, b'\xff\xd8\xff']
for n, text in enumerate(damage):
    with open('source/damaged%d' % n, 'wb') as file:
        file.write(text)
with open('list', 'w') as names:
    for n in range(count):
        name = 'album/%03d/%d.ppm' % (n // 1000, n)
        os.link('source/%s' % ('damaged%d' % (n // 200 % 5) if n % 200 == 77 else n % 300), name)
        print(name, file=names)
END
# Runs the pipe; prints what the shell asks about, a line each: NAME TAB VALUE.
cat >watch.py <<'END'
import json, os, re, subprocess, sys, threading, time
model, count = sys.argv[1], int(sys.argv[2])
master, terminal = os.openpty()
stages = {'zv-encode': ['-T', 'list'], 'zv-qformer': ['-p', 'What is it?'],
          'zv-generate': ['--json', '--max-new', '4']}
processes, flow = {}, subprocess.DEVNULL
for name, arguments in stages.items():
    errors = terminal if name == 'zv-encode' else open(name + '.err', 'wb')
    processes[name] = subprocess.Popen([name, '-v', '-t', '1', '-m', model] + arguments,
                                       stdin=flow, stdout=subprocess.PIPE, stderr=errors)
    if flow is not subprocess.DEVNULL:
        flow.close()
    flow = processes[name].stdout
os.close(terminal)
screen = []

def look():
    try:
        while text := os.read(master, 65536):
            screen.append(text)
    except OSError:
        pass

def peaks(into):
    for name, process in processes.items():
        try:
            with open('/proc/%d/status' % process.pid) as status:
                into.update((name, int(line.split()[1])) for line in status if line.startswith('VmHWM'))
        except OSError:
            pass

watcher = threading.Thread(target=look)
watcher.start()
begin, times, early, late, keys, errors = time.monotonic(), {}, {}, {}, [], 0
for line in flow:
    answer = json.loads(line)
    keys.append(answer['key'])
    errors += 'error' in answer
    if len(keys) in (1, count // 5, count * 4 // 5, count):
        times[len(keys)] = time.monotonic()
    if len(keys) == count // 10:
        peaks(early)
    elif len(keys) > count // 10 and len(keys) % (count // 100) == 0:
        peaks(late)
for name, process in processes.items():
    print(name + ' status', process.wait(), sep='\t')
    print(name + ' growth', late[name] - early[name], sep='\t')
    print(name + ' peak', late[name], sep='\t')
watcher.join()
text = b''.join(screen).decode()
shown = [(int(done), int(total)) for done, total in re.findall(r'\r\x1b\[K(\d+)/(\d+) pictures, ', text)]
lines = [re.sub(r'.*\x1b\[K', '', line) for line in text.replace('\r\n', '\n').split('\n')]
print('keys in order', keys == open('list').read().split('\n')[:-1], sep='\t')
print('failed records', errors, sep='\t')
print('lines', sum(line.startswith('zv-encode: album/') for line in lines), sep='\t')
print('other lines', [line for line in lines if line and not line.startswith('zv-encode: album/')], sep='\t')
print('progress', all(a[0] <= b[0] for a, b in zip(shown, shown[1:])) and
      {total for _, total in shown} == {count} and shown[-1][0] <= count, len(shown) > 2, sep='\t')
fifths = [(count // 5 - 1) / (times[count // 5] - times[1]),
          (count - count * 4 // 5) / (times[count] - times[count * 4 // 5])]
print('speed', '%.0f pictures/s in the first fifth, %.0f in the last' % tuple(fifths), sep='\t')
END
python3 make.py "$count" && python3 watch.py "$ZV_ROOT/examples/emoji/model" "$count" >told 2>err
is "the run is watched to its end" "$?:$(head -c 500 err)" "0:"
told() { sed -n "s/^$1	//p" told; }
damaged=$(((count + 122) / 200))
for program in zv-encode zv-qformer zv-generate; do
	is "$program: status 1, some have failed" "$(told "$program status")" 1
	ok "$program: memory grows by $(told "$program growth") kB from 10 % to the end ($(told "$program peak") kB)" \
		test "$(told "$program growth")" -le 4096
done
is "a record for each picture, in order" "$(told 'keys in order')" True
is "$damaged damaged pictures: as many failed records" "$(told 'failed records')" "$damaged"
is "and as many lines" "$(told lines)" "$damaged"
is "and nothing else but the counts" "$(told 'other lines')" \
	"['zv-encode: $((count - damaged)) pictures encoded, $damaged failed, 0 already there']"
is "progress goes up to $count of $count" "$(told progress)" "True	True"
pass "$(told speed)"
finish
