"""emoji_check.py - do captions, classes and questions of emoji scenes follow from their layout?

usage: emoji_check.py CLASSES.tsv SCENES.jsonl SPLIT
Everything is derived anew from the layout here, with no code in common with the generator. Prints
what is wrong, and at the end the number of scenes and of questions looked at; status 1 if anything is.
"""
import json
import re
import sys

SIDE, PATCH = 112, 14
NUMBERS = {"en": ["none", "one", "two", "three", "four", "five"],
           "zh": ["没有", "一个", "两个", "三个", "四个", "五个"]}
SIDES = {"to the left of": (-1, 0), "to the right of": (1, 0), "above": (0, -1), "below": (0, 1),
         "左边": (-1, 0), "右边": (1, 0), "上面": (0, -1), "下面": (0, 1)}


def philox(counter, key):
    """Philox4x32-10 of the paper: four words of a counter, two of a key."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    mask = 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & mask, (p0 >> 32) ^ c3 ^ k1, p0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c0, c1, c2, c3


class Classes:
    def __init__(self, path):
        self.group, self.name, self.plural, self.code, self.first = {}, {}, {}, {}, {}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                number, group, english, chinese, plural, code = line.rstrip("\n").split("\t")
                number = int(number)
                self.first.setdefault(group, number)
                self.group[number] = group
                self.name[number] = {"en": english, "zh": chinese}
                self.plural[number] = plural
                self.code[number] = int(code[2:], 16) if code else 0
        self.kinds = [n for n in self.group if self.group[n] == "kind"]
        self.by_text = {"en": {}, "zh": {}}
        for kind in self.kinds:
            self.by_text["en"][self.name[kind]["en"]] = kind
            self.by_text["en"][self.plural[kind]] = kind
            self.by_text["zh"][self.name[kind]["zh"]] = kind
        self.pattern = {}
        for language, table in self.by_text.items():
            words = "|".join(re.escape(t) for t in sorted(table, key=len, reverse=True))
            self.pattern[language] = re.compile(
                r"(an?|one|two|three|four|five) (%s)\b" % words if language == "en"
                else "([一两三四五])个(%s)" % words)

    def reserved(self, a, b):
        low, high = sorted((self.code[a], self.code[b]))
        return philox((low, high, 0, 0), (0x70616972, 0))[0] % 20 == 0

    def counted(self, text, language):
        """Kinds and their numbers in a list of a caption, in its order."""
        found = []
        for word, name in self.pattern[language].findall(text):
            number = ({"a": 1, "an": 1}.get(word) or NUMBERS["en"].index(word) if language == "en"
                      else "一两三四五".index(word) + 1)
            found.append((self.by_text[language][name], number))
        return found


class Scene:
    def __init__(self, entry, classes):
        self.entry, self.classes = entry, classes
        self.objects = entry["layout"]["objects"]
        self.colour = entry["layout"]["colour"]
        self.kinds = [o["kind"] for o in self.objects]

    def middle(self, i):
        o = self.objects[i]
        return o["x"] + o["width"] / 2, o["y"] + o["height"] / 2

    def zone(self, i):
        x, y = self.middle(i)
        return int(y * 3 / SIDE) * 3 + int(x * 3 / SIDE)

    def groups(self):
        order = list(dict.fromkeys(self.kinds))
        return [(kind, self.kinds.count(kind)) for kind in order]

    def only(self, name, language):
        places = [i for i, k in enumerate(self.kinds) if self.classes.name[k][language] == name]
        assert len(places) == 1, "%s is not there once" % name
        return places[0]

    def stands(self, a, b, words):
        """Is object a on that side of b, and is that the larger distance?"""
        dx, dy = (p - q for p, q in zip(self.middle(a), self.middle(b)))
        sx, sy = SIDES[words]
        along, across = dx * sx + dy * sy, abs(dx * sy) + abs(dy * sx)
        assert max(abs(dx), abs(dy)) > 14, "too near to speak of sides"
        return along > across


def check_layout(scene, split):
    classes, objects = scene.classes, scene.objects
    middles = [scene.middle(i)[0] for i in range(len(objects))]
    assert middles == sorted(middles), "objects are not from left to right"
    for i, o in enumerate(objects):
        assert o["x"] >= 0 and o["y"] >= 0, "outside"
        assert o["x"] + o["width"] <= SIDE and o["y"] + o["height"] <= SIDE, "outside"
        assert max(o["width"], o["height"]) == o["size"], "size"
        assert o["name"] == classes.name[o["kind"]]["en"], "name"
        for p in objects[:i]:
            w = min(o["x"] + o["width"], p["x"] + p["width"]) - max(o["x"], p["x"])
            h = min(o["y"] + o["height"], p["y"] + p["height"]) - max(o["y"], p["y"])
            area = min(q["width"] * q["height"] for q in (o, p))
            assert max(w, 0) * max(h, 0) <= 0.06 * area, "overlap"
    pairs = [(a, b) for a in set(scene.kinds) for b in set(scene.kinds) if a < b]
    held = any(classes.reserved(a, b) for a, b in pairs)
    assert held == (split == "unseen"), "reserved pair in %s" % split


def check_classes(scene):
    entry = scene.entry
    colour = [n for n, g in scene.classes.group.items()
              if g == "colour" and scene.classes.name[n]["en"] == scene.colour][0]
    want = [colour if (i * 7 + scene.kinds[0]) % 5 < 2 else -1 for i in range(16)]
    largest = {}
    for i, o in enumerate(scene.objects):
        x, y = scene.middle(i)
        cell = int(x * 4 // SIDE) * 4 + int(y * 4 // SIDE)
        if o["width"] * o["height"] > largest.get(cell, 0):
            largest[cell] = o["width"] * o["height"]
            want[cell] = o["kind"]
    assert entry["kinds"] == want, "classes of queries"
    assert len(entry["patches"]) == 64, "patches"
    for place, kind in enumerate(entry["patches"]):
        x, y = place % 8 * PATCH, place // 8 * PATCH
        inside = [max(0, min(o["x"] + o["width"], x + PATCH) - max(o["x"], x)) *
                  max(0, min(o["y"] + o["height"], y + PATCH) - max(o["y"], y))
                  for o in scene.objects if o["kind"] == kind]
        # the only patch of a thin object may show less of it
        least = 0.35 * PATCH * PATCH if entry["patches"].count(kind) > scene.kinds.count(kind) else 1
        assert kind < 0 or max(inside, default=0) >= least, "patch"
    assert any(kind >= 0 for kind in entry["patches"]), "no patch shows anything"


def says(scene, caption, language):
    """What a caption says is so: "" or what is wrong."""
    colours = [scene.classes.name[n][language] for n, g in scene.classes.group.items() if g == "colour"]
    english = next(n for n, g in scene.classes.group.items()
                   if g == "colour" and scene.classes.name[n]["en"] == scene.colour)
    background = [c for c in colours if (c + " background" if language == "en" else c) in caption]
    if background != [scene.classes.name[english][language]]:
        return "colour"
    first, _, rest = caption.partition(". " if language == "en" else "。")
    if language == "en":
        first = first[:1].lower() + first[1:]
    if scene.classes.counted(re.sub(" on an? [a-z]+ background.*", "", first), language) != scene.groups():
        return "objects"
    if rest:
        form = (r"The (.*) is (to the left of|to the right of|above|below) the (.*)\.$" if language == "en"
                else r"(.*)在(.*)的(左边|右边|上面|下面)。$")
        parts = list(re.match(form, rest).groups())
        if language == "zh":
            parts = [parts[0], parts[2], parts[1]]
        a, b = (scene.only(parts[i], language) for i in (0, 2))
        if not scene.stands(a, b, parts[1]):
            return "relation"
    return ""


def check_captions(scene):
    for language, name, wrong in (("en", "caption", "wrong"), ("zh", "caption_zh", "wrong_zh")):
        found = says(scene, scene.entry[name], language)
        assert not found, "%s: %s" % (name, found)
        for text in scene.entry.get(name.replace("caption", "references"), []):
            found = says(scene, text, language)
            assert not found, "%s: %s" % (text, found)
        for text, sort in zip(scene.entry[wrong], scene.entry["wrong_types"]):
            found = says(scene, text, language)
            expected = {"kind": "objects", "count": "objects", "colour": "colour", "relation": "relation"}
            assert found == expected[sort], "%s: %s is made wrong, but %s is" % (text, sort, found)


ZONES = {"in the top left corner": 0, "at the top in the middle": 1, "in the top right corner": 2,
         "on the left in the middle": 3, "in the center": 4, "on the right in the middle": 5,
         "in the bottom left corner": 6, "at the bottom in the middle": 7,
         "in the bottom right corner": 8, "左上角": 0, "上方中间": 1, "右上角": 2, "左边中间": 3,
         "正中间": 4, "右边中间": 5, "左下角": 6, "下方中间": 7, "右下角": 8}


def named(scene, text, language):
    """Names in a question: the longest at each place."""
    table = scene.classes.by_text[language]
    words = "|".join(re.escape(t) for t in sorted(table, key=len, reverse=True))
    return re.findall(r"\b(?:%s)\b" % words if language == "en" else words, text)


def answer(scene, kind, text, language):
    """The answer that the layout gives."""
    classes, count = scene.classes, len(scene.objects)
    title = lambda i: classes.name[scene.kinds[i]][language]
    if kind == "total":
        return NUMBERS[language][count]
    if kind == "colour":
        return next(n[language] for n in classes.name.values() if n["en"] == scene.colour)
    if kind == "what":
        zone = max((z for z in ZONES if z in text), key=len, default=None)
        side = next((s for s in SIDES if s in text), None)
        if zone and ("图片" in text or language == "en"):
            there = [i for i in range(count) if scene.zone(i) == ZONES[zone]]
        elif side:
            b = scene.only(named(scene, text, language)[0], language)
            there = [i for i in range(count) if i != b and far(scene, i, b, side) and scene.stands(i, b, side)]
        else:
            there = range(count)
        assert len(there) == 1, "no one thing is asked for"
        return title(there[0])
    names = named(scene, text, language)
    if kind == "where":
        zones = [n[language] for k, n in classes.name.items() if classes.group[k] == "zone"]
        return zones[scene.zone(scene.only(names[0], language))]
    number = scene.kinds.count(classes.by_text[language][names[0]])
    if kind == "count":
        return NUMBERS[language][number]
    if kind == "exists":
        return {"en": ("no", "yes"), "zh": ("没有", "有")}[language][number > 0]
    a, b = (scene.only(name, language) for name in names)
    if kind == "relation":
        side = next(s for s in SIDES if s in text)
        return {"en": ("no", "yes"), "zh": ("不是", "是")}[language][scene.stands(a, b, side)]
    plain = text
    for name in names:
        plain = plain.replace(name, "")
    small = "smaller" in plain or "小" in plain
    sizes = [scene.objects[i]["size"] for i in (a, b)]
    assert max(sizes) >= 1.25 * min(sizes), "hardly bigger"
    return title(a if (sizes[0] > sizes[1]) != small else b)


def far(scene, a, b, side):
    sx, sy = SIDES[side]
    (ax, ay), (bx, by) = scene.middle(a), scene.middle(b)
    return (ax - bx) * sx + (ay - by) * sy > 4


def check_questions(scene):
    questions = scene.entry["questions"]
    assert 4 <= len(questions) <= 6, "number of questions"
    for asked in questions:
        text, language = asked["question"], asked["language"]
        wanted = answer(scene, asked["type"], text, language)
        assert asked["answer"] == wanted, "%s %s, but %s" % (text, asked["answer"], wanted)
    return len(questions)


def main():
    classes, split = Classes(sys.argv[1]), sys.argv[3]
    scenes = questions = failed = 0
    with open(sys.argv[2], encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            scene = Scene(json.loads(line), classes)
            try:
                check_layout(scene, split)
                check_classes(scene)
                check_captions(scene)
                questions += check_questions(scene)
            except AssertionError as reason:
                print("%s:%d: %s" % (sys.argv[2], number, reason))
                failed = 1
            scenes += 1
    print("%d scenes, %d questions" % (scenes, questions))
    sys.exit(failed)


main()
