#!/usr/bin/env python3
"""Real text in many scripts for compare_tokenizers.py, from Debian packages: DIR/corpus/NAME.txt by SOURCES.

    fetch_texts.py [--data DIR]    (default $TLMC_DATA, else ~/.cache/tlmc-data); needs apt-get with its lists, dpkg-deb

A file is whole or absent, and one that is there is kept. Manual pages are kept with their markup, of message
catalogues the translations, of programs the source text; each file is cut to BYTES_MAX. Exit status 1 if one could
not be made.
"""
import argparse
import gzip
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

BYTES_MAX = 3_000_000
MANUALS = "usr/share/man/**/*.gz"
CATALOGUES = "usr/lib/libreoffice/program/resource/**/*.mo"
# What the file holds: packages, and which files of them.
SOURCES = {
    "english": (["manpages", "manpages-dev"], MANUALS),
    "code": (["libpython3.11-stdlib", "libc6-dev"], "usr/**/*.[hp]*"),
    "chinese": (["manpages-zh"], MANUALS),
    "japanese": (["manpages-ja"], MANUALS),
    "korean": (["libreoffice-l10n-ko"], CATALOGUES),
    "arabic": (["libreoffice-l10n-ar"], CATALOGUES),
    "hindi": (["libreoffice-l10n-hi"], CATALOGUES),
    "thai": (["libreoffice-l10n-th"], CATALOGUES),
    "russian": (["manpages-ru"], MANUALS),
    "german": (["manpages-de"], MANUALS),
    "vietnamese": (["libreoffice-l10n-vi"], CATALOGUES),
    "hebrew": (["libreoffice-l10n-he"], CATALOGUES),
    "tamil": (["libreoffice-l10n-ta"], CATALOGUES),
    "emoji": (["unicode-data"], "usr/share/unicode/emoji/*"),
    "characters": (["unicode-data"], "usr/share/unicode/NamesList*"),
    "maths": (["python3-sympy"], "usr/lib/python3/dist-packages/sympy/printing/**/*.py"),
    "normal-forms": (["unicode-data"], "usr/share/unicode/NormalizationTest*"),
}


def catalogue_text(data):
    """The translations of a .mo file, a line each."""
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    _, _, count, _, table = struct.unpack_from(order + "5I", data)
    rows = (struct.unpack_from(order + "2I", data, table + 8 * i) for i in range(count))
    return b"\n".join(data[offset:offset + length].replace(b"\0", b"\n") for length, offset in rows)


def characters_text(data):
    """The normal forms' test, which gives characters by number, as the characters themselves."""
    lines = []
    for line in data.decode("utf8").splitlines():
        columns = line.split("#")[0].split(";")[:5]
        if len(columns) == 5:
            lines.append(" ".join("".join(chr(int(code, 16)) for code in column.split()) for column in columns))
    return "\n".join(lines).encode("utf8")


def file_text(path):
    data = path.read_bytes()
    if path.suffix in (".gz", ".bz2"):
        data = gzip.decompress(data) if path.suffix == ".gz" else __import__("bz2").decompress(data)
    if path.suffix == ".mo":
        return catalogue_text(data)
    if path.name.startswith("NormalizationTest"):
        return characters_text(data)
    return data.decode("utf8", "replace").encode("utf8")


def make(name, packages, pattern, out):
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["apt-get", "download", "-q", *packages], cwd=scratch, check=True, capture_output=True)
        for package in Path(scratch).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, scratch], check=True)
        text = b""
        for path in sorted(Path(scratch).glob(pattern)):
            if path.is_file() and not path.is_symlink() and len(text) < BYTES_MAX:
                text += file_text(path) + b"\n"
    text = text[:BYTES_MAX].decode("utf8", "ignore").encode("utf8")
    if not text:
        raise OSError(f"no {pattern} in {' '.join(packages)}")
    (out / f".{name}").write_bytes(text)
    (out / f".{name}").rename(out / f"{name}.txt")
    return len(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("TLMC_DATA", str(Path.home() / ".cache/tlmc-data")))
    out = Path(parser.parse_args().data) / "corpus"
    out.mkdir(parents=True, exist_ok=True)
    failed = False
    for name, (packages, pattern) in SOURCES.items():
        if (out / f"{name}.txt").exists():
            continue
        try:
            print(f"{name:14} {make(name, packages, pattern, out) / 1e6:.2f} MB", flush=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name:14} {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
