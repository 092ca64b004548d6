#!/usr/bin/env python3
"""Writes what Python's str knows of characters, for templates: runtime/text/jinja/unicode_data.inc.

    make_python_unicode.py > runtime/text/jinja/unicode_data.inc        (Python 3.11: Unicode 14)
"""
import sys
import unicodedata

CODES = [c for c in range(0x80, 0x110000) if not 0xD800 <= c <= 0xDFFF]


def write(kind, name, rows):
    print(f"static const {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        text = " {" + ", ".join(row) + "},"
        if len(line) + len(text) > 100:
            print(line)
            line = "   "
        line += text
    print(line)
    print("};\n")


def write_unprintable():
    ranges = []
    for code in range(0x7F, 0x110000):
        if chr(code).isprintable():
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    write("code_range", "unprintable", [(hex(a), hex(b)) for a, b in ranges])


def write_case(name, change):
    """Runs of codes with the same distance to what they become, one after the other or every second one."""
    ranges, special = [], []
    for code in CODES:
        to = change(chr(code))
        if len(to) > 1:
            special.append((hex(code), "{" + ", ".join(hex(ord(c)) for c in to) + "}"))
            continue
        delta = ord(to) - code
        if delta == 0:
            continue
        for run in ranges[-2:]:
            stride = code - run[1]
            if run[3] == delta and (stride == run[2] or (run[0] == run[1] and stride <= 2)):
                run[1], run[2] = code, stride
                break
        else:
            ranges.append([code, code, 1, delta])
    rows = [(hex(a), hex(b), str(stride), str(delta)) for a, b, stride, delta in sorted(ranges, key=lambda r: r[1])]
    write("case_range", name + "_ranges", rows)
    write("case_special", name + "_special", special)


def write_title():
    """Only where a title differs from upper case."""
    rows = [(hex(c), "{" + ", ".join(hex(ord(d)) for d in chr(c).title()) + "}")
            for c in CODES if chr(c).title() != chr(c).upper()]
    write("case_special", "title_special", rows)


print(f"// Made by tests/oracle/{sys.argv[0].split('/')[-1]} with Unicode {unicodedata.unidata_version}:"
      " what Python's str does.\n// clang-format off\n")
write_unprintable()
write_case("upper", str.upper)
write_case("lower", str.lower)
write_title()
