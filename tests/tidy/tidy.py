#!/usr/bin/env python3
"""Style as a test: lengths, layering, banned calls, leftovers, names. Prints every breach as file:line: what.

    tidy.py [ROOT]

Formatting and headers that stand alone are checked where clang-format-19 and a C compiler are installed.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

LINE_MAX, FUNCTION_MAX, FILE_MAX, PARAMETERS_MAX = 100, 70, 800, 6
README_MAX = {"README.md": 60, "archs/README.md": 60}
README_MAX_ELSE = 40
HEAD_WORDS_MIN = 3  # of the comment that opens a file

# A folder may include headers of itself and of the folders listed here.
LAYERS = {
    "runtime/base": [],
    "runtime/plan": ["runtime/base", "runtime"],
    "runtime/text/jinja": ["runtime/base"],
    "runtime/text": ["runtime/base", "runtime/text/jinja", "runtime"],
    "runtime/device": ["runtime/base", "runtime/plan", "runtime"],
    "runtime/engine": ["runtime/base", "runtime/plan", "runtime/device", "runtime/text", "runtime"],
    "runtime/cli": ["runtime/base", "runtime"],
    "runtime": ["runtime/base", "runtime/plan", "runtime/device", "runtime/engine", "runtime/text", "runtime/cli"],
    "templates/ref": ["runtime/base"],
    "templates/cpu": ["runtime/base"],
    "templates/cuda": ["runtime/base"],
    "ir": ["runtime/base", "templates/ref"],
    "compiler": ["runtime/base", "runtime/text/jinja", "templates/ref", "templates/cpu", "templates/cuda", "ir"],
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
# Families belong into archs/ and tests/; the one word below is a value of config.json.
FAMILY_FREE = ("compiler/", "runtime/", "ir/", "templates/")
FAMILIES = re.compile(r"(?<![a-z])(llama|smollm|qwen|gemma|deepseek|mistral|mixtral|nemotron|deci|vila|llava|bert"
                      r"|roberta|falcon|olmo|starcoder|internlm|minicpm|exaone|chatglm|gptneox|gpt2|kimi|grok"
                      r"|mamba)(?![a-z])", re.I)
FORMAT_WORDS = re.compile(r'"llama3"|\b(Bert(Normalizer|PreTokenizer|Processing)|RobertaProcessing)\b')
# Files that texts name must exist; what is meant as an example is called NAME or x.
NAMED_FILE = re.compile(r"(?<![\w./$}-])(?:runtime|compiler|ir|templates|tests|archs|examples)/[\w/.-]+"
                        r"\.(?:c|h|def|py|md|yaml|sh)\b(?![.*])")
EXAMPLE_FILE = re.compile(r"/(NAME|x)(_test)?\.\w+$|NAME_test|fuzz_NAME")
STATE = re.compile(r"^(?:static |_Thread_local )+(?!const\b|inline\b|volatile sig_atomic_t\b)[^()=]*(?:=.*|;)$")

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
        if count > PARAMETERS_MAX and not re.search(r"\b(tlmc_|cu(?:blasLt)?[A-Z])\w+\(", match.group()):
            fault(path, code[:match.start()].count("\n") + 1,
                  f"{count} parameters (limit {PARAMETERS_MAX}): use a struct")


def check_state(path, code):
    for number, line in enumerate(code.splitlines(), 1):
        if STATE.match(line) and "*const " not in line:
            fault(path, number, "state of a file: pass it, or make it const")


def check_c(path, text):
    code = without_comments_and_strings(text)
    check_includes(path, text)
    check_functions(path, text, code)
    if not path.startswith("tests/"):
        check_calls(path, code)
        check_state(path, code)
    head = re.match(r"((?://[^\n]*\n)+)", text)
    if not head or len(re.findall(r"\w+", head.group())) < HEAD_WORDS_MIN or not re.search(r"[.:]", head.group()):
        fault(path, 1, "a file opens with a comment that says in a sentence what it is")


def check_text(path, text):
    lines = text.splitlines()
    is_code = path.endswith((".c", ".h", ".def", ".py"))
    for number, line in enumerate(lines, 1):
        if is_code and len(line) > LINE_MAX + (20 if path.endswith(".py") else 0):
            fault(path, number, f"{len(line)} columns (limit {LINE_MAX})")
        if re.search("FIX" + "ME|XX" + "X|HA" + "CK", line):
            fault(path, number, "leftover marker")
        if re.search("TO" + "DO", line) and not re.search(r"#\d+", line):
            fault(path, number, "a TO" "DO carries the number of its issue")
        if path.startswith(FAMILY_FREE) and FAMILIES.search(FORMAT_WORDS.sub("", line)):
            fault(path, number, "a model family is named: it belongs into archs/")
        if re.search(r"(?<![\w.])/(work|opt|home|root)/", line):
            fault(path, number, "a path of one machine")
        if line != line.rstrip():
            fault(path, number, "trailing space")
        if "\t" in line and is_code:
            fault(path, number, "tab")
    if path.endswith((".c", ".h", ".def")) and len(lines) > FILE_MAX:
        fault(path, len(lines), f"{len(lines)} lines (limit {FILE_MAX})")
    if path.endswith("README.md") and len(lines) > README_MAX.get(path, README_MAX_ELSE):
        fault(path, len(lines), f"{len(lines)} lines (limit {README_MAX.get(path, README_MAX_ELSE)})")


def check_named_files(root, path, text):
    for number, line in enumerate(text.splitlines(), 1):
        for match in NAMED_FILE.finditer(line):
            named = match.group()
            if not EXAMPLE_FILE.search(named) and not ((root / named).exists() or (root / "tests" / named).exists()):
                fault(path, number, f"there is no {named}")


def check_ops(root):
    """Every op has a summary and a reference template."""
    text = (root / "ir/ops.def").read_text(encoding="utf8")
    for match in re.finditer(r"^OP\((\w+),.*?\)$", text, re.M | re.S):
        name, line = match.group(1), text[:match.start()].count("\n") + 1
        template = root / "templates/ref" / f"{name}.c"
        if not template.is_file() or f"TL_REF_OP({name})" not in template.read_text(encoding="utf8"):
            fault("ir/ops.def", line, f"op {name} has no TL_REF_OP({name}) in templates/ref/{name}.c")
        if not re.search(r'"[^"]{3,}"\s*\)$', match.group()):
            fault("ir/ops.def", line, f"op {name} has no summary")


def run_tool(root, command, pattern, what):
    """Runs a checker over files; every line of its output that matches `pattern` (path, line) is a fault."""
    if not shutil.which(command[0]):
        print(f"skipped: {what}, {command[0]} is not installed")
        return
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    found = {(m.group(1), int(m.group(2))) for m in re.finditer(pattern, result.stderr, re.M)}
    for path, line in sorted(found):
        fault(path, line, what)
    if result.returncode != 0 and not found:
        fault(command[0], 1, result.stderr.strip()[:400])


def check_with_tools(root, names):
    sources = [name for name in names if name.endswith((".c", ".h"))]
    run_tool(root, ["clang-format-19", "--dry-run", "-Werror", *sources], r"^([^:\n]+):(\d+):\d+: error",
             "not formatted: clang-format-19 -i")
    compiler = os.environ.get("CC", "cc").split()[0]
    # Vector code is clang's alone, and declares what the generated code gives it.
    headers = [name for name in names if name.endswith(".h") and not name.startswith("templates/cpu/")]
    run_tool(root, [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-I.", "-fsyntax-only", "-x", "c", *headers],
             r"^([^:\n]+):(\d+):(?:\d+:)? (?:fatal )?error", "a header compiles alone")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True,
                            text=True, check=True).stdout.split("\n")
    names = []
    for name in listed:
        if not name.endswith((".c", ".h", ".def", ".py", ".yaml", ".md", ".txt", ".sh", ".ir")):
            continue
        if (name.startswith("tests/") and "/fixtures/" in name) or not (root / name).is_file():
            continue
        names.append(name)
        text = (root / name).read_text(encoding="utf8")
        check_text(name, text)
        if not name.startswith("tests/archs/"):  # those misspell on purpose
            check_named_files(root, name, text)
        if name.endswith((".c", ".h", ".def")):
            check_c(name, text)
    check_ops(root)
    check_with_tools(root, names)
    print("\n".join(faults))
    print(f"tidy: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
