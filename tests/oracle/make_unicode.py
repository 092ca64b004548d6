#!/usr/bin/env python3
"""Writes compiler/load/unicode_data.inc: what the `tokenizers` package believes about every code point.

    make_unicode.py [--out compiler/load/unicode_data.inc]

The compiler must classify text exactly as that package does, and the package carries three Unicode
tables of different ages (its regex engine, Rust's own, and its normal forms), so it is asked, not the
standard. Python's unicodedata is used only to propose combining classes; every answer is then checked.

Form of the data, all numbers decimal:
    CATEGORY_RUNS   length * 32 + category, from code point 0 on (surrogates count as category Cs)
    SET_<name>      gap, length, gap, length, ...: runs of members, gaps counted from the last run's end
    NFC_CODES       code point delta, then NFC_ROWS gives ccc * 8 + count of its full decomposition
    NFC_TEXT        the decompositions, back to back
    NFC_PAIRS       first, second, composite, sorted
    NFKD_CODES      code point delta of those whose compatible decomposition is another than the canonical one, then
    NFKD_COUNTS     its length, and NFKD_TEXT all of them
    LOWER_RUNS      gap, length, step, distance: each step-th code point of the run becomes the one at `distance`
"""
import argparse
import struct
import unicodedata
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn Cs").split()
SCRIPTS = "Han Hiragana Katakana Hangul Latin Greek Cyrillic Arabic Hebrew Thai Devanagari".split()
CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, CODES))
LAST = 0x110000


def runs_of(members):
    """Half-open runs of a sorted list of code points; a run never crosses a gap in CODES."""
    runs = []
    for code in members:
        if runs and runs[-1][1] == code:
            runs[-1][1] = code + 1
        else:
            runs.append([code, code + 1])
    return runs


def pieces(pre_tokenizer):
    found = []
    for _, (begin, end) in pre_tokenizer.pre_tokenize_str(TEXT):
        found.extend(CODES[begin:end])
    return found


def regex_set(expression):
    return pieces(pre_tokenizers.Split(Regex(f"[^{expression}]+"), "removed"))


def digit_set():
    """Digits groups runs of members and of others; a member run is one whose first character alone is split off."""
    digits = pre_tokenizers.Digits(individual_digits=False)
    found = []
    for piece, (begin, end) in digits.pre_tokenize_str(TEXT):
        if len(digits.pre_tokenize_str("x" + piece[0])) == 2:
            found.extend(CODES[begin:end])
    return found


def added_set(**flags):
    """Code points that stop, or are eaten by, an added token beside them."""
    tokenizer = Tokenizer(models.BPE(vocab={"?": 0}, merges=[], unk_token="?"))
    tokenizer.add_tokens([AddedToken("@@@", normalized=False, **flags)])
    found = []
    for first in range(0, len(CODES), 50000):
        part = CODES[first:first + 50000]
        encodings = tokenizer.encode_batch([chr(code) + "@@@" for code in part], add_special_tokens=False)
        for code, encoding in zip(part, encodings):
            if "single_word" in flags:
                member = 1 not in encoding.ids
            else:
                member = len(encoding.ids) == 1
            if member:
                found.append(code)
    return found


def changed(normalizer):
    """What `normalizer` makes of each code point that it changes."""
    results = {code: normalizer.normalize_str(chr(code)) for code in CODES}
    return {code: text for code, text in results.items() if text != chr(code)}


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return changed(normalizers.BertNormalizer(**(off | on)))


def accent_set(nfd):
    """What strip_accents of BERT removes of decomposed text; whatever it does is that."""
    stripped = bert(strip_accents=True)
    found = [code for code, text in stripped.items() if text == ""]
    assert all(text == "".join(c for c in nfd.normalize_str(chr(code)) if stripped.get(ord(c), c) != "")
               for code, text in stripped.items())
    return found


def map_sets(nfd):
    """The sets that maps of characters consist of; every map is checked to be made of them."""
    clean, han, marks, nmt = bert(clean_text=True), bert(handle_chinese_chars=True), changed(
        normalizers.StripAccents()), changed(normalizers.Nmt())
    assert set(clean.values()) == {"", " "} and set(nmt.values()) == {"", " "} and set(marks.values()) == {""}
    assert all(text == f" {chr(code)} " for code, text in han.items())
    return {"CLEAN_REMOVED": [c for c in clean if clean[c] == ""], "CLEAN_SPACE": [c for c in clean if clean[c] == " "],
            "HAN": list(han), "MARK": list(marks), "ACCENT": accent_set(nfd),
            "NMT_REMOVED": [c for c in nmt if nmt[c] == ""], "NMT_SPACE": [c for c in nmt if nmt[c] == " "]}


def rust_words():
    """\\w of the Whitespace pre-tokenizer, which has another regex engine than Split."""
    found = []
    cutter = pre_tokenizers.Whitespace()
    for piece, (begin, end) in cutter.pre_tokenize_str(TEXT):
        if len(cutter.pre_tokenize_str("x" + piece[0])) == 1:
            found.extend(CODES[begin:end])
    return found


def lower_runs():
    """Small letters of all code points but U+0130, the only one that becomes two."""
    lower = changed(normalizers.Lowercase())
    assert lower == bert(lowercase=True) and lower.pop(0x130) == "i\u0307"
    runs = []  # [begin, last, step, distance]
    for code, text in lower.items():
        distance = ord(text) - code
        if runs and runs[-1][3] == distance:
            step = code - runs[-1][1]
            if step <= 2 and runs[-1][2] in (0, step):
                runs[-1][1:3] = code, step
                continue
        runs.append([code, code, 0, distance])
    end, values = 0, []
    for begin, last, step, distance in runs:
        values += [begin - end, last + 1 - begin, step or 1, distance]
        end = last + 1
    return values


def moved(nfd, pairs):
    """Of each pair of characters: does NFD exchange them?"""
    text = "".join("\n" + pair for pair in pairs)
    result = nfd.normalize_str(text)
    return [result[3 * i + 1:3 * i + 3] != text[3 * i + 1:3 * i + 3] for i in range(len(pairs))]


def combining_classes(nfd):
    """ccc of every code point that moves when sorted; proposed by unicodedata, proven by pairwise order."""
    low, high = "\u0334", "\u0345"  # classes 1 and 240, the lowest and the highest
    stable = [code for code in CODES if nfd.normalize_str(chr(code)) == chr(code)]
    down = moved(nfd, [high + chr(code) for code in stable])
    up = moved(nfd, [chr(code) + low for code in stable])
    marks = [code for code, a, b in zip(stable, down, up) if a or b]
    representative = {}
    for code in marks:
        representative.setdefault(unicodedata.combining(chr(code)), chr(code))
    ranks = sorted(representative)
    above = {code: [] for code in marks}  # classes that a mark sorts in front of
    for rank in ranks:
        for code, answer in zip(marks, moved(nfd, [representative[rank] + chr(code) for code in marks])):
            if answer:
                above[code].append(rank)
    classes = {code: ranks[len(ranks) - len(above[code]) - 1] for code in marks}
    for code, rank in classes.items():
        assert above[code] == ranks[ranks.index(rank) + 1:], hex(code)
        if unicodedata.combining(chr(code)) != rank:
            print(f"U+{code:04X}: unicodedata says {unicodedata.combining(chr(code))}, tokenizers {rank}")
    return classes


def normal_forms():
    nfc, nfd = normalizers.NFC(), normalizers.NFD()
    classes = combining_classes(nfd)
    rows, pairs = {}, {}
    for code in CODES:
        if 0xAC00 <= code < 0xD7A4:
            continue
        full = nfd.normalize_str(chr(code))
        if full != chr(code):
            rows[code] = full
            if nfc.normalize_str(chr(code)) == chr(code):
                first = nfc.normalize_str(full[:-1])
                assert len(first) == 1, hex(code)
                pairs[(ord(first), ord(full[-1]))] = code
        elif code in classes:
            rows[code] = ""
    return rows, classes, pairs


def compatible():
    """Compatible decompositions that are not the canonical ones; composing them gives NFKC."""
    nfc, nfd, nfkc, nfkd = normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD()
    found = {}
    for code in CODES:
        full = nfkd.normalize_str(chr(code))
        assert nfkc.normalize_str(chr(code)) == nfc.normalize_str(full), hex(code)
        if full != nfd.normalize_str(chr(code)):
            found[code] = full
    return found


def counting():
    """A Precompiled normalizer whose map has every byte but the newline become `x`: a cluster of fewer than six bytes
    is one `x`, a longer one an `x` per character, so that what is joined can be counted."""
    units, text = [0] * 1024, b"x\0\n\0"
    units[0] = 256 << 10  # children lie at 256 + byte
    for byte in range(1, 256):
        units[256 + byte] = 512 << 10 | 1 << 8 | byte  # a leaf, whose value lies at 768 + byte
        units[768 + byte] = 1 << 31 | (2 if byte == 10 else 0)
    trie = struct.pack("<1024I", *units)
    return normalizers.Precompiled(struct.pack("<I", len(trie)) + trie + text)


def cluster_sets():
    """What decides where clusters end, as far as maps of characters can see it. The two line ends are no member."""
    normalizer = counting()
    codes = [code for code in CODES if code not in (10, 13)]

    def joined(before, after, count):
        """Code points that make `before` + itself + `after` come out as `count`."""
        text = "".join(f"{before}{chr(code)}{after}\n" for code in codes)
        counts = [len(line) for line in normalizer.normalize_str(text).split("\n")]
        return {code for code, found in zip(codes, counts) if found == count}

    acute, virama, ka, joiner = "\u0301", "\u094d", "\u0915", "\u200d"
    behind, in_front = joined("a", "", 1), joined("", "a", 1)
    short = {code for code in codes if code < 0x10000}  # what is longer shows nothing before a mark
    control = short - joined("", acute, 1)
    keeps_pictures = joined("©", f"{joiner}©{acute}", 5) & behind - {ord(joiner)}
    keeps_links = joined(ka, virama + ka + acute, 5) & behind - {ord(joiner)}
    linkers = joined(ka, ka + acute, 4) & behind
    letters = short - control - behind - in_front
    before_vowels, before_tails = (joined("", after + acute, 3) & letters for after in "\u1161\u11a8")
    after_lead, after_vowel, after_tail = (joined(before, acute, 3) & letters for before in "\u1100\uac00\uac01")
    syllables = set(range(0xAC00, 0xD7A4))
    assert after_lead & before_tails - syllables == after_vowel - after_tail and syllables < after_lead
    assert {code for code in syllables if code in before_vowels} == set(range(0xAC00, 0xD7A4, 28))
    found = {"CONTROL": control, "EXTEND": keeps_pictures & keeps_links - linkers, "LINKER": linkers,
             "PLAIN": keeps_pictures - keeps_links - linkers, "SPACING": behind - keeps_pictures - {ord(joiner)},
             "PREPEND": in_front, "LEAD": before_vowels & after_lead - before_tails, "VOWEL": after_vowel - after_tail,
             "TAIL": after_tail, "PICTURE": joined(f"©{joiner}", "", 3) - behind,
             "CONSONANT": joined(ka + virama, acute, 4) & letters}
    assert linkers <= keeps_pictures and sum(map(len, found.values())) == len(set().union(*found.values()))
    return {f"CLUSTER_{name}": sorted(members) for name, members in found.items()}


def wrap(name, kind, values):
    lines, line = [], "   "
    for value in values:
        text = f" {value},"
        if len(line) + len(text) > 98:
            lines.append(line)
            line = "   "
        line += text
    return f"static const {kind} {name}[] = {{\n" + "\n".join(lines + [line]) + "\n};\n"


def deltas(codes):
    codes = sorted(codes)
    return [code - before for before, code in zip([0, *codes], codes)]


def delta(runs):
    end, values = 0, []
    for begin, stop in runs:
        values += [begin - end, stop - begin]
        end = stop
    return values


def categories():
    of = {}
    for index, category in enumerate(CATEGORIES[:-1]):
        for code in regex_set(rf"\p{{{category}}}"):
            assert code not in of, (hex(code), category)
            of[code] = index
    for code in range(0xD800, 0xE000):
        of[code] = len(CATEGORIES) - 1
    values, begin = [], 0
    for code in range(1, LAST + 1):
        if code == LAST or of[code] != of[begin]:
            values.append((code - begin) * 32 + of[begin])
            begin = code
    return values


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="compiler/load/unicode_data.inc")
    out = Path(parser.parse_args().out)
    sets = {"SPACE": regex_set(r"\s"), "WORD": regex_set(r"\w"), "NUMERIC": digit_set(),
            "ADDED_WORD": added_set(single_word=True), "ADDED_SPACE": added_set(lstrip=True)}
    nfd = normalizers.NFD()
    punctuation = set(pieces(pre_tokenizers.Punctuation("removed")))
    sets |= map_sets(nfd) | {"PUNCTUATION": sorted(set(CODES) - punctuation)}
    assert rust_words() == sets["ADDED_WORD"]
    for spaces in (pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Whitespace(), pre_tokenizers.BertPreTokenizer()):
        assert sorted(set(CODES) - set(pieces(spaces))) == sets["ADDED_SPACE"]
    assert sorted(changed(normalizers.Strip())) == sets["ADDED_SPACE"]
    assert regex_set(r"\d") == regex_set(r"\p{Nd}")
    # compiler/load/regex.c knows that a bare \w is more than one in brackets.
    words = pre_tokenizers.Split(Regex(r"\W+"), "removed")
    assert sorted(set(pieces(words)) - set(sets["WORD"])) == [0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE]
    for script in SCRIPTS:
        sets["SCRIPT_" + script.upper()] = regex_set(rf"\p{{{script}}}")
    sets |= cluster_sets()
    rows, classes, pairs = normal_forms()
    compatibles = compatible()
    parts = [f"// What tokenizers {tokenizers.__version__} believes about code points.\n"
             "// Generated by tests/oracle/make_unicode.py, which says how to read it; do not edit.\n"
             "// clang-format off\n",
             wrap("CATEGORY_RUNS", "uint32_t", categories())]
    parts += [wrap("SET_" + name, "uint32_t", delta(runs_of(members))) for name, members in sets.items()]
    parts += [wrap("NFC_CODES", "uint32_t", deltas(rows)),
              wrap("NFC_ROWS", "uint16_t", [classes.get(c, 0) * 8 + len(rows[c]) for c in sorted(rows)]),
              wrap("NFC_TEXT", "uint32_t", [ord(x) for c in sorted(rows) for x in rows[c]]),
              wrap("NFC_PAIRS", "uint32_t", [x for key in sorted(pairs) for x in (*key, pairs[key])]),
              wrap("NFKD_CODES", "uint32_t", deltas(compatibles)),
              wrap("NFKD_COUNTS", "uint8_t", [len(compatibles[c]) for c in sorted(compatibles)]),
              wrap("NFKD_TEXT", "uint32_t", [ord(x) for c in sorted(compatibles) for x in compatibles[c]]),
              wrap("LOWER_RUNS", "int32_t", lower_runs())]
    out.write_text("\n".join(parts), encoding="utf8")
    print(out, out.stat().st_size, {name: len(members) for name, members in sets.items()}, len(rows), len(pairs))


if __name__ == "__main__":
    main()
