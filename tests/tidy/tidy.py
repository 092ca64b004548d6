#!/usr/bin/env python3
"""Style as a test: lengths, layering, banned calls, leftovers, names. Prints every breach as file:line: what.

    tidy.py ROOT
"""
import re
import subprocess
import sys
from pathlib import Path

LINE_MAX, FUNCTION_MAX, FILE_MAX, PARAMETERS_MAX = 100, 70, 800, 6

# A folder may include headers of itself and of the folders listed here.
LAYERS = {
    "runtime/base": [],
    "runtime/plan": ["runtime/base", "runtime"],
    "runtime/text": ["runtime/base", "runtime"],
    "runtime/device": ["runtime/base", "runtime/plan", "runtime"],
    "runtime/engine": ["runtime/base", "runtime/plan", "runtime/device", "runtime/text", "runtime"],
    "runtime/cli": ["runtime/base", "runtime"],
    "runtime": ["runtime/base", "runtime/plan", "runtime/device", "runtime/engine", "runtime/text", "runtime/cli"],
    "templates/ref": ["runtime/base"],
    "templates/cpu": ["runtime/base"],
    "ir": ["runtime/base", "templates/ref"],
    "compiler": ["runtime/base", "templates/ref", "templates/cpu", "ir"],
    "examples": ["runtime"],
}

BANNED = {
    "strcpy": "memcpy with a checked length", "strcat": "tl_arena_format",
    "sprintf": "snprintf or tl_arena_format", "gets": "tl_file_read", "atoi": "tl_str_to_i64",
    "atof": "tl_str_to_f64", "alloca": "an arena",
}
BANNED_IN_LIBRARIES = {
    "exit": "return a tl_status", "abort": "return a tl_status", "printf": "tl_diag_error",
    "perror": "tl_diag_error", "malloc": "an arena", "calloc": "an arena", "realloc": "an arena",
    "free": "an arena",
}
# The places that own memory or talk to the terminal by design.
OWNS_MEMORY = re.compile(r"runtime/base/arena\.c|runtime/device/|runtime/engine/session\.c|main\.c$"
                         r"|^examples/|^tests/")
SPEAKS = re.compile(r"main\.c$|^examples/|^tests/|runtime/cli/|compiler/cli/")
FAMILIES = re.compile(r"(?<![a-z])(llama|qwen|gemma|deepseek|mistral|mixtral|nemotron|deci|vila|llava"
                      r"|bert)(?![a-z])", re.I)
FORMAT_WORDS = re.compile(r'"llama3"')

faults = []


def fault(path, line, text):
    faults.append(f"{path}:{line}: {text}")


def without_comments_and_strings(text):
    """The same text with comments and literals blanked, so that line numbers stay true."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def layer_of(path):
    folder = str(Path(path).parent)
    while folder not in LAYERS and "/" in folder:
        folder = str(Path(folder).parent)
    return folder if folder in LAYERS else None


def check_includes(path, text):
    layer = layer_of(path)
    if layer is None or path.startswith("tests/"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'#include "([^"]+)"', line)
        if not match:
            continue
        target = layer_of(match.group(1))
        if match.group(1).count("/") == 0:
            continue
        if target != layer and target not in LAYERS[layer]:
            fault(path, number, f"{layer} may not include {match.group(1)}")


def check_calls(path, code):
    rules = dict(BANNED)
    for name, instead in BANNED_IN_LIBRARIES.items():
        memory = name in ("malloc", "calloc", "realloc", "free")
        if (memory and OWNS_MEMORY.search(path)) or (not memory and SPEAKS.search(path)):
            continue
        rules[name] = instead
    for number, line in enumerate(code.splitlines(), 1):
        for name, instead in rules.items():
            if re.search(rf"(?<![\w.>]){name}\(", line):
                fault(path, number, f"{name} is banned here: use {instead}")
        if re.search(r"\bgoto\b", line):
            fault(path, number, "goto is banned: chain on status")


def check_functions(path, text, code):
    lines, start = code.splitlines(), None
    marked = text.splitlines()
    for number, line in enumerate(lines, 1):
        if start is None and line.endswith("{") and re.match(r"^[A-Za-z_].*\)\s*\{$|^\s{4,}.*\)\s*\{$", line):
            start = number
        elif start is not None and line == "}":
            table = any("tidy: table" in l for l in marked[start - 1:number])
            if number - start > FUNCTION_MAX and not table:
                fault(path, start, f"function of {number - start} lines (limit {FUNCTION_MAX})")
            start = None
    for match in re.finditer(r"^[A-Za-z_][^;{}()=#]*\(([^;{}()]*)\)\s*\{", code, re.M):
        count = match.group(1).count(",") + 1
        if count > PARAMETERS_MAX and not re.search(r"\btlmc_\w+\(", match.group()):
            fault(path, code[:match.start()].count("\n") + 1,
                  f"{count} parameters (limit {PARAMETERS_MAX}): use a struct")


def check_c(path, text):
    code = without_comments_and_strings(text)
    check_includes(path, text)
    check_functions(path, text, code)
    if not path.startswith("tests/"):
        check_calls(path, code)
    if not re.match(r"\s*(//|/\*)", text):
        fault(path, 1, "a file opens with a comment that says what it is")
    if path.split("/")[0] in ("compiler", "runtime", "ir", "templates"):
        for number, line in enumerate(text.splitlines(), 1):
            if FAMILIES.search(FORMAT_WORDS.sub("", line)):
                fault(path, number, "a model family is named in C: it belongs into archs/")


def check_text(path, text):
    lines = text.splitlines()
    is_code = path.endswith((".c", ".h", ".def", ".py"))
    for number, line in enumerate(lines, 1):
        if is_code and len(line) > LINE_MAX + (20 if path.endswith(".py") else 0):
            fault(path, number, f"{len(line)} columns (limit {LINE_MAX})")
        if re.search("FIX" + "ME|XX" + "X|HA" + "CK", line):
            fault(path, number, "leftover marker")
        if line != line.rstrip():
            fault(path, number, "trailing space")
        if "\t" in line and is_code:
            fault(path, number, "tab")
    if path.endswith((".c", ".h", ".def")) and len(lines) > FILE_MAX:
        fault(path, len(lines), f"{len(lines)} lines (limit {FILE_MAX})")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    names = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                           check=True).stdout.split("\n")
    for name in names:
        path = root / name
        if not path.is_file() or not name.endswith((".c", ".h", ".def", ".py", ".yaml", ".md", ".txt", ".sh")):
            continue
        if name.startswith("tests/") and "/fixtures/" in name:
            continue
        text = path.read_text(encoding="utf8")
        check_text(name, text)
        if name.endswith((".c", ".h", ".def")):
            check_c(name, text)
    print("\n".join(faults))
    print(f"tidy: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
