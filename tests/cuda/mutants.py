#!/usr/bin/env python3
"""Shows what the tests of the CUDA kernels see: makes wrong kernels by rule and runs the tests on each.

    tests/cuda/mutants.py [--build build] [--jobs 2] [--only PART]

Every place that a rule fits is one mutant: a copy of templates/cuda with that one change, on which
the tests of TESTS run that use its file. A mutant that fails one is killed. Prints the rules' counts
and every survivor with its line; survivors that are known to compute the same are listed in EQUAL
with the reason. Status 1 if fewer than 95 % of the others are killed. Takes hours, of a part
minutes; not in ctest.
"""
import argparse
import collections
import concurrent.futures
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KILLED_MIN = 0.95
TIMEOUT_S = 300

# Tests of a file, by how its name begins; {} is a kernel of the file's name.
TESTS = [
    ("attention", [["cuda_attention_test", "{}"]]),
    ("latent_share", [["cuda_latent_test"], ["cuda_attention_test", "latent"], ["cuda_experts_test"]]),
    ("latent_", [["cuda_latent_test"]]),
    ("latent", [["cuda_attention_test", "{}"]]),
    ("group", [["cuda_experts_test"]]),
    ("combine", [["cuda_experts_test"]]),
    ("statements_row", [["cuda_experts_test"]]),
    ("candidates", [["cuda_candidates_test"]]),
    ("matmul_rest", [["cuda_kernels_test"]]),
    ("", [["cuda_experts_test"], ["cuda_kernels_test"]]),
]

# name, pattern, replacement: each match is a mutant. A name may stand for several.
RULES = [
    ("drop a barrier", r"tl_barrier\(\);", ";"),
    ("drop a warp's barrier", r"tl_warp_barrier\(\);", ";"),
    ("drop a cluster's barrier", r"tl_cluster_(wait|arrive|begin)\(\);", ";"),
    ("drop a wait for the launch before", r"tl_wait_for_launch\(\);", ";"),
    ("drop a fence", r"tl_(gates_made|boxes_begin|wide_begin|map_begin|copy_commit|wide_commit)\([^;]*\);", ";"),
    ("drop a gate", r"tl_gate_(pass|await|arrive|make)\(.*\);", ";"),
    ("pass a gate's other phase", r"\(tl_u32\)round\)", "(tl_u32)round + 1)"),
    ("wait for less", r"tl_(copy|wide)_wait\(([^)]*)\);", r"tl_\1_wait(\2 + 1);"),
    ("drop a guard", r"\bif \((?![^\n]*\breturn\b)", "if (1 || "),
    ("do not return early", r"\bif \((?=[^\n]*\breturn\b)", "if (0 && "),
    ("take a choice always", r"(?<=[^=!<>]= )([\w\[\] .%<&|+*-]+?) \? ", r"(1 || (\1)) ? "),
    ("swap fragments", r"w\[0\]\.([xz]), w\[1\]\.\1", r"w[1].\1, w[0].\1"),
    ("swap fragments", r"(tl_multiply_bf16\(.*, b)\)", r"\1 + 2)"),
    ("swap fragments", r"(tl_multiply_bf16\(.*, b) \+ 2\)", r"\1)"),
    ("swap sums", r"(tl_multiply_bf16\(.*\[2 \* \w)\]", r"\1 + 1]"),
    ("swap sums", r"(tl_multiply_bf16\(.*\[2 \* \w) \+ 1\]", r"\1]"),
    ("swap pairs of x", r"\{x\.(\w), x\.(\w)\}", r"{x.\2, x.\1}"),
    ("end a loop one early", r"(for \([^;\n]*; [^;\n]*?) < ", r"\1 + 1 < "),
    ("end a loop one late", r"(for \([^;\n]*; \w+) < ", r"\1 <= "),
    ("start a loop one late", r"(for \(tl_i32 \w+ = )(\w+);", r"\1\2 + 1;"),
    ("move a store to shared memory", r"(tl_shared_put_(?:f32|u32)\()(?!at, value)", r"\g<1>4 + "),
    ("move a store to shared memory", r"(tl_shared_put_u16\()", r"\g<1>2 + "),
    ("move a store to shared memory", r"(tl_shared_put_quad\()", r"\g<1>16 + "),
    ("move a store", r"(tl_store_(?!in_page|exactly|unit|four)\w+\((?!void)[^;]*?), (?=[^;]*,)", r"\1, 1 + "),
    ("move a store", r"(tl_store_four\((?!void)[^;]*?), (?=[^;]*,)", r"\1, 4 + "),
    ("turn a sign", r" \+ (?=xa|c\b|t\b|column\b|keep)", " - "),
]

# (file, part of the line, rule): why the change computes the same.
EQUAL = [
    ("latent_expand.cu", "i < ROWS; i += AT_ONCE", "end a loop one early", "i is a multiple of AT_ONCE"),
    ("latent_expand.cu", "i < WIDTH; i += AT_ONCE", "end a loop one early", "i is a multiple of AT_ONCE"),
    ("latent_expand.cu", "i < 64; i += rows", "end a loop one early", "i is a multiple of rows"),
    ("latent_expand.cu", "k < 64; k += 16", "end a loop one early", "k is a multiple of 16"),
    ("latent_expand.cu", "i < T_STAGES - 1", "end a loop one late", "a line is copied twice"),
    ("latent.cu", "byte < ROW; byte += 64", "end a loop one early", "byte is a multiple of 64"),
    ("latent.cu", "i < T_STAGES - 1", "end a loop one late", "a step is copied twice"),
    ("latent_share.cuh", "rows_count <= share.few", "do not return early", "no sequence has more rows than all"),
    ("latent_share.cuh", "first < ", "end a loop one late", "lanes past the end have no rows"),
    ("latent_many.cu", "zero_rows_tail", "drop a guard", "every head's block writes the same zeros"),
    ("latent_many.cu", "s.rows - t.first < VECTORS", "take a choice always", "looks where all is hidden"),
    ("matmul_rest.cu", "blocks == 0", "do not return early", "the rest of the line returns; all steps have rows"),
    ("attention.cu", "zero_tail(&t", "drop a guard", "every head's block writes the same zeros"),
    ("attention_many.cu", "zero_tail(&t", "drop a guard", "every head's block writes the same zeros"),
    ("attention_few.cu", "zero_tail(t", "drop a guard", "every item of a piece writes the same zeros"),
    ("attention_few.cu", "it->begun", "drop a guard", "waits earlier than it must"),
    ("attention_few.cu", "i % (T_VALUE / 4) == 0", "drop a guard", "all of a vector's threads have the same"),
    ("attention_few.cu", "piece = tl_thread() % 32", "end a loop one early", "other spans, the same sums"),
    ("attention_few.cu", "piece = tl_thread() % 32", "end a loop one late", "other spans, the same sums"),
    ("tile.cuh", "by < 32", "end a loop one early", "16 + 1 is below 32 as well"),
    ("tile.cuh", "by < 32", "end a loop one late", "no lane is 32 above another"),
    ("attention_few.cu", "first < step->work_count", "end a loop one late", "lanes past the end have no units"),
    ("attention_few.cu", "split < it->splits", "end a loop one late", "parts that are not there add nothing"),
    ("attention_few.cu", "half < 2", "end a loop one late", "there is no vector 16"),
    ("attention_few.cu", "i < T_STAGES - 1", "end a loop one late", "a step is copied twice"),
    ("attention_pass.cuh", "i < T_POSITIONS", "end a loop one early", "i is a multiple of WIDE"),
    ("attention_tiles.cuh", "k < T_KEY", "end a loop one early", "k is a multiple of 16"),
    ("attention_tiles.cuh", "position + WIDE - 1 >", "drop a guard", "looks for hidden positions where none are"),
    ("attention_tiles.cuh", "tl_any", "do not return early", "multiplies by 1"),
    ("matmul_few.cu", "if (lane == 0)", "drop a guard", "all lanes have the sum"),
    ("attention.cu", "t->count * T_VALUE; i += T_THREADS)", "end a loop one late", "written again by the same thread"),
    ("attention.cu", "mask > 0", "start a loop one late", "lanes 17, 8, 4, 2, 1 apart reach all"),
    ("tile.cuh", "mask > 0", "start a loop one late", "lanes 17, 8, 4, 2, 1 apart reach all"),
    ("matmul_few.cu", "first < STEPS", "end a loop one late", "past the end nothing is loaded"),
    ("statements_row.cuh", "if (i1 > 1)", "drop a guard", "of one group it is the kept"),
    ("statements_row.cuh", "k.x[j] = c < count", "take a choice always", "without a key it is not taken"),
    ("statements_row.cuh", "j < TL_KEYS; j++) {", "end a loop one late", "no best column is behind the last"),
    ("statements_row.cuh", "taken < best;)", "end a loop one late", "goes on and adds nothing"),
    ("statements_row.cuh", "mask > 0", "start a loop one late", "lanes 17, 8, 4, 2, 1 apart reach all"),
    ("statements_row.cuh", "tl_warp_barrier();", "drop a warp's barrier", "the sums were exchanged in between"),
    ("latent.cu", "position + WIDE - 1 >", "drop a guard", "looks for hidden positions where none are"),
    ("latent.cu", "if (column == 0)", "drop a guard", "all lanes of a vector have the same"),
    ("latent.cu", "zero_tail", "drop a guard", "every item of a piece writes the same zeros"),
    ("latent.cu", "tl_barrier(); // the steps", "drop a barrier", "the one before the next item is enough"),
    ("latent.cu", "tl_barrier(); // before", "drop a barrier", "the one after the steps is enough"),
    ("group.cu", "pair < r->end", "end a loop one late", "pairs past the end have no expert"),
    ("group.cu", "tl_i32 e = tl_thread()", "end a loop one late", "what follows the rows is the first place, 0"),
    ("group.cu", "put(i, 0)", "end a loop one late", "what follows the counts is written later"),
    ("candidates.cu", "tl_thread() > 0) return 0", "do not return early", "the others' sums are not looked at"),
    ("candidates.cu", "by < 32", "end a loop one early", "16 + 1 is below 32 as well"),
    ("candidates.cu", "by < 32", "end a loop one late", "no lane is 32 above another"),
    ("candidates.cu", "warp < WARPS - 1", "end a loop one late", "no warp is above the last"),
    ("candidates.cu", "i < T_EACH; i += 4", "end a loop one early", "i is a multiple of 4"),
    ("combine.cu", "done < T_CHOSEN", "end a loop one late", "no expert is past the last"),
    ("statements.cuh", "half < 64", "end a loop one early", "32 + 1 is below 64 as well"),
    ("statements.cuh", "if (tl_thread() % 32 == 0)", "drop a guard", "all lanes have the sum"),
]


def mutants(part):
    for path in sorted((ROOT / "templates" / "cuda").glob("*.cu*")):
        if path.name == "dialect.cuh":  # the stand-in replaces it
            continue
        text = path.read_text()
        code = re.sub(r"//[^\n]*|#[^\n]*(\\\n[^\n]*)*", lambda m: re.sub(r"[^\n]", " ", m.group()), text)
        for rule, pattern, replacement in RULES:
            for match in re.finditer(pattern, code):
                changed = text[:match.start()] + match.expand(replacement) + text[match.end():]
                line = text.count("\n", 0, match.start()) + 1
                if part in f"{path.name} {rule}":
                    yield path, rule, line, changed


def commands_for(tests, root, path):
    for begin, commands in TESTS:
        if path.name.startswith(begin):
            break
    for name, *own in commands:
        yield [tests / name, root, "cc", *([path.stem] if own and path.suffix == ".cu" else [])]


def is_killed(tests, path, changed):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for part in ("templates/cuda", "runtime/base", "tests/lib/cuda"):
            shutil.copytree(ROOT / part, root / part)
        (root / path.relative_to(ROOT)).write_text(changed)
        try:
            return any(subprocess.run(command, cwd=root, capture_output=True, timeout=TIMEOUT_S).returncode
                       for command in commands_for(tests, root, path))
        except subprocess.TimeoutExpired:
            return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build", type=Path)
    parser.add_argument("--jobs", default=2, type=int)
    parser.add_argument("--only", default="", help="part of a file's name and a rule")
    options = parser.parse_args()
    tests = (options.build / "tests").resolve()
    work = list(mutants(options.only))
    for command in {tuple(command) for path, *_ in work for command in commands_for(tests, ROOT, path)}:
        if subprocess.run(command, capture_output=True, cwd=tests).returncode != 0:
            sys.exit(f"{command[0]}: fails without a mutant; build it first")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        killed = list(pool.map(lambda m: is_killed(tests, m[0], m[3]), work))
    counts, survivors, equal = collections.Counter(), [], 0
    for (path, rule, line, _), dead in zip(work, killed):
        counts[rule, dead] += 1
        if dead:
            continue
        source = path.read_text().splitlines()[line - 1].strip()
        reasons = [why for name, part, of, why in EQUAL if (name, of) == (path.name, rule) and part in source]
        reason = reasons[0] if reasons else None
        equal += reason is not None
        survivors.append(f"{path.name}:{line}: {rule}: {source}" + (f"   ({reason})" if reason else ""))
    for rule in dict.fromkeys(name for name, *_ in RULES):
        print(f"{counts[rule, True]:4} of {counts[rule, True] + counts[rule, False]:4} killed: {rule}")
    print(*survivors, sep="\n")
    share = sum(killed) / max(1, len(work) - equal)
    print(f"{sum(killed)} of {len(work)} killed, {equal} compute the same: {100 * share:.1f} %")
    return share < KILLED_MIN


if __name__ == "__main__":
    sys.exit(main())
